//! Ready ports with an IPv4 and an IPv6 address, for which Docker asks one after the other.

use super::*;

const SIX: &str = "fd00:10::/64";
const BOTH: [(&str, &str); 2] = [(CIDR, "10.0.0.1/24"), (SIX, "fd00:10::1/64")];
const POST: &str = "POST /networking/v2.0/ports";

/// The pools of a network of both IP versions.
pub struct Pools {
    pub four: String,
    pub six: String,
}

/// A container's place.
#[derive(Debug, Clone)]
pub struct Place {
    pub four: String,
    pub six: String,
    pub mac: MacAddr,
}

impl Place {
    /// Whether its port has exactly its addresses.
    pub fn is_of(&self, port: &Port) -> bool {
        let mut has: Vec<String> = port.fixed_ips.iter().map(|ip| ip.ip_address.to_string()).collect();
        has.sort();
        let own = [&self.four, &self.six].into_iter().filter(|text| !text.is_empty());
        has.iter().map(String::as_str).eq(own.map(|text| text.split('/').next().unwrap()))
    }
}

pub async fn network_of_both(rig: &Rig, options: Value) -> Pools {
    let four = rig.request_pool(CIDR, json!({})).await;
    rig.gateway(&four, "10.0.0.1").await;
    let six = rig.request_pool(SIX, json!({})).await;
    rig.gateway(&six, "fd00:10::1").await;
    rig.create_network(NETWORK, &BOTH, options).await;
    Pools { four, six }
}

async fn rig_of_both() -> (Rig, Pools) {
    let rig = Rig::with(|settings| settings.ready = Some(LIMITS), false).await;
    let pools = network_of_both(&rig, json!({})).await;
    (rig, pools)
}

async fn create(rig: &Rig, endpoint: &str, four: &str, six: &str) -> Place {
    let body = Rig::endpoint_request(NETWORK, endpoint, four, six, "");
    let answer = rig.ok("/NetworkDriver.CreateEndpoint", body).await;
    let mac = answer["Interface"]["MacAddress"].as_str().unwrap().parse().unwrap();
    let joined = rig.join(NETWORK, endpoint).await;
    assert_eq!((&joined["Gateway"], &joined["GatewayIPv6"]), (&json!("10.0.0.1"), &json!("fd00:10::1")));
    rig.endpoint("ProgramExternalConnectivity", NETWORK, endpoint).await;
    rig.ok("/NetworkDriver.EndpointOperInfo", json!({"NetworkID": NETWORK, "EndpointID": endpoint})).await;
    Place { four: four.to_owned(), six: six.to_owned(), mac }
}

/// `--ip` and `--ip6`, or any.
async fn start_at(rig: &Rig, pools: &Pools, endpoint: &str, wanted: [&str; 2]) -> Place {
    let four = address(rig, &pools.four, wanted[0]).await;
    let six = address(rig, &pools.six, wanted[1]).await;
    create(rig, endpoint, &four, &six).await
}

pub async fn start_both(rig: &Rig, pools: &Pools, endpoint: &str) -> Place {
    start_at(rig, pools, endpoint, ["", ""]).await
}

async fn end(rig: &Rig, endpoint: &str) {
    for method in ["RevokeExternalConnectivity", "Leave", "DeleteEndpoint"] {
        rig.endpoint(method, NETWORK, endpoint).await;
    }
}

pub async fn stop_both(rig: &Rig, pools: &Pools, endpoint: &str, place: &Place) {
    end(rig, endpoint).await;
    rig.release_address(&pools.four, &place.four).await;
    rig.release_address(&pools.six, &place.six).await;
}

pub async fn remove_both(rig: &Rig, pools: &Pools) {
    rig.service.settle().await;
    rig.release_pool(&pools.four).await;
    rig.release_pool(&pools.six).await;
    rig.delete_network(NETWORK).await;
    rig.assert_nothing_left().await;
}

/// The container's port, which is the only one with any of its addresses.
async fn port_of(rig: &Rig, place: &Place) -> Port {
    let ports = rig.all::<Port>().await;
    let port = ports.iter().find(|port| port.mac_address == place.mac).unwrap();
    assert!(place.is_of(port), "{place:?} {port:?}");
    let mut all: Vec<_> = ports.iter().flat_map(|port| &port.fixed_ips).map(|ip| ip.ip_address).collect();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count, "an address twice: {ports:?}");
    // Looking costs a call too.
    rig.calls();
    port.clone()
}

