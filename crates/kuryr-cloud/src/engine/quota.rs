//! Quotas: how many of each kind a project may have. Unless an administrator says otherwise, any number.

use crate::engine::{Context, State, Txn, faults::forbidden};
use kuryr_neutron::{Fault, FaultKind, ProjectId};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};
use uuid::Uuid;

/// The limit that is none.
pub const UNLIMITED: i32 = -1;

/// Kinds of resources that quotas count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Counted {
    #[serde(rename = "network")]
    Network,
    #[serde(rename = "subnet")]
    Subnet,
    #[serde(rename = "subnetpool")]
    SubnetPool,
    #[serde(rename = "port")]
    Port,
    #[serde(rename = "router")]
    Router,
    #[serde(rename = "floatingip")]
    FloatingIp,
    #[serde(rename = "security_group")]
    SecurityGroup,
    #[serde(rename = "security_group_rule")]
    SecurityGroupRule,
    #[serde(rename = "rbac_policy")]
    RbacPolicy,
    #[serde(rename = "trunk")]
    Trunk,
}

impl Counted {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Network,
        Self::Subnet,
        Self::SubnetPool,
        Self::Port,
        Self::Router,
        Self::FloatingIp,
        Self::SecurityGroup,
        Self::SecurityGroupRule,
        Self::RbacPolicy,
        Self::Trunk,
    ];

    /// As Neutron calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Subnet => "subnet",
            Self::SubnetPool => "subnetpool",
            Self::Port => "port",
            Self::Router => "router",
            Self::FloatingIp => "floatingip",
            Self::SecurityGroup => "security_group",
            Self::SecurityGroupRule => "security_group_rule",
            Self::RbacPolicy => "rbac_policy",
            Self::Trunk => "trunk",
        }
    }
}

/// The key of a project's quota: the project's id as the number that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QuotaId(Uuid);

impl QuotaId {
    /// Of a project with an id as Keystone makes them; no other has a quota.
    pub fn of(project: &ProjectId) -> Option<Self> {
        Uuid::parse_str(&project.0).ok().map(Self)
    }
}

impl fmt::Display for QuotaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an administrator allows a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Its key.
    pub id: QuotaId,
    /// The project.
    pub project_id: ProjectId,
    /// Most of each kind, or [`UNLIMITED`]; what is not in it is not limited.
    pub limits: BTreeMap<Counted, i32>,
}

/// How many of each kind a project has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<Counted, u32>);

impl Counts {
    /// How many of this kind.
    pub fn of(&self, kind: Counted) -> u32 {
        self.0.get(&kind).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, kind: Counted) {
        *self.0.entry(kind).or_insert(0) += 1;
    }

    pub(crate) fn remove(&mut self, kind: Counted) {
        if let Some(count) = self.0.get_mut(&kind) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.0.remove(&kind);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A project's limit for a kind.
pub fn limit(state: &State, project: &ProjectId, kind: Counted) -> i32 {
    let quota = QuotaId::of(project).and_then(|id| state.quotas.get(&id));
    quota.and_then(|quota| quota.limits.get(&kind)).copied().unwrap_or(UNLIMITED)
}

/// 409 `OverQuota` if a project may not have so many more of a kind.
pub(crate) fn check(txn: &Txn, project: &ProjectId, kind: Counted, more: u32) -> Result<(), Fault> {
    if txn.quotas.is_empty() {
        return Ok(());
    }
    let limit = limit(txn, project, kind);
    let wanted = i64::from(txn.used_of(project, kind)) + i64::from(more);
    if limit == UNLIMITED || wanted <= i64::from(limit) {
        return Ok(());
    }
    Err(Fault::conflict("OverQuota", format!("Quota exceeded for resources: ['{}'].", kind.name())))
}

/// Sets some of a project's limits; with `force` also below what it has.
pub fn update(
    txn: &mut Txn,
    context: &Context,
    project: &ProjectId,
    limits: BTreeMap<Counted, i32>,
    force: bool,
) -> Result<(), Fault> {
    if !context.is_admin {
        return Err(forbidden("update_quota"));
    }
    let id = QuotaId::of(project).ok_or_else(|| {
        let reason = format!("'{project}' is not an id of a project, such as 0123456789abcdef0123456789abcdef");
        Fault::invalid("project_id", reason)
    })?;
    for (kind, limit) in &limits {
        let used = txn.used_of(project, *kind);
        if !force && *limit != UNLIMITED && i64::from(*limit) < i64::from(used) {
            let kind = kind.name();
            let message =
                format!("Quota limit {limit} for {kind} must be greater than or equal to already used {used}");
            return Err(Fault::bad_request("HTTPBadRequest", message));
        }
    }
    if limits.is_empty() {
        return Ok(());
    }
    let mut quota = txn.quotas.get(&id).map_or_else(
        || Quota { id, project_id: project.clone(), limits: BTreeMap::new() },
        |quota| Quota::clone(quota),
    );
    quota.limits.extend(limits);
    txn.put(quota);
    Ok(())
}

/// Takes all of a project's limits away.
pub fn delete(txn: &mut Txn, context: &Context, project: &ProjectId) -> Result<(), Fault> {
    if !context.is_admin {
        return Err(forbidden("delete_quota"));
    }
    match QuotaId::of(project).filter(|id| txn.quotas.contains_key(id)) {
        Some(id) => {
            txn.remove::<Quota>(id);
            Ok(())
        }
        None => {
            let project: String = project.0.chars().take(64).collect();
            let message = format!("Quota for project {project} could not be found.");
            Err(Fault::new(FaultKind::NotFound, "TenantQuotaNotFound", message))
        }
    }
}
