//! Who configures itself by IPv6: the kernel by advertisements, and ISC's client of DHCPv6.

use super::{
    dhcp::{PATIENCE, SCRIPT, subnet, unpacked},
    router::{active, join, router},
    traffic::assert_ping,
    world::*,
};
use crate::dataplane::policy::link_local;
use kuryr_netlink::{Datagrams, Links, Namespace};
use kuryr_neutron::RouterId;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv6Addr},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Polls until something is there.
fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn ip(namespace: &Namespace, words: &[&str]) -> String {
    let output = namespace.run(|| Command::new("ip").args(words).output()).unwrap().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until an address is the interface's own: nobody has objected.
fn has(namespace: &Namespace, address: Ipv6Addr) {
    wait(&format!("{address} is not there"), || {
        let all = ip(namespace, &["-6", "-oneline", "address", "show", "dev", "eth0", "-tentative"]);
        all.contains(&format!(" {address}/")).then_some(())
    });
}

async fn routed(world: &World, body: Value) -> (kuryr_neutron::Network, RouterId) {
    let network = world.network(json!({"name": "n", "mtu": 1400})).await;
    let range = subnet(world, network.id, body).await;
    let router = router(world, json!({"name": "r"})).await;
    join(world, router.id, range.id).await;
    active(world, router.id).await;
    (network, router.id)
}

/// Asks for advertisements until there is one: its message.
async fn advertised(machine: &Container, within: Duration) -> Option<Vec<u8>> {
    let eth0 = Links::open_in(&machine.namespace).unwrap().get("eth0").unwrap().unwrap().index;
    let wire = Datagrams::open6_in(&machine.namespace, 9, 134).unwrap();
    let mac = machine.port.mac_address;
    let source = link_local(mac).octets();
    let all_routers = "ff02::2".parse::<Ipv6Addr>().unwrap().octets();
    let mut frame = [&[0x33, 0x33, 0, 0, 0, 2][..], &mac.0, &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 58, 255]].concat();
    frame.extend([source, all_routers].concat());
    let summed = [&frame[22..54], &[0, 0, 0, 8, 0, 0, 0, 58, 133, 0]].concat();
    let sum = summed.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum::<u32>();
    let sum = !(((sum & 0xffff) + (sum >> 16)) as u16);
    frame.extend([133, 0]);
    frame.extend(sum.to_be_bytes());
    frame.extend([0; 4]);
    let mut answer = [0; 1500];
    let answered = async {
        loop {
            wire.send(eth0, &frame).unwrap();
            let next = wire.next(&mut answer);
            if let Ok(next) = tokio::time::timeout(Duration::from_millis(500), next).await {
                break next.unwrap().1;
            }
        }
    };
    let length = tokio::time::timeout(within, answered).await.ok()?;
    Some(answer[54..length].to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_forms_its_address_of_what_its_own_networks_router_tells() {
    let world = World::new().await;
    let mut machines = Vec::new();
    for resolver in ["fd00:1::53", "fd00:1::54"] {
        let (network, router) = routed(&world, json!({
            "cidr": "fd00:1::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac", "dns_nameservers": [resolver],
        })).await;
        let machine = world.wire(world.port(network.id, json!({})).await);
        machines.push((machine, router, resolver.parse::<Ipv6Addr>().unwrap()));
    }
    for (machine, router, resolver) in machines {
        let IpAddr::V6(own) = machine.ip6() else { unreachable!() };
        has(&machine.namespace, own);
        let gateway = world.engine.read(|state| state.router_interfaces(router).next().unwrap().mac_address);
        let gateway = link_local(gateway);
        wait("no default route", || {
            let routes = ip(&machine.namespace, &["-6", "route", "show", "default"]);
            routes.contains(&format!("via {gateway} dev eth0 proto ra")).then_some(())
        });
        assert_ping(&machine.namespace, "fd00:1::1".parse().unwrap(), true);
        let told = advertised(&machine, PATIENCE).await.expect("an advertisement");
        assert_eq!((told[0], told[5]), (134, 0), "no DHCPv6");
        assert_eq!(told[24..32], [5, 1, 0, 0, 0, 0, 5, 120], "an MTU of 1400");
        assert_eq!(told[32..36], [3, 4, 64, 0xc0], "addresses are formed");
        assert_eq!((told[64], &told[72..]), (25, &resolver.octets()[..]), "its own network's resolver");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_where_no_router_or_no_mode_says_so() {
    let world = World::new().await;
    let (plain, _) = routed(&world, json!({"cidr": "fd00:1::/64"})).await;
    let alone = world.network(json!({"name": "alone"})).await;
    let modes = json!({"cidr": "fd00:1::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"});
    subnet(&world, alone.id, modes).await;
    for network in [plain, alone] {
        let machine = world.wire(world.port(network.id, json!({})).await);
        has(&machine.namespace, link_local(machine.port.mac_address));
        assert_eq!(advertised(&machine, Duration::from_secs(2)).await, None);
    }
}

/// What ISC's client was told at an event.
fn client(folder: &Path, machine: &Container, arguments: &[&str], event: &str) -> BTreeMap<String, String> {
    let told = tempfile::tempdir().unwrap();
    let file = |name: &str| told.path().join(name);
    fs::write(file("conf"), "request dhcp6.name-servers;\n").unwrap();
    let mut command = Command::new(folder.join("sbin/dhclient"));
    command.args(["-6", "-d", "-sf", SCRIPT]).args(arguments);
    command.arg("-e").arg(format!("TOLD={}", told.path().display()));
    for (option, name) in [("-cf", "conf"), ("-lf", "leases"), ("-pf", "pid")] {
        command.arg(option).arg(file(name));
    }
    command.arg("eth0").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = machine.namespace.run(|| command.spawn()).unwrap().unwrap();
    let lines = wait(&format!("dhclient has not seen {event}"), || fs::read_to_string(file(event)).ok());
    child.kill().unwrap();
    child.wait().unwrap();
    let pairs = lines.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_and_resolvers_come_by_dhcpv6_where_the_modes_say_so() {
    let Some(folder) = unpacked("dhclient", "isc-dhcp-client", module_path!()) else { return };
    let world = World::new().await;
    for (mode, flags) in [("dhcpv6-stateful", 0x80), ("dhcpv6-stateless", 0x40)] {
        let (network, _) = routed(&world, json!({
            "cidr": "fd00:1::/64", "ipv6_ra_mode": mode, "ipv6_address_mode": mode, "dns_nameservers": ["fd00:1::53"],
        })).await;
        let machine = world.wire(world.port(network.id, json!({})).await);
        has(&machine.namespace, link_local(machine.port.mac_address));
        let told = advertised(&machine, PATIENCE).await.expect("an advertisement");
        assert_eq!((told[5], told.len()), (flags, 64), "{mode}: resolvers come by DHCPv6");
        let stateful = mode == "dhcpv6-stateful";
        assert_eq!(told[35], if stateful { 0x80 } else { 0xc0 }, "{mode}");
        let told = if stateful {
            let told = client(&folder, &machine, &[], "BOUND6");
            assert_eq!(told["new_ip6_address"], machine.ip6().to_string());
            assert_eq!(told["new_max_life"], "43200");
            told
        } else {
            client(&folder, &machine, &["-S"], "RENEW6")
        };
        assert_eq!(told["new_dhcp6_name_servers"], "fd00:1::53", "{mode}");
    }
}
