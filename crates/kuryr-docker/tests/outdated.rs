//! What the plugin remembers and somebody has changed in Neutron meanwhile: it asks again, and Neutron is right.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may

mod rig;

use kuryr_neutron::{
    FixedIpRequest, Network, NewPort, NewSubnet, Port, PortUpdate, SecurityGroup, SecurityGroupId, Subnet, SubnetUpdate,
};
use rig::*;
use serde_json::json;

const CIDR: &str = "10.0.0.0/24";
const RANGE: [(&str, &str); 1] = [(CIDR, "10.0.0.1/24")];

async fn network() -> (Rig, String) {
    let rig = Rig::new().await;
    let pool = rig.request_pool(CIDR, json!({})).await;
    rig.create_network(NETWORK, &RANGE, json!({})).await;
    (rig, pool)
}

async fn end(rig: &Rig, pool: &str, address: &str) {
    rig.endpoint("RevokeExternalConnectivity", NETWORK, ENDPOINT).await;
    rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
    rig.release_address(pool, address).await;
}

async fn a_machine(rig: &Rig, address: &str) -> Port {
    let subnet = rig.only::<Subnet>().await;
    let wish = FixedIpRequest { subnet_id: Some(subnet.id), ip_address: Some(address.parse().unwrap()) };
    let device_id = Some("vm".to_owned());
    let new =
        NewPort { network_id: Some(subnet.network_id), fixed_ips: Some(vec![wish]), device_id, ..NewPort::default() };
    rig.neutron.create::<Port>(&new).await.unwrap()
}

#[tokio::test]
async fn a_port_that_was_deleted_before_its_endpoint_came_is_made_anew() {
    let (mut rig, pool) = network().await;
    let address = rig.request_address(&pool, "", MAC).await;
    let first = rig.only::<Port>().await;
    rig.neutron.delete::<Port>(first.id).await.unwrap();
    // A process that made the port itself, a moment ago, does not ask whether it is still there.
    rig.restart().await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    let second = rig.only::<Port>().await;
    assert_ne!(second.id, first.id);
    assert_eq!(rig.links().0, [second.id.container_name()], "nothing is left of the first");
    assert_eq!(rig.join(NETWORK, ENDPOINT).await["InterfaceName"]["SrcName"], second.id.container_name());
    end(&rig, &pool, &address).await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn an_address_that_went_to_a_machine_is_not_taken_from_it() {
    let (mut rig, pool) = network().await;
    let address = rig.request_address(&pool, "10.0.0.9", MAC).await;
    rig.neutron.delete::<Port>(rig.only::<Port>().await.id).await.unwrap();
    let machine = a_machine(&rig, "10.0.0.9").await;
    rig.restart().await;
    let body = Rig::endpoint_request(NETWORK, ENDPOINT, &address, "", MAC);
    let (status, text) = rig.err("/NetworkDriver.CreateEndpoint", body).await;
    assert!(status == 409 && text.contains(&machine.id.to_string()), "{status} {text}");
    rig.release_address(&pool, &address).await;
    assert_eq!(rig.only::<Port>().await, machine);
    assert_eq!(rig.links(), (vec![], vec![]));
}

#[tokio::test]
async fn a_port_that_went_in_the_very_moment_of_the_start_harms_no_machine() {
    let (rig, pool) = network().await;
    let address = rig.request_address(&pool, "10.0.0.9", MAC).await;
    rig.neutron.delete::<Port>(rig.only::<Port>().await.id).await.unwrap();
    let machine = a_machine(&rig, "10.0.0.9").await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    rig.service.settle().await;
    assert_eq!(rig.only::<Port>().await, machine);
    end(&rig, &pool, &address).await;
    assert_eq!(rig.only::<Port>().await, machine);
    assert_eq!(rig.links(), (vec![], vec![]));
}

#[tokio::test]
async fn a_port_that_went_while_its_container_ran_stops_nobody() {
    let (rig, pool) = network().await;
    let address = rig.request_address(&pool, "10.0.0.9", MAC).await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    rig.neutron.delete::<Port>(rig.only::<Port>().await.id).await.unwrap();
    let machine = a_machine(&rig, "10.0.0.9").await;
    let body = json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT});
    assert_eq!(rig.ok("/NetworkDriver.EndpointOperInfo", body).await, json!({"Value": {}}), "Neutron knows best");
    end(&rig, &pool, &address).await;
    assert_eq!(rig.only::<Port>().await, machine, "the address is a machine's now");
}

