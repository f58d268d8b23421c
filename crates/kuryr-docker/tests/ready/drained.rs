//! Ready ports that go: by an order, or because nobody knows of them.

use super::*;
use kuryr_neutron::NewPort;

const DRAIN: &str = "/Kuryr.DrainReadyPorts";

#[tokio::test]
async fn drained_ports_go_and_come_back_with_the_next_container() {
    let (rig, pool) = rig().await;
    let (first, _) = start(&rig, &pool, ENDPOINT).await;
    rig.written_behind(async || unused(&rig).await.len() == 3).await;
    let (second, _) = start(&rig, &pool, ENDPOINT_B).await;
    rig.ports_are_marked().await;
    for network in ["", "blue"] {
        let (status, text) = rig.err(DRAIN, json!({"Network": network})).await;
        assert!(status == 400 && text.contains("Network") && text.contains("UUID"), "{status} {text}");
    }
    let elsewhere = json!({"Network": "11111111-1111-4111-8111-111111111111"});
    assert_eq!(rig.ok(DRAIN, elsewhere).await, json!({"Deleted": 0, "Left": []}));
    let ready = unused(&rig).await.len();
    assert!(ready >= 2);
    assert_eq!(rig.ok(DRAIN, json!({})).await["Left"], json!([]));
    assert_eq!(unused(&rig).await, Vec::<Port>::new());
    rig.calls();
    stop(&rig, &pool, ENDPOINT_B, &second).await;
    assert_eq!(rig.calls(), Vec::<String>::new(), "a stop waits for no call, though the port is not wanted back");
    rig.service.settle().await;
    assert_eq!(rig.all::<Port>().await.len(), 1, "nor kept");
    let (second, _) = start(&rig, &pool, ENDPOINT_B).await;
    rig.written_behind(async || unused(&rig).await.len() == 3).await;
    for (endpoint, address) in [(ENDPOINT, &first), (ENDPOINT_B, &second)] {
        stop(&rig, &pool, endpoint, address).await;
    }
    rig.service.settle().await;
    remove(&rig, &pool).await;
}

#[tokio::test]
async fn where_nobody_serves_only_what_is_nobodys_is_drained() {
    let (mut rig, pool) = rig().await;
    let (first, _) = start(&rig, &pool, ENDPOINT).await;
    rig.written_behind(async || unused(&rig).await.len() == 3).await;
    let (second, mac) = start(&rig, &pool, ENDPOINT_B).await;
    // Before it could tell Neutron whose the port is: only the kernel knows.
    rig.kill();
    let theirs = rig.beside("elsewhere");
    let ready = theirs.service.ready_ports().await.unwrap();
    assert!(ready.is_empty(), "another control plane's are not shown: {ready:?}");
    assert_eq!(theirs.service.drain_ready_ports(None).await.unwrap().deleted, 0);
    let ready = rig.service.ready_ports().await.unwrap();
    let used: Vec<_> = ready.iter().filter(|ready| ready.endpoint.is_some()).collect();
    assert!(used.len() == 1 && used[0].port.mac_address == mac && ready.len() == 3, "{ready:?}");
    let drained = rig.service.drain_ready_ports(None).await.unwrap();
    assert!(drained.deleted >= 2 && drained.left.is_empty(), "{drained:?}");
    assert_eq!(rig.all::<Port>().await.len(), 2, "what containers have");
    for (endpoint, address) in [(ENDPOINT, &first), (ENDPOINT_B, &second)] {
        stop(&rig, &pool, endpoint, address).await;
    }
    rig.service.settle().await;
    remove(&rig, &pool).await;
}

#[tokio::test]
async fn a_ready_port_that_nobody_knows_of_is_found() {
    let (rig, pool) = rig().await;
    let (first, _) = start(&rig, &pool, ENDPOINT).await;
    rig.written_behind(async || unused(&rig).await.len() == 3).await;
    rig.service.settle().await;
    let known = unused(&rig).await;
    // As if an answer had been lost: made in this Kuryr's name, and on no shelf.
    let make = async |description: &str| {
        let new = NewPort {
            network_id: Some(known[0].network_id),
            name: known[0].name.clone(),
            description: Some(description.to_owned()),
            device_owner: Some(known[0].device_owner.clone()),
            binding_host_id: Some(known[0].binding_host_id.clone()),
            ..NewPort::default()
        };
        rig.neutron.create::<Port>(&new).await.unwrap().id
    };
    let (lost, other) = (make(&known[0].description).await, make("Created by Kuryr, req-1 on elsewhere").await);
    let is_there = async |id| rig.all::<Port>().await.iter().any(|port| port.id == id);
    rig.service.look_at_ready_ports().await.unwrap();
    assert!(is_there(lost).await, "once may be a passing state");
    rig.service.look_at_ready_ports().await.unwrap();
    assert!(!is_there(lost).await && is_there(other).await, "another Kuryr's stays");
    assert_eq!(unused(&rig).await.len(), known.len() + 1, "and so does what is known");
    rig.neutron.delete::<Port>(other).await.unwrap();
    stop(&rig, &pool, ENDPOINT, &first).await;
    rig.service.settle().await;
    remove(&rig, &pool).await;
}
