//! Answers wait for the data plane where it is concerned, and only there.

use crate::client::{Client, HOST, id, neutron};
use futures_util::future::{BoxFuture, FutureExt};
use kuryr_cloud::api::{AppliedWaiter, NotApplied};
use serde_json::json;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// A data plane that counts who waits for it, and fails when told.
#[derive(Default)]
struct Counting {
    waits: AtomicUsize,
    broken: AtomicBool,
}

impl AppliedWaiter for Counting {
    fn applied(&self, revision: u64) -> BoxFuture<'_, Result<(), NotApplied>> {
        self.waits.fetch_add(1, Ordering::SeqCst);
        let broken = self.broken.load(Ordering::SeqCst);
        let outcome = if broken { Err(NotApplied { revision, reason: "broken".to_owned() }) } else { Ok(()) };
        async move { outcome }.boxed()
    }
}

#[tokio::test]
async fn only_what_the_kernel_must_know_waits() {
    let plane = Arc::new(Counting::default());
    let client = Client::with(Some(plane.clone())).await;
    let waits = || plane.waits.swap(0, Ordering::SeqCst);
    let (network, _) = client.network().await;
    let free = id(&client.create("ports", "port", json!({"network_id": network})).await);
    client.put(&neutron(&format!("ports/{free}/tags/a")), json!(null)).await.expect(201);
    client.delete(&neutron(&format!("ports/{free}"))).await.expect(204);
    assert_eq!(waits(), 0, "an unbound port is not in the kernel");

    let bound = id(&client.create("ports", "port", json!({"network_id": network, "binding:host_id": HOST})).await);
    assert_eq!(waits(), 1);
    let path = neutron(&format!("ports/{bound}"));
    client.put(&path, json!({"port": {"name": "n", "device_id": "d"}})).await.expect(200);
    assert_eq!(waits(), 0, "names are nothing to the kernel");
    client.put(&path, json!({"port": {"security_groups": []}})).await.expect(200);
    assert_eq!(waits(), 1);
    client.delete(&path).await.expect(204);
    assert_eq!(waits(), 1);
}

#[tokio::test]
async fn a_rule_is_in_force_or_gone_when_its_writer_hears_so() {
    let plane = Arc::new(Counting::default());
    let client = Client::with(Some(plane.clone())).await;
    let waits = || plane.waits.swap(0, Ordering::SeqCst);
    let group = id(&client.create("security-groups", "security_group", json!({"name": "web"})).await);
    assert_eq!(waits(), 0, "nobody is in it yet");
    let rule = json!({"security_group_id": group, "direction": "ingress", "protocol": "tcp"});
    let rule = id(&client.create("security-group-rules", "security_group_rule", rule).await);
    assert_eq!(waits(), 1);
    client.delete(&neutron(&format!("security-group-rules/{rule}"))).await.expect(204);
    assert_eq!(waits(), 1);
}

#[tokio::test]
async fn a_binding_that_is_not_in_force_is_told() {
    let plane = Arc::new(Counting::default());
    let client = Client::with(Some(plane.clone())).await;
    let (network, _) = client.network().await;
    plane.broken.store(true, Ordering::SeqCst);
    let port = client.create("ports", "port", json!({"network_id": network, "binding:host_id": HOST})).await;
    assert_eq!(port["binding:vif_type"], "binding_failed");
    let shown = client.get(&neutron(&format!("ports/{}", id(&port)))).await.body["port"].clone();
    assert_eq!(shown["binding:vif_type"], "binding_failed", "the state tells it too");
}

#[tokio::test]
async fn a_plugged_port_stays_bound_when_a_change_is_late() {
    let plane = Arc::new(Counting::default());
    let client = Client::with(Some(plane.clone())).await;
    let (network, _) = client.network().await;
    let port = id(&client.create("ports", "port", json!({"network_id": network, "binding:host_id": HOST})).await);
    plane.broken.store(true, Ordering::SeqCst);
    let path = neutron(&format!("ports/{port}"));
    let changed = client.put(&path, json!({"port": {"security_groups": []}})).await.expect(200);
    assert_eq!(changed.body["port"]["binding:vif_type"], "bridge");
}
