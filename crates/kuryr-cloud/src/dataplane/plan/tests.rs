//! Plans against a kernel made of maps: they lead where they should, and nowhere else.

use super::*;
use kuryr_neutron::{MacAddr, NetworkId};
use proptest::{collection::btree_set, prelude::*};
use uuid::Uuid;

/// Does what the kernel would do for a step; panics where it would refuse.
struct Kernel {
    there: Observed,
    next_index: u32,
}

fn link(index: u32, name: &str, kind: &str, mtu: u32, controller: Option<u32>, mac: Option<[u8; 6]>) -> Link {
    Link {
        index,
        name: name.to_owned(),
        kind: Some(kind.to_owned()),
        mac,
        mtu,
        up: true,
        carrier: true,
        controller,
        peer_index: None,
        peer_namespace_id: None,
        alias: None,
        vlan: None,
    }
}

impl Kernel {
    fn new_link(&mut self, name: &str, kind: &str, mtu: u32, controller: Option<u32>) {
        self.next_index += 1;
        let link = link(self.next_index, name, kind, mtu, controller, None);
        assert!(self.there.links.insert(name.to_owned(), link).is_none(), "{name} exists");
    }

    fn delete_link(&mut self, name: &str) {
        let gone = self.there.links.remove(name).expect("it is there");
        self.there.uplinks.remove(name);
        let inside = format!("qr-{}", name.trim_start_matches("tap"));
        for router in self.there.routers.values_mut() {
            router.interfaces.remove(&inside);
        }
        // VLANs go with what they are on.
        self.there.links.retain(|_, link| !link.is("vlan") || link.peer_index != Some(gone.index));
        for link in self.there.links.values_mut().filter(|link| link.controller == Some(gone.index)) {
            link.controller = None;
        }
    }

    fn interface(&mut self, router: RouterId, name: &str) -> &mut ObservedLink {
        let router = self.there.routers.get_mut(&router).expect("the router is there");
        router.interfaces.get_mut(name).expect("the interface is there")
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::DeleteLink { interface } => self.delete_link(&interface),
            Step::CreateBridge { name, bridge } => self.new_link(&name, "bridge", bridge.mtu, None),
            Step::SetMtu { interface, mtu } => self.there.links.get_mut(&interface).unwrap().mtu = mtu,
            Step::Attach { interface, bridge } => {
                let index = self.there.links[&bridge].index;
                self.there.links.get_mut(&interface).unwrap().controller = Some(index);
            }
            Step::CreateVlan { name, vlan } => {
                let parent = self.there.links[&*vlan.parent].index;
                let twin = |link: &&Link| link.peer_index == Some(parent) && link.vlan == Some(vlan.id);
                assert!(self.there.links.values().find(twin).is_none(), "the parent has this VLAN");
                let controller = Some(self.there.links[&*vlan.bridge].index);
                self.new_link(&name, "vlan", vlan.mtu, controller);
                let link = self.there.links.get_mut(&name).unwrap();
                (link.peer_index, link.vlan) = (Some(parent), Some(vlan.id));
            }
            Step::Raise { interface } => self.there.links.get_mut(&interface).unwrap().up = true,
            Step::CreateUplink { name, uplink } => {
                self.there.links.remove(&name);
                let index = self.there.links[&uplink.bridge].index;
                self.new_link(&name, "veth", uplink.mtu, Some(index));
                let link = link(1, &name, "veth", uplink.mtu, None, None);
                self.there.uplinks.insert(name, ObservedLink { link, addresses: BTreeSet::new() });
            }
            Step::RaiseUplink { name } => self.there.uplinks.get_mut(&name).unwrap().link.up = true,
            Step::AddUplinkAddress { name, address } => {
                assert!(self.there.uplinks.get_mut(&name).unwrap().addresses.insert(address));
            }
            Step::RemoveUplinkAddress { name, address } => {
                assert!(self.there.uplinks.get_mut(&name).unwrap().addresses.remove(&address));
            }
            Step::DeleteRouter { router } => assert!(self.there.stale_routers.remove(&router)),
            Step::CreateRouter { router } => self.there.routers.get_mut(&router).unwrap().exists = true,
            Step::RemoveRouterLink { router, name } => {
                self.there.routers.get_mut(&router).unwrap().interfaces.remove(&name).unwrap();
                self.there.links.remove(&format!("tap{}", name.trim_start_matches("qr-")));
                self.cut(router);
            }
            Step::AddRouterLink { router, name, link: wanted } => {
                let index = self.there.links[&wanted.bridge].index;
                self.new_link(&wanted.outside, "veth", wanted.mtu, Some(index));
                let link = link(1, &name, "veth", wanted.mtu, None, Some(wanted.mac.0));
                let inside = ObservedLink { link, addresses: BTreeSet::new() };
                let router = self.there.routers.get_mut(&router).unwrap();
                assert!(router.exists && router.interfaces.insert(name, inside).is_none());
            }
            Step::RaiseRouterLink { router, name } => self.interface(router, &name).link.up = true,
            Step::SetRouterMtu { router, name, mtu } => self.interface(router, &name).link.mtu = mtu,
            Step::AddRouterAddress { router, name, address } => {
                assert!(self.interface(router, &name).addresses.insert(address));
            }
            Step::RemoveRouterAddress { router, name, address } => {
                assert!(self.interface(router, &name).addresses.remove(&address));
                self.cut(router);
            }
            Step::AddRoute { router, destination, next } => {
                self.there.routers.get_mut(&router).unwrap().routes.insert(destination, next);
            }
            Step::RemoveRoute { router, destination, .. } => {
                self.there.routers.get_mut(&router).unwrap().routes.remove(&destination);
            }
            Step::Translate { router, .. } => self.there.routers.get_mut(&router).unwrap().translates = true,
        }
    }

    /// With an interface or an address, routes may go.
    fn cut(&mut self, router: RouterId) {
        self.there.routers.get_mut(&router).unwrap().routes.clear();
    }
}

