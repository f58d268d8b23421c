//! What a change costs when there is much already.

use super::world::*;
use crate::engine;
use kuryr_neutron::NewPort;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn one_more_port_costs_little_beside_a_thousand() {
    let world = World::new().await;
    let network = world.net("10.0.0.0/16").await;
    let new: Vec<NewPort> =
        (0..1000).map(|_| read(json!({"network_id": network.id, "binding:host_id": HOST}))).collect();
    world.write(move |txn, context| engine::port::create_bulk(txn, context, new)).await;
    // A rule of a group that all of them are in.
    let group = world.engine.read(|s| s.ports.values().next().unwrap().security_groups[0]);
    let mut times = Vec::new();
    for port in 1..10 {
        let new = json!({"security_group_id": group, "direction": "ingress", "protocol": "tcp", "port_range_min": port, "port_range_max": port});
        let (new, context) = (read(new), world.context.clone());
        let change = move |txn: &mut engine::Txn| engine::security_group_rule::create(txn, &context, new);
        let committed = world.engine.write(change).await.unwrap();
        let begun = Instant::now();
        world.plane.applied(committed.revision).await.unwrap();
        times.push(begun.elapsed());
    }
    times.sort();
    eprintln!("a rule of 1000 ports: median {:?}, longest {:?}", times[times.len() / 2], times[times.len() - 1]);
    assert!(times[times.len() / 2] < Duration::from_millis(100));
    let mut times = Vec::new();
    for _ in 0..21 {
        let new: NewPort = read(json!({"network_id": network.id, "binding:host_id": HOST}));
        let context = world.context.clone();
        let committed = world.engine.write(move |txn| engine::port::create(txn, &context, new)).await.unwrap();
        let begun = Instant::now();
        world.plane.applied(committed.revision).await.unwrap();
        times.push(begun.elapsed());
    }
    times.sort();
    let median = times[times.len() / 2];
    eprintln!("one port more beside 1000: median {median:?}, longest {:?}", times[times.len() - 1]);
    // The budget is 3 ms for an optimised build; tests are built without, on machines that do other things too.
    let budget = if cfg!(debug_assertions) { Duration::from_millis(60) } else { Duration::from_millis(3) };
    assert!(median <= budget, "median {median:?}");
}
