//! What passes between containers of one network.

use super::{traffic::*, world::*};
use kuryr_neutron::Status;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn groups_decide_and_replies_pass() {
    let world = World::new().await;
    let network = world.net("10.0.0.0/24").await;
    world.subnet(network.id, "fd00:1::/64").await;
    let group = world.group().await;
    let web = world.container(network.id, json!({"security_groups": [group.id]})).await;
    let client = world.container(network.id, json!({})).await;
    world.status(web.port.id, Status::Active).await;
    let _server = serve(&web.namespace, 80);
    let (ip4, ip6) = (web.ip4().into(), web.ip6());

    for ip in [ip4, ip6] {
        assert_ping(&client.namespace, ip, false);
        assert_tcp(&client.namespace, ip, 80, false);
        assert_udp(&client.namespace, ip, 80, false);
    }
    let open = world
        .allow(&group, json!({"direction": "ingress", "protocol": "tcp", "port_range_min": 80, "port_range_max": 80}))
        .await;
    world.allow(&group, json!({"direction": "ingress", "ethertype": "IPv6", "protocol": "udp", "port_range_min": 70, "port_range_max": 90})).await;
    world.allow(&group, json!({"direction": "ingress", "protocol": "icmp"})).await;
    assert_tcp(&client.namespace, ip4, 80, true);
    assert_udp(&client.namespace, ip4, 80, false);
    assert_ping(&client.namespace, ip4, true);
    assert_tcp(&client.namespace, ip6, 80, false);
    assert_udp(&client.namespace, ip6, 80, true);
    assert_ping(&client.namespace, ip6, false);

    // A rule that goes takes its open connections along, and no others.
    let mut stream = connect(&client.namespace, ip4, 80, true).unwrap();
    let mut pinger = Pinger::new(&client.namespace, ip4);
    assert!(still_open(&mut stream, true) && pinger.ping(true));
    world.forbid(&open).await;
    assert!(!still_open(&mut stream, false), "its rule has gone");
    assert!(pinger.ping(true), "its rule is still there");
    assert_tcp(&client.namespace, ip4, 80, false);
}