/// The ready ports, once there are as many as there are to be, and none is on its way.
async fn filled(rig: &Rig) -> Vec<Port> {
    rig.written_behind(async || {
        let stock = rig.service.ready_stock()[0].2;
        stock.ready >= LIMITS.min && stock.returning == 0 && unused(rig).await.len() == stock.ready
    })
    .await;
    rig.service.settle().await;
    let ready = unused(rig).await;
    assert!(ready.len() <= LIMITS.max && ready.iter().all(|port| port.fixed_ips.len() == 2), "{ready:?}");
    rig.calls();
    ready
}

#[tokio::test]
async fn both_addresses_of_a_start_wait_for_no_call() {
    let (rig, pools) = rig_of_both().await;
    rig.calls();
    let first = start_both(&rig, &pools, ENDPOINT).await;
    assert_eq!(rig.calls(), [POST], "the first container's port is made with both");
    port_of(&rig, &first).await;
    let ready = filled(&rig).await;
    for four_first in [true, false] {
        let second = start_both(&rig, &pools, ENDPOINT_B).await;
        assert_eq!(rig.calls(), Vec::<String>::new(), "a start");
        let port = port_of(&rig, &second).await;
        assert!(!four_first || ready.iter().any(|other| other.id == port.id), "{ready:?}");
        rig.ports_are_marked().await;
        rig.calls();
        end(&rig, ENDPOINT_B).await;
        let mut releases = [(&pools.four, &second.four), (&pools.six, &second.six)];
        if !four_first {
            releases.reverse();
        }
        rig.release_address(releases[0].0, releases[0].1).await;
        rig.release_address(releases[0].0, releases[0].1).await;
        let stock = rig.service.ready_stock()[0].2;
        assert_eq!((stock.lent, stock.returning), (2, 0), "Docker still has one of its addresses");
        for (pool, address) in releases.repeat(2) {
            rig.release_address(pool, address).await;
        }
        assert_eq!(rig.calls(), Vec::<String>::new(), "a stop, and parts of it again");
        rig.service.settle().await;
        let back = unused(&rig).await.into_iter().find(|other| other.id == port.id).unwrap();
        assert!(
            second.is_of(&back) && texts(&back.tags) == ["compute:kuryr"],
            "as if no container had had it: {back:?}"
        );
        filled(&rig).await;
    }
    stop_both(&rig, &pools, ENDPOINT, &first).await;
    assert_eq!(rig.calls(), Vec::<String>::new(), "the first one is given back too");
    remove_both(&rig, &pools).await;
}

#[tokio::test]
async fn wanted_addresses_come_together_on_one_port() {
    let (rig, pools) = rig_of_both().await;
    let first = start_both(&rig, &pools, ENDPOINT).await;
    let mut running = vec![(ENDPOINT.to_owned(), first.clone())];
    let mut start = async |number: usize, wanted: [&str; 2]| {
        let endpoint = number.to_string().repeat(64);
        let place = start_at(&rig, &pools, &endpoint, wanted).await;
        let calls = rig.calls();
        port_of(&rig, &place).await;
        running.push((endpoint, place));
        calls
    };
    filled(&rig).await;
    assert_eq!(start(3, ["10.0.0.77", ""]).await, [POST], "--ip alone");
    filled(&rig).await;
    let calls = start(4, ["", "fd00:10::77"]).await;
    assert!(calls.len() == 1 && calls[0].starts_with("PUT "), "--ip6 alone: {calls:?}");
    filled(&rig).await;
    assert_eq!(start(5, ["10.0.0.78", "fd00:10::78"]).await.len(), 2, "both");
    let ready = filled(&rig).await;
    let of = |port: &Port, is_four: bool| {
        port.fixed_ips.iter().find(|ip| ip.ip_address.is_ipv4() == is_four).unwrap().ip_address.to_string()
    };
    let last = ready.last().unwrap();
    assert_eq!(start(6, [&of(last, true), &of(last, false)]).await, Vec::<String>::new(), "those of a ready port");
    let ready = filled(&rig).await;
    start(7, [&of(&ready[0], true), &of(&ready[1], false)]).await;
    assert!(rig.all::<Port>().await.iter().all(|port| port.id != ready[1].id), "it was in the way");
    filled(&rig).await;

    // Another container has it.
    let four = address(&rig, &pools.four, "").await;
    let body = json!({"PoolID": pools.six, "Address": "fd00:10::77", "Options": null});
    assert_eq!(rig.err("/IpamDriver.RequestAddress", body).await.0, 409);
    rig.release_address(&pools.four, &four).await;
    for (endpoint, place) in &running {
        port_of(&rig, place).await;
        stop_both(&rig, &pools, endpoint, place).await;
    }
    rig.service.settle().await;
    rig.written_behind(async || rig.all::<Port>().await.len() <= LIMITS.max).await;
    let left = rig.all::<Port>().await;
    assert!(left.iter().all(|port| port.fixed_ips.len() == 2 && port.device_id.is_empty()), "{left:?}");
    remove_both(&rig, &pools).await;
}

