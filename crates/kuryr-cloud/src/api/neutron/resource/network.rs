//! Networks.

use crate::{
    api::neutron::{
        attributes::Attributes,
        exposed::Exposed,
        resource::{create_each, read_only},
        scalar::{Attribute, Scalar, attributes},
        value::{self, Reason},
    },
    engine::{self, Context, NetworkRecord, State, Txn},
};
use kuryr_neutron::{Fault, Network, NetworkId, NetworkUpdate, NewNetwork, ProjectId, Shareable, Status, Tag};
use serde_json::Value;

pub(crate) fn status(status: Status) -> Scalar<'static> {
    Scalar::Text(match status {
        Status::Active => "ACTIVE",
        Status::Down => "DOWN",
        Status::Build => "BUILD",
        Status::Degraded => "DEGRADED",
        Status::Error => "ERROR",
        Status::Unknown => "N/A",
    })
}

/// The kernel takes bridges from 68 bytes (IPv4's least) to 65535.
fn mtu(value: &Value) -> Result<u32, Reason> {
    value::narrow(68, 65535)(value)
}

impl Exposed for Network {
    type Row = NetworkRecord;
    const NOT_FOUND: &'static str = "NetworkNotFound";
    const TITLE: &'static str = "Network";
    const READ_ONLY: &'static [&'static str] = read_only!["status", "subnets"];
    const CREATE_ONLY: &'static [&'static str] =
        &["project_id", "tenant_id", "provider:network_type", "provider:physical_network", "provider:segmentation_id"];
    const ADMINS_ONLY: &'static [&'static str] =
        &["provider:network_type", "provider:physical_network", "provider:segmentation_id"];

    const SHAREABLE: Option<fn(NetworkId) -> Shareable> = Some(Shareable::Network);

    fn of(row: &NetworkRecord) -> &Self {
        &row.network
    }

    fn attributes() -> &'static [Attribute<Self>] {
        attributes!(Network {
            "id": Id = |n| n.id.0,
            "name": Text = |n| &n.name,
            "project_id": Text = |n| &n.project_id.0,
            "description": Text = |n| &n.description,
            "admin_state_up": Bool = |n| n.admin_state_up,
            "status": Text = |n| status(n.status),
            "shared": Bool = |n| n.shared,
            "mtu": Number = |n| n.mtu,
            "router:external": Bool = |n| n.router_external,
            "is_default": Bool = |n| n.is_default,
            "port_security_enabled": Bool = |n| n.port_security_enabled,
            "provider:network_type": Text = |n| n.provider_network_type.as_ref(),
            "provider:physical_network": Text = |n| n.provider_physical_network.as_ref(),
            "provider:segmentation_id": Number = |n| n.provider_segmentation_id,
            "revision_number": Number = |n| n.revision_number,
            "created_at": Time = |n| n.created_at,
            "updated_at": Time = |n| n.updated_at,
        })
    }

    fn tags(&self) -> &[Tag] {
        &self.tags
    }

    fn project(&self) -> &ProjectId {
        &self.project_id
    }

    fn revision(&self) -> u64 {
        self.revision_number
    }

    fn shown(&self, state: &State, context: &Context) -> Self {
        let subnets = state.subnets_of_network(self.id).map(|subnet| subnet.id).collect();
        let shared = state.is_shared_with(Shareable::Network(self.id), &context.project_id);
        Self { subnets, shared, ..self.clone() }
    }

    fn parse_new(body: &mut Attributes<'_>) -> Result<NewNetwork, Fault> {
        Ok(NewNetwork {
            name: body.take("name", value::name)?.unwrap_or_default(),
            project_id: body.project()?,
            admin_state_up: body.take("admin_state_up", value::boolean)?,
            shared: shared(body)?,
            mtu: body.take_unless_null("mtu", mtu)?.filter(|mtu| *mtu != 0),
            router_external: body.admins_if("router:external", value::boolean, |external| *external)?,
            port_security_enabled: body.take("port_security_enabled", value::boolean)?,
            qos_policy_id: body.take_unless_null("qos_policy_id", value::uuid)?,
            is_default: body.admins("is_default", value::boolean)?,
            provider_network_type: body.admins_nullable("provider:network_type", value::name)?,
            provider_physical_network: body.admins_nullable("provider:physical_network", value::name)?,
            provider_segmentation_id: body.admins_nullable("provider:segmentation_id", value::narrow(0, 1 << 24))?,
            description: body.take("description", value::name)?,
        })
    }

    fn parse_update(body: &mut Attributes<'_>) -> Result<NetworkUpdate, Fault> {
        Self::ADMINS_ONLY.iter().try_for_each(|name| body.check_admin(name))?;
        Ok(NetworkUpdate {
            name: body.take("name", value::name)?,
            admin_state_up: body.take("admin_state_up", value::boolean)?,
            shared: body.admins("shared", value::boolean)?,
            mtu: body.take("mtu", mtu)?,
            router_external: body.admins("router:external", value::boolean)?,
            port_security_enabled: body.take("port_security_enabled", value::boolean)?,
            qos_policy_id: body.nullable("qos_policy_id", value::uuid)?,
            is_default: body.admins("is_default", value::boolean)?,
            description: body.take("description", value::name)?,
        })
    }

    fn create(txn: &mut Txn, context: &Context, new: Vec<NewNetwork>) -> Result<Vec<Self>, Fault> {
        create_each!(network, txn, context, new)
    }

    fn update(
        txn: &mut Txn,
        context: &Context,
        id: NetworkId,
        update: NetworkUpdate,
        revision: Option<u64>,
    ) -> Result<Self, Fault> {
        engine::network::update(txn, context, id, update, revision)
    }

    fn delete(txn: &mut Txn, context: &Context, id: NetworkId) -> Result<(), Fault> {
        engine::network::delete(txn, context, id)
    }

    fn concerns_data_plane(before: Option<&Self>, after: Option<&Self>) -> bool {
        match (before, after) {
            (Some(before), Some(after)) => {
                let seen = |network: &Self| (network.admin_state_up, network.mtu, network.qos_policy_id);
                seen(before) != seen(after)
            }
            _ => false,
        }
    }
}

/// Clients that show no wish to share send `false`; only sharing needs an administrator.
fn shared(body: &mut Attributes<'_>) -> Result<Option<bool>, Fault> {
    body.admins_if("shared", value::boolean, |shared| *shared)
}
