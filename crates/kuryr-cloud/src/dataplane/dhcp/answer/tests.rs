//! What clients of every state are answered, and what nobody is.

use super::*;
use dhcproto::{Decodable, v4::DhcpOptions};
use ipnet::Ipv4Net;
use proptest::prelude::*;

const MAC: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 1, 2, 3]);
const SERVERS: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

fn lease() -> Lease {
    Lease {
        address: Ipv4Net::new(ADDRESS, 24).unwrap(),
        server: GATEWAY,
        router: Some(GATEWAY),
        resolvers: Vec::new(),
        routes: Vec::new(),
        mtu: 1442,
    }
}

/// A client's message in its frame.
fn ask(kind: MessageType, has: Ipv4Addr, options: &[DhcpOption], change: impl Fn(&mut Message)) -> Vec<u8> {
    let mut message = Message::new_with_id(7, has, NONE, NONE, NONE, &MAC.0);
    message.opts_mut().insert(DhcpOption::MessageType(kind));
    for option in options {
        message.opts_mut().insert(option.clone());
    }
    change(&mut message);
    let content = message.to_vec().unwrap();
    let macs = (MAC, MacAddr([0xff; 6]));
    Datagram { macs, addresses: (has, Ipv4Addr::BROADCAST), ports: (68, 67), content: &content }.write().unwrap()
}

/// An answer: to whom, its `yiaddr`, and its options.
fn answer(frame: &[u8], lease: &Lease) -> Option<(MacAddr, Ipv4Addr, Message)> {
    let frame = Request::read(frame)?.answer(lease, SERVERS)?;
    let datagram = Datagram::read(&frame).unwrap();
    assert_eq!((datagram.macs.0, datagram.addresses.0, datagram.ports), (SERVERS, lease.server, (67, 68)));
    assert!(datagram.content.len() >= 300);
    let message = Message::from_bytes(datagram.content).unwrap();
    assert_eq!((message.opcode(), message.xid(), message.chaddr()), (Opcode::BootReply, 7, MAC.0.as_slice()));
    assert_eq!(message.opts().get(OptionCode::ServerIdentifier), Some(&DhcpOption::ServerIdentifier(lease.server)));
    Some((datagram.macs.1, datagram.addresses.1, message))
}

fn codes(options: &DhcpOptions) -> Vec<u8> {
    options.iter().map(|(code, _)| (*code).into()).collect()
}

#[test]
fn a_client_gets_its_address_and_only_what_its_subnet_has() {
    let plain = lease();
    let discover = ask(MessageType::Discover, NONE, &[], |_| {});
    let (mac, ip, offer) = answer(&discover, &plain).unwrap();
    assert_eq!((mac, ip, offer.yiaddr()), (MAC, ADDRESS, ADDRESS));
    assert_eq!(offer.opts().msg_type(), Some(MessageType::Offer));
    assert_eq!(codes(offer.opts()), [1, 3, 26, 51, 53, 54]);

    let to: Ipv4Net = "192.0.2.0/24".parse().unwrap();
    let routes = vec![(to, Ipv4Addr::new(10, 0, 0, 7)), (Ipv4Net::default(), GATEWAY)];
    let resolvers = vec![Ipv4Addr::new(9, 9, 9, 9)];
    let rich = Lease { resolvers: resolvers.clone(), routes: routes.clone(), ..lease() };
    let chosen = [
        DhcpOption::ServerIdentifier(GATEWAY),
        DhcpOption::RequestedIpAddress(ADDRESS),
        DhcpOption::ClientIdentifier(vec![1, 2, 3]),
    ];
    let request = ask(MessageType::Request, NONE, &chosen, |message| {
        message.set_flags(Flags::default().set_broadcast());
    });
    let (mac, ip, ack) = answer(&request, &rich).unwrap();
    assert_eq!(
        (mac, ip, ack.yiaddr()),
        (MacAddr([0xff; 6]), Ipv4Addr::BROADCAST, ADDRESS),
        "the client hears no other"
    );
    assert_eq!(codes(ack.opts()), [1, 3, 6, 26, 51, 53, 54, 61, 121]);
    for wanted in [
        DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)),
        DhcpOption::Router(vec![GATEWAY]),
        DhcpOption::DomainNameServer(resolvers),
        DhcpOption::InterfaceMtu(1442),
        DhcpOption::AddressLeaseTime(LEASE),
        DhcpOption::MessageType(MessageType::Ack),
        DhcpOption::ClientIdentifier(vec![1, 2, 3]),
        DhcpOption::ClasslessStaticRoute(routes),
    ] {
        assert_eq!(ack.opts().get(OptionCode::from(&wanted)), Some(&wanted));
    }

    let lonely = Lease { router: None, ..lease() };
    assert_eq!(codes(answer(&discover, &lonely).unwrap().2.opts()), [1, 26, 51, 53, 54]);
}

