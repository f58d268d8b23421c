//! What clients of DHCPv6 are answered.

use super::*;
use dhcproto::Decodable;
use kuryr_neutron::NetworkId;
use proptest::prelude::*;
use uuid::Uuid;

const MAC: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 1, 2, 3]);
const SERVERS: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

fn address(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last)
}

fn lease() -> Lease6 {
    Lease6 { network: NetworkId(Uuid::from_u128(7)), addresses: vec![address(9)], resolvers: Vec::new() }
}

fn own() -> Vec<u8> {
    [&[0, 4][..], lease().network.0.as_bytes()].concat()
}

fn frame(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + content.len()).unwrap();
    let mut above = [CLIENT, SERVER, length, 0].map(u16::to_be_bytes).concat();
    above.extend(content);
    let addresses = (link_local(MAC), "ff02::1:2".parse().unwrap());
    let macs = (MAC, MacAddr([0x33, 0x33, 0, 1, 0, 2]));
    Packet { macs, addresses, protocol: UDP, above: &above }.write().unwrap()
}

/// What a client's message is answered.
fn answer(kind: MessageType, options: Vec<DhcpOption>, lease: &Lease6) -> Option<Message> {
    let mut message = Message::new_with_id(kind, [1, 2, 3]);
    message.set_opts(options.into_iter().collect());
    let answer = Request6::read(&frame(&message.to_vec().unwrap()))?.answer(lease, SERVERS)?;
    let packet = Packet::read(&answer).unwrap();
    assert_eq!((packet.macs, packet.addresses), ((SERVERS, MAC), (link_local(SERVERS), link_local(MAC))));
    assert_eq!(packet.above[..4], [SERVER, CLIENT].map(u16::to_be_bytes).concat());
    let message = Message::from_bytes(&packet.above[8..]).unwrap();
    assert_eq!(message.xid(), [1, 2, 3]);
    assert_eq!(message.opts().get(OptionCode::ServerId), Some(&DhcpOption::ServerId(own())));
    Some(message)
}

fn client() -> DhcpOption {
    DhcpOption::ClientId(vec![9; 10])
}

fn interface(id: u32, has: &[Ipv6Addr]) -> DhcpOption {
    DhcpOption::IANA(IANA { id, t1: 0, t2: 0, opts: has.iter().map(|address| lasts(*address, 1)).collect() })
}

fn bound(id: u32, opts: Vec<DhcpOption>) -> DhcpOption {
    DhcpOption::IANA(IANA { id, t1: RENEW, t2: REBIND, opts: opts.into_iter().collect() })
}

#[test]
fn a_client_gets_its_addresses_and_keeps_them() {
    let server = || DhcpOption::ServerId(own());
    for (kind, options, reply) in [
        (MessageType::Solicit, vec![client(), interface(5, &[])], MessageType::Advertise),
        (MessageType::Request, vec![client(), server(), interface(5, &[address(9)])], MessageType::Reply),
        (MessageType::Renew, vec![client(), server(), interface(5, &[address(9)])], MessageType::Reply),
        (MessageType::Rebind, vec![client(), interface(5, &[address(9)])], MessageType::Reply),
    ] {
        let answer = answer(kind, options, &lease()).unwrap();
        assert_eq!(answer.msg_type(), reply, "{kind:?}");
        assert_eq!(answer.opts().get(OptionCode::IANA), Some(&bound(5, vec![lasts(address(9), LEASE)])), "{kind:?}");
        assert_eq!(answer.opts().get(OptionCode::ClientId), Some(&client()));
        assert_eq!(answer.opts().get(OptionCode::DomainNameServers), None);
    }
    // What it had before counts no more, and there is nothing for a second interface.
    let options = vec![client(), server(), interface(5, &[address(8)]), interface(6, &[])];
    let answer = answer(MessageType::Renew, options, &lease()).unwrap();
    let all = answer.opts().get_all(OptionCode::IANA).unwrap();
    assert!(all.contains(&bound(5, vec![lasts(address(8), 0), lasts(address(9), LEASE)])), "{all:?}");
    assert!(all.contains(&bound(6, vec![says(Status::NoAddrsAvail)])), "{all:?}");
}

#[test]
fn a_client_that_moved_is_told_and_one_that_wants_no_address_gets_resolvers() {
    let status = |has: &[Ipv6Addr]| {
        let answer = answer(MessageType::Confirm, vec![client(), interface(5, has)], &lease())?;
        answer.opts().get(OptionCode::StatusCode).cloned()
    };
    assert_eq!(status(&[address(9)]), Some(says(Status::Success)));
    assert_eq!(status(&[address(9), address(8)]), Some(says(Status::NotOnLink)));
    assert_eq!(status(&[]), None);
    let stateless = Lease6 { addresses: Vec::new(), resolvers: vec![address(53)], ..lease() };
    let told = answer(MessageType::InformationRequest, Vec::new(), &stateless).unwrap();
    let resolvers = DhcpOption::DomainNameServers(vec![address(53)]);
    assert_eq!(told.opts().iter().collect::<Vec<_>>(), [&DhcpOption::ServerId(own()), &resolvers]);
    let released = vec![client(), DhcpOption::ServerId(own()), interface(5, &[address(9)])];
    let released = answer(MessageType::Release, released, &lease()).unwrap();
    assert_eq!(released.opts().get(OptionCode::StatusCode), Some(&says(Status::Success)));
}

#[test]
fn what_is_for_another_server_or_from_no_client_gets_nothing() {
    let other = || DhcpOption::ServerId(vec![0, 4, 1]);
    for (kind, options) in [
        (MessageType::Request, vec![client(), other(), interface(5, &[])]),
        (MessageType::Request, vec![client(), interface(5, &[])]),
        (MessageType::Solicit, vec![interface(5, &[])]),
        (MessageType::Solicit, vec![client(), DhcpOption::ServerId(own())]),
        (MessageType::Release, vec![client(), other()]),
        (MessageType::Advertise, vec![client()]),
        (MessageType::RelayForw, vec![client()]),
    ] {
        assert_eq!(answer(kind, options, &lease()), None, "{kind:?}");
    }
}

proptest! {
    /// Whatever is changed in a message, the server goes on.
    #[test]
    fn no_message_stops_the_server(
        kind in 0..14_u8,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        more in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut message = Message::new_with_id(kind.into(), [1, 2, 3]);
        let options = vec![client(), interface(5, &[address(9)]), says(Status::Success)];
        message.set_opts(options.into_iter().collect());
        let mut content = message.to_vec().unwrap();
        content.extend(more);
        for (index, byte) in changes {
            let at = index.index(content.len());
            content[at] = byte;
        }
        if let Some(request) = Request6::read(&frame(&content)) {
            let answer = request.answer(&lease(), SERVERS);
            prop_assert!(answer.is_none_or(|frame| Packet::read(&frame).is_some()));
        }
    }
}
