//! What changed between two readings of the configuration, and what of it a running Kuryr can follow.

use crate::{
    CloudSettings,
    options::{self, OptionSpec},
};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;

/// Options that a running Kuryr follows, besides those of the login.
const LIVE: [(&str, &str); 18] = [
    ("DEFAULT", "debug"),
    ("DEFAULT", "process_external_connectivity"),
    ("DEFAULT", "publish_ports"),
    ("DEFAULT", "ssl_cert_file"),
    ("DEFAULT", "ssl_client_ca_file"),
    ("DEFAULT", "ssl_key_file"),
    ("DEFAULT", "subnetpool_name_prefix"),
    ("neutron", "default_subnetpool_v4"),
    ("neutron", "default_subnetpool_v6"),
    ("neutron", "enable_dhcp"),
    ("neutron", "publish_floating_ip"),
    ("neutron", "vif_plugging_is_fatal"),
    ("neutron", "vif_plugging_timeout"),
    ("docker", "request_timeout"),
    ("docker", "reconcile_interval"),
    ("vif_pool", "ports_pool_min"),
    ("vif_pool", "ports_pool_max"),
    ("vif_pool", "ports_pool_batch"),
];

/// The login's options that say where the cloud is: what Docker knows by now is there.
const WHERE: [&str; 2] = ["auth_url", "endpoint"];

impl OptionSpec {
    /// Whether a running Kuryr follows a change of it, at SIGHUP.
    pub fn is_live(&self) -> bool {
        LIVE.contains(&(self.group, self.name)) || (self.is_login() && !WHERE.contains(&self.name))
    }

    /// Whether it says who we are to the cloud, or how we connect to it.
    pub fn is_login(&self) -> bool {
        options::is_credential(self) || options::is_session(self)
    }
}

/// The value of each option at one reading, to be compared and never to be shown.
#[derive(Debug, Clone, Default)]
pub struct Readings(BTreeMap<(&'static str, &'static str), SecretString>);

impl Readings {
    pub(crate) fn add(&mut self, option: &OptionSpec, value: String) {
        self.0.insert((option.group, option.name), value.into());
    }

    /// The options that have another value in `newer`, in the order of the table.
    pub fn changed<'a>(&'a self, newer: &'a Self) -> impl Iterator<Item = &'static OptionSpec> + 'a {
        let value = |readings: &'a Self, option: &OptionSpec| {
            readings.0.get(&(option.group, option.name)).map(ExposeSecret::expose_secret)
        };
        options::all().filter(move |option| value(self, option) != value(newer, option))
    }
}

impl CloudSettings {
    /// Whether both mean the same Neutron. A password for one is never sent to another.
    pub fn is_same_cloud(&self, other: &Self) -> bool {
        let place = |cloud: &Self| {
            (
                cloud.auth_url.clone(),
                cloud.endpoint_override.clone(),
                cloud.region.clone(),
                cloud.interface,
                cloud.identity_version,
            )
        };
        place(self) == place(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_live_is_in_the_table() {
        for (group, name) in LIVE.into_iter().chain(WHERE.map(|name| ("neutron", name))) {
            assert!(options::find(group, name).is_some_and(|option| option.name == name), "[{group}] {name}");
        }
    }
}
