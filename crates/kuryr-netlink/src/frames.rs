//! Frames in and out by interfaces of a namespace, past its IP.

use crate::{
    error::{During, Error},
    namespace::Namespace,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};
use tokio::io::{Interest, unix::AsyncFd};

/// Opens a socket that sends frames and hears none.
pub(crate) fn open_mute(namespace: &Namespace) -> Result<OwnedFd, Error> {
    let socket = namespace.run(|| {
        // Of no protocol: nothing that passes is copied to it.
        rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None)
    })?;
    socket.during("open packet socket", "")
}

/// Sends a frame out of an interface, past what a bridge or its rules would do with it.
pub(crate) fn send(socket: &OwnedFd, interface: u32, frame: &[u8]) -> Result<(), Error> {
    let to = address(0, interface);
    // SAFETY: both pointers are to living values of the given lengths, and the kernel only reads them.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            libc::MSG_DONTWAIT,
            std::ptr::from_ref(&to).cast(),
            ADDRESS_LENGTH,
        )
    };
    let sent = if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    sent.during("send frame by interface", &interface.to_string())
}

const ADDRESS_LENGTH: libc::socklen_t = size_of::<libc::sockaddr_ll>() as libc::socklen_t;

fn address(protocol: u16, interface: u32) -> libc::sockaddr_ll {
    // SAFETY: all bytes zero is a value of this plain structure.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = AddressFamily::PACKET.as_raw();
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = interface.cast_signed();
    address
}

/// Hears messages that interfaces of a namespace take for themselves, as a bridge does with what is for all on it; whoever is
/// asked, for it knows no addresses. What only passes a bridge it does not hear, and so costs nothing.
#[derive(Debug)]
pub struct Datagrams {
    socket: AsyncFd<OwnedFd>,
}

impl Datagrams {
    /// Starts to hear UDP over IPv4 to a port; must be called within a tokio runtime.
    ///
    /// # Errors
    /// Without CAP_NET_RAW.
    pub fn open4_in(namespace: &Namespace, port: u16) -> Result<Self, Error> {
        Self::open(namespace, libc::ETH_P_IP, &to_port4(port))
    }

    /// Starts to hear UDP over IPv6 to a port, and ICMPv6 of a type; must be called within a tokio runtime.
    ///
    /// # Errors
    /// Without CAP_NET_RAW.
    pub fn open6_in(namespace: &Namespace, port: u16, kind: u8) -> Result<Self, Error> {
        Self::open(namespace, libc::ETH_P_IPV6, &to_port6(port, kind))
    }

    fn open(namespace: &Namespace, protocol: libc::c_int, filter: &[libc::sock_filter]) -> Result<Self, Error> {
        let socket = open_mute(namespace)?;
        attach(&socket, filter).during("filter packet socket", "")?;
        // Of all interfaces of the namespace, and from now on: the filter is there.
        let everywhere = address(protocol as u16, 0);
        // SAFETY: the pointer is to a living value of the given length, and the kernel only reads it.
        let bound = unsafe { libc::bind(socket.as_raw_fd(), std::ptr::from_ref(&everywhere).cast(), ADDRESS_LENGTH) };
        let bound = if bound < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
        bound.during("bind packet socket", "")?;
        // SAFETY: an `OwnedFd` always returns the same descriptor, and closes it when it is dropped, which `AsyncFd` does
        // after it has deregistered it.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
        let socket = socket.map_err(io::Error::from).during("hear frames", "")?;
        Ok(Self { socket })
    }

    /// Waits for the next one: the index of the interface that took it, and how many bytes of the buffer its whole frame
    /// fills; what has no room is cut off. Safe to cancel.
    pub async fn next(&self, buffer: &mut [u8]) -> Result<(u32, usize), Error> {
        loop {
            let mut ready = self.socket.readable().await.during("hear frames", "")?;
            match ready.try_io(|socket| receive(socket.get_ref(), buffer)) {
                Ok(received) => return received.during("hear frames", ""),
                Err(_would_block) => {}
            }
        }
    }

    /// Sends a frame out of an interface, past what a bridge or its rules would do with it.
    pub fn send(&self, interface: u32, frame: &[u8]) -> Result<(), Error> {
        send(self.socket.get_ref(), interface, frame)
    }
}

fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<(u32, usize)> {
    let mut from = address(0, 0);
    let mut length = ADDRESS_LENGTH;
    // SAFETY: the kernel writes no more than the given lengths into living values.
    let received = unsafe {
        libc::recvfrom(
            socket.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            libc::MSG_DONTWAIT,
            std::ptr::from_mut(&mut from).cast(),
            &raw mut length,
        )
    };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    Ok((from.sll_ifindex.cast_unsigned(), received))
}

const VLAN_TAG_PRESENT: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_VLAN_TAG_PRESENT).cast_unsigned();
const UDP: u32 = 17;
const ICMPV6: u32 = 58;
const FRAGMENT_OFFSET: u32 = 0x1fff;
const ALL: u32 = 0xffff;

