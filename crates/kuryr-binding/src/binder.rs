//! A host on which ports are plugged, and how one stands there.

use crate::{
    Driver, Error, Options,
    function::Function,
    host::Host,
    leftovers::Leftovers,
    sockets::Sockets,
    stacked,
    wiring::{Way, Wiring},
};
use kuryr_netlink::Namespace;
use kuryr_neutron::{MacAddr, Port, PortId};
use kuryr_ovsdb::{Client, Deadlines, Vswitch};
use std::sync::Arc;

/// The names of a plugged port's interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugged {
    /// The end in the bridge or switch: `tap` and 11 characters of the port's id.
    pub host_interface: String,
    /// The end for the container: `t_c` and the same characters; of a virtual function its own name.
    pub container_interface: String,
}

impl Plugged {
    /// The names a port's interfaces have, plugged or not.
    pub fn names(port: PortId) -> Self {
        Self { host_interface: port.tap_name(), container_interface: port.container_name() }
    }
}

/// Plugs ports, within a tokio runtime with I/O. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Binder {
    pub(crate) host: Arc<Host>,
    pub(crate) options: Arc<Options>,
    pub(crate) vswitch: Vswitch,
    pub(crate) leftovers: Leftovers,
}

impl Binder {
    /// Plugs with the calling thread's network namespace as the host's, and nothing set by an operator.
    pub fn new() -> Result<Self, Error> {
        Self::with(Options::default())
    }

    /// Plugs as an operator has set it.
    pub fn with(options: Options) -> Result<Self, Error> {
        let namespace = Namespace::current().map_err(|source| Error::Host { source })?;
        let vswitch = Vswitch::new(Client::new(options.ovsdb.clone(), Deadlines::default()));
        let host = Arc::new(Host { namespace, sockets: Sockets::default() });
        let leftovers = Leftovers::new(vswitch.clone());
        Ok(Self { host, options: Arc::new(options), vswitch, leftovers })
    }

    pub(crate) fn way(&self, port: &Port) -> Result<Way, Error> {
        Way::of(port, &self.options)
    }

    /// True for a port in a switch that the cloud watches: what is taken out of it is soon a change of the port in Neutron.
    pub fn is_watched(&self, port: &Port) -> bool {
        matches!(self.way(port), Ok(Way::Pair(Wiring::Switch { .. })))
    }

    /// Name of the interface that the container gets: Docker is told it when the endpoint joins.
    pub fn container_interface(&self, port: &Port) -> Result<String, Error> {
        match self.way(port) {
            Ok(Way::Function) => Ok(Function::of(port, &self.options.sysfs)?.device),
            _ => Ok(port.id.container_name()),
        }
    }

    /// What the interfaces of ordinary ports are.
    pub fn driver(&self) -> Driver {
        self.options.driver
    }

    /// What a port's interface is within a virtual machine; nothing for one that is not on top of the machine's own.
    pub fn nested(&self, port: &Port) -> Option<Driver> {
        match self.way(port) {
            Ok(Way::Stacked(driver)) => Some(driver),
            _ => None,
        }
    }

    /// A port of a virtual function: its address is the card's matter.
    pub fn is_function(&self, port: &Port) -> bool {
        matches!(self.way(port), Ok(Way::Function))
    }

    /// Name of the interface that containers within a virtual machine share; empty where none is set.
    pub fn parent(&self) -> &str {
        self.options.link_interface.as_deref().unwrap_or_default()
    }

    /// Address of the interface that containers within a virtual machine share: the machine's own port has it.
    pub async fn parent_mac(&self) -> Result<MacAddr, Error> {
        let (name, host) = (self.link_interface()?, Arc::clone(&self.host));
        let found = tokio::task::spawn_blocking(move || {
            stacked::parent(&host, &name)?.mac.ok_or(Error::NoMac { parent: name })
        });
        found.await.unwrap_or(Err(Error::Ended)).map(MacAddr)
    }

    pub(crate) fn link_interface(&self) -> Result<String, Error> {
        self.options.link_interface.clone().ok_or(Error::ParentUnset)
    }

    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        port: PortId,
        work: impl FnOnce(&Host) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let host = Arc::clone(&self.host);
        tokio::task::spawn_blocking(move || work(&host)).await.unwrap_or(Err(Error::Stopped { port }))
    }
}

#[cfg(test)]
mod tests;
