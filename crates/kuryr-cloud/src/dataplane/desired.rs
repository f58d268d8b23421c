//! What this host's kernel should have, from the engine's state. Pure.

mod trunk;

use super::{
    policy::{GroupPolicy, GroupRule, Guard, InterfacePolicy, Members, Named, Remote},
    quality::Quality,
};
use crate::engine::{self, NetworkRecord, State};
use ipnet::{IpNet, Ipv4Net};
use kuryr_neutron::{
    HostId, MacAddr, Network, NetworkId, Port, PortId, PortRange, Protocol, Router, RouterId, SecurityGroupId, Status,
    TrunkId,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

pub use trunk::{LocalTrunk, Vlan};

/// What this host's kernel should have.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// Policies of interfaces by their names.
    pub interfaces: BTreeMap<Arc<str>, Arc<InterfacePolicy>>,
    /// Groups that a guarded interface is in.
    pub groups: BTreeMap<SecurityGroupId, GroupPolicy>,
    /// What a rule of [`Self::groups`] names.
    pub members: BTreeMap<Named, Members>,
    /// Links, addresses and routes.
    pub topology: Topology,
    /// Ports whose status is ours to tell, by id.
    pub ports: BTreeMap<PortId, Arc<LocalPort>>,
    /// Status that the API shows of routers.
    pub router_status: BTreeMap<RouterId, Status>,
    /// Trunks whose parents are plugged here, or will be.
    pub trunks: BTreeMap<TrunkId, LocalTrunk>,
    /// What the interfaces of ports were made from, to tell which are unchanged.
    sources: BTreeMap<PortId, (Arc<Port>, Arc<NetworkRecord>)>,
}

/// A port that is plugged here, or will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPort {
    /// Its interface on the bridge.
    pub interface: Arc<str>,
    /// The bridge.
    pub bridge: Arc<str>,
    /// Status that the API shows.
    pub status: Status,
    /// Its zone and addresses, to find its connections.
    pub zone: u16,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its Ethernet address.
    pub mac: MacAddr,
    /// It is a router's.
    pub routes: bool,
}

/// Links, addresses and routes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topology {
    /// Bridges by name.
    pub bridges: BTreeMap<String, Bridge>,
    /// Bridges of networks without ports here: they stay, if there are any, until their network goes. Removing one
    /// holds the kernel's lock on all links for as long as a hundred containers take to start.
    pub idle: BTreeSet<String>,
    /// To which bridge an interface belongs.
    pub bridged: BTreeMap<Arc<str>, Arc<str>>,
    /// Subports' interfaces by name.
    pub vlans: BTreeMap<Arc<str>, Vlan>,
    /// Ways between the host and external networks, by interface name.
    pub uplinks: BTreeMap<String, Uplink>,
    /// Routers that are up.
    pub routers: BTreeMap<RouterId, RouterPlan>,
}

/// The bridge of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// The whole id, which its name has not.
    pub network: NetworkId,
    /// MTU in bytes.
    pub mtu: u32,
}

/// The way between the host and an external network. Both ends have the same name, each in its namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    /// The external network's bridge.
    pub bridge: String,
    /// MTU in bytes.
    pub mtu: u32,
    /// The host's addresses there: gateways of the subnets.
    pub addresses: BTreeSet<IpNet>,
}

/// A router's namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouterPlan {
    /// Its interfaces by their names inside.
    pub interfaces: BTreeMap<String, RouterLink>,
    /// Routes beyond those of its addresses.
    pub routes: BTreeMap<IpNet, IpAddr>,
    /// Translation of sources: by the interface they leave by.
    pub translation: Option<Translation>,
}

/// An interface of a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterLink {
    /// Its other end, on the bridge.
    pub outside: String,
    /// The bridge.
    pub bridge: String,
    /// Ethernet address.
    pub mac: MacAddr,
    /// MTU in bytes.
    pub mtu: u32,
    /// Addresses with their subnets' prefix lengths.
    pub addresses: BTreeSet<IpNet>,
}

/// Translation between a router's internal addresses and its external ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// Interface to the outside.
    pub interface: String,
    /// The router's own external address.
    pub address: Ipv4Addr,
    /// Internal ranges.
    pub sources: BTreeSet<Ipv4Net>,
    /// Internal sources become the router's own address.
    pub hides_sources: bool,
    /// Internal addresses by the floating IPs that lead to them.
    pub floating: BTreeMap<Ipv4Addr, Ipv4Addr>,
    /// Single ports of floating IPs that lead to ports of internal addresses.
    pub forwarded: BTreeSet<Forwarded>,
}

/// Ports of a floating IP that lead to ports of an internal address: each to its own, or all to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Forwarded {
    /// The floating IP.
    pub outside: Ipv4Addr,
    /// Number of the protocol.
    pub protocol: u8,
    /// Its ports.
    pub ports: PortRange,
    /// The internal address.
    pub inside: Ipv4Addr,
    /// Ports of that.
    pub to: PortRange,
}

