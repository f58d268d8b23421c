//! Published ports: what Docker asks for, and who does it.

use crate::{
    Plugin,
    answer::Error,
    request::endpoint::{EndpointRequest, PortMap, ProgramExternalConnectivity},
};
use kuryr_config::PublishPorts;
use kuryr_neutron::{Network, Protocol};
use kuryr_ports::DockerId;
use kuryr_publish::{Mapping, Published, Sandbox, Transport};
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
        let mut open = request.exposed.clone();
        if !request.published.is_empty() {
            let network = self.network(&request.ids.network, "doesn't exist.").await?;
            match self.way_of(&network, &request.ids.network) {
                PublishPorts::Host => self.publish_on_host(request).await?,
                PublishPorts::FloatingIp => {
                    self.publish_floating(request).await?;
                    // On a floating IP it arrives at the port in Neutron.
                    open.extend(request.published.iter().map(|published| published.port));
                }
                PublishPorts::Nowhere => {
                    tracing::info!(%endpoint, "its ports are not published: publish_ports = none");
                }
            }
        }
        let opened = self.ports.expose(endpoint, &open).await;
        if opened.is_err() {
            self.withdraw(&request.ids).await?;
        }
        Ok(opened?)
    }

    /// A network's own option comes first.
    fn way_of(&self, network: &Network, id: &DockerId) -> PublishPorts {
        let own = id.publish_in(&network.tags).and_then(|way| way.parse().ok());
        own.unwrap_or(self.settings.publish_ports)
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
        tell(endpoint, &published);
        Ok(())
    }

    async fn publish_floating(&self, request: &ProgramExternalConnectivity) -> Result<(), Error> {
        let endpoint = &request.ids.endpoint;
        let mappings = mappings(&request.published)?;
        let published = self.ports.publish_floating(endpoint, &mappings, self.settings.publish_floating_ip).await?;
        tell(endpoint, &published);
        Ok(())
    }

    /// Nothing of an endpoint is published any more.
    pub(crate) async fn withdraw(&self, ids: &EndpointRequest) -> Result<(), Error> {
        self.publisher.withdraw(ids.endpoint.as_str()).await?;
        // Where it was published it is withdrawn, whatever the options say by now.
        let address = self.ports.published_floating(&ids.endpoint).first().map(|one| one.host);
        if address.is_some()
            || (self.ports.may_publish_floating(&ids.endpoint) && self.publishes_floating(&ids.network).await?)
        {
            self.ports.withdraw_floating(&ids.endpoint, address.or(self.settings.publish_floating_ip)).await?;
        }
        Ok(())
    }

    /// A network that is gone publishes nothing.
    async fn publishes_floating(&self, id: &DockerId) -> Result<bool, Error> {
        let known = self.known_networks.get(id);
        let network = match known {
            Some(network) => network,
            None => match self.ports.network_of(id).await? {
                Some(network) => {
                    self.known_networks.put(id.clone(), network.clone());
                    network
                }
                None => return Ok(false),
            },
        };
        Ok(self.way_of(&network, id) == PublishPorts::FloatingIp)
    }

    /// What is published for an endpoint, in Docker's own words.
    pub(crate) async fn published_as_docker_says(&self, endpoint: &DockerId) -> Value {
        let mut published = self.publisher.published(endpoint.as_str()).await;
        published.extend(self.ports.published_floating(endpoint));
        let words = published.iter().map(|one| {
            json!({"Proto": one.transport.number(), "IP": "", "Port": one.port, "HostIP": one.host,
                "HostPort": one.host_port, "HostPortEnd": one.host_port})
        });
        words.collect()
    }
}

fn tell(endpoint: &DockerId, published: &[Published]) {
    for one in published {
        tracing::info!(%endpoint, port = one.port, host = %one, "published");
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
