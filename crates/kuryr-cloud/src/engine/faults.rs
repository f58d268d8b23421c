//! Refusals in Neutron's words that more than one operation needs.

use ipnet::IpNet;
use kuryr_neutron::{Fault, FaultKind};
use std::fmt::Display;

/// Most characters of names and descriptions.
const TEXT_LIMIT: usize = 255;

/// 400 `InvalidInput`.
pub(crate) fn invalid_input(reason: impl Display) -> Fault {
    Fault::bad_request("InvalidInput", format!("Invalid input for operation: {reason}."))
}

/// 400 for an attribute that must be given.
pub(crate) fn required(attribute: &str) -> Fault {
    let message = format!("Failed to parse request. Required attribute '{attribute}' not specified");
    Fault::bad_request("HTTPBadRequest", message)
}

/// 400 `BadRequest` about a kind of resource.
pub(crate) fn bad(resource: &str, reason: impl Display) -> Fault {
    Fault::bad_request("BadRequest", format!("Bad {resource} request: {reason}."))
}

/// 403 `PolicyNotAuthorized`.
pub(crate) fn forbidden(action: &str) -> Fault {
    Fault::new(FaultKind::Forbidden, "PolicyNotAuthorized", format!("rule:{action} is disallowed by policy"))
}

/// 400 for a name or description that is too long.
pub(crate) fn check_text(field: &str, text: Option<&str>) -> Result<(), Fault> {
    match text {
        Some(text) if text.chars().count() > TEXT_LIMIT => {
            let start: String = text.chars().take(40).collect();
            Err(Fault::invalid(field, format!("'{start}…' exceeds maximum length of {TEXT_LIMIT}")))
        }
        _ => Ok(()),
    }
}

/// 400 for a range with host bits.
pub(crate) fn check_prefix(field: &str, net: IpNet) -> Result<(), Fault> {
    let right = net.trunc();
    if right == net {
        return Ok(());
    }
    Err(Fault::invalid(field, format!("'{net}' isn't a recognized IP subnet cidr, '{right}' is recommended")))
}
