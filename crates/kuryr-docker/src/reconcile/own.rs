//! Networks and subnet pools that this control plane has left behind: those of Docker networks that are gone, and those
//! whose creation was cut off.

use crate::{
    Plugin,
    reconcile::{Difference, Row, Seen, Subject, seen::Own},
};
use kuryr_neutron::{Network, Subnet, SubnetPool, Tag};
use kuryr_openstack::Query;
use kuryr_ports::{
    Author, DockerId, Error, NETWORK_NAME_PREFIX, OtherUsers, author, identities_of, is_identity_tag, pool_tags,
};

/// Characters of an identity in each of its two tags.
const HALF: usize = 32;

/// Asks for everything that this control plane has made or uses. Asks for all networks and pools there are: not to be
/// done all the time on a large cloud. Nothing where a Docker network belongs to a whole Swarm, whose members know only
/// what they use.
pub(super) async fn look(plugin: &Plugin) -> Result<Option<Own>, Error> {
    if !plugin.is_local() || !plugin.ports.tagging().await?.resources {
        return Ok(None);
    }
    let (neutron, plane) = (plugin.ports.neutron(), &plugin.settings.control_plane);
    let everything = Query::new();
    let (mut networks, mut pools) =
        tokio::try_join!(neutron.list::<Network>(&everything), neutron.list::<SubnetPool>(&everything))?;
    let mine = |description: &str| author(description) == Author::Kuryr(plane.clone());
    networks
        .retain(|network| !plane.uses(&network.tags).is_empty() || (mine(&network.description) && is_named(network)));
    pools.retain(|pool| mine(&pool.description) && !plugin.is_kept(pool));
    // Docker has no network for them yet.
    let is_making = plugin.unsettled.is_making_pools();
    pools.retain(|pool| !is_making && !plugin.reservations.holds(pool.id));
    if is_making {
        plugin.unsettled.doubt();
    }
    let mut pools_in_use = std::collections::BTreeSet::new();
    if !pools.is_empty() {
        let subnets = neutron.list::<Subnet>(&everything).await?;
        let used = subnets.iter().filter(|subnet| networks.iter().any(|network| network.id == subnet.network_id));
        pools_in_use = used.flat_map(|subnet| pool_tags(&subnet.tags).chain(subnet.subnetpool_id)).collect();
        // On a network that is not this control plane's, another's subnet may go by it.
        let elsewhere =
            subnets.iter().filter(|subnet| subnet.subnetpool_id.is_some_and(|id| !pools_in_use.contains(&id)));
        let elsewhere: Vec<_> = elsewhere.filter_map(|subnet| subnet.subnetpool_id).collect();
        pools_in_use.extend(elsewhere);
    }
    let floating_ips = plugin.ports.unused_floating_ips().await?;
    let on_their_way = plugin.unsettled.networks();
    Ok(Some(Own { networks, pools, pools_in_use, floating_ips, on_their_way }))
}

fn is_named(network: &Network) -> bool {
    network.name.starts_with(NETWORK_NAME_PREFIX)
}

/// What of it no Docker network has.
pub(super) fn compare(seen: &Seen) -> Vec<Row> {
    let (Some(own), Some(docker)) = (&seen.own, &seen.docker) else { return Vec::new() };
    let known = |short: &str| docker.networks.keys().chain(&own.on_their_way).any(|id| id.as_str().starts_with(short));
    let mut rows = Vec::new();
    for network in &own.networks {
        let uses = seen.control_plane.uses(&network.tags);
        let gone: Vec<&str> = uses.iter().map(|short| &**short).filter(|short| !known(short)).collect();
        let alive: Vec<&DockerId> = docker.networks.keys().chain(&own.on_their_way).collect();
        rows.extend(gone.iter().filter_map(|short| {
            let id = identity_of_gone(short, &network.tags, &alive, &gone)?;
            Some(row(Subject::Network { docker_network: Some(id), network: Some(network.id) }, network))
        }));
        // Its tags are written right after it was made.
        let prefix = network.name.strip_prefix(NETWORK_NAME_PREFIX).unwrap_or_default();
        if uses.is_empty() && !network.tags.iter().any(is_identity_tag) && !known(prefix) {
            rows.push(row(Subject::Network { docker_network: None, network: Some(network.id) }, network));
        }
    }
    let unused = own.pools.iter().filter(|pool| !own.pools_in_use.contains(&pool.id));
    rows.extend(unused.map(|pool| Row {
        subject: Subject::SubnetPool { subnet_pool: pool.id },
        docker: None,
        neutron: Some(format!("{} {}", pool.id, pool.name)),
        kernel: None,
        difference: Difference::NotInDocker,
    }));
    rows.extend(own.floating_ips.iter().map(|floating_ip| Row {
        subject: Subject::FloatingIp { floating_ip: floating_ip.id },
        docker: None,
        neutron: Some(format!("{} {}", floating_ip.id, floating_ip.floating_ip_address)),
        kernel: None,
        difference: Difference::NotInDocker,
    }));
    rows
}

