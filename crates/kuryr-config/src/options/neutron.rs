//! `[neutron]`: how Neutron is used. Where it is and who we are there: see `authentication`.

use super::{Kind, OptionSpec};

const fn option(name: &'static str, kind: Kind, help: &'static str) -> OptionSpec {
    OptionSpec::new("neutron", name, kind, help)
}

const MIDDLEWARE: &str = "it belongs to keystonemiddleware, which Kuryr does not use";

pub(super) const OPTIONS: &[OptionSpec] = &[
    option("enable_dhcp", Kind::Boolean, "Value of enable_dhcp of the subnets that Kuryr creates.").default("True"),
    option("default_subnetpool_v4", Kind::Text, "Name of the subnet pool for IPv4 subnets for which none is asked.")
        .default("kuryr"),
    option("default_subnetpool_v6", Kind::Text, "Name of the subnet pool for IPv6 subnets for which none is asked.")
        .default("kuryr6"),
    option(
        "vif_plugging_is_fatal",
        Kind::Boolean,
        "Wait until Neutron calls a port ACTIVE before its container starts, and fail the start when it does not.",
    )
    .default("false"),
    option(
        "vif_plugging_timeout",
        Kind::INTEGER,
        "Seconds to wait for vif_plugging_is_fatal. 0 or less: wait for ever.",
    )
    .default("0"),
    option(
        "publish_floating_ip",
        Kind::Text,
        "Address of an existing floating IP on which publish_ports = floating_ip publishes. Unset: Kuryr makes one for \
         each network and host, and removes it with the last port.",
    ),
    option("region_name", Kind::Text, "Region whose endpoints are used. Unset: the first in the catalog."),
    option(
        "endpoint_type",
        Kind::Choice { words: &["public", "admin", "internal"], any_case: false },
        "Which of Neutron's endpoints in the catalog is used.",
    )
    .default("public"),
    option("endpoint_override", Kind::Url, "Neutron's address, used instead of the catalog's."),
];

/// Written by documents and deployment tools, never read by Kuryr.
pub(super) const STRAY: &[OptionSpec] = &[
    option("www_authenticate_uri", Kind::Text, "Keystone's public address.").stray(MIDDLEWARE),
    option("auth_uri", Kind::Text, "Keystone's public address.").stray(MIDDLEWARE),
    option("memcached_servers", Kind::Text, "Servers that cache tokens.").stray(MIDDLEWARE),
    option("signing_dir", Kind::Path, "Directory of token certificates.").stray(MIDDLEWARE),
    option("service_type", Kind::Text, "Type of this service in the catalog.").stray(MIDDLEWARE),
    option("service_token_roles_required", Kind::Text, "Check the roles of service tokens.").stray(MIDDLEWARE),
    option("interface", Kind::Text, "Which of Keystone's endpoints is used.").stray("endpoint_type decides"),
];
