//! `[binding]`: how container interfaces are made.

use super::{Kind, OptionSpec};

const fn option(name: &'static str, kind: Kind, help: &'static str) -> OptionSpec {
    OptionSpec::new("binding", name, kind, help)
}

pub(super) const OPTIONS: &[OptionSpec] = &[
    option("veth_dst_prefix", Kind::Text, "Start of the interface's name inside the container.").default("eth"),
    option(
        "default_driver",
        Kind::Text,
        "The binding driver: a bare name or a full module path that ends in it. This version has veth.",
    )
    .default("kuryr.lib.binding.drivers.veth")
    .deprecated(&["driver"]),
    option("enabled_drivers", Kind::List, "The binding drivers that may be used, named as in default_driver.")
        .default("kuryr.lib.binding.drivers.veth"),
    option("link_iface", Kind::Text, "The virtual machine's interface on which nested drivers put containers.")
        .default("")
        .accepted("this version has no nested drivers"),
    option("ovsdb_connection", Kind::Text, "Open vSwitch's database: unix:/path/to/db.sock or tcp:host:port.")
        .default("unix:/var/run/openvswitch/db.sock"),
];
