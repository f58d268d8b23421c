//! Ready ports for people: what there is on this host, and the order to remove it.
//!
//! The process that serves Docker owns them, so it is the one that removes them, on its plugin's socket. Only where no
//! such process answers may another one.

use crate::{
    Error, Plugin,
    request::{
        RequestError,
        field::{Field, parse_body},
    },
};
use axum::body::Bytes;
use http::{Request, StatusCode, header::CONTENT_TYPE};
use kuryr_neutron::{Network, NetworkId, Port, PortId, Resource};
use kuryr_openstack::{Query, Transport, Unix};
use kuryr_ports::{DockerId, User};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, io, os::unix::net::UnixStream, path::Path, time::Duration};

/// Where the order is given, beside Docker's own paths.
pub(crate) const DRAIN: &str = "/Kuryr.DrainReadyPorts";
/// Longest wait for the process, which ends a request before that unless it is set otherwise.
const PATIENCE: Duration = Duration::from_secs(120);

/// A port that is kept ready, or that a container has and gives back.
#[derive(Debug, Clone)]
pub struct ReadyPort {
    /// As Neutron has it.
    pub port: Port,
    /// The endpoint that has it; `None`: it waits for one.
    pub endpoint: Option<DockerId>,
}

/// What came of a removal.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DrainedPorts {
    /// How many ports are gone.
    pub deleted: usize,
    /// Ports that are still there, and why. The process that serves Docker goes on trying.
    pub left: Vec<(PortId, String)>,
}

impl Plugin {
    /// The ready ports that this control plane has on this host, and those that containers got from them, as Neutron and the
    /// kernel tell; sorted.
    ///
    /// # Errors
    /// Neutron or the kernel could not be asked.
    pub async fn ready_ports(&self) -> Result<Vec<ReadyPort>, Error> {
        let mut ready = Vec::new();
        for port in self.ports.all_ready().await? {
            let endpoint = match self.ports.with_user(port.clone()).await? {
                known if kuryr_ports::user_of(&known) == User::Ready => None,
                known => known.device_id.parse().ok(),
            };
            ready.push(ReadyPort { port, endpoint });
        }
        ready.sort_by_key(|ready| (ready.port.network_id, ready.port.fixed_ips.first().map(|ip| ip.ip_address)));
        Ok(ready)
    }

    /// Removes the ready ports of this host, or those of one network; more are made when a container asks for one.
    ///
    /// # Errors
    /// Neutron could not be asked what there is.
    pub async fn drain_ready_ports(&self, network: Option<NetworkId>) -> Result<DrainedPorts, Error> {
        let drained = self.ports.drain_ready(network).await?;
        tracing::info!(deleted = drained.deleted, left = drained.left.len(), "ready ports were removed");
        let left = drained.left.into_iter().map(|(port, error)| (port, Error::from(error).text())).collect();
        Ok(DrainedPorts { deleted: drained.deleted, left })
    }

    /// The network that somebody means by its id or name, Neutron's or Docker's.
    ///
    /// # Errors
    /// There is none, or several; or Neutron could not be asked.
    pub async fn network_called(&self, text: &str, docker: &BTreeMap<DockerId, String>) -> Result<NetworkId, Error> {
        let neutron = self.ports.neutron();
        let mut found: Vec<NetworkId> = Vec::new();
        for (id, _) in docker.iter().filter(|(id, name)| *name == text || id.as_str() == text) {
            found.extend(self.ports.network_of(id).await?.map(|network| network.id()));
        }
        if let Ok(id) = text.parse::<NetworkId>() {
            found.extend(neutron.find::<Network>(id).await?.map(|network| network.id()));
        }
        if found.is_empty() {
            found.extend(neutron.list::<Network>(&Query::new().eq("name", text)).await?.iter().map(Resource::id));
        }
        found.sort();
        found.dedup();
        match found.as_slice() {
            [only] => Ok(*only),
            [] => Err(Error::refused(format!(
                "there is no network '{text}': give the id or the name of one, Docker's or Neutron's ('kuryr status' \
                 shows them)"
            ))),
            several => {
                let ids: Vec<String> = several.iter().map(ToString::to_string).collect();
                Err(Error::refused(format!("{} are called '{text}': give the id of one", ids.join(" and "))))
            }
        }
    }

    pub(crate) async fn drain(self, body: Bytes) -> Result<Value, Error> {
        Ok(json!(self.drain_ready_ports(read_drain(&body)?).await?))
    }
}

/// The network whose ready ports are to go; `None`: all.
fn read_drain(body: &[u8]) -> Result<Option<NetworkId>, RequestError> {
    const EXPECTED: &str = "the UUID of a Neutron network";
    match Field::root(&parse_body(body)?).optional("Network")? {
        Some(field) => field.parsed(EXPECTED)?.ok_or_else(|| field.wrong(EXPECTED)).map(Some),
        None => Ok(None),
    }
}

/// Has the process behind this socket remove its ready ports, or those of one network. `None`: nobody serves there.
///
/// # Errors
/// The socket may not be used, or the process did not do it.
pub async fn order_drain(socket: &Path, network: Option<NetworkId>) -> Result<Option<DrainedPorts>, Error> {
    match UnixStream::connect(socket) {
        Ok(_) => {}
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused].contains(&error.kind()) => {
            return Ok(None);
        }
        Err(error) => {
            return Err(Error::refused(format!(
                "cannot use Kuryr's socket {}: {error}; run as root",
                socket.display()
            )));
        }
    }
    let failed = |reason: &str| {
        let text = format!("the Kuryr that serves {} did not remove its ready ports: {reason}", socket.display());
        Error::refused(text)
    };
    let body = network.map_or_else(|| json!({}), |network| json!({ "Network": network }));
    let request = Request::post(format!("http://kuryr{DRAIN}")).header(CONTENT_TYPE, "application/json");
    let request = request.body(Bytes::from(body.to_string())).map_err(|error| failed(&error.to_string()))?;
    let answer = match tokio::time::timeout(PATIENCE, Unix::new(socket)?.send(request)).await {
        Ok(answer) => answer.map_err(|error| failed(&error.to_string()))?,
        Err(_) => return Err(failed(&format!("no answer came within {PATIENCE:?}; see its log"))),
    };
    match answer.status() {
        StatusCode::OK => Ok(Some(serde_json::from_slice(answer.body()).map_err(|error| failed(&error.to_string()))?)),
        StatusCode::NOT_FOUND => Err(failed("it is an older one, which cannot; restart it")),
        status => {
            let answer: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
            Err(failed(answer["Err"].as_str().unwrap_or(status.as_str())))
        }
    }
}
