//! Floating IPs: from the outside to containers, and back.

use super::{router::*, traffic::*, world::*};
use crate::engine;
use kuryr_netlink::{Links, Namespace, Route};
use kuryr_neutron::{
    FloatingIp, FloatingIpId, FloatingIpUpdate, Network, NewFloatingIp, NewPortForwarding, PortForwarding, PortId,
    RouterId,
};
use serde_json::{Value, json};
use std::net::{IpAddr, UdpSocket};

/// A container that lets everybody in, behind a router, and somebody outside who knows the way.
struct Behind {
    world: World,
    public: Network,
    private: Network,
    router: RouterId,
    outside: Namespace,
    beyond: IpAddr,
    group: Value,
}

impl Behind {
    async fn new() -> Self {
        let world = World::new().await;
        let (outside, beyond) = outside(&world);
        let public = external(&world).await;
        let group = world.group().await;
        world.allow(&group, json!({"direction": "ingress"})).await;
        let private = world.net("10.0.1.0/24").await;
        let subnet = world.engine.read(|s| s.subnets_of_network(private.id).next().unwrap().id);
        let router = router(&world, json!({"external_gateway_info": {"network_id": public.id}})).await.id;
        join(&world, router, subnet).await;
        active(&world, router).await;
        let via = Route {
            destination: "203.0.113.0/24".parse().unwrap(),
            gateway: Some("198.51.100.1".parse().unwrap()),
            index: None,
        };
        Links::open_in(&outside).unwrap().replace_route(&via).unwrap();
        kuryr_netlink::sysctl::write(&outside, "net.ipv4.ping_group_range", "0 2147483647").unwrap();
        let group = json!({"security_groups": [group.id]});
        Self { world, public, private, router, outside, beyond, group }
    }

    async fn container(&self) -> Container {
        self.world.container(self.private.id, self.group.clone()).await
    }

    async fn floating(&self, port: Option<PortId>) -> FloatingIp {
        let new: NewFloatingIp = read(json!({"floating_network_id": self.public.id, "port_id": port}));
        self.world.write(move |txn, context| engine::floating_ip::create(txn, context, new)).await
    }

    async fn lend(&self, id: FloatingIpId, port: Option<PortId>) {
        let update = FloatingIpUpdate { port_id: Some(port), ..FloatingIpUpdate::default() };
        self.world.write(move |txn, context| engine::floating_ip::update(txn, context, id, update, None)).await;
    }

    async fn forward(&self, floating: &FloatingIp, to: &Container, body: Value) -> PortForwarding {
        let mut new: NewPortForwarding =
            read(with(body, json!({"internal_port_id": to.port.id, "internal_ip_address": to.ip()})));
        new.floatingip_id = Some(floating.id);
        self.world.write(move |txn, context| engine::port_forwarding::create(txn, context, new)).await
    }
}

