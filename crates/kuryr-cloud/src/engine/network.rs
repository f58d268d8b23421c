//! Networks.

use crate::engine::{
    Context, NetworkRecord, Txn,
    faults::{check_text, forbidden, invalid_input},
    floating_ip, port, qos,
    quota::{self, Counted},
    rbac,
    row::{expect_revision, find, find_own, owner},
    subnet,
};
use kuryr_neutron::{
    Fault, FaultKind, FloatingIp, FloatingIpId, Network, NetworkId, NetworkUpdate, NewNetwork, Port, QosPolicy,
    RbacAction, RbacTarget, Shareable, Status,
};

/// Smallest MTU of IPv4 (RFC 791).
const SMALLEST_MTU: u32 = 68;
/// Smallest MTU of IPv6 (RFC 8200).
pub(crate) const SMALLEST_IPV6_MTU: u32 = 1280;
/// Largest MTU of a Linux bridge.
const LARGEST_MTU: u32 = 65535;
/// `device_owner` of ports that go with their network, as Neutron's do.
pub(crate) const DHCP_PORT: &str = "network:dhcp";

/// Creates a network.
pub fn create(txn: &mut Txn, context: &Context, new: NewNetwork) -> Result<Network, Fault> {
    check_text("name", Some(&new.name))?;
    check_text("description", new.description.as_deref())?;
    let project_id = owner(context, new.project_id, "create_network")?;
    quota::check(txn, &project_id, Counted::Network, 1)?;
    admin_only(context, "create_network", new.shared, new.router_external, new.is_default)?;
    check_provider(context, &new.provider_network_type, "provider:network_type")?;
    if new.provider_physical_network.flatten().is_some() || new.provider_segmentation_id.flatten().is_some() {
        return Err(invalid_input(
            "provider:physical_network and provider:segmentation_id cannot be set: this cloud has networks of type local only",
        ));
    }
    let qos_policy_id = match new.qos_policy_id {
        Some(wanted) => Some(find::<QosPolicy>(txn, context, wanted)?.id),
        None => txn.default_qos_policy(&project_id),
    };
    let mtu = check_mtu(new.mtu.filter(|&mtu| mtu != 0).unwrap_or(txn.options().mtu))?;
    let zone = txn.free_zone().ok_or_else(|| {
        Fault::new(
            FaultKind::Unavailable,
            "NoNetworkAvailable",
            "Unable to create the network. No tenant network is available for allocation.",
        )
    })?;
    let network = Network {
        id: NetworkId::random(),
        name: new.name,
        project_id,
        admin_state_up: new.admin_state_up.unwrap_or(true),
        status: Status::Active,
        subnets: Vec::new(),
        shared: false,
        mtu,
        router_external: new.router_external.unwrap_or(false),
        port_security_enabled: new.port_security_enabled.unwrap_or(true),
        qos_policy_id,
        is_default: new.is_default.unwrap_or(false),
        provider_network_type: Some("local".to_owned()),
        provider_physical_network: None,
        provider_segmentation_id: None,
        description: new.description.unwrap_or_default(),
        tags: Vec::new(),
        revision_number: 0,
        created_at: None,
        updated_at: None,
    };
    check_default(txn, &network)?;
    let network = txn.insert(NetworkRecord { network, zone }).network.clone();
    let object = Shareable::Network(network.id);
    if new.shared == Some(true) {
        rbac::allow_all(txn, object, RbacAction::AccessAsShared, &network.project_id);
    }
    if network.router_external {
        rbac::allow_all(txn, object, RbacAction::AccessAsExternal, &network.project_id);
    }
    Ok(network)
}

/// Changes a network. With `expected_revision`, only if it still has that revision.
pub fn update(
    txn: &mut Txn,
    context: &Context,
    id: NetworkId,
    update: NetworkUpdate,
    expected_revision: Option<u64>,
) -> Result<Network, Fault> {
    let old = find_own::<NetworkRecord>(txn, context, id, "update_network")?;
    expect_revision(&*old, expected_revision)?;
    check_text("name", update.name.as_deref())?;
    check_text("description", update.description.as_deref())?;
    admin_only(context, "update_network", update.shared, update.router_external, update.is_default)?;
    let mut record = NetworkRecord::clone(&old);
    let network = &mut record.network;
    if let Some(mtu) = update.mtu {
        network.mtu = check_mtu(if mtu == 0 { txn.options().mtu } else { mtu })?;
        if network.mtu < SMALLEST_IPV6_MTU
            && let Some(subnet) = txn.subnets_of_network(id).find(|s| s.ip_version == 6)
        {
            return Err(mtu_conflict(network, &subnet.cidr.to_string()));
        }
    }
    if update.router_external == Some(false) && network.router_external && has_gateways(txn, id) {
        return Err(Fault::conflict(
            "ExternalNetworkInUse",
            format!(
                "External network {id} cannot be updated to be made non-external, since it has existing gateway ports"
            ),
        ));
    }
    network.name = update.name.unwrap_or_else(|| network.name.clone());
    network.admin_state_up = update.admin_state_up.unwrap_or(network.admin_state_up);
    network.router_external = update.router_external.unwrap_or(network.router_external);
    network.port_security_enabled = update.port_security_enabled.unwrap_or(network.port_security_enabled);
    network.is_default = update.is_default.unwrap_or(network.is_default);
    if let Some(wanted) = update.qos_policy_id {
        network.qos_policy_id = qos::choose(txn, context, network.qos_policy_id, wanted)?;
    }
    network.description = update.description.unwrap_or_else(|| network.description.clone());
    check_default(txn, network)?;
    let shares = share(txn, network, update.shared)?;
    if network.router_external != old.network.router_external {
        expose(txn, network);
    }
    if shares && record == *old {
        txn.touch::<NetworkRecord>(id);
    } else {
        txn.save(&old, record);
    }
    Ok(find::<NetworkRecord>(txn, context, id)?.network.clone())
}

