//! Forwarded ports of floating IPs: a resource below another.

use super::{Neutron, encode, member, member_path, nonsense};
use crate::{Error, session::Repeat};
use http::Method;
use kuryr_neutron::{FloatingIp, FloatingIpId, NewPortForwarding, PortForwarding, PortForwardingId, PortRange};

impl Neutron {
    /// The ports of a floating IP that are forwarded; none when the floating IP is not there.
    pub async fn port_forwardings(&self, floating_ip: FloatingIpId) -> Result<Vec<PortForwarding>, Error> {
        match self.call(Method::GET, path(floating_ip), None, Repeat::Safe).await.result {
            Ok(answer) => member(&answer, "port_forwardings"),
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Forwards a port of a floating IP. A lost answer is looked into: one port of a floating IP leads to one place.
    pub async fn forward_port(
        &self,
        floating_ip: FloatingIpId,
        new: &NewPortForwarding,
    ) -> Result<PortForwarding, Error> {
        let body = encode("port_forwarding", new)?;
        let result = self.call(Method::POST, path(floating_ip), Some(body), Repeat::Unsent).await.result;
        let result = result.and_then(|answer| {
            let made: PortForwarding = member(&answer, "port_forwarding")?;
            if is(&made, new) { Ok(made) } else { Err(nonsense(&answer, "another port is forwarded".to_owned())) }
        });
        let Some(error) = result.as_ref().err().filter(|error| error.may_have_happened()) else { return result };
        tracing::debug!(%error, "a forwarding's answer is lost, looking for it");
        match self.port_forwardings(floating_ip).await {
            Ok(all) => all.into_iter().find(|one| is(one, new)).map_or(result, Ok),
            Err(_) => result,
        }
    }

    /// Forwards a port no longer; one that is not forwarded is done already.
    pub async fn stop_forwarding(&self, floating_ip: FloatingIpId, id: PortForwardingId) -> Result<(), Error> {
        match self.delete_path(format!("{}/{id}", path(floating_ip)), None).await {
            Err(error) if error.is_not_found() => Ok(()),
            result => result,
        }
    }
}

fn path(floating_ip: FloatingIpId) -> String {
    format!("{}/port_forwardings", member_path::<FloatingIp>(floating_ip))
}

fn is(one: &PortForwarding, new: &NewPortForwarding) -> bool {
    one.protocol == new.protocol
        && one.external() == new.external_port.map(PortRange::one)
        && one.internal_port_id == new.internal_port_id
        && one.internal_ip_address == new.internal_ip_address
}
