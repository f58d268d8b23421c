//! Flows made by conntrack(8) in a namespace of the test's own, read, compared and deleted.

use super::*;
use proptest::prelude::*;
use std::process::Command;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// conntrack(8) in the namespace; nothing, loudly, where it is not installed.
fn conntrack(namespace: &Namespace, arguments: &str) -> Option<String> {
    let output = namespace.run(|| Command::new("conntrack").args(arguments.split(' ')).output()).unwrap();
    match output {
        Err(error) => {
            eprintln!("SKIPPED: conntrack(8) cannot be run: {error}");
            None
        }
        Ok(output) => {
            assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
            Some(String::from_utf8(output.stdout).unwrap())
        }
    }
}

fn udp(zone: u16, source: &str, destination: &str, port: u16) -> Flow {
    let key = FlowKey::Ports { source: 4000, destination: port };
    let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
    Flow { zone, protocol: UDP, source, destination, key, mark: 5 }
}

fn track(namespace: &Namespace, flow: &Flow) -> Option<()> {
    let Flow { zone, source, destination, mark, .. } = flow;
    let FlowKey::Ports { source: sport, destination: dport } = flow.key else { unreachable!() };
    let arguments =
        format!("-I -p udp -s {source} -d {destination} --sport {sport} --dport {dport} -t 100 -w {zone} -m {mark}");
    conntrack(namespace, &arguments).map(|_| ())
}

#[test]
fn flows_are_listed_by_zone_and_forgotten_one_by_one() {
    let namespace = Namespace::anonymous().unwrap();
    let flows = [
        udp(7, "10.0.0.1", "10.0.0.2", 53),
        udp(7, "10.0.0.1", "10.0.0.2", 54),
        udp(8, "10.0.0.1", "10.0.0.2", 53),
        udp(8, "2001:db8::1", "2001:db8::2", 53),
        udp(0, "10.0.0.1", "10.0.0.2", 53),
    ];
    for flow in &flows {
        if track(&namespace, flow).is_none() {
            return;
        }
    }
    let listed = |zone| {
        let mut list = entries(&namespace, zone).unwrap();
        list.sort_by_key(|flow| (flow.zone, flow.source, format!("{:?}", flow.key)));
        list
    };
    assert_eq!(listed(Some(7)), flows[..2]);
    assert_eq!(listed(Some(8)), flows[2..4]);
    assert_eq!(listed(Some(9)), []);
    assert_eq!(listed(None).len(), 5);

    delete(&namespace, &flows[0]).unwrap();
    delete(&namespace, &flows[0]).unwrap();
    assert_eq!(listed(Some(7)), flows[1..2]);
    assert_eq!(listed(None).len(), 4, "the same addresses in other zones are other flows");
    assert_eq!(delete_all(&namespace, &flows).unwrap(), 4);
    assert_eq!(listed(None), []);
    assert_eq!(conntrack(&namespace, "-L").unwrap().trim(), "");
}

#[test]
fn a_flow_of_tcp_and_one_of_icmp_are_told_apart_and_forgotten() {
    let namespace = Namespace::anonymous().unwrap();
    let tcp = "-I -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 --state ESTABLISHED -t 100";
    let icmp = "-I -p icmp -s 10.0.0.1 -d 10.0.0.2 --icmp-type 8 --icmp-code 0 --icmp-id 77 -t 100";
    let icmp6 = "-I -p icmpv6 -s fd00::1 -d fd00::2 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 78 -t 100";
    for arguments in [tcp, icmp, icmp6] {
        if conntrack(&namespace, arguments).is_none() {
            return;
        }
    }
    let flows = entries(&namespace, None).unwrap();
    let key_of = |protocol| flows.iter().find(|flow| flow.protocol == protocol).unwrap().key;
    assert_eq!(key_of(TCP), FlowKey::Ports { source: 1000, destination: 80 });
    assert_eq!(key_of(1), FlowKey::Icmp { kind: 8, code: 0, id: 77 });
    assert_eq!(key_of(58), FlowKey::Icmp { kind: 128, code: 0, id: 78 });
    assert_eq!(delete_all(&namespace, &flows).unwrap(), 3);
    assert_eq!(entries(&namespace, None).unwrap(), []);
}

#[test]
fn a_tracked_packet_is_seen() {
    let namespace = Namespace::anonymous().unwrap();
    let mut links = crate::Links::open_in(&namespace).unwrap();
    links.set(1, &crate::LinkChange { up: Some(true), ..crate::LinkChange::default() }).unwrap();
    let rules = "add table inet t; add chain inet t c { type filter hook output priority 0; }; \
                 add rule inet t c ct state new accept";
    let loaded = namespace.run(|| Command::new("nft").arg(rules).status()).unwrap();
    if !loaded.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: nft(8) cannot be run");
        return;
    }
    let port = namespace
        .run(|| {
            let receiver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let port = receiver.local_addr().unwrap().port();
            std::net::UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", ("127.0.0.1", port)).unwrap();
            port
        })
        .unwrap();
    let flows = entries(&namespace, Some(0)).unwrap();
    let seen = |flow: &&Flow| matches!(flow.key, FlowKey::Ports { destination, .. } if destination == port);
    let flow = flows.iter().find(seen).unwrap();
    assert_eq!((flow.protocol, flow.source), (UDP, IpAddr::from([127, 0, 0, 1])));
    assert_eq!(delete_all(&namespace, &flows).unwrap(), flows.len());
}

proptest! {
    #[test]
    fn any_bytes_are_a_flow_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_flow(&bytes);
        let nested = Message::new(CT_NEW, 0).bytes(CTA_TUPLE_ORIG, &bytes).finish_with(1).unwrap();
        let _ = read_flow(&nested[16..]);
    }

    #[test]
    fn a_flow_that_is_written_is_read(
        zone: u16, protocol: u8, source: std::net::Ipv6Addr, destination: std::net::Ipv6Addr, sport: u16, dport: u16,
    ) {
        let key = FlowKey::Ports { source: sport, destination: dport };
        let (source, destination) = (source.into(), destination.into());
        let flow = Flow { zone, protocol, source, destination, key, mark: 0 };
        let bytes = deletion(&flow).finish_with(1).unwrap();
        prop_assert_eq!(read_flow(&bytes[16 + NFGENMSG_LEN..]), Some(flow));
    }
}