fn step(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

/// A program of the kernel's packet filter (`linux/filter.h`) on a whole frame: unfragmented UDP over IPv4 to a port, without
/// a VLAN tag, which the kernel takes off before a filter could see it.
fn to_port4(port: u16) -> Vec<libc::sock_filter> {
    use libc::{BPF_ABS, BPF_B, BPF_H, BPF_IND, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_LDX, BPF_MSH, BPF_RET};
    vec![
        step(BPF_LD | BPF_B | BPF_ABS, VLAN_TAG_PRESENT, 0, 0),
        step(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 8),
        step(BPF_LD | BPF_B | BPF_ABS, 23, 0, 0),
        step(BPF_JMP | BPF_JEQ | BPF_K, UDP, 0, 6),
        step(BPF_LD | BPF_H | BPF_ABS, 20, 0, 0),
        step(BPF_JMP | BPF_JSET | BPF_K, FRAGMENT_OFFSET, 4, 0),
        step(BPF_LDX | BPF_B | BPF_MSH, 14, 0, 0),
        step(BPF_LD | BPF_H | BPF_IND, 16, 0, 0),
        step(BPF_JMP | BPF_JEQ | BPF_K, port.into(), 0, 1),
        step(BPF_RET | BPF_K, ALL, 0, 0),
        step(BPF_RET | BPF_K, 0, 0, 0),
    ]
}

/// The same for UDP over IPv6 to a port, and ICMPv6 of a type, right behind the header: hosts have no reason to put anything
/// between.
fn to_port6(port: u16, kind: u8) -> Vec<libc::sock_filter> {
    use libc::{BPF_ABS, BPF_B, BPF_H, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET};
    vec![
        step(BPF_LD | BPF_B | BPF_ABS, VLAN_TAG_PRESENT, 0, 0),
        step(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 8),
        step(BPF_LD | BPF_B | BPF_ABS, 20, 0, 0),
        step(BPF_JMP | BPF_JEQ | BPF_K, UDP, 0, 2),
        step(BPF_LD | BPF_H | BPF_ABS, 56, 0, 0),
        step(BPF_JMP | BPF_JEQ | BPF_K, port.into(), 3, 4),
        step(BPF_JMP | BPF_JEQ | BPF_K, ICMPV6, 0, 3),
        step(BPF_LD | BPF_B | BPF_ABS, 54, 0, 0),
        step(BPF_JMP | BPF_JEQ | BPF_K, kind.into(), 0, 1),
        step(BPF_RET | BPF_K, ALL, 0, 0),
        step(BPF_RET | BPF_K, 0, 0, 0),
    ]
}

fn attach(socket: &OwnedFd, program: &[libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel reads the program, which lives until the call returns, and writes nothing.
    let attached = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            std::ptr::from_ref(&program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if attached < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BridgeSpec, LinkChange, Links, PeerSpec, VethSpec};
    use std::{
        net::{Ipv4Addr, UdpSocket},
        os::fd::AsFd,
        time::Duration,
    };

    /// A namespace with a bridge, and another on a port of it.
    fn wire() -> (Namespace, Namespace, u32, u32) {
        let (home, away) = (Namespace::anonymous().unwrap(), Namespace::anonymous().unwrap());
        let mut links = Links::open_in(&home).unwrap();
        links.create_bridge(&BridgeSpec { name: "br0", mtu: 1500, ..BridgeSpec::default() }).unwrap();
        let bridge = links.get("br0").unwrap().unwrap().index;
        let peer = PeerSpec { name: "eth0", mtu: 1500, namespace: Some(away.as_fd()), ..PeerSpec::default() };
        let veth = VethSpec { name: "tap", mtu: 1500, controller: Some(bridge), up: true, peer, ..VethSpec::default() };
        links.create_veth(&veth).unwrap();
        let tap = links.get("tap").unwrap().unwrap().index;
        let mut inside = Links::open_in(&away).unwrap();
        let eth0 = inside.get("eth0").unwrap().unwrap().index;
        inside.set(eth0, &LinkChange { up: Some(true), ..LinkChange::default() }).unwrap();
        inside.add_address(eth0, "10.0.0.1/24".parse().unwrap()).unwrap();
        (home, away, bridge, tap)
    }

    #[tokio::test]
    async fn datagrams_to_all_and_to_the_port_are_heard_and_answered_where_they_came_from() {
        let (home, away, bridge, tap) = wire();
        let datagrams = Datagrams::open4_in(&home, 67).unwrap();
        let socket = away.run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 68))).unwrap().unwrap();
        socket.set_broadcast(true).unwrap();
        let all = Ipv4Addr::new(10, 0, 0, 255);
        let mut buffer = [0; 2048];
        let heard = async {
            loop {
                // A port of a bridge forwards only some time after it came up.
                for (to, message) in [(66, "another port"), (67, "this port")] {
                    socket.send_to(message.as_bytes(), (all, to)).unwrap();
                }
                let next = datagrams.next(&mut buffer);
                if let Ok(heard) = tokio::time::timeout(Duration::from_millis(200), next).await {
                    break heard.unwrap();
                }
            }
        };
        let (interface, length) = tokio::time::timeout(Duration::from_secs(60), heard).await.expect("a frame");
        assert_eq!(interface, bridge);
        assert_eq!(&buffer[..length][42..], b"this port");

        // The same frame comes back by the port of the bridge, as if it were an answer.
        let mut frame = buffer[..length].to_vec();
        let (to, from) = (frame[26..30].to_vec(), [10, 0, 0, 9]);
        frame[..6].copy_from_slice(&[0xff; 6]);
        frame[26..30].copy_from_slice(&from);
        frame[30..34].copy_from_slice(&to);
        frame[36..38].copy_from_slice(&68_u16.to_be_bytes());
        // No checksum of UDP, and IP's anew.
        frame[40..42].copy_from_slice(&[0, 0]);
        frame[24..26].copy_from_slice(&[0, 0]);
        let sum = frame[14..34].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum::<u32>();
        let sum = !(((sum & 0xffff) + (sum >> 16)) as u16);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
        datagrams.send(tap, &frame).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut answer = [0; 64];
        let (length, from) = socket.recv_from(&mut answer).unwrap();
        assert_eq!((&answer[..length], from.ip().to_string()), (&b"this port"[..], "10.0.0.9".to_owned()));
    }
}