#[tokio::test]
async fn starts_that_have_each_others_addresses_are_put_right() {
    for is_first_first in [true, false] {
        let (rig, pools) = rig_of_both().await;
        let first = start_both(&rig, &pools, ENDPOINT).await;
        filled(&rig).await;
        // Docker does not do this: it lets one start on a network ask for all it needs before the next.
        let fours = [address(&rig, &pools.four, "").await, address(&rig, &pools.four, "").await];
        let sixes = [address(&rig, &pools.six, "").await, address(&rig, &pools.six, "").await];
        let (third, fourth) = ("3".repeat(64), "4".repeat(64));
        let mut starts = [(&third, &fours[0], &sixes[0]), (&fourth, &fours[1], &sixes[1])];
        if !is_first_first {
            starts.reverse();
        }
        let mut places = Vec::new();
        for (endpoint, four, six) in starts {
            places.push((endpoint, create(&rig, endpoint, four, six).await));
        }
        for (endpoint, place) in &places {
            port_of(&rig, place).await;
            stop_both(&rig, &pools, endpoint, place).await;
        }
        stop_both(&rig, &pools, ENDPOINT, &first).await;
        rig.service.settle().await;
        rig.written_behind(async || rig.all::<Port>().await.len() <= LIMITS.max).await;
        remove_both(&rig, &pools).await;
    }
}

#[tokio::test]
async fn a_start_that_ends_after_its_first_address_costs_no_port() {
    let (rig, pools) = rig_of_both().await;
    let first = start_both(&rig, &pools, ENDPOINT).await;
    filled(&rig).await;
    let four = address(&rig, &pools.four, "").await;
    rig.release_address(&pools.four, &four).await;
    assert_eq!(rig.calls(), Vec::<String>::new());
    filled(&rig).await;
    // The answer with the first address is lost, and Docker asks again.
    let lost = address(&rig, &pools.four, "").await;
    let second = start_both(&rig, &pools, ENDPOINT_B).await;
    assert!(rig.calls().is_empty() && second.four != lost);
    port_of(&rig, &second).await;
    // The endpoint fails, and Docker gives both back.
    let third = "3".repeat(64);
    let four = address(&rig, &pools.four, "").await;
    let six = address(&rig, &pools.six, "").await;
    let body = Rig::endpoint_request(NETWORK, &third, &four, &six, "");
    let mut wrong = body.clone();
    wrong["Options"] = json!({"neutron.port.security_groups": "nobody's"});
    rig.err("/NetworkDriver.CreateEndpoint", wrong).await;
    rig.release_address(&pools.four, &four).await;
    rig.release_address(&pools.six, &six).await;
    rig.release_address(&pools.four, &lost).await;
    for (endpoint, place) in [(ENDPOINT, &first), (ENDPOINT_B, &second)] {
        stop_both(&rig, &pools, endpoint, place).await;
    }
    rig.service.settle().await;
    rig.written_behind(async || rig.all::<Port>().await.len() <= LIMITS.max).await;
    assert_eq!(rig.service.ready_stock()[0].2.lent, 0);
    remove_both(&rig, &pools).await;
}

#[tokio::test]
async fn whatever_dies_between_two_addresses() {
    let (mut rig, pools) = rig_of_both().await;
    let containers = Namespace::anonymous().unwrap();
    let first = start_both(&rig, &pools, ENDPOINT).await;
    carry(&rig, first.mac, &rig.host, &containers).await;
    let ready = filled(&rig).await;
    // Killed between the first and the second.
    let four = address(&rig, &pools.four, "").await;
    rig.kill();
    let six = address(&rig, &pools.six, "").await;
    let second = create(&rig, ENDPOINT_B, &four, &six).await;
    carry(&rig, second.mac, &rig.host, &containers).await;
    assert!(ready.iter().any(|port| port.mac_address == second.mac), "it gets what it was promised");
    port_of(&rig, &second).await;
    // Killed between the second and the endpoint.
    let third = "3".repeat(64);
    rig.written_behind(async || unused(&rig).await.len() >= LIMITS.min).await;
    let (four, six) = (address(&rig, &pools.four, "").await, address(&rig, &pools.six, "").await);
    rig.kill();
    let third_place = create(&rig, &third, &four, &six).await;
    port_of(&rig, &third_place).await;
    rig.ports_are_marked().await;
    // Killed between the release of the first and of the second.
    end(&rig, &third).await;
    rig.release_address(&pools.four, &third_place.four).await;
    rig.kill();
    rig.release_address(&pools.six, &third_place.six).await;
    pause_beside(&rig, 2).await;
    rig.written_behind(async || rig.all::<Port>().await.iter().all(|port| port.device_id != third)).await;
    // What is left of the earlier processes is of use, and where its addresses are from is known from Neutron.
    let fourth = "4".repeat(64);
    let fourth_place = start_both(&rig, &pools, &fourth).await;
    port_of(&rig, &fourth_place).await;
    rig.written_behind(async || rig.service.ready_stock()[0].2.ready >= LIMITS.min).await;
    rig.service.settle().await;
    rig.calls();
    let fifth = "5".repeat(64);
    let fifth_place = start_both(&rig, &pools, &fifth).await;
    assert_eq!(rig.calls(), Vec::<String>::new(), "a start");
    port_of(&rig, &fifth_place).await;
    for place in [&first, &second] {
        carry(&rig, place.mac, &containers, &rig.host).await;
    }
    for (endpoint, place) in
        [(ENDPOINT, &first), (ENDPOINT_B, &second), (&fourth, &fourth_place), (&fifth, &fifth_place)]
    {
        stop_both(&rig, &pools, endpoint, place).await;
    }
    rig.service.settle().await;
    rig.written_behind(async || rig.all::<Port>().await.len() <= LIMITS.max).await;
    remove_both(&rig, &pools).await;
}

