//! What all rows have in common: an owner, a revision, and Neutron's word for their absence.

use crate::engine::{Context, ForwardingRecord, NetworkRecord, Record, State, Visible, faults};
use jiff::Timestamp;
use kuryr_neutron::{
    AddressGroup, DefaultRule, Fault, FaultKind, FloatingIp, Port, ProjectId, QosPolicy, Router, SecurityGroup,
    SecurityGroupRule, Subnet, SubnetPool, Trunk,
};
use std::{fmt::Display, sync::Arc};

/// The fields that change with every change.
pub(crate) struct Stamp<'a> {
    pub(crate) revision: &'a mut u64,
    pub(crate) created_at: &'a mut Option<Timestamp>,
    pub(crate) updated_at: &'a mut Option<Timestamp>,
}

pub(crate) trait Row: Record + Visible {
    /// Revision of a new row: one where Neutron writes it twice to make it, as what belongs to it comes along.
    const FIRST_REVISION: u64;
    fn project(&self) -> &ProjectId;
    fn revision(&self) -> u64;
    fn stamp(&mut self) -> Stamp<'_>;
    /// 404 for this kind.
    fn missing(id: Self::Id) -> Fault;
}

macro_rules! rows {
    ($($type:ty $(, $inner:ident)?: $first:literal, $error:literal, $message:literal;)+) => {$(
        impl Row for $type {
            const FIRST_REVISION: u64 = $first;
            fn project(&self) -> &ProjectId {
                &self$(.$inner)?.project_id
            }
            fn revision(&self) -> u64 {
                self$(.$inner)?.revision_number
            }
            fn stamp(&mut self) -> Stamp<'_> {
                let row = &mut (*self)$(.$inner)?;
                Stamp {
                    revision: &mut row.revision_number,
                    created_at: &mut row.created_at,
                    updated_at: &mut row.updated_at,
                }
            }
            fn missing(id: Self::Id) -> Fault {
                missing($error, &id, $message)
            }
        }
    )+};
}

rows! {
    NetworkRecord, network: 1, "NetworkNotFound", "Network {} could not be found.";
    Subnet: 0, "SubnetNotFound", "Subnet {} could not be found.";
    SubnetPool: 0, "SubnetPoolNotFound", "Subnet pool {} could not be found.";
    Port: 1, "PortNotFound", "Port {} could not be found.";
    SecurityGroup: 1, "SecurityGroupNotFound", "Security group {} does not exist";
    SecurityGroupRule: 0, "SecurityGroupRuleNotFound", "Security group rule {} does not exist";
    Router: 1, "RouterNotFound", "Router {} could not be found";
    Trunk: 1, "TrunkNotFound", "Trunk {} could not be found.";
    AddressGroup: 0, "AddressGroupNotFound", "Address group {} could not be found.";
    QosPolicy: 0, "QosPolicyNotFound", "QoS policy {} could not be found.";
    FloatingIp: 0, "FloatingIPNotFound", "Floating IP {} could not be found";
    ForwardingRecord: 0, "PortForwardingNotFound", "Port Forwarding {} could not be found.";
}

/// Rules of all projects are no project's.
static NOBODY: ProjectId = ProjectId(String::new());

impl Row for DefaultRule {
    const FIRST_REVISION: u64 = 0;
    fn project(&self) -> &ProjectId {
        &NOBODY
    }
    fn revision(&self) -> u64 {
        self.revision_number
    }
    fn stamp(&mut self) -> Stamp<'_> {
        Stamp {
            revision: &mut self.revision_number,
            created_at: &mut self.created_at,
            updated_at: &mut self.updated_at,
        }
    }
    fn missing(id: Self::Id) -> Fault {
        missing("DefaultSecurityGroupRuleNotFound", &id, "Default Security Group rule {} does not exist")
    }
}

fn missing(error_type: &'static str, id: &dyn Display, message: &str) -> Fault {
    Fault::new(FaultKind::NotFound, error_type, message.replace("{}", &id.to_string()))
}

/// A row the asker may know of.
pub(crate) fn find<R: Row>(state: &State, context: &Context, id: R::Id) -> Result<Arc<R>, Fault> {
    match R::table(state).get(&id) {
        Some(row) if row.is_visible(state, context) => Ok(Arc::clone(row)),
        _ => Err(R::missing(id)),
    }
}

/// A row the asker may change.
pub(crate) fn find_own<R: Row>(
    state: &State,
    context: &Context,
    id: R::Id,
    action: &'static str,
) -> Result<Arc<R>, Fault> {
    let row = find::<R>(state, context, id)?;
    if context.may_change(row.project()) { Ok(row) } else { Err(faults::forbidden(action)) }
}

/// 412 unless the row still has the revision its writer saw.
pub(crate) fn expect_revision<R: Row>(row: &R, expected: Option<u64>) -> Result<(), Fault> {
    match expected {
        Some(expected) if expected != row.revision() => Err(Fault::new(
            FaultKind::PreconditionFailed,
            "RevisionNumberConstraintFailed",
            format!("Constrained to {expected}, but current revision is {}", row.revision()),
        )),
        _ => Ok(()),
    }
}

/// The project a new row belongs to: the asker's own, or another if the asker is an administrator.
pub(crate) fn owner(context: &Context, wanted: Option<ProjectId>, action: &'static str) -> Result<ProjectId, Fault> {
    let project = wanted.unwrap_or_else(|| context.project_id.clone());
    if context.may_change(&project) { Ok(project) } else { Err(faults::forbidden(action)) }
}
