//! What is there, in Neutron and in the kernel.

use super::{Rig, texts};
use kuryr_netlink::{
    Namespace,
    link::{BridgeSpec, Links},
};
use kuryr_neutron::{Network, Port, Resource, SecurityGroup, Subnet, SubnetPool};
use kuryr_openstack::Query;

impl Rig {
    pub async fn all<R: Resource>(&self) -> Vec<R> {
        self.neutron.list::<R>(&Query::new()).await.unwrap()
    }

    /// The only resource of its kind.
    pub async fn only<R: Resource + std::fmt::Debug>(&self) -> R {
        let mut all = self.all::<R>().await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// What the data plane would have made.
    pub async fn make_bridges(&self) {
        let mut links = Links::open_in(&self.taps).unwrap();
        for network in self.all::<Network>().await {
            let name = network.id.bridge_name();
            if links.get(&name).unwrap().is_none() {
                let spec = BridgeSpec { name: &name, mtu: network.mtu, ..BridgeSpec::default() };
                links.create_bridge(&spec).unwrap();
            }
        }
    }

    /// Names of the interfaces that plugging made: on the host, and in the cloud's namespace.
    pub fn links(&self) -> (Vec<String>, Vec<String>) {
        let names = |namespace: &Namespace, prefix: &str| {
            let all = Links::open_in(namespace).unwrap().list().unwrap();
            all.into_iter().map(|link| link.name).filter(|name| name.starts_with(prefix)).collect()
        };
        (names(&self.host, "t_c"), names(&self.taps, "tap"))
    }

    /// All that is in Neutron and in the kernel, by names.
    pub async fn inventory(&self) -> Vec<String> {
        let mut all = Vec::new();
        all.extend(self.all::<Network>().await.into_iter().map(|n| format!("network {} {:?}", n.name, texts(&n.tags))));
        all.extend(self.all::<Subnet>().await.into_iter().map(|s| format!("subnet {} {:?}", s.name, texts(&s.tags))));
        all.extend(self.all::<SubnetPool>().await.into_iter().map(|p| format!("pool {} {:?}", p.name, texts(&p.tags))));
        all.extend(self.all::<Port>().await.into_iter().map(|p| {
            let user = format!("{}{}{}", p.device_id, p.device_owner, p.binding_host_id);
            format!("port {} {:?} {user}", p.name, texts(&p.tags))
        }));
        let groups = self.all::<SecurityGroup>().await.into_iter().filter(|g| g.name != "default");
        all.extend(groups.map(|g| format!("group {}", g.name)));
        let (host, taps) = self.links();
        all.extend(host.into_iter().chain(taps).map(|name| format!("link {name}")));
        all
    }

    /// Fails if anything is left, in Neutron or in the kernel.
    pub async fn assert_nothing_left(&self) {
        assert_eq!(self.inventory().await, Vec::<String>::new());
    }
}
