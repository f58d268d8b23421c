//! What Docker says it has: networks, and the endpoints on those that are ours.

use crate::engine::{Engine, EngineError};
use http::Method;
use kuryr_ports::DockerId;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};

/// Docker's own side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DockerSeen {
    /// All networks, whichever driver they have.
    pub networks: BTreeMap<DockerId, DockerNetwork>,
}

/// A network as Docker has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerNetwork {
    /// Its name.
    pub name: String,
    /// The driver that it was made with.
    pub driver: String,
    /// Swarm decides about it: this engine knows it only while a task runs here.
    pub is_swarm: bool,
    /// The endpoints on it; only asked for where Neutron has the network too.
    pub endpoints: BTreeMap<DockerId, DockerEndpoint>,
}

/// An endpoint as Docker has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerEndpoint {
    /// The container's id; nothing for an endpoint that no container has.
    pub container: Option<String>,
    /// The container's name, or the endpoint's own.
    pub name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    name: String,
    #[serde(default)]
    driver: String,
    #[serde(default)]
    scope: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    #[serde(default)]
    containers: Option<HashMap<String, Attached>>,
}

#[derive(Deserialize)]
struct Attached {
    #[serde(rename = "Name", default)]
    name: String,
    #[serde(rename = "EndpointID", default)]
    endpoint_id: String,
}

/// The drivers that an engine has itself.
const OF_DOCKER: [&str; 7] = ["bridge", "host", "null", "none", "overlay", "macvlan", "ipvlan"];

/// Key of an endpoint that no container has: this and its id.
const NO_CONTAINER: &str = "ep-";

impl DockerSeen {
    /// Asks for all networks, and for the endpoints of these, and of all that a plugin may have: what is not known must
    /// not be taken for gone.
    pub(crate) async fn ask(engine: &Engine, of: impl Fn(&DockerId) -> bool) -> Result<Self, EngineError> {
        let plugins = |driver: &str| !OF_DOCKER.contains(&driver);
        Self::ask_of(engine, |id, driver| of(id) || plugins(driver)).await
    }

    /// Asks for all networks, and for nothing that is on them.
    pub(crate) async fn ask_networks(engine: &Engine) -> Result<Self, EngineError> {
        Self::ask_of(engine, |_, _| false).await
    }

    async fn ask_of(engine: &Engine, of: impl Fn(&DockerId, &str) -> bool) -> Result<Self, EngineError> {
        let mut seen = Self::default();
        for listed in engine.get::<Vec<Listed>>("/networks").await? {
            // Networks of Docker's own, such as `host`, have such ids too; there is no other kind.
            let Ok(id) = listed.id.parse::<DockerId>() else { continue };
            let endpoints = if of(&id, &listed.driver) { endpoints(engine, &id).await? } else { BTreeMap::new() };
            let (name, driver, is_swarm) = (listed.name, listed.driver, listed.scope == "swarm");
            let network = DockerNetwork { name, driver, is_swarm, endpoints };
            seen.networks.insert(id, network);
        }
        Ok(seen)
    }

    /// The endpoint of this id, with its network's.
    pub fn endpoint(&self, id: &DockerId) -> Option<(&DockerId, &DockerEndpoint)> {
        self.networks.iter().find_map(|(network, seen)| Some((network, seen.endpoints.get(id)?)))
    }
}

async fn endpoints(engine: &Engine, id: &DockerId) -> Result<BTreeMap<DockerId, DockerEndpoint>, EngineError> {
    let inspected = match engine.get::<Inspected>(&format!("/networks/{id}")).await {
        // Removed since it was listed.
        Err(error) if error.is_not_found() => return Ok(BTreeMap::new()),
        inspected => inspected?,
    };
    let found = inspected.containers.unwrap_or_default().into_iter().filter_map(|(key, attached)| {
        let container = (!key.starts_with(NO_CONTAINER)).then_some(key);
        Some((attached.endpoint_id.parse().ok()?, DockerEndpoint { container, name: attached.name }))
    });
    Ok(found.collect())
}

/// Takes a container off a network whose port is gone.
pub(crate) async fn disconnect(engine: &Engine, network: &DockerId, container: &str) -> Result<(), EngineError> {
    let body = json!({"Container": container, "Force": true});
    engine.order(Method::POST, &format!("/networks/{network}/disconnect"), Some(&body)).await
}

/// Removes a network that Neutron does not have.
pub(crate) async fn remove_network(engine: &Engine, network: &DockerId) -> Result<(), EngineError> {
    engine.order(Method::DELETE, &format!("/networks/{network}"), None).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Json, Router, http::StatusCode, routing::get};

    #[tokio::test]
    async fn endpoints_are_asked_for_where_they_matter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let [blue, red, endpoint, stale]: [DockerId; 4] = ["b", "c", "e", "f"].map(|c| c.repeat(64).parse().unwrap());
        let networks = json!([
            {"Id": blue, "Name": "blue", "Scope": "local"},
            {"Id": red, "Name": "red", "Scope": "swarm", "Driver": "overlay"},
        ]);
        let inspected = json!({"Containers": {
            "c1": {"Name": "web", "EndpointID": endpoint},
            format!("ep-{stale}"): {"Name": "old", "EndpointID": stale},
            "c2": {"Name": "odd", "EndpointID": ""},
        }});
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let router = Router::new()
            .route("/networks", get(move || async move { Json(networks) }))
            .route(&format!("/networks/{blue}"), get(move || async move { Json(inspected) }))
            .fallback(|| async { StatusCode::INTERNAL_SERVER_ERROR });
        let server = tokio::spawn(axum::serve(listener, router).into_future());
        let seen = DockerSeen::ask(&Engine::at(&path).unwrap(), |id| *id == blue).await.unwrap();
        server.abort();
        let web = DockerEndpoint { container: Some("c1".into()), name: "web".into() };
        assert_eq!(seen.endpoint(&endpoint), Some((&blue, &web)));
        assert_eq!(seen.endpoint(&stale).unwrap().1.container, None);
        assert!(seen.networks[&red].is_swarm && seen.networks[&blue].endpoints.len() == 2);
    }
}
