//! Floating IPs.

use crate::{
    api::neutron::{
        attributes::Attributes,
        exposed::Exposed,
        resource::{create_each, network::status, read_only},
        scalar::{Attribute, attributes},
        value,
    },
    engine::{self, Context, State, Txn},
};
use kuryr_neutron::{Fault, FloatingIp, FloatingIpId, FloatingIpUpdate, NewFloatingIp, ProjectId, Tag};

impl Exposed for FloatingIp {
    type Row = FloatingIp;
    const NOT_FOUND: &'static str = "FloatingIPNotFound";
    const TITLE: &'static str = "Floating IP";
    const ABSENT: &'static str = "could not be found";
    const READ_ONLY: &'static [&'static str] = read_only!["status", "port_details", "port_forwardings"];
    const CREATE_ONLY: &'static [&'static str] =
        &["project_id", "tenant_id", "floating_network_id", "floating_ip_address", "subnet_id"];

    fn of(row: &Self) -> &Self {
        row
    }

    fn attributes() -> &'static [Attribute<Self>] {
        attributes!(FloatingIp {
            "id": Id = |f| f.id.0,
            "project_id": Text = |f| &f.project_id.0,
            "description": Text = |f| &f.description,
            "floating_ip_address": Ip = |f| f.floating_ip_address,
            "floating_network_id": Id = |f| f.floating_network_id.0,
            "router_id": Id = |f| f.router_id.map(|id| id.0),
            "port_id": Id = |f| f.port_id.map(|id| id.0),
            "fixed_ip_address": Ip = |f| f.fixed_ip_address,
            "status": Text = |f| status(f.status),
            "revision_number": Number = |f| f.revision_number,
            "created_at": Time = |f| f.created_at,
            "updated_at": Time = |f| f.updated_at,
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

    fn shown(&self, state: &State, _: &Context) -> Self {
        engine::floating_ip::shown(state, self)
    }

    fn parse_new(body: &mut Attributes<'_>) -> Result<NewFloatingIp, Fault> {
        // Neutron chooses the router whatever is wished.
        body.take_unless_null("router_id", value::uuid::<kuryr_neutron::RouterId>)?;
        Ok(NewFloatingIp {
            floating_network_id: body.required("floating_network_id", value::uuid)?,
            project_id: body.project()?,
            subnet_id: body.take_unless_null("subnet_id", value::uuid)?,
            floating_ip_address: body.admins_nullable("floating_ip_address", value::ip)?.flatten(),
            port_id: body.take_unless_null("port_id", value::uuid)?,
            fixed_ip_address: body.take_unless_null("fixed_ip_address", value::ip)?,
            description: body.take("description", value::name)?,
        })
    }

    fn parse_update(body: &mut Attributes<'_>) -> Result<FloatingIpUpdate, Fault> {
        body.take_unless_null("router_id", value::uuid::<kuryr_neutron::RouterId>)?;
        Ok(FloatingIpUpdate {
            port_id: body.nullable("port_id", value::uuid)?,
            fixed_ip_address: body.nullable("fixed_ip_address", value::ip)?,
            description: body.take("description", value::name)?,
        })
    }

    fn create(txn: &mut Txn, context: &Context, new: Vec<NewFloatingIp>) -> Result<Vec<Self>, Fault> {
        create_each!(floating_ip, txn, context, new)
    }

    fn update(
        txn: &mut Txn,
        context: &Context,
        id: FloatingIpId,
        update: FloatingIpUpdate,
        revision: Option<u64>,
    ) -> Result<Self, Fault> {
        engine::floating_ip::update(txn, context, id, update, revision)
    }

    fn delete(txn: &mut Txn, context: &Context, id: FloatingIpId) -> Result<(), Fault> {
        engine::floating_ip::delete(txn, context, id)
    }

    fn concerns_data_plane(before: Option<&Self>, after: Option<&Self>) -> bool {
        let leads = |floating: Option<&Self>| floating.and_then(|f| Some((f.router_id?, f.fixed_ip_address)));
        leads(before) != leads(after)
    }
}