#[tokio::test]
async fn addresses_that_follow_from_the_mac_cost_no_call() {
    let rig = Rig::with(|settings| settings.ready = Some(LIMITS), false).await;
    let modes = json!({"neutron.subnet.v6.ra_mode": "slaac", "neutron.subnet.v6.address_mode": "slaac"});
    let pools = network_of_both(&rig, modes).await;
    let first = start_both(&rig, &pools, ENDPOINT).await;
    port_of(&rig, &first).await;
    filled(&rig).await;
    let second = start_both(&rig, &pools, ENDPOINT_B).await;
    assert_eq!(rig.calls(), Vec::<String>::new(), "a start");
    port_of(&rig, &second).await;
    assert!(second.six.contains("ff:fe"), "{second:?}");
    for (endpoint, place) in [(ENDPOINT, &first), (ENDPOINT_B, &second)] {
        stop_both(&rig, &pools, endpoint, place).await;
    }
    assert_eq!(rig.calls(), Vec::<String>::new(), "a stop");
    remove_both(&rig, &pools).await;
}

#[tokio::test]
async fn a_docker_network_of_one_version_beside_it_has_ports_of_its_own() {
    let (mut rig, pools) = rig_of_both().await;
    let four = rig.all::<Subnet>().await.into_iter().find(|subnet| subnet.cidr.addr().is_ipv4()).unwrap();
    let options = json!({"neutron.subnet.uuid": four.id});
    let other = rig.request_pool(CIDR, options.clone()).await;
    rig.create_network(NETWORK_B, &RANGE, options).await;
    let start_b = async |rig: &Rig, endpoint: &str| {
        let address = address(rig, &other, "").await;
        let body = Rig::endpoint_request(NETWORK_B, endpoint, &address, "", "");
        let answer = rig.ok("/NetworkDriver.CreateEndpoint", body).await;
        let mac: MacAddr = answer["Interface"]["MacAddress"].as_str().unwrap().parse().unwrap();
        let port = rig.all::<Port>().await.into_iter().find(|port| port.mac_address == mac).unwrap();
        assert_eq!(port.fixed_ips.len(), 1, "{port:?}");
        address
    };
    let first = start_both(&rig, &pools, ENDPOINT).await;
    let second = start_b(&rig, ENDPOINT_B).await;
    rig.written_behind(async || unused(&rig).await.len() == 6).await;
    rig.networks_are_tagged().await;
    // After a restart it is not certain what either has, until containers of each have told.
    rig.restart().await;
    let endpoints: Vec<String> = (3..=6).map(|number| number.to_string().repeat(64)).collect();
    let places = [start_both(&rig, &pools, &endpoints[0]).await, start_both(&rig, &pools, &endpoints[1]).await];
    let addresses = [start_b(&rig, &endpoints[2]).await, start_b(&rig, &endpoints[3]).await];
    for place in [&first, &places[0], &places[1]] {
        port_of(&rig, place).await;
    }
    for (endpoint, place) in std::iter::once((ENDPOINT, &first)).chain(endpoints.iter().map(|it| &**it).zip(&places)) {
        stop_both(&rig, &pools, endpoint, place).await;
    }
    for (endpoint, address) in [(ENDPOINT_B, &second), (&endpoints[2], &addresses[0]), (&endpoints[3], &addresses[1])] {
        rig.endpoint("DeleteEndpoint", NETWORK_B, endpoint).await;
        rig.release_address(&other, address).await;
    }
    rig.service.settle().await;
    rig.release_pool(&other).await;
    rig.delete_network(NETWORK_B).await;
    remove_both(&rig, &pools).await;
}
