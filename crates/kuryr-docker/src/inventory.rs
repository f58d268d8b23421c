//! Docker's names for endpoints and networks: asked of Docker's own API, for people who look at `kuryr status`.
//!
//! Never called while a request of Docker's is being answered: Docker would wait for itself.

use crate::engine::{Engine, EngineError};
use kuryr_neutron::Network;
use kuryr_ports::DockerId;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    path::Path,
};

/// The container that has an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Docker's id of the container.
    pub id: String,
    /// Its name, without the slash.
    pub name: String,
    /// The image that it was made of, as it was named then.
    pub image: String,
    /// Name of the Docker network that the endpoint is on.
    pub network: String,
    /// The endpoint's Ethernet address, as Docker writes it.
    pub mac_address: String,
}

/// What Docker calls what it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The running containers by the endpoints they have.
    pub containers: BTreeMap<DockerId, Container>,
    /// Names of all networks, whichever driver they have.
    pub networks: BTreeMap<DockerId, String>,
}

impl Inventory {
    /// The Docker networks that are this network of Neutron's: its tags carry their identity or, in a cloud without tags,
    /// its name does.
    pub fn networks_of(&self, network: &Network) -> impl Iterator<Item = (&DockerId, &str)> {
        let is_this =
            |id: &DockerId| network.name == id.as_str() || id.tags().iter().all(|tag| network.tags.contains(tag));
        self.networks.iter().filter(move |(id, _)| is_this(id)).map(|(id, name)| (id, name.as_str()))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedNetwork {
    id: String,
    name: String,
    #[serde(default)]
    driver: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    image: String,
    #[serde(default)]
    network_settings: Option<NetworkSettings>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    #[serde(default)]
    networks: Option<HashMap<String, Option<Attached>>>,
}

#[derive(Deserialize)]
struct Attached {
    #[serde(rename = "EndpointID", default)]
    endpoint_id: String,
    #[serde(rename = "MacAddress", default)]
    mac_address: String,
}

/// Asks the Docker behind this Unix socket.
///
/// # Errors
/// It does not answer within five seconds, refuses, or its answer makes no sense.
pub async fn ask(socket: &Path) -> Result<Inventory, EngineError> {
    let engine = Engine::at(socket)?;
    let (containers, networks) =
        tokio::try_join!(engine.get::<Vec<Listed>>("/containers/json"), engine.get::<Vec<ListedNetwork>>("/networks"))?;
    let named = |network: ListedNetwork| Some((network.id.parse().ok()?, network.name));
    Ok(Inventory { containers: by_endpoint(containers), networks: networks.into_iter().filter_map(named).collect() })
}

fn by_endpoint(listed: Vec<Listed>) -> BTreeMap<DockerId, Container> {
    let mut containers = BTreeMap::new();
    for container in listed {
        let name = container.names.first().map_or("", |name| name.trim_start_matches('/'));
        let networks = container.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        for (network, attached) in networks {
            // A container that is stopped, or on the host's network, has no endpoint.
            let Some(Attached { endpoint_id, mac_address }) = attached else { continue };
            if let Ok(endpoint) = endpoint_id.parse() {
                let (id, image) = (container.id.clone(), container.image.clone());
                let found = Container { id, name: name.to_owned(), image, network, mac_address };
                containers.insert(endpoint, found);
            }
        }
    }
    containers
}

/// A container as Docker describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// Docker's id.
    pub id: String,
    /// Its name, without the slash.
    pub name: String,
    /// Its first process, if it runs.
    pub pid: Option<u32>,
    /// The networks it is on, by name.
    pub networks: BTreeMap<String, Joined>,
}

/// A container's interface as Docker describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The endpoint; none while it does not run.
    pub endpoint: Option<DockerId>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its Ethernet address, as Docker writes it.
    pub mac_address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    id: String,
    name: String,
    state: ProcessState,
    #[serde(default)]
    network_settings: Option<DescribedNetworks>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProcessState {
    #[serde(default)]
    pid: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribedNetworks {
    #[serde(default)]
    networks: Option<HashMap<String, DescribedEndpoint>>,
}

#[derive(Deserialize)]
struct DescribedEndpoint {
    #[serde(rename = "EndpointID", default)]
    endpoint_id: String,
    #[serde(rename = "IPAddress", default)]
    ip_address: String,
    #[serde(rename = "GlobalIPv6Address", default)]
    ipv6_address: String,
    #[serde(rename = "MacAddress", default)]
    mac_address: String,
}

/// Asks for one container, by its name, its id or the beginning of that; nothing if Docker knows none.
///
/// # Errors
/// It does not answer within five seconds, refuses, or its answer makes no sense.
pub async fn container(socket: &Path, name: &str) -> Result<Option<Inspected>, EngineError> {
    // What Docker takes for a name; anything else would be another path.
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(is_name) {
        return Ok(None);
    }
    let found = match Engine::at(socket)?.get::<Described>(&format!("/containers/{name}/json")).await {
        Err(error) if error.is_not_found() => return Ok(None),
        found => found?,
    };
    let joined = |described: DescribedEndpoint| Joined {
        endpoint: described.endpoint_id.parse().ok(),
        addresses: [described.ip_address, described.ipv6_address].iter().filter_map(|ip| ip.parse().ok()).collect(),
        mac_address: described.mac_address,
    };
    let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    Ok(Some(Inspected {
        id: found.id,
        name: found.name.trim_start_matches('/').to_owned(),
        pid: Some(found.state.pid).filter(|pid| *pid != 0),
        networks: networks.into_iter().map(|(name, described)| (name, joined(described))).collect(),
    }))
}

/// What a Docker Engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct About {
    /// Its version.
    #[serde(default)]
    pub server_version: String,
    /// How it keeps containers apart, such as `name=rootless`.
    #[serde(default)]
    pub security_options: Vec<String>,
}

/// Asks what Docker it is.
///
/// # Errors
/// It does not answer within five seconds, refuses, or its answer makes no sense.
pub async fn about(socket: &Path) -> Result<About, EngineError> {
    Engine::at(socket)?.get("/info").await
}

/// Names of the Docker networks of this driver.
///
/// # Errors
/// It does not answer within five seconds, refuses, or its answer makes no sense.
pub async fn networks_of(socket: &Path, driver: &str) -> Result<Vec<String>, EngineError> {
    let networks = Engine::at(socket)?.get::<Vec<ListedNetwork>>("/networks").await?;
    Ok(networks.into_iter().filter(|network| network.driver == driver).map(|network| network.name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Json, Router, http::StatusCode, routing::get};
    use serde_json::json;

    #[tokio::test]
    async fn endpoints_lead_to_containers_and_networks_have_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let endpoint = "1".repeat(64);
        let answer = json!([
            {"Id": "c1", "Names": ["/web"], "Image": "nginx", "NetworkSettings": {"Networks": {
                "blue": {"EndpointID": endpoint, "NetworkID": "n", "MacAddress": "02:42:00:00:00:01"}, "none": {"EndpointID": ""}, "odd": null}}},
            {"Id": "c2", "Names": [], "NetworkSettings": {"Networks": null}},
        ]);
        let networks = json!([{"Id": "2".repeat(64), "Name": "blue", "Driver": "kuryr"}, {"Id": "odd", "Name": "x"}]);
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let router = Router::new()
            .route("/containers/json", get(move || async move { Json(answer) }))
            .route("/networks", get(move || async move { Json(networks) }));
        let server = tokio::spawn(axum::serve(listener, router).into_future());
        let found = ask(&path).await.unwrap();
        server.abort();
        let [id, name, image, network, mac_address] =
            ["c1", "web", "nginx", "blue", "02:42:00:00:00:01"].map(str::to_owned);
        let web = Container { id, name, image, network, mac_address };
        assert_eq!(found.containers, BTreeMap::from([(endpoint.parse().unwrap(), web)]));
        assert_eq!(found.networks, BTreeMap::from([("2".repeat(64).parse().unwrap(), "blue".to_owned())]));
    }

    #[tokio::test]
    async fn a_container_is_found_by_what_docker_takes_for_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let endpoint = "1".repeat(64);
        let answer = json!({"Id": "c1", "Name": "/web", "State": {"Pid": 17}, "NetworkSettings": {"Networks": {"blue": {
            "EndpointID": endpoint, "IPAddress": "10.0.0.2", "GlobalIPv6Address": "", "MacAddress": "fa:16:3e:00:00:01"}}}});
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let router = Router::new().route("/containers/web/json", get(move || async move { Json(answer) }));
        let server = tokio::spawn(axum::serve(listener, router).into_future());
        let web = container(&path, "web").await.unwrap().unwrap();
        assert_eq!((web.name.as_str(), web.pid), ("web", Some(17)));
        assert_eq!(web.networks["blue"].addresses, ["10.0.0.2".parse::<IpAddr>().unwrap()]);
        assert_eq!(web.networks["blue"].endpoint, Some(endpoint.parse().unwrap()));
        for other in ["db", "", "../web", "web/json?", "."] {
            assert_eq!(container(&path, other).await.unwrap(), None, "{other}");
        }
        server.abort();
    }

