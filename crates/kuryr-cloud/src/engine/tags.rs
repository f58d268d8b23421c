//! Tags of resources.

use crate::engine::{
    Context, NetworkRecord, Txn,
    row::{Row, find_own},
};
use kuryr_neutron::{
    Fault, FaultKind, FloatingIp, FloatingIpId, NetworkId, Port, PortId, QosPolicy, QosPolicyId, Router, RouterId,
    SecurityGroup, SecurityGroupId, Subnet, SubnetId, SubnetPool, SubnetPoolId, Tag, Trunk, TrunkId,
};
use std::sync::Arc;
use uuid::Uuid;

/// Kinds of resources that can have tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Networks.
    Network,
    /// Subnets.
    Subnet,
    /// Subnet pools.
    SubnetPool,
    /// Ports.
    Port,
    /// Security groups.
    SecurityGroup,
    /// Routers.
    Router,
    /// Floating IPs.
    FloatingIp,
    /// QoS policies.
    QosPolicy,
    /// Trunks.
    Trunk,
}

/// Sets all tags of one; answers them, sorted and each once.
pub fn replace(txn: &mut Txn, context: &Context, kind: Kind, id: Uuid, tags: Vec<Tag>) -> Result<Vec<Tag>, Fault> {
    tags.iter().try_for_each(check)?;
    change(txn, context, kind, id, |has| {
        *has = tags;
        Ok(())
    })
}

/// Adds a tag; done already is done.
pub fn add(txn: &mut Txn, context: &Context, kind: Kind, id: Uuid, tag: Tag) -> Result<(), Fault> {
    check(&tag)?;
    change(txn, context, kind, id, |has| {
        has.push(tag);
        Ok(())
    })
    .map(|_| ())
}

/// Removes a tag; 404 `TagNotFound` when it is not there.
pub fn remove(txn: &mut Txn, context: &Context, kind: Kind, id: Uuid, tag: &Tag) -> Result<(), Fault> {
    change(txn, context, kind, id, |has| {
        let at = has
            .iter()
            .position(|t| t == tag)
            .ok_or_else(|| Fault::new(FaultKind::NotFound, "TagNotFound", format!("Tag {tag} could not be found.")))?;
        has.remove(at);
        Ok(())
    })
    .map(|_| ())
}

/// Tags read from a request have not been looked at yet.
fn check(tag: &Tag) -> Result<(), Fault> {
    tag.as_str().parse::<Tag>().map(|_| ()).map_err(|reason| Fault::invalid("tags", reason))
}

fn change(
    txn: &mut Txn,
    context: &Context,
    kind: Kind,
    id: Uuid,
    edit: impl FnOnce(&mut Vec<Tag>) -> Result<(), Fault>,
) -> Result<Vec<Tag>, Fault> {
    match kind {
        Kind::Network => of::<NetworkRecord>(txn, context, NetworkId(id), |r| &mut r.network.tags, edit),
        Kind::Subnet => of::<Subnet>(txn, context, SubnetId(id), |r| &mut r.tags, edit),
        Kind::SubnetPool => of::<SubnetPool>(txn, context, SubnetPoolId(id), |r| &mut r.tags, edit),
        Kind::Port => of::<Port>(txn, context, PortId(id), |r| &mut r.tags, edit),
        Kind::SecurityGroup => of::<SecurityGroup>(txn, context, SecurityGroupId(id), |r| &mut r.tags, edit),
        Kind::Router => of::<Router>(txn, context, RouterId(id), |r| &mut r.tags, edit),
        Kind::QosPolicy => of::<QosPolicy>(txn, context, QosPolicyId(id), |r| &mut r.tags, edit),
        Kind::Trunk => of::<Trunk>(txn, context, TrunkId(id), |r| &mut r.tags, edit),
        Kind::FloatingIp => of::<FloatingIp>(txn, context, FloatingIpId(id), |r| &mut r.tags, edit),
    }
}

fn of<R: Row>(
    txn: &mut Txn,
    context: &Context,
    id: R::Id,
    tags: impl Fn(&mut R) -> &mut Vec<Tag>,
    edit: impl FnOnce(&mut Vec<Tag>) -> Result<(), Fault>,
) -> Result<Vec<Tag>, Fault> {
    let old: Arc<R> = find_own(txn, context, id, "update_tags")?;
    let mut row = R::clone(&old);
    let has = tags(&mut row);
    edit(has)?;
    has.sort();
    has.dedup();
    let all = has.clone();
    txn.save(&old, row);
    Ok(all)
}