fn network(n: u128) -> NetworkId {
    NetworkId(Uuid::from_u128(n << 96))
}

fn nets() -> impl Strategy<Value = BTreeSet<IpNet>> {
    btree_set((0_u8..4).prop_map(|n| format!("10.0.{n}.1/24").parse().unwrap()), 0..3)
}

fn some_topology() -> impl Strategy<Value = Topology> {
    let mtu = || prop::sample::select(vec![1500_u32, 1450]);
    let bridges = btree_set(0_u128..4, 0..4);
    let taps = btree_set((0_u128..4, 0_u32..3), 0..5);
    let uplinks = prop::collection::btree_map(0_u128..4, nets(), 0..3);
    let router = (prop::collection::btree_map(0_u32..4, (0_u128..4, nets(), 0_u8..2), 0..3), any::<bool>());
    let routers = prop::collection::btree_map(0_u128..3, router, 0..3);
    let trunks =
        (Just([1_u16, 2, 3]).prop_shuffle(), prop::collection::btree_map(0_usize..3, 0_u128..4, 0..4), 0_u32..3);
    (bridges, mtu(), taps, uplinks, routers, trunks).prop_map(|(bridges, mtu, taps, uplinks, routers, trunks)| {
        let mut topology = Topology::default();
        let bridge = |topology: &mut Topology, n| {
            let name = network(n).bridge_name();
            topology.bridges.insert(name.clone(), Bridge { network: network(n), mtu });
            name
        };
        for n in bridges {
            bridge(&mut topology, n);
        }
        for (n, tap) in taps {
            let on = bridge(&mut topology, n);
            topology.bridged.insert(format!("tapc{tap}").into(), on.into());
        }
        let (ids, subports, parent) = trunks;
        for (n, on) in subports {
            let (name, on) = (format!("tapv{n}"), bridge(&mut topology, on));
            topology.bridged.insert(name.as_str().into(), on.as_str().into());
            let vlan = Vlan { parent: format!("tapc{parent}").into(), id: ids[n], bridge: on.into(), mtu };
            topology.vlans.insert(name.into(), vlan);
        }
        for (n, addresses) in uplinks {
            let on = bridge(&mut topology, n);
            let name = format!("ext{n}");
            topology.bridged.insert(name.as_str().into(), on.as_str().into());
            topology.uplinks.insert(name, Uplink { bridge: on, mtu, addresses });
        }
        for (id, (interfaces, routed)) in routers {
            let mut plan = RouterPlan::default();
            for (n, (on, addresses, mac)) in interfaces {
                let on = bridge(&mut topology, on);
                let outside = format!("tap{id}r{n}");
                topology.bridged.insert(outside.as_str().into(), on.as_str().into());
                let mac = MacAddr([2, 0, 0, 0, 0, mac]);
                plan.interfaces.insert(format!("qr-{id}r{n}"), RouterLink { outside, bridge: on, mac, mtu, addresses });
            }
            if routed {
                plan.routes.insert("0.0.0.0/0".parse().unwrap(), "10.0.0.254".parse().unwrap());
            }
            topology.routers.insert(RouterId(Uuid::from_u128(id)), plan);
        }
        topology
    })
}

