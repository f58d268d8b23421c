//! Networks that Docker forgot, and those whose creation or marking was cut off.

use super::{CIDR, Docker, NETWORK_C, RANGE};
use crate::rig::*;
use kuryr_docker::reconcile::Truth;
use kuryr_neutron::{Network, NewNetwork, Port};
use kuryr_ports::DockerId;
use serde_json::json;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn networks_that_docker_forgot_go_with_all_that_kuryr_made() {
    let mut rig = Rig::new().await;
    let mine = rig.neutron.create::<Network>(&NewNetwork { name: "mine".to_owned(), ..NewNetwork::default() }).await;
    let mine = mine.unwrap();
    let docker = Docker::start(&[]);
    // One that Docker has, one that it forgot, one on somebody's network that it forgot.
    rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    // Tags of the network and of its subnet, in whichever order.
    rig.service.settle().await;
    let before = rig.inventory().await;
    rig.request_pool("10.1.0.0/24", json!({})).await;
    rig.create_network(NETWORK_B, &[("10.1.0.0/24", "10.1.0.1/24")], json!({})).await;
    rig.request_pool("10.2.0.0/24", json!({})).await;
    let existing = json!({"neutron.net.uuid": mine.id.to_string()});
    rig.create_network(NETWORK_C, &[("10.2.0.0/24", "10.2.0.1/24")], existing).await;
    rig.subnets_are_tagged().await;
    let outcome = docker.reconciler(&rig).collect(Truth::Docker).await.unwrap();
    assert!(outcome.removed.is_empty(), "they may be on their way into Docker's lists: {outcome:?}");
    rig.restart().await;
    let outcome = docker.reconciler(&rig).collect(Truth::Docker).await.unwrap();
    assert_eq!((outcome.removed.len(), outcome.failed.len()), (2, 0), "{outcome:?}");
    assert_eq!(rig.inventory().await, before);
}

#[tokio::test]
async fn who_was_forgotten_among_others_leaves_and_the_last_one_deletes() {
    let leaving: DockerId = NETWORK_C.parse().unwrap();
    let cut_off = [None, Some(&leaving.tags()[0]), Some(&leaving.tags()[1])];
    for (made_by_kuryr, cut_off) in [true, false].into_iter().flat_map(|made| cut_off.map(|cut_off| (made, cut_off))) {
        let here = Rig::new().await;
        let mut forgotten = here.beside("there");
        let mut before = Vec::new();
        let mut option = json!({});
        if !made_by_kuryr {
            let new = NewNetwork { name: "ext".to_owned(), ..NewNetwork::default() };
            let network = here.neutron.create::<Network>(&new).await.unwrap();
            option = json!({"neutron.net.uuid": network.id.to_string()});
            before = here.inventory().await;
        }
        here.request_pool(CIDR, json!({})).await;
        here.create_network(NETWORK_B, &RANGE, option).await;
        here.service.settle().await;
        let network = here.only::<Network>().await.id;
        forgotten.request_pool(CIDR, json!({})).await;
        forgotten.create_network(NETWORK_C, &RANGE, json!({"neutron.net.uuid": network.to_string()})).await;
        if let Some(tag) = cut_off {
            // It was leaving, and got as far as this.
            here.neutron.remove_tag::<Network>(network, tag).await.unwrap();
        }
        forgotten.restart().await;
        // Its Docker has another network, and does not know whose second half is whose on this one.
        let docker = Docker::start(&[]);
        let outcome = docker.reconciler(&forgotten).collect(Truth::Docker).await.unwrap();
        assert!(outcome.failed.is_empty() && !outcome.removed.is_empty(), "{outcome:?}");
        let tags = here.only::<Network>().await.tags;
        assert!(!texts(&tags).iter().any(|tag| tag.contains("there") || tag.contains("lh:cc")), "{tags:?}");
        let theirs: DockerId = NETWORK_B.parse().unwrap();
        assert!(theirs.tags().iter().all(|tag| tags.contains(tag)), "{tags:?}");
        // Its pool went with it, or is held by nothing now.
        docker.reconciler(&forgotten).collect(Truth::Docker).await.unwrap();
        let last = docker.reconciler(&forgotten).collect(Truth::Docker).await.unwrap();
        assert!(last.removed.is_empty() && last.failed.is_empty(), "{last:?}");
        here.delete_network(NETWORK_B).await;
        assert_eq!(here.inventory().await, before, "{made_by_kuryr} {cut_off:?}");
    }
}

#[tokio::test]
async fn creations_that_were_cut_off_leave_nothing() {
    let mut rig = Rig::new().await;
    rig.request_pool(CIDR, json!({})).await;
    // Made, and then the process was killed before it could say whose it is.
    let made = NewNetwork {
        name: "kuryr-net-bbbbbbbb".to_owned(),
        description: Some("Created by Kuryr, req-1 on here".to_owned()),
        ..NewNetwork::default()
    };
    rig.neutron.create::<Network>(&made).await.unwrap();
    let elsewhere = NewNetwork { description: Some("Created by Kuryr, req-1 on there".to_owned()), ..made };
    let theirs = rig.neutron.create::<Network>(&elsewhere).await.unwrap();
    rig.restart().await;
    let outcome = Docker::start(&[]).reconciler(&rig).collect(Truth::Docker).await.unwrap();
    assert_eq!((outcome.removed.len(), outcome.failed.len()), (2, 0), "a pool and a network: {outcome:?}");
    assert_eq!(rig.only::<Network>().await.id, theirs.id);
    assert!(rig.all::<kuryr_neutron::SubnetPool>().await.is_empty());
}