#[tokio::test]
async fn a_gateway_that_was_taken_away_makes_its_address_free() {
    let (rig, pool) = network().await;
    let subnet = rig.only::<Subnet>().await;
    let update = SubnetUpdate { gateway_ip: Some(None), ..SubnetUpdate::default() };
    rig.neutron.update::<Subnet>(subnet.id, &update).await.unwrap();
    // As the plugin remembers it, this is the gateway; the refusal is looked into.
    assert_eq!(rig.request_address(&pool, "10.0.0.1", MAC).await, "10.0.0.1/24");
    rig.create_endpoint(NETWORK, ENDPOINT, "10.0.0.1/24", "", MAC).await;
    assert!(rig.join(NETWORK, ENDPOINT).await["Gateway"].is_null());
}

#[tokio::test]
async fn groups_that_an_operator_gave_stay_when_ports_are_exposed() {
    let (rig, pool) = network().await;
    let address = rig.request_address(&pool, "", MAC).await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    let new = serde_json::from_value(json!({"name": "operators"})).unwrap();
    let group: SecurityGroupId = rig.neutron.create::<SecurityGroup>(&new).await.unwrap().id;
    let port = rig.only::<Port>().await;
    let update = PortUpdate { security_groups: Some(vec![group]), ..PortUpdate::default() };
    rig.neutron.update::<Port>(port.id, &update).await.unwrap();
    let body = json!({"NetworkID": NETWORK, "EndpointID": ENDPOINT, "Options":
        {"com.docker.network.endpoint.exposedports": [{"Proto": 6, "Port": 80}]}});
    rig.ok("/NetworkDriver.ProgramExternalConnectivity", body).await;
    let groups = rig.only::<Port>().await.security_groups;
    assert!(groups.len() == 2 && groups.contains(&group), "{groups:?}");
    rig.endpoint("RevokeExternalConnectivity", NETWORK, ENDPOINT).await;
    assert_eq!(rig.only::<Port>().await.security_groups, [group]);
}

#[tokio::test]
async fn tags_that_a_crash_took_along_are_written_by_the_next_process() {
    let (mut rig, pool) = network().await;
    let address = rig.request_address(&pool, "", MAC).await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    rig.ports_are_marked().await;
    let port = rig.only::<Port>().await;
    rig.neutron.set_tags::<Port>(port.id, &[]).await.unwrap();
    rig.restart().await;
    // Found by its device until then.
    assert_eq!(rig.join(NETWORK, ENDPOINT).await["InterfaceName"]["SrcName"], port.id.container_name());
    rig.ports_are_marked().await;
    assert_eq!(rig.only::<Port>().await.tags, port.tags);
    rig.restart().await;
    end(&rig, &pool, &address).await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn an_address_that_docker_never_gave_back_does_not_keep_the_network() {
    let (mut rig, pool) = network().await;
    let address = rig.request_address(&pool, "", MAC).await;
    rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await;
    rig.endpoint("DeleteEndpoint", NETWORK, ENDPOINT).await;
    // Docker dies here, and knows nothing of the endpoint when it comes back.
    rig.restart().await;
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn a_network_that_got_somebodys_subnet_is_not_deleted_with_it() {
    let (rig, pool) = network().await;
    rig.service.settle().await;
    let new = NewSubnet {
        network_id: Some(rig.only::<Network>().await.id),
        name: "operators".to_owned(),
        ip_version: Some(6),
        cidr: Some("fd00::/64".parse().unwrap()),
        ..NewSubnet::default()
    };
    let theirs = rig.neutron.create::<Subnet>(&new).await.unwrap();
    rig.release_pool(&pool).await;
    let (status, text) = rig.err("/NetworkDriver.DeleteNetwork", json!({ "NetworkID": NETWORK })).await;
    assert!(status == 409 && text.contains(&theirs.id.to_string()), "{status} {text}");
    assert_eq!(rig.only::<Subnet>().await.id, theirs.id);
    rig.neutron.delete::<Subnet>(theirs.id).await.unwrap();
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

#[tokio::test]
async fn a_network_that_is_gone_already_leaves_nothing_of_it() {
    let (rig, pool) = network().await;
    rig.service.settle().await;
    rig.neutron.delete::<Network>(rig.only::<Network>().await.id).await.unwrap();
    rig.release_pool(&pool).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}
