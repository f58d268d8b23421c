//! Endpoints: a container's place on a network, from creation to deletion.

use crate::{
    Plugin,
    answer::Error,
    request::endpoint::{CreateEndpoint, EndpointRequest, Join, ProgramExternalConnectivity},
    trace,
};
use axum::body::Bytes;
use kuryr_neutron::{Network, Port, Subnet};
use kuryr_openstack::{Query, if_there};
use kuryr_ports::{Attachment, DockerId};
use serde_json::{Map, Value, json};
use std::net::IpAddr;

impl Plugin {
    pub(crate) async fn create_endpoint(self, body: Bytes) -> Result<Value, Error> {
        let request = CreateEndpoint::read(&body)?;
        let ids = &request.ids;
        let _endpoint = self.endpoints.lock(ids.endpoint.clone()).await;
        let network = self.network(&ids.network, "doesn't exist.").await?;
        let addresses: Vec<IpAddr> = request.v4.iter().chain(&request.v6).map(|range| range.addr()).collect();
        if addresses.is_empty() {
            return Err(Error::Told("Interface address v4 or v6 not provided.".to_owned()));
        }
        let _addresses = self.lock_addresses(&addresses).await;
        let has_others_groups = self.learn_user(&ids.network, &network, &addresses);
        let mut settings = self.container_wish(&request, &network, &addresses).await?;
        if has_others_groups && settings.security_groups.is_none() && network.port_security_enabled {
            settings.security_groups = Some(self.default_groups_for(&settings).await?);
        }
        let default_groups = ids.network.security_groups_in(&network.tags);
        let attachment = Attachment {
            endpoint: &ids.endpoint,
            network: &network,
            addresses,
            mac: request.mac,
            settings,
            default_groups,
        };
        let bound = self.ports.bind(&attachment).await;
        let port = bound.inspect_err(|_| self.forget_network(&ids.network))?;
        self.learn_beside(&ids.network, &port, &attachment.addresses);
        trace::port(port.id);
        tracing::info!("plugged");
        // Docker refuses to be told a MAC that it has set itself.
        Ok(match request.mac {
            Some(_) => json!({"Interface": {}}),
            // A card's function gets its address by the card.
            None if self.ports.is_function(&port) => json!({"Interface": {}}),
            None => json!({"Interface": {"MacAddress": port.mac_address}}),
        })
    }

    pub(crate) async fn delete_endpoint(self, body: Bytes) -> Result<Value, Error> {
        let request = EndpointRequest::read(&body)?;
        let _endpoint = self.endpoints.lock(request.endpoint.clone()).await;
        if let Err(error) = if_there(self.withdraw(&request)).await {
            // Neutron forwards nothing to a port that is gone, and the interface goes whatever the cloud says.
            tracing::warn!(endpoint = %request.endpoint, error = %error.text(), "may still be published");
        }
        let unbound = if_there(self.ports.unbind(&request.endpoint)).await;
        self.done_or_left(unbound.map_err(Error::from))?;
        tracing::info!("unplugged");
        Ok(json!({}))
    }

    pub(crate) async fn endpoint_info(self, body: Bytes) -> Result<Value, Error> {
        let request = EndpointRequest::read(&body)?;
        // Docker asks in the middle of a start, and a start from a ready port needs no cloud.
        let port = match self.ports.untold_port_of(&request.endpoint) {
            None => match if_there(self.ports.current_port_of(&request.endpoint)).await.map_err(Error::from) {
                Err(error) if error.tells_of_absence() => {
                    // What is known here; else it is asked for in vain again.
                    if_there(self.ports.port_of(&request.endpoint)).await.map_err(|_| error)?
                }
                port => port?,
            },
            port => port,
        };
        Ok(match port {
            Some(port) => {
                let published = self.published_as_docker_says(&request.endpoint).await;
                json!({"Value": {"status": port.status.to_string(), "com.docker.network.portmap": published}})
            }
            None => json!({"Value": {}}),
        })
    }

    pub(crate) async fn join(self, body: Bytes) -> Result<Value, Error> {
        let Join { ids: request, sandbox } = Join::read(&body)?;
        let network = self.network(&request.network, "doesn't exit.").await?;
        let Some(port) = self.ports.port_of(&request.endpoint).await? else {
            let tagged = self.ports.tagging().await?.resources;
            let identifier = if tagged { request.endpoint.tag_text() } else { request.endpoint.port_name() };
            return Err(Error::refused(format!("The port doesn't exist for the identifier {identifier}")));
        };
        trace::port(port.id);
        let subnets = self.subnets_of_port(&port).await?;
        self.sandboxes.put(request.endpoint.clone(), sandbox);
        let internal = network.tags.contains(&request.network.internal_network_tag());
        let interface = self.ports.container_interface(&port)?;
        Ok(self.join_answer(&port, &interface, &subnets, internal))
    }

