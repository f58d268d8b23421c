//! Several Kuryrs, and kuryr-libnetwork, on one cloud and on one network: the last one out takes along what Kuryr made.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod rig;

use axum::http::StatusCode;
use kuryr_config::CapabilityScope;
use kuryr_docker::PluginSettings;
use kuryr_neutron::{Network, NetworkUpdate, NewNetwork, NewSubnet, Port, Subnet, SubnetPool};
use kuryr_ports::{Author, DockerId, author};
use rig::*;
use serde_json::{Value, json};
use std::time::Duration;

const CIDR: &str = "10.3.0.0/24";
const RANGE: [(&str, &str); 1] = [(CIDR, "10.3.0.1/24")];
const SWARM_NETWORK: &str = "p2zd1s1sfyh3tnt9lzhv6gyxu";

/// Two Kuryrs with a cloud.
async fn two() -> (Rig, Rig) {
    let a = Rig::new().await;
    let b = a.beside("there");
    (a, b)
}

async fn foreign_network(rig: &Rig) -> Network {
    rig.neutron
        .create(&NewNetwork { name: "ext".to_owned(), description: said(), ..NewNetwork::default() })
        .await
        .unwrap()
}

/// What an operator writes.
fn said() -> Option<String> {
    Some("the operator's".to_owned())
}

/// A Docker network on a network that is there.
async fn join(rig: &Rig, id: &str, network: &Network) -> String {
    let pool = rig.request_pool(CIDR, json!({})).await;
    let shared = if network.shared { "true" } else { "false" };
    let options = json!({"neutron.net.uuid": network.id.to_string(), "neutron.net.shared": shared});
    rig.create_network(id, &RANGE, options).await;
    pool
}

async fn create(rig: &Rig, id: &str) -> String {
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(id, &RANGE, json!({})).await;
    rig.service.settle().await;
    pool
}

/// In the order of current Dockers, or in that of old ones.
async fn remove(rig: &Rig, id: &str, pool: &str, pool_first: bool) {
    if pool_first {
        rig.release_pool(pool).await;
        rig.delete_network(id).await;
    } else {
        rig.delete_network(id).await;
        rig.release_pool(pool).await;
    }
}

/// A container that can be started and stopped: the network is still whole.
async fn is_whole(rig: &Rig, id: &str, pool: &str, mac: &str) {
    let address = rig.request_address(pool, "", mac).await;
    rig.create_endpoint(id, ENDPOINT, &address, "", mac).await;
    assert_eq!(rig.join(id, ENDPOINT).await["Gateway"], "10.3.0.1");
    rig.endpoint("DeleteEndpoint", id, ENDPOINT).await;
    rig.release_address(pool, &address).await;
}

#[tokio::test]
async fn each_pool_belongs_to_one_kuryr() {
    let (mut a, b) = two().await;
    // Both are about to create a network with the same range: neither takes the other's pool.
    let (first, second) = (a.request_pool(CIDR, json!({})).await, b.request_pool(CIDR, json!({})).await);
    assert_ne!(first, second);
    let mut authors: Vec<Author> = a.all::<SubnetPool>().await.iter().map(|pool| author(&pool.description)).collect();
    authors.sort_by_key(|author| format!("{author:?}"));
    let wanted = ["here", "there"].map(|plane| Author::Kuryr(plane.parse().unwrap()));
    assert_eq!(authors, wanted, "from their first moment");
    // Nor does it after a restart: it finds its own.
    a.restart().await;
    a.create_network(NETWORK, &RANGE, json!({})).await;
    assert_eq!(a.only::<Subnet>().await.subnetpool_id.unwrap().to_string(), first);
    b.create_network(NETWORK_B, &RANGE, json!({})).await;
    for (rig, id, pool) in [(&a, NETWORK, &first), (&b, NETWORK_B, &second)] {
        is_whole(rig, id, pool, MAC).await;
        remove(rig, id, pool, true).await;
    }
    a.assert_nothing_left().await;
}