    #[tokio::test]
    async fn a_docker_that_is_absent_or_refuses_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let error = ask(&path).await.unwrap_err().to_string();
        assert!(error.contains("docker.sock") && error.contains("is it running"), "{error}");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let router = Router::new().fallback(|| async { (StatusCode::FORBIDDEN, "not you") });
        let server = tokio::spawn(axum::serve(listener, router).into_future());
        let error = ask(&path).await.unwrap_err().to_string();
        server.abort();
        assert!(error.contains("403: not you"), "{error}");
    }

    #[test]
    fn a_network_is_known_by_its_tags_or_by_its_name() {
        let ids: Vec<DockerId> = ["a", "b", "c"].iter().map(|digit| digit.repeat(64).parse().unwrap()).collect();
        let networks = ids.iter().cloned().zip(["blue", "green", "red"].map(str::to_owned)).collect();
        let docker = Inventory { networks, ..Inventory::default() };
        let names = |name: &str, tags: Vec<String>| {
            let network: Network =
                serde_json::from_value(json!({"id": uuid::Uuid::nil(), "name": name, "tags": tags})).unwrap();
            docker.networks_of(&network).map(|(_, name)| name.to_owned()).collect::<Vec<_>>()
        };
        let tags = |ids: &[DockerId]| ids.iter().flat_map(DockerId::tags).map(|tag| tag.as_str().to_owned()).collect();
        assert_eq!(names("kuryr-net-aaaaaaaa", tags(&ids[..1])), ["blue"]);
        assert_eq!(names("shared", tags(&ids[..2])), ["blue", "green"]);
        assert_eq!(names(ids[2].as_str(), Vec::new()), ["red"]);
        assert!(names("half", tags(&ids[..1])[..1].to_vec()).is_empty(), "half an identity is none");
    }
}
