//! What a link to make or to change shall be like.

use std::os::fd::BorrowedFd;

/// A bridge to make.
#[derive(Debug, Clone, Copy, Default)]
pub struct BridgeSpec<'a> {
    /// Name, 1 to 15 bytes.
    pub name: &'a str,
    /// MTU in bytes.
    pub mtu: u32,
    /// Ethernet address; absent: the kernel takes one, and changes it with the bridge's ports.
    pub mac: Option<[u8; 6]>,
    /// Bridged IPv4 packets pass through netfilter's inet hooks.
    pub nf_call_iptables: bool,
    /// Bridged IPv6 packets do.
    pub nf_call_ip6tables: bool,
    /// Text for operators.
    pub alias: Option<&'a str>,
}

/// A pair of veth links to make. The first end is in the socket's namespace.
#[derive(Debug, Clone, Copy, Default)]
pub struct VethSpec<'a> {
    /// Name of the first end, 1 to 15 bytes.
    pub name: &'a str,
    /// MTU of the first end in bytes.
    pub mtu: u32,
    /// Ethernet address of the first end; absent: random.
    pub mac: Option<[u8; 6]>,
    /// Index of the bridge of the first end.
    pub controller: Option<u32>,
    /// Set the first end up.
    pub up: bool,
    /// Text for operators, on the first end.
    pub alias: Option<&'a str>,
    /// The other end.
    pub peer: PeerSpec<'a>,
}

/// The other end of a veth pair. It is down when it is born: the kernel refuses otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct PeerSpec<'a> {
    /// Name, 1 to 15 bytes.
    pub name: &'a str,
    /// MTU in bytes.
    pub mtu: u32,
    /// Ethernet address; absent: random.
    pub mac: Option<[u8; 6]>,
    /// Where it is born; absent: beside the first end.
    pub namespace: Option<BorrowedFd<'a>>,
}

/// A link on top of another one, its parent, to make.
#[derive(Debug, Clone, Copy)]
pub struct StackedSpec<'a> {
    /// Name, 1 to 15 bytes.
    pub name: &'a str,
    /// Index of the parent.
    pub parent: u32,
    /// What it makes of the parent.
    pub kind: Stacked,
    /// MTU in bytes, at most the parent's; absent: the parent's.
    pub mtu: Option<u32>,
    /// Ethernet address; absent: random, or the parent's where it must be that.
    pub mac: Option<[u8; 6]>,
}

/// How a link shares its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stacked {
    /// `macvlan` in mode `bridge`: an Ethernet address of its own; the links of a parent reach each other.
    Macvlan,
    /// `ipvlan` in mode `l2`: the parent's Ethernet address.
    Ipvlan,
    /// `vlan` (802.1Q) with this id, 1 to 4094.
    Vlan(u16),
}

/// Settings of a virtual function, made on its physical function. What is absent stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FunctionChange {
    /// Its number, from 0.
    pub function: u32,
    /// Ethernet address.
    pub mac: Option<[u8; 6]>,
    /// VLAN whose tag the hardware adds and takes; 0: none.
    pub vlan: Option<u16>,
}

/// Changes of a link; what is absent stays as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinkChange<'a> {
    /// Set up or down.
    pub up: Option<bool>,
    /// MTU in bytes.
    pub mtu: Option<u32>,
    /// Ethernet address.
    pub mac: Option<[u8; 6]>,
    /// Index of the bridge; `Some(None)` takes it out of its bridge.
    pub controller: Option<Option<u32>>,
    /// New name; the link must be down on old kernels.
    pub name: Option<&'a str>,
    /// Move to this namespace. Costs about 20 ms.
    pub namespace: Option<BorrowedFd<'a>>,
    /// Text for operators.
    pub alias: Option<&'a str>,
    /// As a bridge's port: sends to no other isolated port.
    pub isolated: Option<bool>,
    /// As a bridge's port: frames may leave by the port they came in.
    pub hairpin: Option<bool>,
    /// As a bridge's port: learns Ethernet addresses.
    pub learning: Option<bool>,
}
