//! Subnets.

use crate::{
    api::neutron::{
        attributes::Attributes,
        exposed::Exposed,
        resource::{create_each, read_only},
        scalar::{Attribute, Scalar, attributes},
        value::{self, Reason},
    },
    engine::{self, Context, Txn},
};
use ipnet::IpNet;
use kuryr_neutron::{
    AllocationPool, Fault, HostRoute, Ipv6Mode, NewSubnet, ProjectId, Subnet, SubnetId, SubnetUpdate, Tag,
};
use serde_json::Value;

const MODES: &[(&str, Ipv6Mode)] = &[
    ("slaac", Ipv6Mode::Slaac),
    ("dhcpv6-stateful", Ipv6Mode::Dhcpv6Stateful),
    ("dhcpv6-stateless", Ipv6Mode::Dhcpv6Stateless),
];

fn mode(mode: Option<Ipv6Mode>) -> Scalar<'static> {
    MODES.iter().find(|(_, known)| Some(*known) == mode).map_or(Scalar::Null, |(word, _)| Scalar::Text(word))
}

fn pool(value: &Value) -> Result<AllocationPool, Reason> {
    let record = value::record(value, &["start", "end"])?;
    Ok(AllocationPool {
        start: value::required_key(record, "start", value::ip)?,
        end: value::required_key(record, "end", value::ip)?,
    })
}

fn pools(value: &Value) -> Result<Vec<AllocationPool>, Reason> {
    if value.is_array() {
        return value::list(pool)(value);
    }
    Err(Reason::Unconvertible("Invalid data format for allocation pools".to_owned()))
}

fn route(value: &Value) -> Result<HostRoute, Reason> {
    let record = value::record(value, &["destination", "nexthop"])?;
    Ok(HostRoute {
        destination: value::required_key(record, "destination", value::cidr)?.trunc(),
        nexthop: value::required_key(record, "nexthop", value::ip)?,
    })
}

impl Exposed for Subnet {
    type Row = Subnet;
    const NOT_FOUND: &'static str = "SubnetNotFound";
    const TITLE: &'static str = "Subnet";
    const READ_ONLY: &'static [&'static str] = read_only![];
    const CREATE_ONLY: &'static [&'static str] = &[
        "project_id",
        "tenant_id",
        "network_id",
        "ip_version",
        "cidr",
        "prefixlen",
        "subnetpool_id",
        "ipv6_ra_mode",
        "ipv6_address_mode",
    ];

    fn of(row: &Self) -> &Self {
        row
    }

    fn attributes() -> &'static [Attribute<Self>] {
        attributes!(Subnet {
            "id": Id = |s| s.id.0,
            "name": Text = |s| &s.name,
            "project_id": Text = |s| &s.project_id.0,
            "description": Text = |s| &s.description,
            "network_id": Id = |s| s.network_id.0,
            "ip_version": Number = |s| s.ip_version,
            "cidr": Net = |s| s.cidr,
            "subnetpool_id": Id = |s| s.subnetpool_id.map(|id| id.0),
            "gateway_ip": Ip = |s| s.gateway_ip,
            "enable_dhcp": Bool = |s| s.enable_dhcp,
            "ipv6_ra_mode": Text = |s| mode(s.ipv6_ra_mode),
            "ipv6_address_mode": Text = |s| mode(s.ipv6_address_mode),
            "revision_number": Number = |s| s.revision_number,
            "created_at": Time = |s| s.created_at,
            "updated_at": Time = |s| s.updated_at,
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

    fn parse_new(body: &mut Attributes<'_>) -> Result<NewSubnet, Fault> {
        let cidr: Option<IpNet> = body.take_unless_null("cidr", value::subnet_cidr)?;
        let subnetpool_id = body.nullable("subnetpool_id", value::uuid)?;
        let ip_version = body.required("ip_version", |value| match value::integer(0, 255)(value)? {
            4 => Ok(4),
            6 => Ok(6),
            _ => Err(value::none_of_them(value, ["4", "6"])),
        })?;
        Ok(NewSubnet {
            network_id: Some(body.required("network_id", value::uuid)?),
            ip_version: Some(ip_version),
            cidr,
            prefixlen: body.take_unless_null("prefixlen", value::narrow(0, 128))?,
            name: body.take("name", value::name)?.unwrap_or_default(),
            project_id: body.project()?,
            subnetpool_id,
            gateway_ip: body.nullable("gateway_ip", value::ip)?,
            allocation_pools: body.take_unless_null("allocation_pools", pools)?,
            enable_dhcp: body.take("enable_dhcp", value::boolean)?,
            dns_nameservers: body.take_unless_null("dns_nameservers", value::list(value::ip))?,
            host_routes: body.take_unless_null("host_routes", value::list(route))?,
            ipv6_ra_mode: body.nullable("ipv6_ra_mode", value::one_of(MODES))?,
            ipv6_address_mode: body.nullable("ipv6_address_mode", value::one_of(MODES))?,
            description: body.take("description", value::name)?,
        })
    }

    fn parse_update(body: &mut Attributes<'_>) -> Result<SubnetUpdate, Fault> {
        Ok(SubnetUpdate {
            name: body.take("name", value::name)?,
            gateway_ip: body.nullable("gateway_ip", value::ip)?,
            allocation_pools: body.take("allocation_pools", pools)?,
            enable_dhcp: body.take("enable_dhcp", value::boolean)?,
            dns_nameservers: body.take("dns_nameservers", value::list(value::ip))?,
            host_routes: body.take("host_routes", value::list(route))?,
            description: body.take("description", value::name)?,
        })
    }

    fn create(txn: &mut Txn, context: &Context, new: Vec<NewSubnet>) -> Result<Vec<Self>, Fault> {
        create_each!(subnet, txn, context, new)
    }

    fn update(
        txn: &mut Txn,
        context: &Context,
        id: SubnetId,
        update: SubnetUpdate,
        revision: Option<u64>,
    ) -> Result<Self, Fault> {
        engine::subnet::update(txn, context, id, update, revision)
    }

    fn delete(txn: &mut Txn, context: &Context, id: SubnetId) -> Result<(), Fault> {
        engine::subnet::delete(txn, context, id)
    }

    fn concerns_data_plane(before: Option<&Self>, after: Option<&Self>) -> bool {
        matches!((before, after), (Some(before), Some(after)) if before.gateway_ip != after.gateway_ip)
    }
}
