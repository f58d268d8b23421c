//! Removing one thing that nobody needs, if it still is what it was.

use crate::{
    Plugin,
    engine::Engine,
    reconcile::{Row, Seen, Subject, compare::named_port, docker, own},
};
use kuryr_neutron::SecurityGroup;
use kuryr_ports::DockerId;
use std::net::IpAddr;

/// Removes what a row is about. False if it was left alone, because it has changed since.
pub(super) async fn collect(plugin: &Plugin, engine: &Engine, seen: &Seen, row: &Row) -> Result<bool, crate::Error> {
    match &row.subject {
        Subject::Endpoint { port: Some(id), endpoint, .. } => {
            let _endpoint = match endpoint {
                Some(endpoint) => Some(plugin.endpoints.lock(endpoint.clone()).await),
                None => None,
            };
            let Some(found) = seen.ports.iter().find(|found| found.port.id == *id) else { return Ok(false) };
            // Docker may be asking for it again, under the same MAC.
            let _mac = plugin.macs.lock(found.port.mac_address).await;
            // Or for the endpoint that an earlier process promised it to.
            let addresses: Vec<IpAddr> = found.port.fixed_ips.iter().map(|ip| ip.ip_address).collect();
            let _addresses = plugin.lock_addresses(&addresses).await;
            Ok(plugin.ports.collect(&found.port).await?)
        }
        Subject::Endpoint { port: None, docker_network: Some(network), endpoint: Some(endpoint) } => {
            disconnect(engine, seen, network, endpoint).await
        }
        Subject::Endpoint { .. } => Ok(false),
        Subject::Network { docker_network: Some(id), network: None } => {
            Ok(docker::remove_network(engine, id).await.map(|()| true)?)
        }
        Subject::Network { docker_network, network } => {
            let own = seen.own.iter().flat_map(|own| &own.networks).find(|found| Some(found.id) == *network);
            match (own, docker_network) {
                (Some(found), Some(id)) => own::leave(plugin, found, id).await,
                (Some(found), None) => own::drop_unused(plugin, found).await,
                (None, _) => Ok(false),
            }
        }
        Subject::SubnetPool { subnet_pool } => {
            match seen.own.iter().flat_map(|own| &own.pools).find(|pool| pool.id == *subnet_pool) {
                Some(pool) => own::drop_pool(plugin, pool).await,
                None => Ok(false),
            }
        }
        Subject::FloatingIp { floating_ip } => {
            match seen.own.iter().flat_map(|own| &own.floating_ips).find(|found| found.id == *floating_ip) {
                Some(found) => Ok(plugin.ports.collect_floating_ip(found).await?),
                None => Ok(false),
            }
        }
        Subject::SecurityGroup { security_group } => {
            let group = seen.groups.iter().find(|group| group.id == *security_group);
            let port = group.and_then(named_port).filter(|port| seen.grouped.contains(port));
            if port.is_some_and(|port| !plugin.ports.is_kept_ready(port)) {
                // A container has got it meanwhile, or another process keeps it.
                return Ok(false);
            }
            let neutron = plugin.ports.neutron();
            match neutron.delete_if_exists::<SecurityGroup>(*security_group).await {
                // Somebody gave it to another port: then it is theirs.
                Err(error) if error.is_conflict() => Ok(false),
                result => Ok(result.map(|_| true)?),
            }
        }
        Subject::Interface { stray } => {
            plugin.ports.binder().remove_stray(stray).await.map_err(kuryr_ports::Error::from)?;
            Ok(true)
        }
    }
}

async fn disconnect(
    engine: &Engine,
    seen: &Seen,
    network: &DockerId,
    endpoint: &DockerId,
) -> Result<bool, crate::Error> {
    let known = seen.docker.as_ref().and_then(|docker| docker.endpoint(endpoint));
    let Some(container) = known.and_then(|(_, endpoint)| endpoint.container.as_deref()) else { return Ok(false) };
    match docker::disconnect(engine, network, container).await {
        Err(error) if error.is_not_found() => Ok(true),
        result => Ok(result.map(|()| true)?),
    }
}
