//! Within virtual machines, whose ports are bound to no host: what a machine's containers left goes, and nothing of
//! another machine's, though both have one control plane's id.

use super::*;
use kuryr_binding::Driver;
use kuryr_netlink::{Links, Namespace, PeerSpec, Stacked, StackedSpec, VethSpec};
use kuryr_neutron::{AddressPair, FixedIpRequest, IpNetOrAddr, NetworkId, NewNetwork, NewSubnet};

/// An address of somebody else's that each machine lets through.
const THEIRS: &str = "10.0.0.250";

/// Whether this kernel has macvlans; says so where it has not.
fn has_macvlans(test: &str) -> bool {
    let namespace = Namespace::anonymous().unwrap();
    let mut links = Links::open_in(&namespace).unwrap();
    let peer = PeerSpec { name: "peer", mtu: 1500, ..PeerSpec::default() };
    links.create_veth(&VethSpec { name: "parent", mtu: 1500, peer, ..VethSpec::default() }).unwrap();
    let parent = links.get("parent").unwrap().unwrap().index;
    let made =
        links.create_stacked(&StackedSpec { name: "child", parent, kind: Stacked::Macvlan, mtu: None, mac: None });
    if let Err(error) = &made {
        println!("skipped: nested::{test}: no macvlan in this kernel: {error}");
    }
    made.is_ok()
}

/// A machine with a Docker network, which is the machine's own.
struct Machine {
    rig: Rig,
    own: Port,
    pool: String,
}

async fn network(rig: &Rig) -> NetworkId {
    let new = NewNetwork { name: "machines".to_owned(), ..NewNetwork::default() };
    let network = rig.neutron.create::<Network>(&new).await.unwrap().id;
    let cidr = Some(CIDR.parse().unwrap());
    let subnet = NewSubnet { network_id: Some(network), ip_version: Some(4), cidr, ..NewSubnet::default() };
    rig.neutron.create::<Subnet>(&subnet).await.unwrap();
    network
}

impl Machine {
    async fn new(mut rig: Rig, network: NetworkId, docker_network: &str) -> Self {
        let own = rig.become_machine(Driver::Macvlan, network).await;
        let theirs = AddressPair { ip_address: IpNetOrAddr::Addr(THEIRS.parse().unwrap()), mac_address: None };
        let update = PortUpdate { allowed_address_pairs: Some(vec![theirs]), ..PortUpdate::default() };
        rig.neutron.update::<Port>(own.id, &update).await.unwrap();
        let pool = rig.request_pool(CIDR, json!({})).await;
        rig.gateway(&pool, "10.0.0.1").await;
        rig.ok("/NetworkDriver.CreateNetwork", Rig::network_request(docker_network, &RANGE, json!({}))).await;
        Self { rig, own, pool }
    }

    async fn alone() -> Self {
        let rig = Rig::new().await;
        let network = network(&rig).await;
        Self::new(rig, network, NETWORK).await
    }

    /// A container up to the point at which its interface is moved; the name of that.
    async fn start(&self, network: &str, endpoint: &str, mac: &str) -> String {
        let address = self.rig.request_address(&self.pool, "", mac).await;
        self.rig.create_endpoint(network, endpoint, &address, "", mac).await;
        self.rig.join(network, endpoint).await["InterfaceName"]["SrcName"].as_str().unwrap().to_owned()
    }

    /// The addresses that the machine's own port lets through.
    async fn pairs(&self) -> Vec<String> {
        let own = self.rig.neutron.get::<Port>(self.own.id).await.unwrap();
        let mut pairs: Vec<String> =
            own.allowed_address_pairs.iter().map(|pair| pair.ip_address.net().addr().to_string()).collect();
        pairs.sort();
        pairs
    }

    /// The containers' interfaces that wait.
    fn waiting(&self) -> Vec<String> {
        let all = Links::open_in(&self.rig.host).unwrap().list().unwrap();
        all.into_iter().map(|link| link.name).filter(|name| name.starts_with("t_c")).collect()
    }

    /// All ports but gateways and the machines' own.
    async fn ports(&self) -> Vec<Port> {
        let mut ports = self.rig.all::<Port>().await;
        ports.retain(|port| port.name != "machine" && !port.device_owner.starts_with("network:"));
        ports
    }

    async fn collect(&self, docker: &Docker) -> Outcome {
        docker.reconciler(&self.rig).collect(Truth::Docker).await.unwrap()
    }

    /// Nothing of any container is there.
    async fn is_clean(&self, after: &str) {
        assert_eq!(self.ports().await, [], "{after}");
        assert_eq!(self.pairs().await, [THEIRS], "{after}");
        assert_eq!(self.waiting(), Vec::<String>::new(), "{after}");
    }
}

fn count(outcome: &Outcome, difference: Difference) -> usize {
    differences(outcome).into_iter().filter(|one| *one == difference).count()
}

