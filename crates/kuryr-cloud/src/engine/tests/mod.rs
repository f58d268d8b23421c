//! What the operations do, without a store.

mod groups;
pub(crate) mod invariants;
mod networks;
mod pools;
mod ports;
mod qos;
mod quotas;
mod routers;
mod subnets;
mod trunks;

use crate::engine::{Context, Options, State, Txn, network, port, subnet};
use kuryr_neutron::{
    Fault, FixedIpRequest, HostId, Network, NetworkId, NewNetwork, NewPort, NewSubnet, Port, ProjectId, Subnet,
    SubnetId,
};
use std::{net::IpAddr, sync::Arc};

/// The host whose ports can be bound.
pub(crate) const HOST: &str = "node-1";

pub(crate) fn txn() -> Txn {
    Txn::new(State::fresh(), Arc::new(Options::new(HostId(HOST.to_owned()))))
}

pub(crate) fn admin() -> Context {
    Context { project_id: ProjectId("admin".to_owned()), is_admin: true, ..Context::default() }
}

pub(crate) fn user(project: &str) -> Context {
    Context { project_id: ProjectId(project.to_owned()), ..Context::default() }
}

pub(crate) fn new_network(txn: &mut Txn) -> Network {
    network::create(txn, &admin(), NewNetwork::default()).unwrap()
}

pub(crate) fn range(network: NetworkId, cidr: &str) -> NewSubnet {
    NewSubnet { network_id: Some(network), cidr: Some(cidr.parse().unwrap()), ..NewSubnet::default() }
}

pub(crate) fn new_subnet(txn: &mut Txn, network: NetworkId, cidr: &str) -> Subnet {
    subnet::create(txn, &admin(), range(network, cidr)).unwrap()
}

/// A network with one subnet.
pub(crate) fn net(txn: &mut Txn, cidr: &str) -> (NetworkId, Subnet) {
    let network = new_network(txn).id;
    let subnet = new_subnet(txn, network, cidr);
    (network, subnet)
}

pub(crate) fn on(network: NetworkId) -> NewPort {
    NewPort { network_id: Some(network), ..NewPort::default() }
}

pub(crate) fn at(subnet: Option<SubnetId>, ip: Option<&str>) -> FixedIpRequest {
    FixedIpRequest { subnet_id: subnet, ip_address: ip.map(|ip| ip.parse().unwrap()) }
}

pub(crate) fn new_port(txn: &mut Txn, network: NetworkId) -> Port {
    port::create(txn, &admin(), on(network)).unwrap()
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn ips(port: &Port) -> Vec<String> {
    port.fixed_ips.iter().map(|ip| ip.ip_address.to_string()).collect()
}

/// A refusal must have this type and status.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, Fault>, error_type: &str, status: u16) -> Fault {
    let fault = result.unwrap_err();
    assert_eq!((fault.error_type, fault.kind.status()), (error_type, status), "{fault}");
    fault
}
