//! Security groups and allowed addresses of ports.

use crate::engine::{Context, State, Txn, row::find, security_group};
use kuryr_neutron::{AddressPair, Fault, MacAddr, Port, ProjectId, SecurityGroup, SecurityGroupId};

/// Most allowed address pairs of a port (Neutron's `max_allowed_address_pair`).
const MOST_PAIRS: usize = 10;

/// True for ports of the network's own services, which are trusted: neither groups nor anti-spoofing.
pub(crate) fn is_trusted(device_owner: &str) -> bool {
    device_owner.starts_with("network:")
}

/// The groups of a new port: those asked for, or the project's default group if the port is secured.
pub(crate) fn groups_of_new(
    txn: &mut Txn,
    context: &Context,
    project: &ProjectId,
    secured: bool,
    wanted: Option<Vec<SecurityGroupId>>,
) -> Result<Vec<SecurityGroupId>, Fault> {
    match wanted {
        Some(wanted) => check_groups(txn, context, wanted),
        None if secured => Ok(vec![security_group::ensure_default(txn, project)?]),
        None => Ok(Vec::new()),
    }
}

/// Groups in the order given, each once; all must exist for the asker.
pub(crate) fn check_groups(
    state: &State,
    context: &Context,
    wanted: Vec<SecurityGroupId>,
) -> Result<Vec<SecurityGroupId>, Fault> {
    let mut groups = Vec::with_capacity(wanted.len());
    for id in wanted {
        find::<SecurityGroup>(state, context, id)?;
        if !groups.contains(&id) {
            groups.push(id);
        }
    }
    Ok(groups)
}

/// A port without port security has neither groups nor address pairs.
pub(crate) fn check_secured(port: &Port, switched_off: bool) -> Result<(), Fault> {
    if port.port_security_enabled {
        return Ok(());
    }
    match (port.security_groups.is_empty(), port.allowed_address_pairs.is_empty()) {
        (true, true) => Ok(()),
        (false, _) if switched_off => Err(Fault::conflict(
            "PortSecurityPortHasSecurityGroup",
            "Port has security group associated. Cannot disable port security or IP address until security group is removed.",
        )),
        (false, _) => Err(Fault::bad_request(
            "PortSecurityAndIPRequiredForSecurityGroups",
            "Port security must be enabled and port must have an IP address in order to use security groups.",
        )),
        (true, false) => Err(Fault::conflict(
            "AddressPairAndPortSecurityRequired",
            "Port Security must be enabled in order to have allowed address pairs on a port.",
        )),
    }
}

/// Address pairs with their MAC addresses filled in: the port's own where none is given.
pub(crate) fn check_pairs(pairs: Vec<AddressPair>, mac: MacAddr) -> Result<Vec<AddressPair>, Fault> {
    if pairs.len() > MOST_PAIRS {
        return Err(Fault::bad_request(
            "AddressPairExhausted",
            format!("The number of allowed address pair exceeds the maximum {MOST_PAIRS}."),
        ));
    }
    let mut filled: Vec<AddressPair> = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let pair_mac = pair.mac_address.unwrap_or(mac);
        let pair = AddressPair { mac_address: Some(pair_mac), ..pair };
        if filled.iter().any(|p| p.mac_address == pair.mac_address && p.ip_address.net() == pair.ip_address.net()) {
            return Err(Fault::bad_request(
                "DuplicateAddressPairInRequest",
                format!(
                    "Request contains duplicate address pair: mac_address {pair_mac} ip_address {}.",
                    pair.ip_address.net()
                ),
            ));
        }
        filled.push(pair);
    }
    Ok(filled)
}
