//! Published ports: what Docker asks for, and who does it.

use crate::{
    Plugin,
    answer::Error,
    request::endpoint::{PortMap, ProgramExternalConnectivity},
};
use kuryr_config::PublishPorts;
use kuryr_neutron::{Network, Protocol};
use kuryr_ports::DockerId;
use kuryr_publish::{Mapping, Sandbox, Transport};
use serde_json::{Value, json};
use std::net::IpAddr;

impl Plugin {
    /// Publishes again what was published before this process began. To be called before requests are answered.
    pub async fn restore(&self) {
        self.publisher.restore().await;
    }

    /// Publishes an endpoint's ports and opens its exposed ones; all of it or nothing.
    pub(crate) async fn open_and_publish(&self, request: &ProgramExternalConnectivity) -> Result<(), Error> {
        let endpoint = &request.ids.endpoint;
        if !request.published.is_empty() {
            let network = self.network(&request.ids.network, "doesn't exist.").await?;
            match self.way_of(&network, &request.ids.network) {
                PublishPorts::Host => self.publish_on_host(request).await?,
                PublishPorts::FloatingIp => return Err(Error::refused("not yet")),
                PublishPorts::Nowhere => {
                    tracing::info!(%endpoint, "its ports are not published: publish_ports = none");
                }
            }
        }
        let opened = self.ports.expose(endpoint, &request.exposed).await;
        if opened.is_err() {
            self.withdraw(endpoint).await?;
        }
        Ok(opened?)
    }

    fn way_of(&self, _network: &Network, _id: &DockerId) -> PublishPorts {
        self.settings.publish_ports
    }

    async fn publish_on_host(&self, request: &ProgramExternalConnectivity) -> Result<(), Error> {
        let endpoint = &request.ids.endpoint;
        let mappings = mappings(&request.published)?;
        let Some(path) = self.sandboxes.get(endpoint) else {
            return Err(Error::refused(format!(
                "the namespace of endpoint {endpoint} is not known, so its ports cannot be published; Kuryr was started \
                 anew after the container had joined: start the container again"
            )));
        };
        let Some(port) = self.ports.port_of(endpoint).await? else {
            return Err(Error::refused(format!("endpoint {endpoint} has no port in Neutron, so nothing is published")));
        };
        let addresses = || port.fixed_ips.iter().map(|ip| ip.ip_address);
        let v4 = addresses().find_map(|ip| if let IpAddr::V4(ip) = ip { Some(ip) } else { None });
        let v6 = addresses().find_map(|ip| if let IpAddr::V6(ip) = ip { Some(ip) } else { None });
        let sandbox = Sandbox { path, v4, v6 };
        let published = self.publisher.publish(endpoint.as_str(), sandbox, &mappings, !request.v4_alone).await?;
        for one in published {
            tracing::info!(%endpoint, port = one.port, host = %one, "published");
        }
        Ok(())
    }

    /// Nothing of an endpoint is published on the host any more.
    pub(crate) async fn withdraw(&self, endpoint: &DockerId) -> Result<(), Error> {
        Ok(self.publisher.withdraw(endpoint.as_str()).await?)
    }

    /// What is published for an endpoint, in Docker's own words.
    pub(crate) async fn published_as_docker_says(&self, endpoint: &DockerId) -> Value {
        let published = self.publisher.published(endpoint.as_str()).await;
        let words = published.iter().map(|one| {
            json!({"Proto": one.transport.number(), "IP": "", "Port": one.port, "HostIP": one.host,
                "HostPort": one.host_port, "HostPortEnd": one.host_port})
        });
        words.collect()
    }
}

/// What is asked for, as far as it can be published.
fn mappings(asked: &[PortMap]) -> Result<Vec<Mapping>, Error> {
    let read = |asked: &PortMap| {
        let PortMap { port, host, host_ports } = *asked;
        let Some(transport) = Transport::from_number(port.protocol) else {
            return Err(Error::refused(format!(
                "port {}/{} cannot be published: Kuryr publishes TCP and UDP; leave it out of -p (--expose opens it in \
                 the container's security groups)",
                port.port,
                Protocol::from(port.protocol)
            )));
        };
        Ok(Mapping { transport, port: port.port, host, host_ports })
    };
    asked.iter().map(read).collect()
}