#[tokio::test]
async fn a_network_that_was_never_marked_takes_its_pool_along() {
    let mut rig = Rig::new().await;
    rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK_B, &RANGE, json!({})).await;
    // Its tags are written behind.
    rig.kill();
    let outcome = Docker::start(&[]).reconciler(&rig).collect(Truth::Docker).await.unwrap();
    assert_eq!((outcome.removed.len(), outcome.failed.len()), (1, 0), "{outcome:?}");
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn a_network_goes_wherever_the_marking_of_it_was_cut_off() {
    for cut in 0..=3 {
        let mut rig = Rig::new().await;
        let pool = rig.request_pool(CIDR, json!({})).await;
        rig.create_network(NETWORK_B, &RANGE, json!({})).await;
        // Its tags are written behind, and so by whoever uses it first.
        rig.kill();
        let address = rig.request_address(&pool, "", MAC).await;
        let first_use = Rig::endpoint_request(NETWORK_B, ENDPOINT, &address, "", MAC);
        match cut {
            0 => drop(rig.ok("/NetworkDriver.CreateEndpoint", first_use).await),
            _ => rig.killed_at("/NetworkDriver.CreateEndpoint", first_use, "PUT /networking/v2.0/networks", cut).await,
        }
        rig.kill();
        for port in rig.all::<Port>().await {
            rig.neutron.delete_if_exists::<Port>(port.id).await.unwrap();
        }
        let docker = Docker::start(&[]);
        let reconciler = docker.reconciler(&rig);
        // A pool goes when nothing goes by it any more.
        reconciler.collect(Truth::Docker).await.unwrap();
        reconciler.collect(Truth::Docker).await.unwrap();
        rig.assert_nothing_left().await;
    }
}

#[tokio::test]
async fn a_marking_that_was_cut_off_is_taken_up_again() {
    let tags = async |rig: &Rig| {
        let mut tags = rig.only::<Network>().await.tags;
        tags.sort();
        tags
    };
    for cut in 1..=3 {
        let mut rig = Rig::new().await;
        rig.request_pool(CIDR, json!({})).await;
        rig.create_network(NETWORK, &RANGE, json!({})).await;
        rig.networks_are_tagged().await;
        let wanted = tags(&rig).await;
        let network = rig.only::<Network>().await;
        rig.neutron.set_tags::<Network>(network.id, &[]).await.unwrap();
        rig.kill();
        let ids = json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT, "SandboxKey": "s", "Options": {}});
        rig.killed_at("/NetworkDriver.Join", ids.clone(), "PUT /networking/v2.0/networks", cut).await;
        let (_, error) = rig.err("/NetworkDriver.Join", ids).await;
        assert!(error.starts_with("The port doesn't exist"), "the network is known again: {error}");
        assert_eq!(tags(&rig).await, wanted);
    }
}

#[tokio::test]
async fn a_removal_that_fails_after_the_comparison_stepped_aside_is_not_forgotten() {
    let rig = Rig::new().await;
    let docker = Docker::start(&[]);
    rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    rig.subnets_are_tagged().await;
    let before = rig.inventory().await;
    rig.request_pool("10.1.0.0/24", json!({})).await;
    rig.create_network(NETWORK_B, &[("10.1.0.0/24", "10.1.0.1/24")], json!({})).await;
    rig.subnets_are_tagged().await;
    rig.networks_are_tagged().await;

    let (stop, (looks, mut looked)) = (CancellationToken::new(), watch::channel(0));
    let (every, pause) = watch::channel(None);
    // A pause that is new counts from now, and has no head start.
    every.send_replace(Some(Duration::from_millis(20)));
    let reconciler = docker.reconciler(&rig);
    let compared = reconciler.run(pause, stop.clone(), |_| looks.send_modify(|count| *count += 1));
    let asked = async {
        looked.wait_for(|count| *count > 0).await.unwrap();
        let removal = json!({"NetworkID": NETWORK_B});
        let call = "DELETE /networking/v2.0/networks";
        let (status, told) = rig
            .meanwhile("/NetworkDriver.DeleteNetwork", removal, call, async || {
                let seen = *looked.borrow();
                looked.wait_for(|count| *count > seen + 1).await.unwrap();
                rig.take_cloud_away(true);
            })
            .await;
        assert!(!status.is_success(), "{told}");
        rig.take_cloud_away(false);
        // Docker forgets the network all the same, and nobody asks again.
        rig.written_behind(async || rig.inventory().await == before).await;
        stop.cancel();
    };
    tokio::join!(compared, asked);
}
