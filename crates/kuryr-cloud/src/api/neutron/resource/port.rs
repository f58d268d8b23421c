//! Ports.

use crate::{
    api::neutron::{
        attributes::Attributes,
        exposed::Exposed,
        filter::Predicate,
        resource::{network::status, read_only},
        scalar::{Attribute, attributes},
        value::{self, Reason},
    },
    engine::{self, Context, State, Txn},
};
use kuryr_neutron::{
    AddressPair, Fault, FixedIpRequest, HostId, IpNetOrAddr, NewPort, Port, PortId, PortUpdate, ProjectId,
    SecurityGroupId, SubnetId, Tag, VIF_TYPE_BRIDGE, VNIC_TYPES,
};
use serde_json::{Map, Value};
use std::net::IpAddr;

fn fixed_ip(value: &Value) -> Result<FixedIpRequest, Reason> {
    let record = value.as_object().ok_or_else(|| value::not(value, "a dictionary"))?;
    let request = FixedIpRequest {
        subnet_id: value::key(record, "subnet_id", value::uuid)?,
        ip_address: value::key(record, "ip_address", value::ip)?,
    };
    if request == FixedIpRequest::default() {
        return Err(Reason::Unconvertible("IP allocation requires subnet_id or ip_address".to_owned()));
    }
    Ok(request)
}

fn address_pair(value: &Value) -> Result<AddressPair, Reason> {
    let record = value::record(value, &["ip_address", "mac_address"])?;
    let address = |value: &Value| {
        let found = value::ip(value).map(IpNetOrAddr::Addr).or_else(|_| value::cidr(value).map(IpNetOrAddr::Net));
        let message = format!("'{}' is not a valid IP address", value::printed(value));
        found.map_err(|_| Fault::bad_request("HTTPBadRequest", message).into())
    };
    if !record.contains_key("ip_address") {
        let message = "AllowedAddressPair must contain ip_address";
        return Err(Fault::bad_request("AllowedAddressPairsMissingIP", message).into());
    }
    Ok(AddressPair {
        ip_address: value::required_key(record, "ip_address", address)?,
        mac_address: value::key(record, "mac_address", value::mac)?,
    })
}

/// `null` unbinds, as an empty text does.
fn host(value: &Value) -> Result<HostId, Reason> {
    if value.is_null() { Ok(HostId::default()) } else { value::name(value).map(HostId) }
}

fn profile(value: &Value) -> Result<Map<String, Value>, Reason> {
    if value.is_null() { Ok(Map::new()) } else { value::dictionary(value) }
}

/// The kinds that Neutron knows; ports of the others than `normal` are not bound here.
fn vnic_type(value: &Value) -> Result<String, Reason> {
    let known = value.as_str().filter(|kind| VNIC_TYPES.contains(kind));
    known.map(str::to_owned).ok_or_else(|| value::none_of_them(value, VNIC_TYPES))
}

fn groups(value: &Value) -> Result<Vec<SecurityGroupId>, Reason> {
    if value.is_null() { Ok(Vec::new()) } else { value::list(value::uuid)(value) }
}

