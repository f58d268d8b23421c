//! `[docker]`: sockets shared with Docker.

use super::{Kind, OptionSpec};

const fn option(name: &'static str, kind: Kind, help: &'static str) -> OptionSpec {
    OptionSpec::new("docker", name, kind, help)
}

pub(super) const OPTIONS: &[OptionSpec] = &[
    option(
        "plugin_socket",
        Kind::Path,
        "Unix socket on which Docker finds the plugin. Its file name is the driver's name.",
    )
    .default("/run/docker/plugins/kuryr.sock"),
    option("docker_socket", Kind::Path, "Unix socket of Docker's own API. 'kuryr status' asks it for container names.")
        .default("/var/run/docker.sock"),
    option(
        "request_timeout",
        Kind::Integer { min: 1, max: 3600 },
        "Seconds after which a request of Docker's is given up and undone, whatever its calls to the cloud still do. \
         Undoing takes at most 20 more; waiting for vif_plugging_is_fatal comes on top.",
    )
    .default("40"),
    option(
        "reconcile_interval",
        Kind::Integer { min: 0, max: 86_400 },
        "Seconds between two comparisons of Docker, Neutron and the kernel; what nobody has any more is removed. 0: none.",
    )
    .default("60"),
];