#[tokio::test]
async fn what_docker_has_stays_and_what_it_forgot_goes_with_all_that_lets_it_through() {
    if !has_macvlans("what_docker_has_stays_and_what_it_forgot_goes_with_all_that_lets_it_through") {
        return;
    }
    let mut machine = Machine::alone().await;
    let stays = machine.start(NETWORK, ENDPOINT, MAC).await;
    machine.start(NETWORK, ENDPOINT_B, MAC_B).await;
    // Asked for, and never used.
    machine.rig.request_address(&machine.pool, "", "02:42:0a:00:00:04").await;
    machine.rig.restart().await;
    let docker = Docker::start(&[ENDPOINT, ENDPOINT_B]);
    let before = machine.rig.inventory().await;
    let compared = docker.reconciler(&machine.rig).compare().await.unwrap();
    assert_eq!((count(&compared, Difference::NotInDocker), count(&compared, Difference::None)), (1, 3), "{compared:?}");

    let docker = Docker::start(&[ENDPOINT]);
    let compared = docker.reconciler(&machine.rig).compare().await.unwrap();
    assert_eq!((count(&compared, Difference::NotInDocker), count(&compared, Difference::None)), (2, 2), "{compared:?}");
    assert_eq!(machine.rig.inventory().await, before, "comparing changes nothing");
    let outcome = machine.collect(&docker).await;
    assert_eq!((outcome.removed.len(), outcome.failed.len()), (2, 0), "{outcome:?}");
    let ports = machine.ports().await;
    assert_eq!(ports.iter().map(|port| port.device_id.as_str()).collect::<Vec<_>>(), [ENDPOINT]);
    assert_eq!(machine.waiting(), [stays]);
    let address = ports[0].fixed_ips[0].ip_address.to_string();
    let mut expected = [address, THEIRS.to_owned()];
    expected.sort();
    assert_eq!(machine.pairs().await, expected);
}

/// All ports there are, are only asked for at the start.
#[tokio::test]
async fn what_docker_forgets_later_goes_too() {
    if !has_macvlans("what_docker_forgets_later_goes_too") {
        return;
    }
    let mut machine = Machine::alone().await;
    machine.start(NETWORK, ENDPOINT, MAC).await;
    machine.rig.restart().await;
    let (docker, stop) = (Docker::start(&[ENDPOINT]), CancellationToken::new());
    let (_every, pause) = watch::channel(Some(Duration::from_secs(1)));
    let removed = Mutex::new(Vec::new());
    let observe = |done: &Done| {
        docker.endpoints.lock().unwrap().clear();
        let mut removed = removed.lock().unwrap();
        removed.push(done.outcome.as_ref().unwrap().removed.len());
        if removed.len() == 2 {
            stop.cancel();
        }
    };
    docker.reconciler(&machine.rig).run(pause, stop.clone(), observe).await;
    assert_eq!(removed.into_inner().unwrap(), [0, 1]);
    machine.is_clean("all are gone").await;
}

#[tokio::test]
async fn nothing_is_left_of_a_start_that_was_cut_off() {
    if !has_macvlans("nothing_is_left_of_a_start_that_was_cut_off") {
        return;
    }
    let docker = Docker::start(&[]);
    let endpoint = |address: &str| Rig::endpoint_request(NETWORK, ENDPOINT, address, "", MAC);
    // The port is created, bound and let through: by two calls at once, of which each may come first.
    for nth in [1, 2, 3] {
        let mut machine = Machine::alone().await;
        let address = machine.rig.request_address(&machine.pool, "", MAC).await;
        match nth {
            3 => machine.rig.create_endpoint(NETWORK, ENDPOINT, &address, "", MAC).await,
            nth => {
                let path = "/NetworkDriver.CreateEndpoint";
                machine.rig.killed_at(path, endpoint(&address), "PUT /networking/v2.0/ports", nth).await;
            }
        }
        machine.rig.kill();
        assert_eq!(machine.ports().await.len(), 1);
        let outcome = machine.collect(&docker).await;
        assert_eq!((outcome.removed.len(), outcome.failed.len()), (1, 0), "{outcome:?}");
        machine.is_clean(&format!("cut off at call {nth}")).await;
    }
}