impl Exposed for Port {
    type Row = Port;
    const NOT_FOUND: &'static str = "PortNotFound";
    const TITLE: &'static str = "Port";
    const READ_ONLY: &'static [&'static str] =
        read_only!["status", "qos_network_policy_id", "trunk_details", "binding:vif_type", "binding:vif_details"];
    const CREATE_ONLY: &'static [&'static str] = &["project_id", "tenant_id", "network_id"];
    const ADMINS_ONLY: &'static [&'static str] =
        &["binding:host_id", "binding:vif_type", "binding:vif_details", "binding:profile"];

    fn of(row: &Self) -> &Self {
        row
    }

    fn attributes() -> &'static [Attribute<Self>] {
        attributes!(Port {
            "id": Id = |p| p.id.0,
            "name": Text = |p| &p.name,
            "project_id": Text = |p| &p.project_id.0,
            "description": Text = |p| &p.description,
            "network_id": Id = |p| p.network_id.0,
            "mac_address": Mac = |p| p.mac_address,
            "admin_state_up": Bool = |p| p.admin_state_up,
            "status": Text = |p| status(p.status),
            "device_owner": Text = |p| &p.device_owner,
            "device_id": Text = |p| &p.device_id,
            "port_security_enabled": Bool = |p| p.port_security_enabled,
            "binding:host_id": Text = |p| &p.binding_host_id.0,
            "binding:vif_type": Text = |p| &p.binding_vif_type,
            "binding:vnic_type": Text = |p| &p.binding_vnic_type,
            "revision_number": Number = |p| p.revision_number,
            "created_at": Time = |p| p.created_at,
            "updated_at": Time = |p| p.updated_at,
        })
    }

    const SPECIAL_FILTERS: &'static [&'static str] = &["fixed_ips", "security_groups"];

    fn special_filter(name: &str, values: &[String]) -> Option<Result<Predicate<'static, Self>, Fault>> {
        match name {
            "fixed_ips" => Some(by_fixed_ips(values)),
            "security_groups" => {
                let wanted: Vec<SecurityGroupId> = values.iter().filter_map(|id| id.parse().ok()).collect();
                Some(Ok(Box::new(move |port| port.security_groups.iter().any(|group| wanted.contains(group)))))
            }
            _ => None,
        }
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
        let network = state.networks.get(&self.network_id);
        Self {
            qos_network_policy_id: network.and_then(|record| record.network.qos_policy_id),
            trunk_details: engine::trunk_details(state, self.id),
            ..self.clone()
        }
    }

    fn parse_new(body: &mut Attributes<'_>) -> Result<NewPort, Fault> {
        Ok(NewPort {
            network_id: Some(body.required("network_id", value::uuid)?),
            name: body.take("name", value::name)?.unwrap_or_default(),
            project_id: body.project()?,
            mac_address: body.take_unless_null("mac_address", value::mac)?,
            fixed_ips: body.take_unless_null("fixed_ips", value::list(fixed_ip))?,
            admin_state_up: body.take("admin_state_up", value::boolean)?,
            device_owner: body.take("device_owner", value::name)?,
            device_id: body.take("device_id", value::name)?,
            security_groups: body.take("security_groups", groups)?,
            port_security_enabled: body.take("port_security_enabled", value::boolean)?,
            qos_policy_id: body.take_unless_null("qos_policy_id", value::uuid)?,
            dns_name: None,
            allowed_address_pairs: body.take_unless_null("allowed_address_pairs", value::list(address_pair))?,
            binding_host_id: body.admins("binding:host_id", host)?,
            binding_vnic_type: body.take_unless_null("binding:vnic_type", vnic_type)?,
            binding_profile: body.admins("binding:profile", profile)?,
            description: body.take("description", value::name)?,
        })
    }

    fn parse_update(body: &mut Attributes<'_>) -> Result<PortUpdate, Fault> {
        Ok(PortUpdate {
            name: body.take("name", value::name)?,
            mac_address: body.admins("mac_address", value::mac)?,
            fixed_ips: body.take("fixed_ips", value::list(fixed_ip))?,
            admin_state_up: body.take("admin_state_up", value::boolean)?,
            device_owner: body.take("device_owner", value::name)?,
            device_id: body.take("device_id", value::name)?,
            security_groups: body.take("security_groups", groups)?,
            port_security_enabled: body.take("port_security_enabled", value::boolean)?,
            qos_policy_id: body.nullable("qos_policy_id", value::uuid)?,
            dns_name: None,
            allowed_address_pairs: body.take("allowed_address_pairs", value::list(address_pair))?,
            binding_host_id: body.admins("binding:host_id", host)?,
            binding_vnic_type: body.take("binding:vnic_type", vnic_type)?,
            binding_profile: body.admins("binding:profile", profile)?,
            description: body.take("description", value::name)?,
        })
    }

    fn create(txn: &mut Txn, context: &Context, new: Vec<NewPort>) -> Result<Vec<Self>, Fault> {
        engine::port::create_bulk(txn, context, new)
    }

    fn update(
        txn: &mut Txn,
        context: &Context,
        id: PortId,
        update: PortUpdate,
        revision: Option<u64>,
    ) -> Result<Self, Fault> {
        engine::port::update(txn, context, id, update, revision)
    }

    fn delete(txn: &mut Txn, context: &Context, id: PortId) -> Result<(), Fault> {
        engine::port::delete(txn, context, id)
    }

    /// A port that is not bound here, before or after, is not in the kernel.
    fn concerns_data_plane(before: Option<&Self>, after: Option<&Self>) -> bool {
        let bound = |port: &&Port| port.binding_vif_type == VIF_TYPE_BRIDGE;
        match (before.filter(bound), after.filter(bound)) {
            (None, None) => false,
            (Some(before), Some(after)) => {
                let same = before.mac_address == after.mac_address
                    && before.fixed_ips == after.fixed_ips
                    && before.admin_state_up == after.admin_state_up
                    && before.security_groups == after.security_groups
                    && before.qos_policy_id == after.qos_policy_id
                    && before.port_security_enabled == after.port_security_enabled
                    && before.allowed_address_pairs == after.allowed_address_pairs;
                !same
            }
            _ => true,
        }
    }

    /// Only a new binding is a promise; a port that is plugged already stays so, and is policed as before until the data plane
    /// succeeds.
    fn promises(before: Option<&Self>, after: &Self) -> bool {
        let bound = |port: &Port| port.binding_vif_type == VIF_TYPE_BRIDGE;
        bound(after) && !before.is_some_and(bound)
    }

    fn break_promise(txn: &mut Txn, port: &Self) -> Result<Self, Fault> {
        engine::port::set_binding_failed(txn, port.id)
    }
}

/// `fixed_ips=subnet_id=…` and `fixed_ips=ip_address=…`: one address of the port must fit all keys, and any value of each.
fn by_fixed_ips(values: &[String]) -> Result<Predicate<'static, Port>, Fault> {
    let (mut subnets, mut addresses, mut parts) = (None::<Vec<SubnetId>>, None::<Vec<IpAddr>>, None::<Vec<String>>);
    for value in values.iter().filter(|value| !value.is_empty()) {
        match value.split_once('=') {
            Some(("subnet_id", id)) => subnets.get_or_insert_default().extend(id.parse::<SubnetId>().ok()),
            Some(("ip_address", ip)) => addresses.get_or_insert_default().extend(ip.parse::<IpAddr>().ok()),
            Some(("ip_address_substr", part)) => parts.get_or_insert_default().push(part.to_owned()),
            _ => {
                let shown: String = value.chars().take(100).collect();
                let reason = format!(
                    "'{shown}' is not of the form <key>=<value> with one of the keys subnet_id, ip_address, ip_address_substr"
                );
                return Err(Fault::invalid("fixed_ips", reason));
            }
        }
    }
    if subnets.is_none() && addresses.is_none() && parts.is_none() {
        return Ok(Box::new(|_| true));
    }
    Ok(Box::new(move |port| {
        port.fixed_ips.iter().any(|ip| {
            subnets.as_ref().is_none_or(|wanted| wanted.contains(&ip.subnet_id))
                && addresses.as_ref().is_none_or(|wanted| wanted.contains(&ip.ip_address))
                && parts.as_ref().is_none_or(|parts| {
                    let text = ip.ip_address.to_string();
                    parts.iter().any(|part| text.contains(part.as_str()))
                })
        })
    }))
}