const ROUTER_INTERFACE: &str = "qr-";
const ROUTER_GATEWAY: &str = "qg-";
/// Begins the names of the host's interfaces on external networks.
pub const UPLINK: &str = "ext";

impl Desired {
    /// What a host should have. What did not change since `previous` is taken from there.
    pub fn from_state(state: &State, host: &HostId, previous: &Self) -> Self {
        let mut desired = Self::default();
        for record in state.networks.values().filter(|r| r.network.router_external) {
            desired.add_uplink(state, record);
        }
        for router in state.routers.values() {
            desired.add_router(state, router);
        }
        for port in state.ports.values().filter(|p| !host.is_empty() && p.binding_host_id == *host) {
            if let Some(record) = state.networks.get(&port.network_id) {
                desired.add_port(state, port, record, previous);
            }
        }
        for trunk in state.trunks.values() {
            desired.add_trunk(state, trunk, host, previous);
        }
        desired.add_groups(state);
        let bridges = state.networks.keys().map(NetworkId::bridge_name);
        desired.topology.idle = bridges.filter(|name| !desired.topology.bridges.contains_key(name)).collect();
        desired
    }

    fn add_port(&mut self, state: &State, port: &Arc<Port>, record: &Arc<NetworkRecord>, previous: &Self) {
        let network = &record.network;
        if self.ports.contains_key(&port.id) {
            return; // A router's: it is there already.
        }
        let same = |(p, n): &&(Arc<Port>, Arc<NetworkRecord>)| Arc::ptr_eq(p, port) && Arc::ptr_eq(n, record);
        let known = previous.sources.get(&port.id).filter(same).and_then(|_| previous.ports.get(&port.id));
        let local = known.cloned().unwrap_or_else(|| Arc::new(local_port(port, record)));
        let quality = Quality::of_port(state, port, network);
        let policy = known.and_then(|local| previous.interfaces.get(&local.interface)).cloned();
        let carries = state.trunk_of_parent(port.id).is_some();
        let same = |policy: &Arc<InterfacePolicy>| policy.quality == quality && policy.carries == carries;
        let policy = policy.filter(same).unwrap_or_else(|| {
            let guard = Guard::of_port(port, network.admin_state_up);
            Arc::new(InterfacePolicy { interface: local.interface.clone(), zone: record.zone, guard, quality, carries })
        });
        self.topology.add_bridge(network);
        self.topology.bridged.insert(local.interface.clone(), local.bridge.clone());
        self.interfaces.insert(local.interface.clone(), policy);
        self.sources.insert(port.id, (port.clone(), record.clone()));
        self.ports.insert(port.id, local);
    }

    /// An interface that everything may pass, of a network that is up.
    fn add_open(&mut self, interface: Arc<str>, record: &NetworkRecord, up: bool) {
        self.topology.add_bridge(&record.network);
        self.topology.bridged.insert(interface.clone(), record.network.id.bridge_name().into());
        let guard = if up && record.network.admin_state_up { Guard::Open } else { Guard::Closed };
        let policy = InterfacePolicy {
            interface: interface.clone(),
            zone: record.zone,
            guard,
            quality: Quality::default(),
            carries: false,
        };
        self.interfaces.insert(interface, Arc::new(policy));
    }

    fn add_uplink(&mut self, state: &State, record: &NetworkRecord) {
        let network = &record.network;
        let subnets = state.subnets_of_network(network.id);
        let addresses: BTreeSet<IpNet> =
            subnets.filter_map(|s| IpNet::new(s.gateway_ip?, s.cidr.prefix_len()).ok()).collect();
        if addresses.is_empty() {
            return;
        }
        let name = format!("{UPLINK}{}", network.id.short());
        self.add_open(name.as_str().into(), record, true);
        let uplink = Uplink { bridge: network.id.bridge_name(), mtu: network.mtu, addresses };
        self.topology.uplinks.insert(name, uplink);
    }

    fn add_router(&mut self, state: &State, router: &Router) {
        self.router_status.insert(router.id, router.status);
        let mut plan = RouterPlan::default();
        let gateway = state.router_gateway(router.id);
        let ports = state.router_interfaces(router.id).map(|p| (p, ROUTER_INTERFACE));
        for (port, prefix) in ports.chain(gateway.map(|p| (p, ROUTER_GATEWAY))) {
            let Some(record) = state.networks.get(&port.network_id) else { continue };
            let local = Arc::new(local_port(port, record));
            self.add_open(local.interface.clone(), record, port.admin_state_up);
            let addresses = port.fixed_ips.iter().filter_map(|fixed| {
                let subnet = state.subnets.get(&fixed.subnet_id)?;
                IpNet::new(fixed.ip_address, subnet.cidr.prefix_len()).ok()
            });
            let floating = floating_addresses(state, router).filter(|_| prefix == ROUTER_GATEWAY);
            let link = RouterLink {
                outside: local.interface.to_string(),
                bridge: local.bridge.to_string(),
                mac: port.mac_address,
                mtu: record.network.mtu,
                addresses: addresses.chain(floating.map(|ip| IpAddr::V4(ip).into())).collect(),
            };
            plan.interfaces.insert(format!("{prefix}{}", port.id.short()), link);
            self.ports.insert(port.id, local);
        }
        if let Some(port) = gateway {
            for fixed in &port.fixed_ips {
                let Some(subnet) = state.subnets.get(&fixed.subnet_id) else { continue };
                if let Some(next) = subnet.gateway_ip {
                    plan.routes.insert(default_route(next), next);
                }
            }
            plan.translation = translation(state, router, port, &plan);
        }
        plan.routes.extend(router.routes.iter().map(|route| (route.destination.trunc(), route.nexthop)));
        if router.admin_state_up {
            self.topology.routers.insert(router.id, plan);
        }
    }