#[tokio::test]
async fn whoever_made_a_network_may_leave_first() {
    for (pool_first, restarted) in [(true, false), (false, false), (true, true), (false, true)] {
        for maker_first in [true, false] {
            let (mut a, mut b) = two().await;
            let first = create(&a, NETWORK).await;
            let network = a.only::<Network>().await;
            assert!(texts(&network.tags).contains(&"kuryr.cp:here:aaaaaaaaaaaa"), "{:?}", network.tags);
            let second = join(&b, NETWORK_B, &network).await;
            assert!(texts(&a.only::<Network>().await.tags).contains(&"kuryr.cp:there:bbbbbbbbbbbb"));
            if restarted {
                a.restart().await;
                b.restart().await;
            }
            let mut order = [(&a, NETWORK, &first), (&b, NETWORK_B, &second)];
            if !maker_first {
                order.reverse();
            }
            let [(one, id, pool), (other, other_id, other_pool)] = order;
            remove(one, id, pool, pool_first).await;
            is_whole(other, other_id, other_pool, MAC).await;
            let tags = a.only::<Network>().await.tags;
            assert!(!texts(&tags).iter().any(|tag| tag.contains(&id[..12])), "{tags:?}");
            remove(other, other_id, other_pool, pool_first).await;
            a.assert_nothing_left().await;
        }
    }
}

#[tokio::test]
async fn who_joins_a_young_network_waits_until_its_maker_has_marked_it() {
    let (a, b) = two().await;
    let first = a.request_pool(CIDR, json!({})).await;
    a.create_network(NETWORK, &RANGE, json!({})).await;
    let network = a.only::<Network>().await;
    assert!(network.tags.is_empty(), "a moment later");
    let second = join(&b, NETWORK_B, &network).await;
    assert_eq!(a.only::<Network>().await.tags.len(), 7, "both, and neither's were overwritten");
    remove(&b, NETWORK_B, &second, true).await;
    is_whole(&a, NETWORK, &first, MAC).await;
    remove(&a, NETWORK, &first, true).await;
    a.assert_nothing_left().await;
}

#[tokio::test]
async fn a_network_that_somebody_made_stays_as_it_was() {
    for pool_first in [true, false] {
        let (a, b) = two().await;
        let network = foreign_network(&a).await;
        let before = a.inventory().await;
        let first = join(&a, NETWORK, &network).await;
        let second = join(&b, NETWORK_B, &network).await;
        remove(&a, NETWORK, &first, pool_first).await;
        is_whole(&b, NETWORK_B, &second, MAC).await;
        remove(&b, NETWORK_B, &second, pool_first).await;
        assert_eq!(a.inventory().await, before);
    }
}

#[tokio::test]
async fn two_hosts_on_a_subnet_that_was_there_do_not_disturb_each_other() {
    for pool_first in [true, false] {
        let (a, b) = two().await;
        let network = foreign_network(&a).await;
        let new = NewSubnet {
            network_id: Some(network.id),
            name: "exts".to_owned(),
            ip_version: Some(4),
            cidr: Some(CIDR.parse().unwrap()),
            ..NewSubnet::default()
        };
        a.neutron.create::<Subnet>(&new).await.unwrap();
        let before = a.inventory().await;
        let option = json!({"neutron.subnet.name": "exts"});
        let mut pools = Vec::new();
        for (rig, id) in [(&a, NETWORK), (&b, NETWORK_B)] {
            pools.push(rig.request_pool(CIDR, option.clone()).await);
            rig.create_network(id, &RANGE, option.clone()).await;
        }
        assert_eq!(a.only::<Subnet>().await.tags.len(), 2, "each has a pool of its own");
        remove(&a, NETWORK, &pools[0], pool_first).await;
        is_whole(&b, NETWORK_B, &pools[1], MAC).await;
        remove(&b, NETWORK_B, &pools[1], pool_first).await;
        assert_eq!(a.inventory().await, before);
    }
}

/// What kuryr-libnetwork writes when it uses a network and a subnet that are there: it has found our pool by its name.
async fn libnetwork_joins(rig: &Rig, id: &DockerId) {
    let network = rig.only::<Network>().await;
    for tag in id.tags().into_iter().chain([id.existing_network_tag()]) {
        rig.neutron.add_tag::<Network>(network.id, &tag).await.unwrap();
    }
}

#[tokio::test]
async fn a_host_with_libnetwork_keeps_the_pool_that_it_shares() {
    for (pool_first, restarted) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut a = Rig::new().await;
        let pool = create(&a, NETWORK).await;
        let other: DockerId = NETWORK_B.parse().unwrap();
        libnetwork_joins(&a, &other).await;
        if restarted {
            a.restart().await;
        }
        remove(&a, NETWORK, &pool, pool_first).await;
        let (network, subnet) = (a.only::<Network>().await, a.only::<Subnet>().await);
        assert_eq!(a.only::<SubnetPool>().await.id.to_string(), pool);
        assert_eq!(texts(&subnet.tags), [pool.as_str()]);
        let wanted: Vec<_> = other.tags().into_iter().chain([other.existing_network_tag()]).collect();
        assert!(network.tags.len() == 3 && wanted.iter().all(|tag| network.tags.contains(tag)), "{:?}", network.tags);
    }
}

