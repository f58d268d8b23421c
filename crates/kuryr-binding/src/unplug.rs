//! Removing a port's interfaces.

use crate::{
    Binder, Error, Plugged,
    error::kernel,
    script::{Occasion, Script},
    switch::{self, Hybrid},
    wiring::{Way, Wiring},
};
use kuryr_netlink::LinkEvent;
use kuryr_neutron::{Port, PortId};
use kuryr_ovsdb::Address;
use std::{path::PathBuf, time::Duration};

/// How long a switch may take that may have nothing to do with the port.
const LEFTOVERS: Duration = Duration::from_secs(1);

impl Binder {
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
            Ok(Way::Pair(Wiring::Switch { .. })) => return self.leave_switch(port).await,
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

    /// The interfaces go also when the switch cannot be told: its database may be restarting, and what stays in it then
    /// is a name without a device. It is taken out as soon as the database answers; that is not a reason to keep a
    /// container's address, for nobody asks a second time.
    async fn leave_switch(&self, port: &Port) -> Result<(), Error> {
        let left = switch::remove(&self.vswitch, port.id).await;
        self.remove_links(port, None).await?;
        match left {
            Err(error) if error.is_switch_silent() => {
                tracing::warn!(port = %port.id, %error, "stays in Open vSwitch until its database answers");
                self.leftovers.keep(port.id).await;
                Ok(())
            }
            left => left,
        }
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

    pub(crate) async fn remove_links(&self, port: &Port, namespace: Option<PathBuf>) -> Result<(), Error> {
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
}