fn with(mut body: Value, more: Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// As whom a namespace's datagrams arrive outside.
fn seen_as(from: &Namespace, outside: &Namespace, beyond: IpAddr, port: u16) -> IpAddr {
    let server = outside.run(|| UdpSocket::bind(("0.0.0.0", port))).unwrap().unwrap();
    server.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let client = from.run(|| UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
    client.send_to(b"who", (beyond, port)).unwrap();
    server.recv_from(&mut [0; 4]).unwrap().1.ip()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_floating_ip_leads_to_one_container_at_a_time() {
    let it = Behind::new().await;
    let (one, two) = (it.container().await, it.container().await);
    let floating = it.floating(Some(one.port.id)).await;
    let address = floating.floating_ip_address;
    let _one = serve(&one.namespace, 80);
    assert_tcp(&it.outside, address, 80, true);
    assert_ping(&it.outside, address, true);
    let mut open = connect(&it.outside, address, 80, true).unwrap();
    assert!(still_open(&mut open, true));

    // It is the container's own address outside; the other one's is the router's.
    let host = it.world.engine.read(|s| s.router_gateway(it.router).unwrap().fixed_ips[0].ip_address);
    let gateway: IpAddr = "203.0.113.1".parse().unwrap();
    assert_eq!(seen_as(&one.namespace, &it.world.host, gateway, 5001), address);
    assert_eq!(seen_as(&two.namespace, &it.world.host, gateway, 5002), host);

    // A neighbour that asks by the floating IP gets its answer too.
    assert_tcp(&two.namespace, address, 80, true);

    // Lent to the other, the first has nothing of it any more, not even what was open.
    it.lend(floating.id, Some(two.port.id)).await;
    assert!(!still_open(&mut open, false), "the connection still reaches the first");
    assert_tcp(&it.outside, address, 80, false);
    let _two = serve(&two.namespace, 80);
    assert_tcp(&it.outside, address, 80, true);
    assert_eq!(seen_as(&one.namespace, &it.world.host, gateway, 5003), host);

    it.lend(floating.id, None).await;
    assert_tcp(&it.outside, address, 80, false);
    assert_ping(&it.outside, address, false);
    assert_tcp(&two.namespace, it.beyond, 80, false);
    let _beyond = serve(&it.outside, 80);
    assert_tcp(&two.namespace, it.beyond, 80, true);
}

#[tokio::test(flavor = "multi_thread")]
async fn security_groups_hold_behind_a_floating_ip() {
    let it = Behind::new().await;
    let closed = it.world.container(it.private.id, json!({})).await;
    let _server = serve(&closed.namespace, 80);
    let floating = it.floating(Some(closed.port.id)).await;
    assert_tcp(&it.outside, floating.floating_ip_address, 80, false);
    assert_ping(&it.outside, floating.floating_ip_address, false);
}

#[tokio::test(flavor = "multi_thread")]
async fn single_ports_of_a_floating_ip_lead_to_several_containers() {
    let it = Behind::new().await;
    let (one, two) = (it.container().await, it.container().await);
    let floating = it.floating(None).await;
    let address = floating.floating_ip_address;
    let _servers = [serve(&one.namespace, 80), serve(&two.namespace, 80), serve(&two.namespace, 202)];
    assert_tcp(&it.outside, address, 8080, false);
    let first =
        it.forward(&floating, &one, json!({"protocol": "tcp", "external_port": 8080, "internal_port": 80})).await;
    it.forward(&floating, &two, json!({"protocol": "tcp", "external_port": 8081, "internal_port": 80})).await;
    let datagrams = json!({"protocol": "udp", "external_port": 8080, "internal_port": 80});
    it.forward(&floating, &two, datagrams).await;
    assert_tcp(&it.outside, address, 8080, true);
    assert_tcp(&it.outside, address, 8081, true);
    assert_udp(&it.outside, address, 8080, true);
    assert_udp(&it.outside, address, 8081, false);
    assert_tcp(&it.outside, address, 80, false);
    assert_tcp(&two.namespace, address, 8080, true);

    // Each of a range to its own, or all to one.
    let ranges = json!({"protocol": "tcp", "external_port_range": "100:103", "internal_port_range": "200:203"});
    it.forward(&floating, &two, ranges).await;
    assert_tcp(&it.outside, address, 102, true);
    assert_tcp(&it.outside, address, 101, false);
    let all = json!({"protocol": "udp", "external_port_range": "110:111", "internal_port_range": "202:202"});
    it.forward(&floating, &two, all).await;
    assert_udp(&it.outside, address, 110, true);
    assert_udp(&it.outside, address, 111, true);

    // What was forwarded and is no longer ends, and nothing else does.
    let mut ending = connect(&it.outside, address, 8080, true).unwrap();
    let mut staying = connect(&it.outside, address, 8081, true).unwrap();
    it.world.write(move |txn, context| engine::port_forwarding::delete(txn, context, first.id)).await;
    assert!(!still_open(&mut ending, false));
    assert!(still_open(&mut staying, true));
    assert_tcp(&it.outside, address, 8080, false);

    // All of it goes with the port it leads to.
    let id = two.port.id;
    it.world.write(move |txn, context| engine::port::delete(txn, context, id)).await;
    assert!(it.world.engine.read(|s| s.forwardings_of(floating.id).next().is_none()));
    assert_tcp(&it.outside, address, 8081, false);
}

#[tokio::test(flavor = "multi_thread")]
async fn floating_ips_survive_a_restart_without_a_loss() {
    let mut it = Behind::new().await;
    let one = it.container().await;
    let floating = it.floating(Some(one.port.id)).await;
    let _server = serve(&one.namespace, 80);
    let mut open = connect(&it.outside, floating.floating_ip_address, 80, true).unwrap();
    it.world.restart().await;
    active(&it.world, it.router).await;
    assert!(still_open(&mut open, true), "the restart ended a connection");
}