    async fn subnets_of_port(&self, port: &Port) -> Result<Vec<Subnet>, Error> {
        let known = port.fixed_ips.iter().map(|ip| self.known_subnets.find(|subnet| subnet.id == ip.subnet_id));
        match known.collect::<Option<Vec<Subnet>>>() {
            Some(known) => Ok(known),
            None => Ok(self.ports.neutron().list(&Query::new().eq("network_id", port.network_id)).await?),
        }
    }

    fn join_answer(&self, port: &Port, interface: &str, subnets: &[Subnet], internal: bool) -> Value {
        let mut answer = Map::new();
        // Otherwise Docker would add a bridge of its own as the container's way out.
        answer.insert("DisableGatewayService".to_owned(), json!(true));
        let mut routes = Vec::new();
        for subnet in subnets.iter().filter(|s| port.fixed_ips.iter().any(|ip| ip.subnet_id == s.id)) {
            if !internal {
                let key = if subnet.cidr.addr().is_ipv4() { "Gateway" } else { "GatewayIPv6" };
                answer.insert(key.to_owned(), json!(subnet.gateway_ip));
            }
            let route = |r: &kuryr_neutron::HostRoute| json!({"Destination": r.destination, "NextHop": r.nexthop, "RouteType": 0});
            routes.extend(subnet.host_routes.iter().map(route));
        }
        let name = json!({"DstPrefix": self.settings.interface_prefix, "SrcName": interface});
        answer.insert("InterfaceName".to_owned(), name);
        answer.insert("StaticRoutes".to_owned(), json!(routes));
        Value::Object(answer)
    }

    /// Docker has moved the interface away by itself; what is ours goes in `DeleteEndpoint`.
    pub(crate) async fn leave(self, body: Bytes) -> Result<Value, Error> {
        let request = EndpointRequest::read(&body)?;
        self.sandboxes.forget(&request.endpoint);
        Ok(json!({}))
    }

    pub(crate) async fn program_external_connectivity(self, body: Bytes) -> Result<Value, Error> {
        let request = ProgramExternalConnectivity::read(&body)?;
        if self.settings.process_external_connectivity {
            let _endpoint = self.endpoints.lock(request.ids.endpoint.clone()).await;
            self.open_and_publish(&request).await.map_err(not_404)?;
        }
        Ok(json!({}))
    }

    pub(crate) async fn revoke_external_connectivity(self, body: Bytes) -> Result<Value, Error> {
        let request = EndpointRequest::read(&body)?;
        if self.settings.process_external_connectivity {
            let _endpoint = self.endpoints.lock(request.endpoint.clone()).await;
            let closed = async {
                self.withdraw(&request).await.map_err(not_404)?;
                self.ports.conceal(&request.endpoint).await.map_err(|error| not_404(error.into()))
            };
            // What is open goes with the endpoint, at the latest.
            if_there(closed).await?;
        }
        Ok(json!({}))
    }

    /// A removal is done, or left to the comparison: Docker does not come back for it, and has nobody to tell.
    pub(crate) fn done_or_left(&self, result: Result<(), Error>) -> Result<(), Error> {
        match result {
            Err(error) if error.tells_of_absence() && self.ports.neutron().session().is_away() => {
                tracing::warn!(error = %error.text(), "the cloud is away; what is left there is removed once it is back");
                Ok(())
            }
            result => result,
        }
    }

    /// The network of a Docker network; `ending` is how the two wordings of its absence differ.
    pub(crate) async fn network(&self, id: &DockerId, ending: &str) -> Result<Network, Error> {
        if let Some(network) = self.known_networks.get(id) {
            return Ok(network);
        }
        match self.ports.network_of(id).await? {
            Some(network) => {
                self.known_networks.put(id.clone(), network.clone());
                Ok(network)
            }
            None => {
                let identifier = self.ports.identifier(id).await?;
                Err(Error::Told(format!("Neutron net associated with identifier {identifier} {ending}")))
            }
        }
    }
}

/// Docker takes a 404 here for "not implemented", and says nothing.
fn not_404(error: Error) -> Error {
    if error.status() == axum::http::StatusCode::NOT_FOUND { Error::Refused(error.text()) } else { error }
}
