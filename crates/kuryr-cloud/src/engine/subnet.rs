//! Subnets.

use crate::engine::{
    AddressGiven, Context, NetworkRecord, Txn, addresses,
    faults::{bad, check_prefix, check_text, forbidden, invalid_input, required},
    network::{DHCP_PORT, SMALLEST_IPV6_MTU, mtu_conflict},
    pool_prefix, port,
    quota::{self, Counted},
    row::{expect_revision, find, find_own, owner},
    subnet_rules as rules,
    subnetpool::version,
};
use ipnet::IpNet;
use kuryr_neutron::{Fault, NetworkId, NewSubnet, ProjectId, Subnet, SubnetId, SubnetPool, SubnetUpdate};

/// Creates a subnet.
pub fn create(txn: &mut Txn, context: &Context, new: NewSubnet) -> Result<Subnet, Fault> {
    check_text("name", Some(&new.name))?;
    check_text("description", new.description.as_deref())?;
    let network_id = new.network_id.ok_or_else(|| required("network_id"))?;
    let record = find::<NetworkRecord>(txn, context, network_id)?;
    if !context.may_change(&record.network.project_id) {
        return Err(forbidden("create_subnet"));
    }
    let project_id = owner(context, new.project_id.clone(), "create_subnet")?;
    quota::check(txn, &project_id, Counted::Subnet, 1)?;
    let (cidr, pool) = choose_range(txn, context, &new, &project_id)?;
    check_range(txn, network_id, cidr, pool.as_ref())?;
    let enable_dhcp = new.enable_dhcp.unwrap_or(true);
    let gateway_ip = match new.gateway_ip {
        Some(given) => given,
        None => rules::default_gateway(cidr),
    };
    let subnet = Subnet {
        id: SubnetId::random(),
        name: new.name,
        project_id,
        network_id,
        ip_version: version(&cidr),
        cidr,
        subnetpool_id: pool.map(|p| p.id),
        gateway_ip,
        allocation_pools: new.allocation_pools.unwrap_or_else(|| rules::default_pools(cidr, gateway_ip)),
        enable_dhcp,
        dns_nameservers: new.dns_nameservers.unwrap_or_default(),
        host_routes: new.host_routes.unwrap_or_default(),
        ipv6_ra_mode: new.ipv6_ra_mode.flatten(),
        ipv6_address_mode: new.ipv6_address_mode.flatten(),
        description: new.description.unwrap_or_default(),
        tags: Vec::new(),
        revision_number: 0,
        created_at: None,
        updated_at: None,
    };
    rules::check(&subnet)?;
    if subnet.ip_version == 6 && record.network.mtu < SMALLEST_IPV6_MTU {
        return Err(mtu_conflict(&record.network, &cidr.to_string()));
    }
    let subnet = txn.insert(subnet);
    let mut changed = NetworkRecord::clone(&record);
    changed.network.subnets.push(subnet.id);
    txn.save(&record, changed);
    if addresses::is_automatic(&subnet) {
        port::join_automatic_subnet(txn, &subnet)?;
    }
    Ok(Subnet::clone(&subnet))
}

/// The subnet's range, and the pool it is from.
fn choose_range(
    txn: &Txn,
    context: &Context,
    new: &NewSubnet,
    project: &ProjectId,
) -> Result<(IpNet, Option<SubnetPool>), Fault> {
    let pool = match new.subnetpool_id.flatten() {
        Some(id) => Some(SubnetPool::clone(&*find::<SubnetPool>(txn, context, id)?)),
        None => None,
    };
    if let Some(cidr) = new.cidr {
        if new.prefixlen.is_some() {
            return Err(bad("subnets", "cidr and prefixlen must not be supplied together"));
        }
        check_prefix("cidr", cidr)?;
    }
    let wanted = new.ip_version.or(new.cidr.as_ref().map(version)).or(pool.as_ref().map(|p| p.ip_version));
    if let Some(wrong) = wanted.filter(|v| !matches!(v, 4 | 6)) {
        return Err(Fault::invalid("ip_version", format!("'{wrong}' is not in [4, 6]")));
    }
    if let (Some(cidr), Some(wanted)) = (new.cidr, wanted)
        && version(&cidr) != wanted
    {
        return Err(invalid_input(format!("cidr '{cidr}' does not match the ip_version '{wanted}'")));
    }
    match pool {
        Some(pool) => {
            if wanted.is_some_and(|v| v != pool.ip_version) {
                return Err(bad(
                    "subnets",
                    format!(
                        "Cannot allocate IPv{} subnet from IPv{} subnet pool",
                        wanted.unwrap_or_default(),
                        pool.ip_version
                    ),
                ));
            }
            let cidr = pool_prefix::allocate(txn, &pool, project, new.cidr, new.prefixlen)?;
            Ok((cidr, Some(pool)))
        }
        None => match new.cidr {
            Some(cidr) => Ok((cidr, None)),
            None => Err(bad("subnets", "a subnetpool must be specified in the absence of a cidr")),
        },
    }
}

