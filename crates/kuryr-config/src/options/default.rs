//! `[DEFAULT]`: Kuryr's own options.

use super::{Kind, OptionSpec};

const fn option(name: &'static str, kind: Kind, help: &'static str) -> OptionSpec {
    OptionSpec::new("DEFAULT", name, kind, help)
}

pub(super) const OPTIONS: &[OptionSpec] = &[
    option(
        "kuryr_uri",
        Kind::Url,
        "Address on which the Docker plugin listens besides its unix socket, and only if this option or enable_ssl is \
         set; with enable_ssl alone it is https://127.0.0.1:23750. The scheme https has TLS, as enable_ssl has.",
    )
    .default_variable("OS_KURYR_URI"),
    option(
        "capability_scope",
        Kind::Choice { words: &["local", "global"], any_case: false },
        "Whether Docker treats Kuryr's networks as local to this host or as shared by a cluster.",
    )
    .default("local")
    .default_variable("CAPABILITY_SCOPE"),
    option(
        "local_default_address_space",
        Kind::Text,
        "Name of the address space for networks that are local to a host.",
    )
    .default("no_address_space"),
    option("global_default_address_space", Kind::Text, "Name of the address space for networks that a cluster shares.")
        .default("no_address_space"),
    option(
        "default_port_driver",
        Kind::Text,
        "How an endpoint becomes an interface: veth on a host of the cloud; within a virtual machine, nested (on the \
         machine's network, with default_driver macvlan or ipvlan) or vlan (on subports of its trunk). A bare name or a \
         full module path that ends in it.",
    )
    .default("kuryr_libnetwork.port_driver.drivers.veth"),
    option("enabled_port_drivers", Kind::List, "The port drivers that may be used, named as in default_port_driver; with sriov among them, ports of virtual functions too.")
        .default("kuryr_libnetwork.port_driver.drivers.veth"),
    option("port_driver", Kind::Text, "The port driver, as older versions named it.")
        .default("kuryr_libnetwork.port_driver.drivers.veth")
        .accepted("default_port_driver took its place"),
    option(
        "process_external_connectivity",
        Kind::Boolean,
        "Carry out what Docker asks about exposed and published ports: open them in the container's security groups, and \
         publish them. With false neither is done.",
    )
    .default("true"),
    option(
        "publish_ports",
        Kind::Choice { words: &["host", "floating_ip", "none"], any_case: false },
        "How 'docker run -p' publishes a port: at this host's address, on a floating IP of the cloud, or not at all, as \
         kuryr-libnetwork. A network's option neutron.net.publish comes first.",
    )
    .default("host"),
    option("enable_ssl", Kind::Boolean, "Serve the address of kuryr_uri with TLS.").default("false"),
    option("ssl_cert_file", Kind::Path, "PEM file of the certificate for enable_ssl.")
        .default("/var/lib/kuryr/certs/cert.pem"),
    option("ssl_key_file", Kind::Path, "PEM file of the certificate's key for enable_ssl.")
        .default("/var/lib/kuryr/certs/key.pem"),
    option(
        "ssl_client_ca_file",
        Kind::Path,
        "PEM file of the authorities whose certificates clients must show with enable_ssl. Unset: whoever reaches the \
         address may use the plugin.",
    ),
    option(
        "control_plane",
        Kind::Text,
        "Id of this Kuryr among those that share the cloud, 1 to 36 letters, digits, '.', '-' and '_': it tells whose a \
         resource is, and who uses a network. Unset: one made from /etc/machine-id, or the host's name where there is \
         none. Two Kuryrs must not have the same.",
    ),
    option("bindir", Kind::Path, "Directory of executable binding scripts, which come before what is built in.")
        .default("/usr/libexec/kuryr"),
    option("subnetpool_name_prefix", Kind::Text, "Start of the names of the subnet pools that Kuryr creates.")
        .default("kuryrPool"),
    option("deployment_type", Kind::Text, "Where containers run: baremetal or nested.")
        .default("baremetal")
        .accepted("the drivers say it already"),
    option("pybasedir", Kind::Path, "Directory of the Python package.").accepted("there is none"),
];
