//! Between networks, and to the outside.

use super::{traffic::*, world::*};
use crate::engine;
use kuryr_netlink::{
    Links, Namespace, PeerSpec, Route, VethSpec,
    nftables::{Family, Session},
};
use kuryr_neutron::{Network, NewRouter, NewSubnet, Router, RouterId, RouterInterface, RouterUpdate, Status, SubnetId};
use serde_json::{Value, json};
use std::{net::IpAddr, os::fd::AsFd, process::Command};

pub async fn router(world: &World, body: Value) -> Router {
    let new: NewRouter = read(body);
    world.write(move |txn, context| engine::router::create(txn, context, new)).await
}

pub async fn join(world: &World, router: RouterId, subnet: SubnetId) {
    let interface = RouterInterface { subnet_id: Some(subnet), port_id: None };
    world.write(move |txn, context| engine::router::add_interface(txn, context, router, interface)).await;
}

async fn leave(world: &World, router: RouterId, subnet: SubnetId) {
    let interface = RouterInterface { subnet_id: Some(subnet), port_id: None };
    world.write(move |txn, context| engine::router::remove_interface(txn, context, router, interface)).await;
}

pub async fn active(world: &World, id: RouterId) {
    let mut changes = world.engine.changes();
    let reached = async {
        while world.engine.read(|state| state.routers[&id].status) != Status::Active {
            changes.changed().await.unwrap();
        }
    };
    let outcome = tokio::time::timeout(std::time::Duration::from_secs(10), reached).await;
    assert!(outcome.is_ok(), "the router does not become active: {:?}", world.plane.status());
}

/// A namespace beyond the host, which knows the host's address there and nothing else.
pub fn outside(world: &World) -> (Namespace, IpAddr) {
    let outside = Namespace::anonymous().unwrap();
    let mut links = Links::open_in(&world.host).unwrap();
    let peer = PeerSpec { name: "eth0", mtu: 1500, mac: None, namespace: Some(outside.as_fd()) };
    links
        .create_veth(&VethSpec { name: "uplink0", mtu: 1500, mac: None, controller: None, up: true, alias: None, peer })
        .unwrap();
    let index = raise(&mut links, "uplink0");
    links.add_address(index, "198.51.100.1/24".parse().unwrap()).unwrap();
    let mut links = Links::open_in(&outside).unwrap();
    let index = raise(&mut links, "eth0");
    links.add_address(index, "198.51.100.2/24".parse().unwrap()).unwrap();
    (outside, "198.51.100.2".parse().unwrap())
}

