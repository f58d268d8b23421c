//! Making a port's interfaces.

use crate::{
    Binder, Driver, Error, Plugged,
    bridge::Bridge,
    error::kernel,
    function::Function,
    host::{Host, delete},
    interface::alias_of,
    pair::Pair,
    script::Occasion,
    stacked,
    switch::{self, Hybrid},
    wiring::{Way, Wiring},
};
use kuryr_netlink::Stacked;
use kuryr_neutron::{Port, PortId};

/// MTUs that an Ethernet interface for IP can have, in bytes.
const MTUS: std::ops::RangeInclusive<u32> = 68..=65_535;
/// Longest id of an endpoint; Docker's have 64 characters, and an alias has room for this many.
const LONGEST_ENDPOINT: usize = 240;

impl Binder {
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

    async fn plug_pair(&self, port: &Port, wiring: Wiring, mtu: u32, endpoint: &str) -> Result<Plugged, Error> {
        let (id, mac) = (port.id, port.mac_address.0);
        let names = Plugged::names(id);
        let (work, plan, alias) = (names.clone(), wiring.clone(), alias_of(endpoint));
        let made = self.blocking(id, move |host| links(host, id, &work, &plan, (mac, mtu), &alias)).await?;
        let interface = names.host_interface.as_str();
        if let Wiring::Switch { .. } = wiring {
            // An earlier life of the port may be waiting to be taken out.
            self.leftovers.forget(id).await;
        }
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
        let (name, parent) = (names.container_interface.clone(), self.link_interface()?);
        self.blocking(id, move |host| stacked::make(host, id, &name, &parent, kind, mac, mtu)).await?;
        Ok(names)
    }

    pub(crate) async fn plug_function(&self, port: &Port, plugged: bool) -> Result<Plugged, Error> {
        let function = Function::of(port, &self.options.sysfs)?;
        let (id, mac) = (port.id, port.mac_address.0);
        let names = Plugged { container_interface: function.device.clone(), ..Plugged::names(id) };
        self.blocking(id, move |host| function.set(host, id, mac, plugged)).await?;
        Ok(names)
    }
}

/// Makes a port's links; true if its pair is new.
fn links(
    host: &Host,
    port: PortId,
    names: &Plugged,
    wiring: &Wiring,
    link: ([u8; 6], u32),
    alias: &str,
) -> Result<bool, Error> {
    let mut made = false;
    let done = connect(host, port, names, wiring, link, alias, &mut made);
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
    alias: &str,
    made: &mut bool,
) -> Result<(), Error> {
    let (inner, outer) = (names.host_interface.as_str(), names.container_interface.as_str());
    let pair = Pair { port, inner, outer, mac: Some(mac), mtu, controller: None, alias: Some(alias) };
    match wiring {
        Wiring::Switch { hybrid: true, .. } => {
            let hybrid = Hybrid::names(port);
            hybrid.make(host, port, names, (mac, mtu), alias, made).inspect_err(|_| {
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
