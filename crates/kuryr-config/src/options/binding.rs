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
        "What container interfaces are: veth on a host of the cloud; macvlan, ipvlan or vlan within a virtual machine. A \
         bare name or a full module path that ends in it; it must go with default_port_driver.",
    )
    .default("kuryr.lib.binding.drivers.veth")
    .deprecated(&["driver"]),
    option("enabled_drivers", Kind::List, "The binding drivers that may be used: veth, macvlan, ipvlan, vlan, and hw_veb for virtual functions (SR-IOV).")
        .default("kuryr.lib.binding.drivers.veth"),
    option(
        "link_iface",
        Kind::Text,
        "The virtual machine's interface on which macvlan, ipvlan and vlan put containers; its Ethernet address is that of \
         the machine's own port in Neutron.",
    )
    .default(""),
    option("ovsdb_connection", Kind::Text, "Open vSwitch's database: unix:/path/to/db.sock or tcp:host:port.")
        .default("unix:/var/run/openvswitch/db.sock"),
];
