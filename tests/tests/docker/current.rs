//! The same on a current engine, which creates and removes networks in another order and asks for other things.

use anyhow::{Result, ensure};
use kuryr_tests::stories::{existing, expose, families, lifecycle, options, parallel, requested, restart, tell};
use kuryr_tests::with_current_rig;

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