pub async fn external(world: &World) -> Network {
    let network = world.network(json!({"name": "public", "router:external": true})).await;
    let new: NewSubnet = read(json!({"network_id": network.id, "cidr": "203.0.113.0/24"}));
    world.write(move |txn, context| engine::subnet::create(txn, context, new)).await;
    network
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_joins_subnets_until_it_leaves() {
    let world = World::new().await;
    let group = world.group().await;
    world.allow(&group, json!({"direction": "ingress"})).await;
    world.allow(&group, json!({"direction": "ingress", "ethertype": "IPv6"})).await;
    let (one, two) = (world.net("10.0.1.0/24").await, world.net("10.0.2.0/24").await);
    let (one6, two6) = (world.subnet(one.id, "fd00:1::/64").await, world.subnet(two.id, "fd00:2::/64").await);
    let body = || json!({"security_groups": [group.id]});
    let a = world.container(one.id, body()).await;
    let b = world.container(two.id, body()).await;
    let subnet = |network: &Network| {
        world.engine.read(|s| s.subnets_of_network(network.id).find(|n| n.ip_version == 4).unwrap().id)
    };
    let router = router(&world, json!({"name": "r"})).await;
    for subnet in [subnet(&one), subnet(&two), one6.id, two6.id] {
        join(&world, router.id, subnet).await;
    }
    active(&world, router.id).await;
    assert_ping(&a.namespace, b.ip4().into(), true);
    let six = || (0..5).any(|_| Pinger::new(&a.namespace, b.ip6()).ping(true));
    assert!(six(), "over IPv6");
    leave(&world, router.id, subnet(&two)).await;
    assert_ping(&a.namespace, b.ip4().into(), false);
    join(&world, router.id, subnet(&two)).await;
    assert_ping(&a.namespace, b.ip4().into(), true);

    // Someone removes its namespace: it is made again.
    let path = world.layout().router(router.id);
    Namespace::remove(&path).unwrap();
    assert!(eventually(|| Pinger::new(&a.namespace, b.ip4().into()).ping(false)), "{:?}", world.plane.status());

    for subnet in [subnet(&one), subnet(&two), one6.id, two6.id] {
        leave(&world, router.id, subnet).await;
    }
    world.write(move |txn, context| engine::router::delete(txn, context, router.id)).await;
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn internal_addresses_reach_the_outside_as_the_hosts() {
    let world = World::new().await;
    let (outside, beyond) = outside(&world);
    let public = external(&world).await;
    let private = world.net("10.0.1.0/24").await;
    let container = world.container(private.id, json!({})).await;
    let subnet = world.engine.read(|s| s.subnets_of_network(private.id).next().unwrap().id);
    let router = router(&world, json!({"external_gateway_info": {"network_id": public.id}})).await;
    join(&world, router.id, subnet).await;
    active(&world, router.id).await;
    let _server = serve(&outside, 80);
    assert_tcp(&container.namespace, beyond, 80, true);
    assert_ping(&container.namespace, "203.0.113.1".parse().unwrap(), true);
    // The outside cannot begin: it knows no way, and with one the container's groups say no.
    let mut links = Links::open_in(&outside).unwrap();
    let via = |destination: &str| Route {
        destination: destination.parse().unwrap(),
        gateway: Some("198.51.100.1".parse().unwrap()),
        index: None,
    };
    links.replace_route(&via("203.0.113.0/24")).unwrap();
    let gateway = world.engine.read(|s| s.router_gateway(router.id).unwrap().fixed_ips[0].ip_address);
    kuryr_netlink::sysctl::write(&outside, "net.ipv4.ping_group_range", "0 2147483647").unwrap();
    assert_ping(&outside, gateway, true);

    let id = router.id;
    let update = read(json!({"external_gateway_info": {"network_id": public.id, "enable_snat": false}}));
    world.write(move |txn, context| engine::router::update(txn, context, id, update, None)).await;
    assert_tcp(&container.namespace, beyond, 80, false);
    let update = read(json!({"external_gateway_info": {"network_id": public.id, "enable_snat": true}}));
    world.write(move |txn, context| engine::router::update(txn, context, id, update, None)).await;
    assert_tcp(&container.namespace, beyond, 80, true);
    let update = read(json!({"external_gateway_info": null}));
    world.write(move |txn, context| engine::router::update(txn, context, id, update, None)).await;
    assert_tcp(&container.namespace, beyond, 80, false);
}

#[tokio::test(flavor = "multi_thread")]
async fn dockers_filter_lets_external_networks_through_and_stays_readable() {
    let world = World::new().await;
    let iptables = |arguments: &str| {
        let run = || Command::new("iptables").args(arguments.split(' ')).output();
        let output = world.host.run(run).unwrap().ok()?;
        assert!(output.status.success(), "iptables {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).unwrap())
    };
    let legacy = Command::new("iptables")
        .arg("-V")
        .output()
        .is_ok_and(|o| !String::from_utf8_lossy(&o.stdout).contains("nf_tables"));
    if legacy || iptables("-N DOCKER-USER").is_none() {
        eprintln!("SKIPPED: iptables on nf_tables is not installed (apt install iptables)");
        return;
    }
    for command in ["-A DOCKER-USER -j RETURN", "-A FORWARD -j DOCKER-USER", "-P FORWARD DROP"] {
        iptables(command);
    }
    let (outside, beyond) = outside(&world);
    let _server = serve(&outside, 80);
    let public = external(&world).await;
    let private = world.net("10.0.1.0/24").await;
    let container = world.container(private.id, json!({})).await;
    let subnet = world.engine.read(|s| s.subnets_of_network(private.id).next().unwrap().id);
    let router = router(&world, json!({"external_gateway_info": {"network_id": public.id}})).await;
    join(&world, router.id, subnet).await;
    active(&world, router.id).await;
    assert_tcp(&container.namespace, beyond, 80, true);
    let name = format!("ext{}", public.id.short());
    let listed = iptables("-L DOCKER-USER -v -n").unwrap();
    assert_eq!(listed.matches(&name).count(), 2, "{listed}");
    // Docker makes its chain anew.
    iptables("-F DOCKER-USER");
    iptables("-A DOCKER-USER -j RETURN");
    assert!(eventually(|| connect(&container.namespace, beyond, 80, false).is_some()), "{:?}", world.plane.status());
    let mut session = Session::open_in(&world.host).unwrap();
    assert_eq!(session.foreign_rules(Family::Ipv4, "filter", "DOCKER-USER").unwrap().unwrap().len(), 3);
    world.stop().await;
    crate::dataplane::purge(&world.layout()).unwrap();
    assert_eq!(session.foreign_rules(Family::Ipv4, "filter", "DOCKER-USER").unwrap().unwrap().len(), 1, "Docker's own");
}

#[tokio::test(flavor = "multi_thread")]
async fn further_routes_lead_where_they_say() {
    let world = World::new().await;
    let (one, two) = (world.net("10.0.1.0/24").await, world.net("10.0.2.0/24").await);
    let client = world.container(one.id, json!({})).await;
    // Behind these two is a range that the cloud knows nothing of.
    let open = |ip: &str| json!({"port_security_enabled": false, "fixed_ips": [{ "ip_address": ip }]});
    let hops = [world.container(two.id, open("10.0.2.8")).await, world.container(two.id, open("10.0.2.9")).await];
    for (hop, address) in hops.iter().zip(["172.16.0.8/32", "172.16.0.9/32"]) {
        let mut links = Links::open_in(&hop.namespace).unwrap();
        let index = raise(&mut links, "lo");
        links.add_address(index, address.parse().unwrap()).unwrap();
    }
    let id = router(&world, json!({"name": "r"})).await.id;
    for network in [&one, &two] {
        let subnet = world.engine.read(|state| state.subnets_of_network(network.id).next().unwrap().id);
        join(&world, id, subnet).await;
    }
    active(&world, id).await;
    let [first, second] = ["172.16.0.8", "172.16.0.9"].map(|address| address.parse::<IpAddr>().unwrap());
    assert_ping(&client.namespace, first, false);
    for (next, reached, not) in [("10.0.2.8", first, second), ("10.0.2.9", second, first)] {
        set_routes(&world, id, json!([{"destination": "172.16.0.0/24", "nexthop": next}])).await;
        assert!((0..5).any(|_| Pinger::new(&client.namespace, reached).ping(true)), "{reached} by {next}");
        assert_ping(&client.namespace, not, false);
    }
    set_routes(&world, id, json!([])).await;
    assert_ping(&client.namespace, second, false);
}

async fn set_routes(world: &World, id: RouterId, routes: Value) {
    let update: RouterUpdate = read(json!({ "routes": routes }));
    world.write(move |txn, context| engine::router::update(txn, context, id, update, None)).await;
}
