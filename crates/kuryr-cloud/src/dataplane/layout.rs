//! Where on this machine the data plane lives.

use kuryr_netlink::Namespace;
use kuryr_neutron::RouterId;
use std::path::PathBuf;

/// Paths and namespaces of a data plane. Two with different layouts can live side by side.
#[derive(Debug)]
pub struct Layout {
    /// Path of the namespace of bridges and taps; made if it is missing.
    pub namespace: PathBuf,
    /// Directory of the routers' namespaces.
    pub router_dir: PathBuf,
    /// Begins the names of the routers' namespaces.
    pub router_prefix: String,
    /// The namespace through which external networks reach the world.
    pub host: Namespace,
}

impl Layout {
    /// `/run/netns/kuryr`, `/run/netns/qrouter-<id>` and the calling thread's namespace.
    pub fn of_this_host() -> Result<Self, kuryr_netlink::Error> {
        Ok(Self {
            namespace: PathBuf::from("/run/netns/kuryr"),
            router_dir: PathBuf::from("/run/netns"),
            router_prefix: "qrouter-".to_owned(),
            host: Namespace::current()?,
        })
    }

    /// Path of a router's namespace.
    pub fn router(&self, id: RouterId) -> PathBuf {
        self.router_dir.join(format!("{}{id}", self.router_prefix))
    }

    /// Routers that have a namespace in this layout's directory, whoever made it.
    pub(super) fn router_namespaces(&self) -> Vec<RouterId> {
        let Ok(entries) = std::fs::read_dir(&self.router_dir) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter_map(|name| name.strip_prefix(&self.router_prefix)?.parse().ok()).collect()
    }
}
