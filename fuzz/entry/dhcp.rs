//! What a port sends to the embedded cloud's DHCP server.

use kuryr_cloud::dataplane::dhcp::{Lease, Lease6, Request, Request6, asks};
use kuryr_neutron::{MacAddr, NetworkId};
use std::net::{Ipv4Addr, Ipv6Addr};

const SERVER: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

/// What is answered goes to who asked, or to all, from the server.
pub fn dhcp_requests(frame: &[u8]) {
    of_ipv4(frame);
    of_ipv6(frame);
}

fn of_ipv4(frame: &[u8]) {
    let Some(request) = Request::read(frame) else { return };
    let gateway = Ipv4Addr::new(10, 0, 0, 1);
    let address = "10.0.0.9/24".parse();
    let Ok(address) = address else { return };
    let lease = Lease {
        address,
        server: gateway,
        router: Some(gateway),
        resolvers: vec![gateway],
        routes: vec![(address.trunc(), gateway)],
        mtu: 1500,
    };
    if let Some(answer) = request.answer(&lease, SERVER) {
        assert!([&request.mac.0[..], &[0xff; 6]].contains(&&answer[..6]));
        assert_eq!(answer[6..12], SERVER.0);
    }
}

fn of_ipv6(frame: &[u8]) {
    let Some(request) = Request6::read(frame) else { return };
    assert_eq!(asks(frame), None);
    let Ok(network) = "11111111-2222-3333-4444-555555555555".parse::<NetworkId>() else { return };
    let addresses = vec![Ipv6Addr::LOCALHOST];
    let lease = Lease6 { network, resolvers: addresses.clone(), addresses };
    if let Some(answer) = request.answer(&lease, SERVER) {
        assert_eq!((&answer[..6], &answer[6..12]), (&request.mac.0[..], &SERVER.0[..]));
    }
}
