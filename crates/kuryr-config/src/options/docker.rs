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
];