#[tokio::test]
async fn what_libnetwork_made_is_taken_over() {
    let mut a = Rig::new().await;
    let pool = create(&a, NETWORK).await;
    // It says nothing of itself, and has no control plane.
    let network = a.only::<Network>().await;
    let update = NetworkUpdate { description: Some(String::new()), ..NetworkUpdate::default() };
    a.neutron.update::<Network>(network.id, &update).await.unwrap();
    let id: DockerId = NETWORK.parse().unwrap();
    a.neutron.set_tags::<Network>(network.id, &id.tags()).await.unwrap();
    a.restart().await;
    is_whole(&a, NETWORK, &pool, MAC).await;
    remove(&a, NETWORK, &pool, true).await;
    a.assert_nothing_left().await;
}

fn network_path() -> String {
    "DELETE /networking/v2.0/networks/".to_owned()
}

fn deletion(id: &str) -> Value {
    json!({ "NetworkID": id })
}

#[tokio::test]
async fn who_joins_at_the_last_moment_keeps_the_network() {
    // Whoever made it deletes it as it was when it was marked, or, after a restart, as it has just been counted.
    for restarted in [false, true] {
        let (mut a, b) = two().await;
        let pool = create(&a, NETWORK).await;
        let network = a.only::<Network>().await;
        if restarted {
            a.restart().await;
        }
        let joined = std::cell::OnceCell::new();
        a.release_pool(&pool).await;
        let act = async || joined.set(join(&b, NETWORK_B, &network).await).unwrap();
        a.calls();
        let answer = a.meanwhile("/NetworkDriver.DeleteNetwork", deletion(NETWORK), &network_path(), act).await;
        assert_eq!(answer, (StatusCode::OK, json!({})));
        let first = &a.calls()[0];
        assert_eq!(first.starts_with(&network_path()), !restarted, "{first}");
        let second = joined.into_inner().unwrap();
        is_whole(&b, NETWORK_B, &second, MAC).await;
        remove(&b, NETWORK_B, &second, true).await;
        a.assert_nothing_left().await;
    }
}

#[tokio::test]
async fn who_joins_before_a_lost_answer_is_made_up_for_stays() {
    let (a, b) = two().await;
    let pool = a.request_pool(CIDR, json!({})).await;
    a.create_network(NETWORK, &RANGE, json!({})).await;
    let network = a.only::<Network>().await;
    let (reached, released) = a.hold(&format!("PUT /networking/v2.0/networks/{}/tags", network.id), true);
    tokio::time::timeout(Duration::from_secs(20), reached.notified()).await.expect("the tags are written behind");
    let second = join(&b, NETWORK_B, &network).await;
    released.notify_one();
    a.service.settle().await;
    let tags = a.only::<Network>().await.tags;
    for id in [NETWORK, NETWORK_B] {
        let id: DockerId = id.parse().unwrap();
        assert!(id.tags().iter().all(|tag| tags.contains(tag)), "{tags:?}");
    }
    remove(&b, NETWORK_B, &second, true).await;
    remove(&a, NETWORK, &pool, true).await;
    a.assert_nothing_left().await;
}

#[tokio::test]
async fn who_joins_a_subnet_that_goes_gets_a_new_one() {
    let (a, b) = two().await;
    let network = foreign_network(&a).await;
    let before = a.inventory().await;
    let first = join(&a, NETWORK, &network).await;
    a.subnets_are_tagged().await;
    let second = b.request_pool(CIDR, json!({})).await;
    let body = Rig::network_request(NETWORK_B, &RANGE, json!({"neutron.net.name": "ext"}));
    let act = async || remove(&a, NETWORK, &first, true).await;
    let answer = b.meanwhile("/NetworkDriver.CreateNetwork", body, "PUT /networking/v2.0/subnets/", act).await;
    assert_eq!(answer, (StatusCode::OK, json!({})));
    is_whole(&b, NETWORK_B, &second, MAC).await;
    remove(&b, NETWORK_B, &second, true).await;
    assert_eq!(a.inventory().await, before);
}

