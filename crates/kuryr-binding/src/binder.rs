//! Plug, unplug and look.

use crate::{
    Driver, Error, Options,
    bridge::Bridge,
    error::kernel,
    function::Function,
    host::{Host, delete},
    pair::Pair,
    script::{Occasion, Script},
    sockets::Sockets,
    stacked,
    switch::{self, Hybrid},
    wiring::{Way, Wiring},
};
use kuryr_netlink::{LinkEvent, Namespace, Stacked};
use kuryr_neutron::{MacAddr, Port, PortId};
use kuryr_ovsdb::{Address, Client, Deadlines, Vswitch};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// MTUs that an Ethernet interface for IP can have, in bytes.
const MTUS: std::ops::RangeInclusive<u32> = 68..=65_535;
/// How long a switch may take that may have nothing to do with the port.
const LEFTOVERS: Duration = Duration::from_secs(1);
/// Longest id of an endpoint; Docker's have 64 characters.
const LONGEST_ENDPOINT: usize = 255;

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

/// How a port's host end stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Administratively up.
    pub up: bool,
    /// The container's end is there and up.
    pub carrier: bool,
    /// MTU in bytes; 0 if nobody can tell.
    pub mtu: u32,
    /// It belongs to a bridge.
    pub bridged: bool,
}

