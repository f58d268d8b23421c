//! `[docker]`: sockets shared with Docker.

use super::{Kind, OptionSpec};

const fn option(name: &'static str, kind: Kind, help: &'static str) -> OptionSpec {
    OptionSpec::new("docker", name, kind, help)
}

const fn pool(name: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new("vif_pool", name, Kind::Integer { min: 0, max: 1000 }, help)
}

/// Names as of kuryr-kubernetes, which keeps ports ready too.
pub(super) const POOLS: &[OptionSpec] = &[
    pool("ports_pool_min", "With fewer ready ports than this on a subnet that containers use, more are made.")
        .default("5"),
    pool("ports_pool_max", "Never more ready ports than this on a subnet. 0: no limit.").default("0"),
    pool("ports_pool_batch", "So many ready ports are made with one call.").default("10"),
];

pub(super) const OPTIONS: &[OptionSpec] = &[
    option(
        "vif_pool_driver",
        Kind::Choice { words: &["noop", "neutron"], any_case: false },
        "'neutron' keeps ports ready for containers, so that a start waits for no call to Neutron; see [vif_pool]. Docker \
         then says no MAC when it asks for an address: a port that somebody prepared is found by --ip, not by \
         --mac-address alone. Docker asks once what to say: after a change, restart it too. Without effect where capability_scope is 'global'.",
    )
    .default("noop"),
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