/// What a range must be among the network's other subnets.
fn check_range(txn: &Txn, network: NetworkId, cidr: IpNet, pool: Option<&SubnetPool>) -> Result<(), Fault> {
    if cidr.prefix_len() == 0 {
        return Err(invalid_input("0 is not allowed as CIDR prefix length"));
    }
    for other in txn.subnets_of_network(network) {
        if overlaps(&other.cidr, &cidr) {
            return Err(invalid_input(format!(
                "Requested subnet with cidr: {cidr} for network: {network} overlaps with another subnet"
            )));
        }
        if other.ip_version == version(&cidr) && other.subnetpool_id != pool.map(|p| p.id) {
            return Err(Fault::bad_request(
                "NetworkSubnetPoolAffinityError",
                "Subnets hosted on the same network must be allocated from the same subnet pool.",
            ));
        }
    }
    Ok(())
}

/// True when two ranges share an address.
pub(crate) fn overlaps(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// Changes a subnet. With `expected_revision`, only if it still has that revision.
pub fn update(
    txn: &mut Txn,
    context: &Context,
    id: SubnetId,
    update: SubnetUpdate,
    expected_revision: Option<u64>,
) -> Result<Subnet, Fault> {
    let old = find_changeable(txn, context, id, "update_subnet")?;
    expect_revision(&*old, expected_revision)?;
    check_text("name", update.name.as_deref())?;
    check_text("description", update.description.as_deref())?;
    let mut subnet = Subnet::clone(&old);
    if let Some(gateway) = update.gateway_ip.filter(|gateway| *gateway != old.gateway_ip) {
        if let Some((ip, port)) = old.gateway_ip.and_then(|ip| Some((ip, txn.port_by_address(id, ip)?))) {
            return Err(Fault::conflict(
                "GatewayIpInUse",
                format!("Current gateway ip {ip} already in use by port {}. Unable to update.", port.id),
            ));
        }
        subnet.gateway_ip = gateway;
    }
    subnet.name = update.name.unwrap_or(subnet.name);
    subnet.allocation_pools = update.allocation_pools.unwrap_or(subnet.allocation_pools);
    subnet.enable_dhcp = update.enable_dhcp.unwrap_or(subnet.enable_dhcp);
    subnet.dns_nameservers = update.dns_nameservers.unwrap_or(subnet.dns_nameservers);
    subnet.host_routes = update.host_routes.unwrap_or(subnet.host_routes);
    subnet.description = update.description.unwrap_or(subnet.description);
    rules::check(&subnet)?;
    Ok(Subnet::clone(&txn.save(&old, subnet)))
}

/// Deletes a subnet, unless ports have addresses of it.
pub fn delete(txn: &mut Txn, context: &Context, id: SubnetId) -> Result<(), Fault> {
    let subnet = find_changeable(txn, context, id, "delete_subnet")?;
    // Addresses that hosts form themselves go with the subnet; routers hold theirs.
    let releases =
        |owner: &str| owner == DHCP_PORT || addresses::is_automatic(&subnet) && !owner.starts_with("network:router");
    if txn.ports_of_subnet(id).any(|p| !releases(&p.device_owner)) {
        return Err(Fault::conflict(
            "SubnetInUse",
            format!(
                "Unable to complete operation on subnet {id}: One or more ports have an IP allocation from this subnet."
            ),
        ));
    }
    port::leave_subnet(txn, id);
    remove(txn, id);
    Ok(())
}

/// Removes a subnet that no port has an address of.
pub(crate) fn remove(txn: &mut Txn, id: SubnetId) {
    let Some(network_id) = txn.subnets.get(&id).map(|s| s.network_id) else { return };
    if let Some(record) = txn.networks.get(&network_id).cloned() {
        let mut changed = NetworkRecord::clone(&record);
        changed.network.subnets.retain(|s| *s != id);
        txn.save(&record, changed);
    }
    txn.remove::<Subnet>(id);
    txn.remove::<AddressGiven>(id);
}

/// The owner of a network may change its subnets.
fn find_changeable(
    txn: &Txn,
    context: &Context,
    id: SubnetId,
    action: &'static str,
) -> Result<std::sync::Arc<Subnet>, Fault> {
    let subnet = find::<Subnet>(txn, context, id)?;
    let network: NetworkId = subnet.network_id;
    if txn.networks.get(&network).is_some_and(|n| context.may_change(&n.network.project_id)) {
        return Ok(subnet);
    }
    find_own::<Subnet>(txn, context, id, action)
}
