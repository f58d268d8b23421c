//! Kernel settings of a network namespace (`net.*`).

use crate::{error::Error, namespace::Namespace};

/// Sets a setting, named as sysctl(8) names it: `net.ipv4.ip_forward`.
pub fn write(namespace: &Namespace, name: &str, value: &str) -> Result<(), Error> {
    let _ = (namespace, value);
    Err(crate::Cause::Unsupported.during("set sysctl", name))
}

/// Reads a setting, without its line end.
pub fn read(namespace: &Namespace, name: &str) -> Result<String, Error> {
    let _ = namespace;
    Err(crate::Cause::Unsupported.during("read sysctl", name))
}