#[tokio::test]
async fn of_two_that_leave_at_once_one_is_the_last() {
    // The second leaves as a whole while the first is about to make one of its calls.
    let calls = ["GET", "DELETE", "GET /networking/v2.0/networks/", "DELETE /networking/v2.0/networks/"];
    for call in calls {
        for maker_first in [true, false] {
            for foreign in [true, false] {
                let (a, b) = two().await;
                let mut before = Vec::new();
                let first = if foreign {
                    let network = foreign_network(&a).await;
                    before = a.inventory().await;
                    join(&a, NETWORK, &network).await
                } else {
                    create(&a, NETWORK).await
                };
                let second = join(&b, NETWORK_B, &a.only::<Network>().await).await;
                let mut order = [(&a, NETWORK, &first), (&b, NETWORK_B, &second)];
                if !maker_first {
                    order.reverse();
                }
                let [(one, id, pool), (other, other_id, other_pool)] = order;
                one.release_pool(pool).await;
                let act = async || remove(other, other_id, other_pool, true).await;
                let answer = one.meanwhile("/NetworkDriver.DeleteNetwork", deletion(id), call, act).await;
                assert_eq!(answer, (StatusCode::OK, json!({})), "{call} {maker_first} {foreign}");
                assert_eq!(a.inventory().await, before, "{call} {maker_first} {foreign}");
            }
        }
    }
}

/// A Kuryr about to remove its network, on which another one is or is not.
async fn leaving(shared: bool) -> (Rig, Rig, String, Option<String>) {
    let (a, b) = two().await;
    let first = create(&a, NETWORK).await;
    let second = if shared { Some(join(&b, NETWORK_B, &a.only::<Network>().await).await) } else { None };
    a.release_pool(&first).await;
    a.calls();
    (a, b, first, second)
}

#[tokio::test]
async fn who_is_killed_while_leaving_takes_nothing_from_others_and_can_be_found() {
    for shared in [true, false] {
        // The calls of an undisturbed removal tell where it can be killed.
        let (probe, ..) = leaving(shared).await;
        probe.delete_network(NETWORK).await;
        let calls = probe.calls();
        for (step, call) in calls.iter().enumerate() {
            let (mut a, b, first, second) = leaving(shared).await;
            let method = call.split(' ').next().unwrap();
            let nth = calls[..=step].iter().filter(|call| call.starts_with(method)).count();
            a.killed_at("/NetworkDriver.DeleteNetwork", deletion(NETWORK), method, nth).await;
            if let Some(second) = &second {
                is_whole(&b, NETWORK_B, second, MAC).await;
                remove(&b, NETWORK_B, second, true).await;
            }
            // What is left tells whose it is: networks and pools by their makers, a Docker network by its tags.
            for network in a.all::<Network>().await {
                assert_eq!(author(&network.description), Author::Kuryr("here".parse().unwrap()), "{call}");
                assert!(texts(&network.tags).contains(&"kuryr.cp:here:aaaaaaaaaaaa"), "{call}: {:?}", network.tags);
            }
            for pool in a.all::<SubnetPool>().await {
                assert_eq!(author(&pool.description), Author::Kuryr("here".parse().unwrap()), "{call}");
            }
            assert!(a.all::<Port>().await.is_empty());
            // Who asks again has it done.
            remove(&a, NETWORK, &first, false).await;
            let networks = a.all::<Network>().await;
            let identity: DockerId = NETWORK.parse().unwrap();
            assert!(
                networks.iter().all(|network| !identity.tags().iter().all(|tag| network.tags.contains(tag))),
                "{call}"
            );
        }
    }
}

#[tokio::test]
async fn a_swarms_hosts_share_one_network_and_the_last_one_deletes_it() {
    let global = |settings: &mut PluginSettings| settings.capability_scope = CapabilityScope::Global;
    let manager = Rig::with(global, false).await;
    let (worker, other) = (manager.beside("worker"), manager.beside("other"));
    let pool = manager.request_pool(CIDR, json!({})).await;
    for rig in [&worker, &other] {
        rig.create_network(SWARM_NETWORK, &RANGE, json!({})).await;
        rig.create_network(SWARM_NETWORK, &RANGE, json!({})).await;
    }
    manager.only::<Subnet>().await;
    assert_eq!(manager.only::<Network>().await.tags.len(), 3);
    worker.delete_network(SWARM_NETWORK).await;
    is_whole(&other, SWARM_NETWORK, &pool, MAC).await;
    // It comes back for another task, and both go at once.
    worker.create_network(SWARM_NETWORK, &RANGE, json!({})).await;
    let act = async || other.delete_network(SWARM_NETWORK).await;
    let call = "DELETE /networking/v2.0/networks/";
    worker.meanwhile("/NetworkDriver.DeleteNetwork", deletion(SWARM_NETWORK), call, act).await;
    assert!(manager.all::<Network>().await.is_empty());
    assert_eq!(manager.only::<SubnetPool>().await.id.to_string(), pool, "the manager still has it");
    manager.release_pool(&pool).await;
    manager.assert_nothing_left().await;
}
