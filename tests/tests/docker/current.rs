//! The same on a current engine, which creates and removes networks in another order and asks for other things.

use anyhow::{Result, ensure};
use kuryr_tests::{PrivateEngine, Rig, with_current_rig};

use crate::{existing, expose, families, lifecycle, parallel, requested, restart};

/// Each of these takes a clean machine and leaves it clean, so that one start of the engine is enough.
fn one_after_the_other(rig: &mut Rig, stories: &[fn(&mut Rig) -> Result<()>]) -> Result<()> {
    for story in stories {
        story(rig)?;
        let left = rig.engine.docker(&["ps", "--all", "--quiet"])?;
        let left: Vec<&str> = left.lines().collect();
        if !left.is_empty() {
            rig.engine.docker(&[["rm", "--force"].as_slice(), &left].concat())?;
        }
        rig.engine.docker(&["network", "prune", "--force"])?;
        ensure!(!PrivateEngine::log(&rig.host).contains("panic"), "dockerd panicked");
    }
    Ok(())
}

#[test]
fn networks_and_containers_come_and_go() -> Result<()> {
    with_current_rig(|rig| {
        let version = rig.engine.docker(&["version", "--format", "{{.Server.Version}}"])?;
        let major: u32 = version.split('.').next().unwrap_or_default().parse()?;
        ensure!(major >= 28, "this is Docker {version}, not a current one");
        let stories = [lifecycle::come_and_go, lifecycle::no_gateway_chosen, families::dual_stack];
        one_after_the_other(rig, &stories)
    })
}

#[test]
fn requested_and_existing_resources() -> Result<()> {
    with_current_rig(|rig| {
        let stories = [requested::address_and_mac, requested::taken_or_foreign, requested::prepared_port];
        one_after_the_other(rig, &stories)?;
        existing::by_name(rig)
    })
}

#[test]
fn many_at_once_exposed_ports_and_a_restart_of_the_engine() -> Result<()> {
    with_current_rig(|rig| {
        one_after_the_other(rig, &[expose::exposed_to_strangers, |rig| parallel::many_at_once(rig, 10)])?;
        restart::engine_restart(rig)
    })
}

#[test]
fn a_container_joins_and_leaves_networks_while_it_runs() -> Result<()> {
    with_current_rig(lifecycle::join_and_leave)
}