/// The identity of a Docker network that is gone. Tags hold halves, and a second half that is, or may be, of one that is
/// not gone must stay: then it is known by its first half alone. One that was leaving may have no second half any more, so
/// the only one there is may be that of a Docker network that this host knows nothing of.
fn identity_of_gone(short: &str, tags: &[Tag], alive: &[&DockerId], gone: &[&str]) -> Option<DockerId> {
    let all = identities_of(tags);
    let is_known = |id: &DockerId| {
        gone.iter().any(|gone| id.as_str().starts_with(gone)) || alive.iter().any(|alive| first(alive) == first(id))
    };
    let is_free = |id: &&DockerId| alive.iter().all(|alive| second(alive) != second(id));
    let mut found = all.iter().filter(|id| id.as_str().starts_with(short)).filter(is_free);
    match found.next() {
        Some(id) if all.iter().all(is_known) => Some(id.clone()),
        _ => DockerId::beginning_with(short, tags),
    }
}

fn first(id: &DockerId) -> &str {
    id.as_str().get(..HALF).unwrap_or(id.as_str())
}

fn second(id: &DockerId) -> &str {
    id.as_str().get(HALF..).unwrap_or_default()
}

fn row(subject: Subject, network: &Network) -> Row {
    let neutron = Some(format!("{} {} {}", network.id, network.name, network.status));
    Row { subject, docker: None, neutron, kernel: None, difference: Difference::NotInDocker }
}

/// Takes a Docker network that is gone off its network, which goes with its last user. False if it is there again.
pub(super) async fn leave(plugin: &Plugin, found: &Network, id: &DockerId) -> Result<bool, crate::Error> {
    let begins_so = |asked: &DockerId| asked.begins_like(id);
    // Docker has asked for its removal by now: that goes on, and knows the whole identity.
    if plugin.networks.is_asked_for(begins_so) {
        return Ok(false);
    }
    let _network = plugin.networks.lock(id.clone()).await;
    if plugin.unsettled.networks().iter().any(begins_so) {
        return Ok(false);
    }
    let Some(network) = plugin.ports.neutron().find::<Network>(found.id).await? else { return Ok(true) };
    if !network.tags.contains(&plugin.settings.control_plane.network_tag(id)) {
        return Ok(false);
    }
    plugin.forget_network(id);
    plugin.delete_or_leave(network, id).await?;
    Ok(true)
}

/// Deletes a network whose creation was cut off before it had a user, if it has none since, with the pools of its subnets.
pub(super) async fn drop_unused(plugin: &Plugin, found: &Network) -> Result<bool, crate::Error> {
    let subnets = plugin.subnets_on(found).await?;
    match plugin.ports.neutron().delete_if::<Network>(found.id, found.revision_number).await {
        Err(error) if error.is_precondition_failed() || error.is_conflict() => return Ok(false),
        result => result?,
    };
    for subnet in &subnets {
        plugin.finish_pools_of(subnet).await?;
    }
    Ok(true)
}

/// Deletes a pool that nothing goes by.
pub(super) async fn drop_pool(plugin: &Plugin, pool: &SubnetPool) -> Result<bool, crate::Error> {
    let subnets = plugin.subnets_served(pool.id).await?;
    match subnets.first().map(|subnet| subnet.network_id) {
        None => plugin.finish_pool(pool.id).await?,
        Some(network) => {
            let Some(network) = plugin.ports.neutron().find::<Network>(network).await? else { return Ok(false) };
            plugin.release_pool_from(pool.id, &subnets, OtherUsers::remaining(&network.tags)).await?;
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_gone_takes_no_half_of_its_neighbours() {
        let id = |letters: &str| -> DockerId {
            let mut letters = letters.chars().map(|letter| letter.to_string().repeat(HALF));
            format!("{}{}", letters.next().unwrap(), letters.next().unwrap()).parse().unwrap()
        };
        let (alive, gone, stranger) = (id("ab"), id("cd"), id("ef"));
        let of_gone = |tags: &[Tag]| identity_of_gone("cccccccccccc", tags, &[&alive], &["cccccccccccc"]).unwrap();
        // In either order.
        for all in [[&alive, &gone], [&gone, &alive]] {
            assert_eq!(of_gone(&all.map(DockerId::tags).concat()), gone);
        }
        // Whose second half it is of those that this host does not know, nobody can tell: each has its own first half.
        let all = [&gone, &alive, &stranger].map(DockerId::tags).concat();
        assert_eq!(of_gone(&all).tags(), gone.tags()[..1]);
        let halved = [gone.tags()[..1].to_vec(), alive.tags(), stranger.tags()].concat();
        assert_eq!(of_gone(&halved).tags(), gone.tags()[..1], "the only free second half is the stranger's");
        // It was cut off while it left: its halves went first, or one of them.
        assert!(of_gone(&[alive.tags(), gone.tags()[..1].to_vec()].concat()).tags() == gone.tags()[..1]);
        assert_eq!(of_gone(&alive.tags()).as_str(), "cccccccccccc");
    }
}
