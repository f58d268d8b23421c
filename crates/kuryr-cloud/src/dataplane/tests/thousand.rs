//! Many ports at once: their rules fit the kernel's buffers, and what comes after them is in force too.

use super::{traffic::*, world::*};
use crate::engine;
use kuryr_neutron::NewPort;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn one_more_beside_a_thousand_is_guarded_as_they_are() {
    let world = World::new().await;
    let network = world.net("10.0.0.0/16").await;
    let group = world.group().await;
    let one = json!({"network_id": network.id, "binding:host_id": HOST, "security_groups": [group.id]});
    let many: Vec<NewPort> = (0..1000).map(|_| read(one.clone())).collect();
    let ports = world.write(move |txn, context| engine::port::create_bulk(txn, context, many)).await;
    let among = world.plug(ports[500].clone());
    let more = world.container(network.id, json!({"security_groups": [group.id]})).await;
    assert_ping(&among.namespace, more.ip(), false);
    assert_ping(&more.namespace, among.ip(), false);

    world.allow(&group, json!({"direction": "ingress", "protocol": "icmp", "remote_group_id": group.id})).await;
    assert_ping(&among.namespace, more.ip(), true);
    assert_ping(&more.namespace, among.ip(), true);
}