    fn add_groups(&mut self, state: &State) {
        let used: BTreeSet<SecurityGroupId> = self
            .interfaces
            .values()
            .filter_map(|policy| if let Guard::Guarded { groups, .. } = &policy.guard { Some(groups) } else { None })
            .flatten()
            .copied()
            .collect();
        for group in used {
            let rules = state.rules_of_group(group).filter_map(|rule| GroupRule::new(rule)).collect();
            self.groups.insert(group, GroupPolicy { rules });
        }
        let rules = self.groups.values().flat_map(|group| &group.rules);
        let named = rules.filter_map(|rule| if let Remote::Named(named) = rule.remote { Some(named) } else { None });
        for named in named.collect::<BTreeSet<_>>() {
            let mut members = Members::default();
            match named {
                Named::Group(group) => state.ports_of_group(group).for_each(|port| members.add(port)),
                Named::Addresses(id) => {
                    members.extend(state.address_groups.get(&id).into_iter().flat_map(|g| &g.addresses).copied());
                }
            }
            self.members.insert(named, members);
        }
    }
}

impl Topology {
    fn add_bridge(&mut self, network: &Network) {
        let bridge = || Bridge { network: network.id, mtu: network.mtu };
        self.bridges.entry(network.id.bridge_name()).or_insert_with(bridge);
    }
}

fn local_port(port: &Port, record: &NetworkRecord) -> LocalPort {
    LocalPort {
        interface: port.id.tap_name().into(),
        bridge: port.network_id.bridge_name().into(),
        status: port.status,
        zone: record.zone,
        addresses: port.fixed_ips.iter().map(|ip| ip.ip_address).collect(),
        mac: port.mac_address,
        routes: [engine::ROUTER_INTERFACE, engine::ROUTER_GATEWAY].contains(&port.device_owner.as_str()),
    }
}

fn default_route(next: IpAddr) -> IpNet {
    match next {
        IpAddr::V4(_) => IpNet::V4(Ipv4Net::default()),
        IpAddr::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}

fn v4(address: IpAddr) -> Option<Ipv4Addr> {
    if let IpAddr::V4(address) = address { Some(address) } else { None }
}

/// Floating IPs that lead through a router.
fn floating_addresses(state: &State, router: &Router) -> impl Iterator<Item = Ipv4Addr> {
    state.floating_ips_of_router(router.id).filter_map(|floating| v4(floating.floating_ip_address))
}

fn translation(state: &State, router: &Router, gateway: &Port, plan: &RouterPlan) -> Option<Translation> {
    let address = gateway.fixed_ips.iter().find_map(|ip| v4(ip.ip_address))?;
    let internal = plan.interfaces.iter().filter(|(name, _)| name.starts_with(ROUTER_INTERFACE));
    let nets = internal.flat_map(|(_, link)| &link.addresses);
    let sources: BTreeSet<Ipv4Net> =
        nets.filter_map(|net| if let IpNet::V4(net) = net { Some(net.trunc()) } else { None }).collect();
    let hides_sources = router.external_gateway_info.as_ref().is_some_and(|info| info.enable_snat.unwrap_or(true));
    let floating_ips = || state.floating_ips_of_router(router.id);
    let floating = floating_ips().filter_map(|f| v4(f.floating_ip_address).zip(v4(f.fixed_ip_address?))).collect();
    let forwarded = floating_ips().flat_map(|floating| {
        state.forwardings_of(floating.id).filter_map(|record| {
            let one = &record.forwarding;
            Some(Forwarded {
                outside: v4(floating.floating_ip_address)?,
                protocol: one.protocol.parse::<Protocol>().ok()?.number(),
                ports: one.external()?,
                inside: v4(one.internal_ip_address)?,
                to: one.internal()?,
            })
        })
    });
    let interface = format!("{ROUTER_GATEWAY}{}", gateway.id.short());
    let forwarded = forwarded.collect();
    let translation = Translation { interface, address, sources, hides_sources, floating, forwarded };
    translation.does_something().then_some(translation)
}