/// Looks at the kernel with a topology in mind, as the data plane does.
fn observe(kernel: &mut Kernel, wanted: &Topology) {
    let known: Vec<RouterId> = kernel.there.routers.keys().copied().collect();
    for router in known.into_iter().filter(|router| !wanted.routers.contains_key(router)) {
        let gone = kernel.there.routers.remove(&router).unwrap();
        for name in gone.interfaces.keys() {
            kernel.there.links.remove(&format!("tap{}", name.trim_start_matches("qr-")));
        }
        kernel.there.stale_routers.insert(router);
    }
    for router in wanted.routers.keys() {
        kernel.there.routers.entry(*router).or_default().translates = false;
    }
    kernel.there.uplinks.retain(|name, _| wanted.uplinks.contains_key(name));
}

fn settle(kernel: &mut Kernel, wanted: &Topology) {
    observe(kernel, wanted);
    for step in plan(wanted, &kernel.there) {
        kernel.apply(step);
    }
}

proptest! {
    #[test]
    fn one_plan_leads_from_any_topology_to_any_other(topologies in prop::collection::vec(some_topology(), 1..4), damage in any::<prop::sample::Index>()) {
        let mut kernel = Kernel { there: Observed::default(), next_index: 10 };
        for tap in 0..3 {
            kernel.new_link(&format!("tapc{tap}"), "veth", 1500, None);
        }
        for wanted in &topologies {
            settle(&mut kernel, wanted);
            prop_assert_eq!(plan(wanted, &kernel.there), vec![], "nothing is left to do");
            prop_assert!((0..3).all(|tap| kernel.there.links.contains_key(&format!("tapc{tap}"))), "taps are not ours to delete");
            let vlans = kernel.there.links.values().filter(|link| link.is("vlan"));
            prop_assert!(vlans.map(|link| link.name.as_str()).eq(wanted.vlans.keys().map(|name| &**name)));
            for (interface, bridge) in &wanted.bridged {
                if let Some(link) = kernel.there.links.get(&**interface) {
                    prop_assert_eq!(link.controller, Some(kernel.there.links[&**bridge].index));
                }
            }
        }
        // Someone deletes a link: one plan repairs that too.
        let names: Vec<String> = kernel.there.links.keys().filter(|name| !name.starts_with("tapc")).cloned().collect();
        if !names.is_empty() {
            kernel.delete_link(&names[damage.index(names.len())]);
            let wanted = topologies.last().unwrap();
            settle(&mut kernel, wanted);
            prop_assert_eq!(plan(wanted, &kernel.there), vec![]);
        }
    }
}
