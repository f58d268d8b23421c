//! Networks that this process made for one Docker network, as they were when they had just been marked.
//!
//! Whoever joins a network, leaves it or gives it a subnet changes its revision. So one that still has the revision with
//! which it was nobody else's still is, and can be deleted without being looked at. Only Neutron can tell, in the moment
//! of the deletion (`If-Match`).

use crate::{Plugin, answer::Error, removal::is_named_ours, request::network::CreateNetwork};
use kuryr_neutron::{Network, NetworkId, Subnet, Tag};
use kuryr_ports::DockerId;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A network with its subnets, of which each was Kuryr's.
#[derive(Debug, Clone, PartialEq)]
struct Alone {
    network: NetworkId,
    revision: u64,
    subnets: Vec<Subnet>,
}

/// The networks, by what Docker calls them.
#[derive(Debug, Default)]
pub(crate) struct Untouched(Mutex<HashMap<DockerId, Alone>>);

impl Untouched {
    /// Remembers a network, if these are all its tags and all its subnets.
    fn note(&self, id: &DockerId, network: &Network, tags: &[Tag], subnets: &[Subnet]) {
        let is_marked = BTreeSet::from_iter(&network.tags) == BTreeSet::from_iter(tags);
        let made: BTreeSet<_> = subnets.iter().map(|subnet| subnet.id).collect();
        let has_no_other = network.subnets.iter().copied().collect::<BTreeSet<_>>() == made;
        if is_marked && has_no_other && subnets.iter().all(is_named_ours) && network.revision_number > 0 {
            let (revision, subnets) = (network.revision_number, subnets.to_vec());
            self.all().insert(id.clone(), Alone { network: network.id, revision, subnets });
        }
    }

    /// It is going, or was changed.
    pub(crate) fn forget(&self, id: &DockerId) {
        self.all().remove(id);
    }

    fn take(&self, id: &DockerId) -> Option<Alone> {
        self.all().remove(id)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<DockerId, Alone>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plugin {
    /// Marks a new network, a moment later, and remembers what it is then.
    pub(crate) fn mark_behind(&self, request: &CreateNetwork, network: NetworkId, tags: Vec<Tag>, made: &[Subnet]) {
        let (plugin, id, subnets, wanted) = (self.clone(), request.id.clone(), made.to_vec(), tags.clone());
        self.ports.tag_network_behind(network, tags, move |marked| {
            plugin.untouched.note(&id, &marked, &wanted, &subnets);
        });
    }

    /// Deletes a network that nobody has touched since it was made, with its subnets and their pools; false when it has
    /// to be looked at.
    pub(crate) async fn delete_untouched(&self, id: &DockerId) -> Result<bool, Error> {
        let Some(alone) = self.untouched.take(id) else { return Ok(false) };
        if !self.is_local() || !self.ports.heeds_revisions().await? {
            return Ok(false);
        }
        self.ports.drain_network(alone.network).await?;
        match self.ports.neutron().delete_if::<Network>(alone.network, alone.revision).await {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) if error.is_precondition_failed() || error.is_conflict() => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        self.finish_pools(id, alone.network, &alone.subnets).await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kuryr_neutron::SubnetId;
    use serde_json::json;

    fn tags(names: &[&str]) -> Vec<Tag> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn subnet(name: &str) -> Subnet {
        let (id, network) = (SubnetId::random(), NetworkId::random());
        let all = json!({"id": id, "network_id": network, "name": name, "cidr": "10.0.0.0/24", "ip_version": 4});
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn only_what_is_nobody_elses_is_remembered() {
        let (id, own, foreign): (DockerId, _, _) =
            ("a".repeat(64).parse().unwrap(), subnet("kuryr-subnet-x"), subnet("y"));
        let network = |names: &[&str], subnets: &[&Subnet], revision: u64| -> Network {
            let subnets: Vec<SubnetId> = subnets.iter().map(|subnet| subnet.id).collect();
            let all =
                json!({"id": NetworkId::random(), "subnets": subnets, "tags": names, "revision_number": revision});
            serde_json::from_value(all).unwrap()
        };
        let noted = |network: Network, made: &Subnet| {
            let untouched = Untouched::default();
            untouched.note(&id, &network, &tags(&["a", "b"]), std::slice::from_ref(made));
            untouched.take(&id)
        };
        let alone = network(&["b", "a"], &[&own], 3);
        assert_eq!(
            noted(alone.clone(), &own),
            Some(Alone { network: alone.id, revision: 3, subnets: vec![own.clone()] })
        );
        for (shared, why) in [
            (network(&["a", "b", "c"], &[&own], 3), "somebody has joined it"),
            (network(&["a"], &[&own], 3), "it is not marked any more"),
            (network(&["a", "b"], &[&own, &foreign], 3), "a subnet has come"),
            (network(&["a", "b"], &[], 3), "its subnet has gone"),
            (network(&["a", "b"], &[&own], 0), "a cloud without revisions"),
        ] {
            assert_eq!(noted(shared, &own), None, "{why}");
        }
        assert_eq!(noted(network(&["a", "b"], &[&foreign], 3), &foreign), None, "somebody's subnet");
    }
}