/// Shares a network with all, or no longer; true if that is new.
fn share(txn: &mut Txn, network: &Network, wanted: Option<bool>) -> Result<bool, Fault> {
    let (object, action) = (Shareable::Network(network.id), RbacAction::AccessAsShared);
    let policy = txn.policy(object, action, &RbacTarget::All).cloned();
    match (policy, wanted) {
        (None, Some(true)) => rbac::allow_all(txn, object, action, &network.project_id),
        (Some(policy), Some(false)) if rbac::needed(txn, &policy, None).is_some() => {
            let name = &network.name;
            let message =
                format!("Unable to reconfigure sharing settings for network {name}. Multiple projects are using it.");
            return Err(Fault::conflict("InvalidSharedSetting", message));
        }
        (Some(policy), Some(false)) => rbac::remove(txn, object, |other| other.id == policy.id),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Lets all have gateways on a network that became external, and nobody on one that no longer is.
fn expose(txn: &mut Txn, network: &Network) {
    let (object, action) = (Shareable::Network(network.id), RbacAction::AccessAsExternal);
    if network.router_external {
        rbac::allow_all(txn, object, action, &network.project_id);
    } else {
        rbac::remove(txn, object, |policy| policy.action == action);
    }
}

/// Deletes a network with its subnets, unless ports are on it.
pub fn delete(txn: &mut Txn, context: &Context, id: NetworkId) -> Result<(), Fault> {
    find::<NetworkRecord>(txn, context, id)?;
    find_own::<NetworkRecord>(txn, context, id, "delete_network")?;
    // Floating IPs that lead nowhere go with it.
    let free: Vec<FloatingIpId> = txn
        .ports_of_network(id)
        .filter_map(|port| floating_ip::kept_by(txn, port))
        .filter(|id| txn.floating_ips.get(id).is_some_and(|floating| floating.router_id.is_none()))
        .collect();
    let stays = |port: &Port| {
        port.device_owner != DHCP_PORT && floating_ip::kept_by(txn, port).is_none_or(|id| !free.contains(&id))
    };
    if txn.ports_of_network(id).any(|port| stays(port)) {
        return Err(Fault::conflict(
            "NetworkInUse",
            format!(
                "Unable to complete operation on network {id}. There are one or more ports still in use on the network."
            ),
        ));
    }
    free.into_iter().for_each(|floating| txn.remove::<FloatingIp>(floating));
    let ports: Vec<_> = txn.ports_of_network(id).map(|p| p.id).collect();
    for port in ports {
        port::remove(txn, port);
    }
    let subnets: Vec<_> = txn.subnets_of_network(id).map(|s| s.id).collect();
    for subnet in subnets {
        subnet::remove(txn, subnet);
    }
    rbac::remove(txn, Shareable::Network(id), |_| true);
    txn.remove::<NetworkRecord>(id);
    Ok(())
}

fn admin_only(
    context: &Context,
    action: &str,
    shared: Option<bool>,
    external: Option<bool>,
    default: Option<bool>,
) -> Result<(), Fault> {
    let wanted = [(shared, "shared"), (external, "router:external"), (default, "is_default")];
    match wanted.iter().find(|(value, _)| *value == Some(true)) {
        Some((_, field)) if !context.is_admin => Err(forbidden(&format!("{action}:{field}"))),
        _ => Ok(()),
    }
}

fn check_provider(context: &Context, wanted: &Option<Option<String>>, field: &str) -> Result<(), Fault> {
    match wanted.as_ref().and_then(Option::as_deref) {
        None => Ok(()),
        Some(_) if !context.is_admin => Err(forbidden(&format!("create_network:{field}"))),
        Some("local") => Ok(()),
        Some(other) => Err(invalid_input(format!("{field} '{other}' is not supported: this cloud has 'local' only"))),
    }
}

fn check_mtu(mtu: u32) -> Result<u32, Fault> {
    match mtu {
        0..SMALLEST_MTU => Err(invalid_input(format!("Requested MTU is too small, minimum is {SMALLEST_MTU}"))),
        SMALLEST_MTU..=LARGEST_MTU => Ok(mtu),
        _ => Err(invalid_input(format!("Requested MTU is too big, maximum is {LARGEST_MTU}"))),
    }
}

/// 409: IPv6 does not work with so small an MTU.
pub(crate) fn mtu_conflict(network: &Network, cidr: &str) -> Fault {
    Fault::conflict(
        "NetworkMTUSubnetConflict",
        format!(
            "MTU of {} on network {} is not valid for IPv6 subnet {cidr}: at least {SMALLEST_IPV6_MTU} is needed",
            network.mtu, network.id
        ),
    )
}

/// At most one external network is the default one.
fn check_default(txn: &Txn, network: &Network) -> Result<(), Fault> {
    if !network.is_default {
        return Ok(());
    }
    match txn.networks.values().find(|n| n.network.is_default && n.network.id != network.id) {
        Some(other) => Err(Fault::conflict(
            "DefaultExternalNetworkExists",
            format!("A default external network already exists: {}.", other.network.id),
        )),
        None => Ok(()),
    }
}

fn has_gateways(txn: &Txn, id: NetworkId) -> bool {
    txn.ports_of_network(id).any(|p| p.device_owner == crate::engine::ROUTER_GATEWAY)
}