#[tokio::test]
async fn two_machines_with_one_control_plane_leave_each_other_alone() {
    if !has_macvlans("two_machines_with_one_control_plane_leave_each_other_alone") {
        return;
    }
    let first = Rig::new().await;
    let network = network(&first).await;
    let second = first.beside("here");
    let mut here = Machine::new(first, network, NETWORK).await;
    let mut there = Machine::new(second, network, NETWORK_B).await;
    for (machine, docker_network, endpoint, mac) in
        [(&mut here, NETWORK, ENDPOINT, MAC), (&mut there, NETWORK_B, ENDPOINT_B, MAC_B)]
    {
        machine.start(docker_network, endpoint, mac).await;
        machine.rig.request_address(&machine.pool, "", &mac.replace("0a", "0b")).await;
        machine.rig.restart().await;
    }
    let within = |ports: &[Port], machine: &Machine| {
        let ending = format!(" within {}", machine.own.id);
        ports.iter().filter(|port| port.description.ends_with(&ending)).count()
    };
    let all = here.ports().await;
    assert_eq!((within(&all, &here), within(&all, &there)), (2, 2), "{all:?}");
    let docker = Docker::start(&[]);
    let mine = there.pairs().await;
    let outcome = here.collect(&docker).await;
    let ports = outcome.removed.iter().filter(|row| row.to_string().starts_with("port"));
    assert_eq!((ports.count(), outcome.failed.len()), (2, 0), "{outcome:?}");
    let left = there.ports().await;
    assert_eq!((within(&left, &here), within(&left, &there)), (0, 2), "{left:?}");
    assert_eq!((here.pairs().await, there.pairs().await), (vec![THEIRS.to_owned()], mine));
    assert_eq!((here.waiting().len(), there.waiting().len()), (0, 1));
}

#[tokio::test]
async fn a_port_that_names_no_machine_goes_only_where_it_is_let_through() {
    if !has_macvlans("a_port_that_names_no_machine_goes_only_where_it_is_let_through") {
        return;
    }
    let first = Rig::new().await;
    let network = network(&first).await;
    let second = first.beside("here");
    let mut here = Machine::new(first, network, NETWORK).await;
    let mut there = Machine::new(second, network, NETWORK_B).await;
    // One that an operator prepared, and one whose description an operator wrote.
    let ip = FixedIpRequest { subnet_id: None, ip_address: Some("10.0.0.9".parse().unwrap()) };
    let (name, fixed_ips) = ("mine".to_owned(), Some(vec![ip]));
    let new = NewPort { network_id: Some(network), name, fixed_ips, ..NewPort::default() };
    let mine: Port = here.rig.neutron.create(&new).await.unwrap();
    let mac = mine.mac_address.to_string();
    let address = here.rig.request_address(&here.pool, "10.0.0.9", &mac).await;
    here.rig.create_endpoint(NETWORK, ENDPOINT, &address, "", &mac).await;
    here.start(NETWORK, ENDPOINT_B, MAC_B).await;
    here.rig.restart().await;
    there.rig.restart().await;
    let used = here.ports().await;
    let kuryrs = used.iter().find(|port| port.id != mine.id).unwrap();
    let text = PortUpdate { description: Some("for the web".to_owned()), ..PortUpdate::default() };
    here.rig.neutron.update::<Port>(kuryrs.id, &text).await.unwrap();
    // Waits for an endpoint, and nobody knows whose.
    let unknown = NewPort {
        network_id: Some(network),
        name: "kuryr-unbound-port".to_owned(),
        description: Some("Created by Kuryr, req-1 on here".to_owned()),
        ..NewPort::default()
    };
    let unknown: Port = here.rig.neutron.create(&unknown).await.unwrap();

    let docker = Docker::start(&[]);
    let before = here.ports().await.len();
    there.collect(&docker).await;
    assert_eq!((here.ports().await.len(), here.pairs().await.len()), (before, 3));
    let outcome = here.collect(&docker).await;
    assert_eq!((outcome.removed.len(), outcome.failed.len()), (2, 0), "{outcome:?}");
    let mut left = here.ports().await;
    left.sort_by_key(|port| port.id == unknown.id);
    assert_eq!(left.iter().map(|port| port.id).collect::<Vec<_>>(), [mine.id, unknown.id]);
    assert_eq!((left[0].device_id.as_str(), left[0].device_owner.as_str(), left[0].tags.len()), ("", "", 0));
    assert_eq!((here.pairs().await, here.waiting()), (vec![THEIRS.to_owned()], vec![]));
}

#[tokio::test]
async fn who_takes_a_port_that_another_machine_left_is_named_on_it() {
    if !has_macvlans("who_takes_a_port_that_another_machine_left_is_named_on_it") {
        return;
    }
    let first = Rig::new().await;
    let network = network(&first).await;
    let second = first.beside("here");
    let mut here = Machine::new(first, network, NETWORK).await;
    let there = Machine::new(second, network, NETWORK_B).await;
    let address = here.rig.request_address(&here.pool, "10.0.0.9", MAC).await;
    here.rig.restart().await;
    assert_eq!(there.rig.request_address(&there.pool, "10.0.0.9", MAC).await, address);
    there.rig.create_endpoint(NETWORK_B, ENDPOINT_B, &address, "", MAC).await;
    let port = here.ports().await.remove(0);
    assert!(port.description.ends_with(&format!(" on here within {}", there.own.id)), "{}", port.description);
    here.collect(&Docker::start(&[])).await;
    assert_eq!(here.ports().await.len(), 1, "it is in use there");
}
