//! Forwarded ports of floating IPs.

use crate::{
    api::neutron::{
        attributes::Attributes,
        exposed::Exposed,
        nested::Nested,
        resource::create_each,
        scalar::{Attribute, attributes},
        value::{self, Reason, none_of_them, printed},
    },
    engine::{self, Context, ForwardingRecord, Txn},
};
use kuryr_neutron::{
    Fault, FloatingIp, FloatingIpId, NewPortForwarding, PortForwarding, PortForwardingId, PortForwardingUpdate,
    PortRange, ProjectId, Tag,
};
use serde_json::{Map, Value};

/// What the data plane forwards.
const PROTOCOLS: [&str; 2] = ["tcp", "udp"];
/// Forwardings are their floating IP's.
static NOBODY: ProjectId = ProjectId(String::new());

fn protocol(value: &Value) -> Result<String, Reason> {
    let known = value.as_str().filter(|text| PROTOCOLS.contains(text));
    known.map(str::to_owned).ok_or_else(|| none_of_them(value, PROTOCOLS))
}

fn port(value: &Value) -> Result<u16, Reason> {
    let number = value::integer(i64::MIN, i64::MAX)(value)?;
    let limits = match number {
        ..1 => "too small - must be at least '1'",
        1..=65535 => return value::narrow(1, 65535)(value),
        _ => "too large - must be no larger than '65535'",
    };
    Err(format!("'{number}' is {limits}.").trim_end_matches('.').into())
}

fn range(value: &Value) -> Result<PortRange, Reason> {
    let text = value.as_str().unwrap_or_default();
    text.parse().map_err(|_| format!("'{}' is not a valid port range such as 80:90", printed(value)).into())
}

impl Exposed for PortForwarding {
    type Row = ForwardingRecord;
    const NOT_FOUND: &'static str = "PortForwardingNotFound";
    const TITLE: &'static str = "Port Forwarding";
    const READ_ONLY: &'static [&'static str] = &["id"];
    const DECORATED: bool = true;

    fn of(row: &ForwardingRecord) -> &Self {
        &row.forwarding
    }

    /// Neutron tells no owner.
    fn decorate(answer: &mut Map<String, Value>) {
        answer.remove("tenant_id");
    }

    fn attributes() -> &'static [Attribute<Self>] {
        attributes!(PortForwarding {
            "id": Id = |f| f.id.0,
            "protocol": Text = |f| &f.protocol,
            "internal_port_id": Id = |f| f.internal_port_id.0,
            "external_port": Number = |f| f.external_port,
        })
    }

    fn tags(&self) -> &[Tag] {
        &[]
    }

    fn project(&self) -> &ProjectId {
        &NOBODY
    }

    fn revision(&self) -> u64 {
        0
    }

    fn parse_new(body: &mut Attributes<'_>) -> Result<NewPortForwarding, Fault> {
        Ok(NewPortForwarding {
            floatingip_id: None,
            protocol: body.required("protocol", protocol)?,
            external_port: body.take_unless_null("external_port", port)?,
            external_port_range: body.take_unless_null("external_port_range", range)?,
            internal_port: body.take_unless_null("internal_port", port)?,
            internal_port_range: body.take_unless_null("internal_port_range", range)?,
            internal_ip_address: body.required("internal_ip_address", value::ip)?,
            internal_port_id: body.required("internal_port_id", value::uuid)?,
            description: body.take("description", value::name)?,
        })
    }

    fn parse_update(body: &mut Attributes<'_>) -> Result<PortForwardingUpdate, Fault> {
        Ok(PortForwardingUpdate {
            protocol: body.take("protocol", protocol)?,
            external_port: body.take_unless_null("external_port", port)?,
            external_port_range: body.take_unless_null("external_port_range", range)?,
            internal_port: body.take_unless_null("internal_port", port)?,
            internal_port_range: body.take_unless_null("internal_port_range", range)?,
            internal_ip_address: body.take_unless_null("internal_ip_address", value::ip)?,
            internal_port_id: body.take_unless_null("internal_port_id", value::uuid)?,
            description: body.take("description", value::name)?,
        })
    }

    fn create(txn: &mut Txn, context: &Context, new: Vec<NewPortForwarding>) -> Result<Vec<Self>, Fault> {
        create_each!(port_forwarding, txn, context, new)
    }

    fn update(
        txn: &mut Txn,
        context: &Context,
        id: PortForwardingId,
        update: PortForwardingUpdate,
        revision: Option<u64>,
    ) -> Result<Self, Fault> {
        engine::port_forwarding::update(txn, context, id, update, revision)
    }

    fn delete(txn: &mut Txn, context: &Context, id: PortForwardingId) -> Result<(), Fault> {
        engine::port_forwarding::delete(txn, context, id)
    }

    fn concerns_data_plane(_: Option<&Self>, _: Option<&Self>) -> bool {
        true
    }
}

impl Nested for PortForwarding {
    type Parent = FloatingIp;

    fn parent(row: &ForwardingRecord) -> FloatingIpId {
        row.floatingip_id
    }

    fn place(new: NewPortForwarding, parent: FloatingIpId) -> NewPortForwarding {
        NewPortForwarding { floatingip_id: Some(parent), ..new }
    }
}