/// Plugs ports, within a tokio runtime with I/O. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Binder {
    pub(crate) host: Arc<Host>,
    options: Arc<Options>,
    pub(crate) vswitch: Vswitch,
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
        Ok(Self { host, options: Arc::new(options), vswitch })
    }

    /// Makes the port's interfaces for an endpoint, with this MTU in bytes on both ends, and connects them. Done
    /// already counts as done; half done is done anew. A failure leaves nothing behind that was not there before.
    pub async fn plug(&self, port: &Port, mtu: u32, endpoint_id: &str) -> Result<Plugged, Error> {
        self.plug_on(port, mtu, endpoint_id, None).await
    }

    /// The same for a port that is a trunk's subport with this VLAN id, by driver `vlan`.
    pub async fn plug_subport(&self, port: &Port, mtu: u32, endpoint_id: &str, vlan: u16) -> Result<Plugged, Error> {
        self.plug_on(port, mtu, endpoint_id, Some(vlan)).await
    }

    async fn plug_on(&self, port: &Port, mtu: u32, endpoint: &str, vlan: Option<u16>) -> Result<Plugged, Error> {
        if !MTUS.contains(&mtu) {
            return Err(Error::InvalidMtu { port: port.id, mtu });
        }
        if endpoint.len() > LONGEST_ENDPOINT || !endpoint.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::InvalidEndpoint { port: port.id, length: endpoint.len() });
        }
        match self.way(port)? {
            Way::Pair(wiring) => self.plug_pair(port, wiring, mtu, endpoint).await,
            Way::Stacked(driver) => self.plug_stacked(port, driver, mtu, vlan).await,
            Way::Function => self.plug_function(port, true).await,
        }
    }

    fn way(&self, port: &Port) -> Result<Way, Error> {
        Way::of(port, &self.options)
    }

    async fn plug_pair(&self, port: &Port, wiring: Wiring, mtu: u32, endpoint: &str) -> Result<Plugged, Error> {
        let (id, mac) = (port.id, port.mac_address.0);
        let names = Plugged::names(id);
        let (work, plan) = (names.clone(), wiring.clone());
        let made = self.blocking(id, move |host| links(host, id, &work, &plan, mac, mtu)).await?;
        let interface = names.host_interface.as_str();
        let done = match &wiring {
            Wiring::Bridge { .. } | Wiring::Tap => Ok(()),
            Wiring::Switch { bridge, hybrid: false } => {
                switch::add(&self.vswitch, port, bridge, interface, false, endpoint).await
            }
            Wiring::Switch { bridge, hybrid: true } => {
                switch::add(&self.vswitch, port, bridge, &Hybrid::names(id).outer, true, endpoint).await
            }
            Wiring::Script(script) => {
                let occasion = Occasion { port, interface, endpoint };
                script.bind(&self.host.namespace, &occasion, self.options.script_deadline).await
            }
        };
        match done {
            Ok(()) => Ok(names),
            Err(error) if !made => Err(error),
            Err(error) => {
                if let Wiring::Switch { .. } = wiring
                    && !error.is_switch_absent()
                    && let Err(error) = switch::remove(&self.vswitch, id).await
                {
                    tracing::warn!(port = %id, %error, "a port added in vain could not be removed from Open vSwitch");
                }
                if let Err(error) = self.remove_links(port, None).await {
                    tracing::warn!(port = %id, %error, "interfaces made in vain could not be removed");
                }
                Err(error)
            }
        }
    }

    async fn plug_stacked(&self, port: &Port, driver: Driver, mtu: u32, vlan: Option<u16>) -> Result<Plugged, Error> {
        let (id, mac) = (port.id, port.mac_address.0);
        let kind = match (driver, vlan) {
            (Driver::Macvlan, _) => Stacked::Macvlan,
            (Driver::Ipvlan, _) => Stacked::Ipvlan,
            (_, Some(vlan)) => Stacked::Vlan(vlan),
            (_, None) => return Err(Error::VlanMissing { port: id }),
        };
        let names = Plugged::names(id);
        let (name, parent) = (names.container_interface.clone(), self.link_interface(id)?);
        self.blocking(id, move |host| stacked::make(host, id, &name, &parent, kind, mac, mtu)).await?;
        Ok(names)
    }

    async fn plug_function(&self, port: &Port, plugged: bool) -> Result<Plugged, Error> {
        let function = Function::of(port, &self.options.sysfs)?;
        let (id, mac) = (port.id, port.mac_address.0);
        let names = Plugged { container_interface: function.device.clone(), ..Plugged::names(id) };
        self.blocking(id, move |host| function.set(host, id, mac, plugged)).await?;
        Ok(names)
    }

    /// Name of the interface that the container gets: Docker is told it when the endpoint joins.
    pub fn container_interface(&self, port: &Port) -> Result<String, Error> {
        match self.way(port) {
            Ok(Way::Function) => Ok(Function::of(port, &self.options.sysfs)?.device),
            _ => Ok(port.id.container_name()),
        }
    }

    /// Address of the interface that containers within a virtual machine share: the machine's own port has it.
    pub async fn parent_mac(&self, port: PortId) -> Result<Option<MacAddr>, Error> {
        let name = self.link_interface(port)?;
        self.blocking(port, move |host| Ok(stacked::parent(host, port, &name)?.mac.map(MacAddr))).await
    }

    fn link_interface(&self, port: PortId) -> Result<String, Error> {
        self.options.link_interface.clone().ok_or(Error::ParentUnset { port })
    }

    /// Disconnects and removes the port's interfaces, wherever the container's end is. Nothing there counts as done,
    /// and so does a port that could not have been plugged here because of its vif_type.
    pub async fn unplug(&self, port: &Port) -> Result<(), Error> {
        let id = port.id;
        let namespace = match self.way(port) {
            Ok(Way::Function) => return self.unplug_function(port).await,
            Ok(Way::Stacked(_)) => None,
            Ok(Way::Pair(Wiring::Bridge { namespace, .. })) => namespace,
            Ok(Way::Pair(Wiring::Tap)) => None,
            Ok(Way::Pair(Wiring::Script(script))) => {
                self.unbind(port, &script).await?;
                None
            }
            Ok(Way::Pair(Wiring::Switch { .. })) => {
                switch::remove(&self.vswitch, id).await?;
                None
            }
            Err(error @ (Error::InvalidDetail { .. } | Error::ScriptUnusable { .. })) => return Err(error),
            Err(_) => {
                // It lost its binding since. If it was in the switch, it must not stay there.
                if self.has_switch() {
                    let removal = tokio::time::timeout(LEFTOVERS, switch::remove(&self.vswitch, id)).await;
                    if !matches!(removal, Ok(Ok(()))) {
                        tracing::warn!(port = %id, ?removal, "bound no more, it may still be in Open vSwitch");
                    }
                }
                None
            }
        };
        self.remove_links(port, namespace).await
    }

    async fn unplug_function(&self, port: &Port) -> Result<(), Error> {
        match self.plug_function(port, false).await {
            Err(error @ (Error::InvalidDetail { .. } | Error::InvalidProfile { .. })) => Err(error),
            Err(error) => {
                tracing::warn!(port = %port.id, %error, "the virtual function keeps its settings");
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// A script that fails for a port that is still here stops the unplugging; for one that is gone it may well fail.
    async fn unbind(&self, port: &Port, script: &Script) -> Result<(), Error> {
        let names = Plugged::names(port.id);
        let occasion = Occasion { port, interface: &names.host_interface, endpoint: &port.device_id };
        let failed = script.unbind(&self.host.namespace, &occasion, self.options.script_deadline).await.err();
        let Some(error) = failed else { return Ok(()) };
        let (id, name) = (port.id, names.host_interface.clone());
        let there =
            self.blocking(id, move |host| host.at_home(id, |links| links.get(&name).map_err(kernel(id)))).await?;
        if there.is_some() {
            return Err(error);
        }
        tracing::warn!(port = %id, %error, "the port's interface is gone already");
        Ok(())
    }

    pub(crate) fn has_switch(&self) -> bool {
        match &self.options.ovsdb {
            Address::Unix(path) => path.exists(),
            _ => false,
        }
    }

    async fn remove_links(&self, port: &Port, namespace: Option<PathBuf>) -> Result<(), Error> {
        let id = port.id;
        let home = namespace.is_none();
        self.remove(id, namespace, id.tap_name()).await?;
        // Already gone with its other end, unless that one was missing.
        self.remove(id, None, id.container_name()).await?;
        if home {
            self.blocking(id, move |host| Hybrid::names(id).remove(host, id)).await?;
        }
        Ok(())
    }

    /// Deletes a link of a port, and its other end if it has one. Returns once the kernel has taken the link out of its
    /// lists; it then waits some 20 ms for readers of the old ones, which is no concern of ours.
    async fn remove(&self, port: PortId, path: Option<PathBuf>, name: String) -> Result<(), Error> {
        let place = path.clone();
        let found = self.blocking(port, move |host| host.find(place.as_deref(), &name, port)).await?;
        let Some((index, mut monitor)) = found else { return Ok(()) };
        let deletion = self.blocking(port, move |host| host.delete(path.as_deref(), index, port));
        tokio::pin!(deletion);
        loop {
            tokio::select! {
                done = &mut deletion => return done,
                event = monitor.next() => match event {
                    Ok(LinkEvent::Removed { index: gone, .. }) if gone == index => return Ok(()),
                    Ok(_) => {}
                    Err(_) => return deletion.await,
                },
            }
        }
    }

    /// The state of the port's host end; nothing if it is not plugged. A port that never has a host end is said to be
    /// in use: nobody sees into all containers, and what may be in use must not be taken for left behind.
    pub async fn interface(&self, port: &Port) -> Result<Option<Interface>, Error> {
        let path = match self.way(port)? {
            Way::Pair(Wiring::Bridge { namespace, .. }) => namespace,
            Way::Pair(_) => None,
            Way::Stacked(_) | Way::Function => {
                let name = self.container_interface(port)?;
                return Ok(Some(Interface { name, up: true, carrier: true, mtu: 0, bridged: false }));
            }
        };
        let id = port.id;
        self.blocking(id, move |host| {
            let namespace = match host.open(path.as_deref()) {
                Ok(namespace) => namespace,
                Err(error) if error.is_not_found() => return Ok(None),
                Err(source) => return Err(Error::Kernel { port: id, source }),
            };
            let link =
                host.with(path.as_deref(), &namespace, id, |links| links.get(&id.tap_name()).map_err(kernel(id)))?;
            Ok(link.map(|link| Interface {
                name: link.name,
                up: link.up,
                carrier: link.carrier,
                mtu: link.mtu,
                bridged: link.controller.is_some(),
            }))
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        port: PortId,
        work: impl FnOnce(&Host) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let host = Arc::clone(&self.host);
        tokio::task::spawn_blocking(move || work(&host)).await.unwrap_or(Err(Error::Stopped { port }))
    }
}

/// Makes a port's links; true if its pair is new.
fn links(host: &Host, port: PortId, names: &Plugged, wiring: &Wiring, mac: [u8; 6], mtu: u32) -> Result<bool, Error> {
    let mut made = false;
    let done = connect(host, port, names, wiring, (mac, mtu), &mut made);
    // In another namespace the pair is the last thing that is made.
    if done.is_err()
        && made
        && let Err(error) =
            host.at_home(port, |links| links.delete_by_name(&names.host_interface).map_err(kernel(port)))
    {
        tracing::warn!(%port, %error, "an interface made in vain could not be removed");
    }
    done.map(|()| made)
}

fn connect(
    host: &Host,
    port: PortId,
    names: &Plugged,
    wiring: &Wiring,
    (mac, mtu): ([u8; 6], u32),
    made: &mut bool,
) -> Result<(), Error> {
    let (inner, outer) = (names.host_interface.as_str(), names.container_interface.as_str());
    let pair = Pair { port, inner, outer, mac: Some(mac), mtu, controller: None };
    match wiring {
        Wiring::Switch { hybrid: true, .. } => {
            let hybrid = Hybrid::names(port);
            hybrid.make(host, port, names, (mac, mtu), made).inspect_err(|_| {
                if *made && let Err(error) = hybrid.remove(host, port) {
                    tracing::warn!(%port, %error, "a bridge made in vain could not be removed");
                }
            })
        }
        Wiring::Switch { .. } | Wiring::Script(_) | Wiring::Tap => {
            *made =
                host.at_home(port, |inside| host.at_home(port, |outside| pair.make(inside, outside, &host.namespace)))?;
            match wiring {
                Wiring::Switch { .. } if *made => switch::silence(host, port, inner),
                _ => Ok(()),
            }
        }
        Wiring::Bridge { namespace: path, bridge } => {
            let path = path.as_deref();
            let namespace = host.open(path).map_err(|source| match path {
                Some(path) if source.is_not_found() => {
                    Error::NamespaceMissing { port, namespace: path.display().to_string() }
                }
                _ => Error::Kernel { port, source },
            })?;
            host.with(path, &namespace, port, |inside| {
                let (index, new) = Bridge { port, name: bridge, namespace: path, mtu }.provide(inside)?;
                let pair = Pair { controller: Some(index), ..pair };
                let done = host.at_home(port, |outside| pair.make(inside, outside, &host.namespace));
                done.map(|new| *made = new).inspect_err(|_| {
                    if new && let Err(error) = delete(inside, index, port) {
                        tracing::warn!(%port, %error, "a bridge made in vain could not be removed");
                    }
                })
            })
        }
    }
}

#[cfg(test)]
mod tests;