#[test]
fn a_wrong_address_is_refused_in_every_state_of_a_client() {
    let wrong = Ipv4Addr::new(10, 0, 0, 99);
    let server = DhcpOption::ServerIdentifier(GATEWAY);
    for (has, options, kind, to) in [
        // Selecting, rebooting, prolonging.
        (NONE, vec![server.clone(), DhcpOption::RequestedIpAddress(ADDRESS)], MessageType::Ack, ADDRESS),
        (NONE, vec![server, DhcpOption::RequestedIpAddress(wrong)], MessageType::Nak, Ipv4Addr::BROADCAST),
        (NONE, vec![DhcpOption::RequestedIpAddress(ADDRESS)], MessageType::Ack, ADDRESS),
        (NONE, vec![DhcpOption::RequestedIpAddress(wrong)], MessageType::Nak, Ipv4Addr::BROADCAST),
        (ADDRESS, vec![], MessageType::Ack, ADDRESS),
        (wrong, vec![], MessageType::Nak, Ipv4Addr::BROADCAST),
    ] {
        let (_, ip, reply) = answer(&ask(MessageType::Request, has, &options, |_| {}), &lease()).unwrap();
        assert_eq!((reply.opts().msg_type(), ip), (Some(kind), to), "{has} {options:?}");
        if kind == MessageType::Nak {
            assert_eq!((reply.yiaddr(), reply.ciaddr(), codes(reply.opts())), (NONE, NONE, vec![53, 54]));
        } else {
            assert_eq!((reply.yiaddr(), reply.ciaddr()), (ADDRESS, has));
        }
    }
}

#[test]
fn who_has_an_address_already_is_told_the_rest() {
    let (_, ip, ack) = answer(&ask(MessageType::Inform, ADDRESS, &[], |_| {}), &lease()).unwrap();
    assert_eq!((ip, ack.ciaddr(), ack.yiaddr()), (ADDRESS, ADDRESS, NONE));
    assert_eq!(codes(ack.opts()), [1, 3, 26, 53, 54], "no lease");
}

#[test]
fn what_is_not_for_this_server_or_wants_no_answer_gets_none() {
    let silent = |frame: &[u8]| assert_eq!(answer(frame, &lease()), None);
    let other = [DhcpOption::ServerIdentifier(ADDRESS), DhcpOption::RequestedIpAddress(ADDRESS)];
    silent(&ask(MessageType::Request, NONE, &other, |_| {}));
    silent(&ask(MessageType::Request, NONE, &[], |_| {}));
    silent(&ask(MessageType::Inform, NONE, &[], |_| {}));
    for kind in [MessageType::Release, MessageType::Decline, MessageType::Offer, MessageType::Ack, MessageType::Nak] {
        silent(&ask(kind, ADDRESS, &[], |_| {}));
    }
    silent(&ask(MessageType::Discover, NONE, &[], |message| {
        message.set_opcode(Opcode::BootReply);
    }));
    silent(&ask(MessageType::Discover, NONE, &[], |message| {
        message.set_giaddr(GATEWAY);
    }));
    silent(&ask(MessageType::Discover, NONE, &[], |message| {
        message.set_htype(HType::Unknown(6));
    }));
    silent(&ask(MessageType::Discover, NONE, &[], |message| {
        message.set_chaddr(&SERVERS.0);
    }));
    silent(&ask(MessageType::Discover, NONE, &[], |message| message.opts_mut().clear()));
    let decline = ask(MessageType::Decline, NONE, &[DhcpOption::RequestedIpAddress(ADDRESS)], |_| {});
    assert!(Request::read(&decline).unwrap().declines());
}

proptest! {
    /// Whatever is changed in a message, an answer is one to its sender.
    #[test]
    fn no_message_stops_the_server(
        kind in any::<u8>(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..8),
        more in proptest::collection::vec(any::<u8>(), 0..300),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut message = Message::new_with_id(7, NONE, NONE, NONE, NONE, &MAC.0);
        message.opts_mut().insert(DhcpOption::MessageType(kind.into()));
        message.opts_mut().insert(DhcpOption::ClientIdentifier(vec![1; 7]));
        let mut content = message.to_vec().unwrap();
        content.pop();
        content.extend(more);
        for (index, byte) in changes {
            let at = index.index(content.len());
            content[at] = byte;
        }
        content.truncate(cut.index(content.len() * 4));
        let addresses = (NONE, Ipv4Addr::BROADCAST);
        let frame = Datagram { macs: (MAC, MacAddr([0xff; 6])), addresses, ports: (68, 67), content: &content };
        if let Some(request) = Request::read(&frame.write().unwrap()) {
            prop_assert_eq!(request.mac, MAC);
            let answer = request.answer(&lease(), SERVERS);
            prop_assert!(answer.is_none_or(|frame| Datagram::read(&frame).is_some()));
        }
    }
}
