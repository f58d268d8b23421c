//! `[cloud]`: the embedded cloud.

use super::{Kind, OptionSpec};

const fn option(name: &'static str, kind: Kind, help: &'static str) -> OptionSpec {
    OptionSpec::new("cloud", name, kind, help)
}

pub(super) const OPTIONS: &[OptionSpec] = &[
    option(
        "state_dir",
        Kind::Path,
        "Directory of the embedded cloud's database and clouds.yaml, and of notes about what this host publishes.",
    )
    .default("/var/lib/kuryr"),
    option("api_listen", Kind::SocketAddress, "Address of the embedded cloud's Keystone and Neutron API.")
        .default("127.0.0.1:9696"),
    option("api_socket", Kind::Path, "Unix socket of the same API.").default("/run/kuryr/api.sock"),
    option(
        "mtu",
        Kind::Integer { min: 1280, max: 65535 },
        "Largest packet, in bytes, of the embedded cloud's networks.",
    )
    .default("1500"),
    option("region", Kind::Text, "Region that the embedded cloud's catalog names.").default("RegionOne"),
];
