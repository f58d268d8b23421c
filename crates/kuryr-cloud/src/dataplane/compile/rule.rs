//! The steps between a policy and the kernel's registers: typed matches on frames.

use crate::dataplane::quality::Limit;
use ipnet::{Ipv4Net, Ipv6Net};
use kuryr_neutron::MacAddr;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::RangeInclusive,
};

/// Bit of the mark: the packet came by an interface we know.
pub const MARK_OURS: u32 = 1 << 16;
/// Bit of the mark: the packet belongs to a connection that was allowed.
pub const MARK_ESTABLISHED: u32 = 1 << 17;
/// Bit of the mark: the packet belongs to no connection and cannot begin one.
pub const MARK_INVALID: u32 = 1 << 18;
/// Bits of the mark that are the connection-tracking zone.
pub const MARK_ZONE: u32 = 0xffff;

/// What is on a frame, by its ethertype.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EtherType {
    /// IPv4.
    Ipv4 = 0x0800,
    /// ARP.
    Arp = 0x0806,
    /// IPv6.
    Ipv6 = 0x86dd,
    /// A VLAN tag (802.1Q).
    Vlan = 0x8100,
}

/// Looks at one thing of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// The frame's ethertype is this. Frames with a VLAN tag have another.
    EtherType(EtherType),
    /// Source Ethernet address.
    SourceMac(MacAddr),
    /// Sender's Ethernet address of an ARP message.
    ArpSenderMac(MacAddr),
    /// Sender's IP address of an ARP message.
    ArpSender(Ipv4Net),
    /// Target of a neighbour advertisement.
    NeighbourTarget(Ipv6Net),
    /// Source IPv4 address.
    Source4(Ipv4Net),
    /// Destination IPv4 address.
    Destination4(Ipv4Net),
    /// Source IPv6 address.
    Source6(Ipv6Net),
    /// Destination IPv6 address.
    Destination6(Ipv6Net),
    /// Source address (of the set's IP version) is in the set.
    SourceIn(AddressSet),
    /// Destination address (of the set's IP version) is in the set.
    DestinationIn(AddressSet),
    /// Protocol above IP.
    Protocol(u8),
    /// Source port of TCP and its kin.
    SourcePort(u16),
    /// Destination port of TCP and its kin.
    DestinationPort(RangeInclusive<u16>),
    /// First octet above IP: type of ICMP.
    IcmpType(u8),
    /// Second octet above IP: code of ICMP.
    IcmpCode(u8),
    /// This bit of the mark is set.
    Mark(u32),
    /// It comes faster than this. What is looked at counts.
    Faster(Limit),
}

/// A named set of addresses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressSet {
    /// Its name.
    pub name: String,
    /// IPv6 instead of IPv4.
    pub v6: bool,
    /// Has ranges instead of single addresses.
    pub ranges: bool,
}

/// What happens to a frame that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The mark becomes this, and the next rule is looked at.
    SetMark(u32),
    /// Its code point becomes this, and the next rule is looked at. The ethertype must be known to be this one.
    SetDscp(EtherType, u8),
    /// All on its bridge get it, the bridge too, whomever it was for, and the next rule is looked at.
    SendToAll,
    /// This base chain lets it pass.
    Accept,
    /// Away with it.
    Drop,
    /// Evaluate another chain and come back if it decides nothing.
    Jump(String),
    /// Back to where the jump was.
    Return,
}

/// All matches together lead to the action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterRule {
    /// All must be true.
    pub matches: Vec<Match>,
    /// What then.
    pub action: Action,
    /// For people who read `nft list ruleset`.
    pub comment: String,
    /// The kernel counts what matches: what is dropped, and what begins because a group's rule allows it. What goes on
    /// after that is not looked at again, so counting costs a connection once.
    pub counted: bool,
}

impl FilterRule {
    /// A rule; counted if it drops.
    pub fn new(matches: impl Into<Vec<Match>>, action: Action) -> Self {
        let counted = action == Action::Drop;
        Self { matches: matches.into(), action, comment: String::new(), counted }
    }

    /// The same, counted.
    pub fn counted(self) -> Self {
        Self { counted: true, ..self }
    }

    /// With a comment.
    pub fn because(mut self, comment: impl Into<String>) -> Self {
        self.comment = comment.into();
        self
    }
}

/// The places where an interface's policy is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// On arrival at the bridge, before anything is learnt from the frame: is the sender who it says it is?
    Source,
    /// After connection tracking: may the sender send this?
    Egress,
    /// Before it leaves the bridge: may the receiver get this?
    Ingress,
    /// After [`Stage::Egress`]: is it too fast for the sender's QoS policy, and which mark does it get?
    EgressQuality,
    /// After [`Stage::Ingress`]: is it too fast for the receiver's QoS policy?
    IngressQuality,
}

impl Stage {
    /// Name of its base chain and of its verdict map.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Egress => "egress",
            Self::Ingress => "ingress",
            Self::EgressQuality => "egress-qos",
            Self::IngressQuality => "ingress-qos",
        }
    }
}

/// Part of the ruleset that comes and goes as one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fragment {
    /// Chains by name.
    pub chains: BTreeMap<String, Vec<FilterRule>>,
    /// What happens at a stage to frames of an interface; those that the first three do not name are dropped.
    pub interfaces: BTreeMap<(Stage, String), Action>,
    /// Sets of single addresses or of ranges from first to last.
    pub addresses: BTreeMap<AddressSet, BTreeSet<(IpAddr, IpAddr)>>,
}

impl Fragment {
    /// Takes another fragment in.
    pub fn merge(&mut self, other: Self) {
        self.chains.extend(other.chains);
        self.interfaces.extend(other.interfaces);
        self.addresses.extend(other.addresses);
    }
}
