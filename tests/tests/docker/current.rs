//! The same on a current engine, which creates and removes networks in another order and asks for other things.

use anyhow::{Result, ensure};
use kuryr_tests::stories::{
    existing, expose, families, lifecycle, options, overlapping, parallel, requested, restart, tell,
};
use kuryr_tests::{Rig, with_configured_current_rig, with_current_rig};

use crate::publish;

#[test]
fn networks_and_containers_come_and_go() -> Result<()> {
    with_current_rig(|rig| {
        let version = rig.engine.docker(&["version", "--format", "{{.Server.Version}}"])?;
        let major: u32 = version.split('.').next().unwrap_or_default().parse()?;
        ensure!(major >= 28, "this is Docker {version}, not a current one");
        tell(
            rig,
            &[
                ("come and go", lifecycle::come_and_go),
                ("no gateway chosen", lifecycle::no_gateway_chosen),
                ("dual stack", families::dual_stack),
            ],
        )
    })
}

#[test]
fn requested_and_existing_resources() -> Result<()> {
    with_current_rig(|rig| {
        tell(
            rig,
            &[
                ("address and MAC", requested::address_and_mac),
                ("taken or foreign", requested::taken_or_foreign),
                ("prepared port", requested::prepared_port),
                ("by name", existing::by_name),
                ("its gateway", existing::its_gateway),
            ],
        )
    })
}

#[test]
fn no_gateway_is_asked_for_where_a_chosen_subnet_tells() -> Result<()> {
    with_configured_current_rig("[metrics]\nlisten = 127.0.0.1:9698\n", |rig| {
        // One that has none, and two containers; one that has its own, and one container more.
        for (story, addresses) in
            [(options::without_gateway as fn(&mut Rig) -> Result<()>, 2), (existing::its_gateway, 3)]
        {
            story(rig)?;
            let told = rig.host.run(&["busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:9698/metrics"])?;
            let counts = "kuryr_plugin_request_duration_seconds_count";
            let line = format!("{counts}{{method=\"IpamDriver.RequestAddress\",status=\"200\"}} {addresses}\n");
            ensure!(told.contains(&line), "not the containers' {addresses} alone: {told}");
        }
        Ok(())
    })
}

#[test]
fn many_at_once_exposed_ports_and_a_restart_of_the_engine() -> Result<()> {
    with_current_rig(|rig| {
        tell(
            rig,
            &[
                ("exposed to strangers", expose::exposed_to_strangers),
                ("ten at once", |rig| parallel::many_at_once(rig, 10)),
                ("restart of the engine", restart::engine_restart),
            ],
        )
    })
}

#[test]
fn published_ports() -> Result<()> {
    with_current_rig(publish::reached_from_outside)
}

#[test]
fn a_container_joins_and_leaves_networks_while_it_runs() -> Result<()> {
    with_current_rig(lifecycle::join_and_leave)
}

#[test]
fn options_and_a_dead_engine() -> Result<()> {
    with_current_rig(|rig| {
        tell(
            rig,
            &[
                ("auxiliary", options::auxiliary),
                ("internal", options::internal),
                ("without gateway", options::without_gateway),
                ("every protocol", expose::every_protocol),
                ("dead sandbox", restart::dead_sandbox),
            ],
        )
    })
}

#[test]
fn networks_with_the_same_addresses() -> Result<()> {
    with_current_rig(overlapping::overlapping)
}
