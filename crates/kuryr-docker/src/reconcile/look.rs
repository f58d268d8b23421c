//! Looking at the kernel, at Neutron and at Docker, in this order: what one has, the next was told before.

use crate::{
    Plugin,
    engine::Engine,
    reconcile::{
        DockerSeen, Seen, SeenPort,
        compare::{is_anothers, named_port},
        own,
        seen::served,
    },
};
use kuryr_neutron::{DEVICE_OWNER_SUBPORT, Network, NetworkId, Port, PortId, SecurityGroup};
use kuryr_openstack::Query;
use kuryr_ports::{DEVICE_OWNER, DockerId, EXPOSED_DESCRIPTION, Error, Ports, User, user_of};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

/// Networks that are looked for in one call: its tags must fit into an address.
const ASKED_AT_ONCE: usize = 40;

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// What containers on this host use: few calls, whatever the size of the cloud.
    Host,
    /// All networks and subnet pools too.
    Whole,
}

/// What tells that a port's endpoint may be on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Young {
    /// This process serves Docker: it remembers what it did.
    Remembered,
    /// Another process may be at it: the port was changed less than this ago, by both clocks.
    Changed(Duration),
}

impl Young {
    fn is(self, ports: &Ports, port: &Port) -> bool {
        match self {
            Self::Remembered => ports.is_young(port),
            Self::Changed(limit) => port.updated_at.or(port.created_at).is_some_and(|changed| {
                // A cloud whose clock is ahead has young ports only.
                jiff::Timestamp::now().duration_since(changed).unsigned_abs() < limit
                    || changed > jiff::Timestamp::now()
            }),
        }
    }
}

/// Everything on all sides. A Docker that does not answer is a gap, a Neutron that does not is an error.
///
/// # Errors
/// Neutron or the kernel could not be asked.
pub(crate) async fn look(plugin: &Plugin, docker_socket: &Path, young: Young, depth: Depth) -> Result<Seen, Error> {
    let ports = &plugin.ports;
    let neutron = ports.neutron();
    let all_strays = ports.binder().strays(&BTreeSet::new()).await?;
    let known = known_networks(docker_socket).await;
    let of_groups = Query::new().eq("description", EXPOSED_DESCRIPTION);
    let (networks, mut found, nested, groups) = tokio::try_join!(
        networks(ports, &known),
        ports.on_this_host(),
        ports.within_this_machine(depth == Depth::Whole),
        async { Ok(neutron.list::<SecurityGroup>(&of_groups).await?) }
    )?;
    found.extend(nested);
    let own = if depth == Depth::Whole { own::look(plugin).await? } else { None };
    let docker = match ask_docker(docker_socket, &networks).await {
        Ok(docker) => Some(docker),
        Err(error) => {
            tracing::debug!(%error, "what Docker has is not known");
            None
        }
    };
    let project = neutron.session().project_id().await?;
    let control_plane = plugin.settings.control_plane.clone();
    for port in &mut found {
        // Its user is written by whoever made it; in a Swarm, by whoever uses it.
        if plugin.is_local() && is_anothers(port, &control_plane, project.as_ref()) {
            continue;
        }
        *port = ports.with_user(port.clone()).await?;
    }
    if let Some(docker) = &docker {
        found.extend(elsewhere(ports, docker, &found).await?);
    }
    let named: BTreeSet<PortId> = groups.iter().filter_map(named_port).collect();
    let grouped = neutron.list::<Port>(&Query::new().any("id", named)).await?.iter().map(|port| port.id).collect();
    let mut strays = Vec::new();
    if !all_strays.is_empty() {
        // Some of them have got their port since, or lost their interface.
        let mut with_port: BTreeSet<PortId> = found.iter().map(|port| port.id).collect();
        if ports.are_nested() {
            // Their ports are bound to no host: whichever is anybody's is not stray.
            let owners = Query::new().any("device_owner", [DEVICE_OWNER, DEVICE_OWNER_SUBPORT]);
            with_port.extend(neutron.list::<Port>(&owners).await?.iter().map(|port| port.id));
        }
        strays = ports.binder().strays(&with_port).await?;
        strays.retain(|stray| all_strays.contains(stray));
    }
    let mut seen = Vec::with_capacity(found.len());
    for port in found {
        // A port that cannot have been plugged here has no interface.
        let interface = ports.binder().interface(&port).await.unwrap_or_default();
        seen.push(SeenPort { is_young: young.is(ports, &port), interface, port });
    }
    let host = ports.host().clone();
    Ok(Seen { host, control_plane, project, networks, own, ports: seen, groups, grouped, strays, docker })
}

/// The networks that Docker has now, without what is on them; none if it does not answer.
async fn known_networks(socket: &Path) -> Vec<DockerId> {
    let ask = async { DockerSeen::ask_networks(&Engine::at(socket)?).await };
    ask.await.map(|docker| docker.networks.into_keys().collect()).unwrap_or_default()
}

/// Neutron's counterparts of Docker's networks: by their tags, or by their names where the cloud has no tags.
async fn networks(ports: &Ports, known: &[DockerId]) -> Result<Vec<Network>, Error> {
    let tagged = ports.tagging().await?.identity;
    let mut found: BTreeMap<NetworkId, Network> = BTreeMap::new();
    for some in known.chunks(ASKED_AT_ONCE) {
        let query = match tagged {
            true => Query::new().tags_any(&some.iter().flat_map(DockerId::tags).collect::<Vec<_>>()),
            false => Query::new().any("name", some),
        };
        found.extend(ports.neutron().list::<Network>(&query).await?.into_iter().map(|network| (network.id, network)));
    }
    let mut found: Vec<Network> = found.into_values().collect();
    found.retain(|network| served(network).iter().any(|id| known.contains(id)));
    if tagged {
        let tagged: BTreeSet<DockerId> = found.iter().flat_map(served).collect();
        let others: Vec<DockerId> = known.iter().filter(|id| !tagged.contains(id)).cloned().collect();
        found.extend(ports.untagged_networks_of(&others).await?);
    }
    Ok(found)
}

async fn ask_docker(socket: &Path, networks: &[Network]) -> Result<DockerSeen, crate::EngineError> {
    let ours: BTreeSet<DockerId> = networks.iter().flat_map(served).collect();
    DockerSeen::ask(&Engine::at(socket)?, |id| ours.contains(id)).await
}

/// The ports of Docker's endpoints that are not bound to this host: those on top of a virtual machine's.
async fn elsewhere(ports: &Ports, docker: &DockerSeen, found: &[Port]) -> Result<Vec<Port>, Error> {
    let with_port: BTreeMap<DockerId, PortId> = found
        .iter()
        .filter_map(|port| match user_of(port) {
            User::Endpoint(endpoint) => Some((endpoint, port.id)),
            _ => None,
        })
        .collect();
    let endpoints = docker.networks.values().flat_map(|network| &network.endpoints);
    let missing = endpoints.filter(|(id, endpoint)| endpoint.container.is_some() && !with_port.contains_key(id));
    let mut more = Vec::new();
    for (id, _) in missing {
        more.extend(ports.current_port_of(id).await?.filter(|port| found.iter().all(|other| other.id != port.id)));
    }
    Ok(more)
}
