//! Docker's whole contract, with the engine of this machine and with a current one.

use anyhow::Result;
use kuryr_tests::stories::{
    Story, existing, expose, families, lifecycle, options, overlapping, parallel, policy, replay, requested, restart,
    server, tell,
};
use kuryr_tests::{Release, with_openstack};

const LIVES: &[Story] = &[
    ("come and go", lifecycle::come_and_go),
    ("no gateway chosen", lifecycle::no_gateway_chosen),
    ("stop and start", lifecycle::stop_and_start),
    ("join and leave", lifecycle::join_and_leave),
    ("same addresses", lifecycle::same_addresses),
    ("dual stack", families::dual_stack),
    ("IPv6 alone", families::six_alone),
    ("exposed to strangers", expose::exposed_to_strangers),
];

const GROUPS: &[Story] = &[
    ("rules", policy::rules),
    ("answers", policy::answers),
    ("foreign addresses", policy::foreign_addresses),
    ("members", policy::members),
];

const RESOURCES: &[Story] = &[
    ("address and MAC", requested::address_and_mac),
    ("taken or foreign", requested::taken_or_foreign),
    ("prepared port", requested::prepared_port),
    ("foreign device", requested::foreign_device),
    ("existing by id", existing::by_uuid),
    ("existing by name", existing::by_name),
    ("existing and its gateway", existing::its_gateway),
    ("existing and shared", existing::shared),
    ("existing and missing", existing::missing),
];

const OPTIONS: &[Story] = &[
    ("auxiliary", options::auxiliary),
    ("internal", options::internal),
    ("without gateway", options::without_gateway),
    ("network first", replay::network_first),
    ("twice", replay::twice),
    ("every protocol", expose::every_protocol),
    ("neighbours", server::neighbours),
    ("networks with the same addresses", overlapping::overlapping),
];

const PROCESSES: &[Story] = &[
    ("process killed", restart::process_killed),
    ("process stopped", restart::process_stopped),
    ("restart of the engine", restart::engine_restart),
    ("dead sandbox", restart::dead_sandbox),
    ("fifty at once", |rig| parallel::many_at_once(rig, 50)),
];

#[test]
fn lives_on_the_installed_engine() -> Result<()> {
    with_openstack(Ok(Release::Installed), "", |rig| tell(rig, LIVES))
}

#[test]
fn lives_on_a_current_engine() -> Result<()> {
    with_openstack(Release::current(), "", |rig| tell(rig, LIVES))
}

/// What the cloud enforces does not depend on the engine.
#[test]
fn security_groups() -> Result<()> {
    with_openstack(Ok(Release::Installed), "", |rig| tell(rig, GROUPS))
}

#[test]
fn resources_on_the_installed_engine() -> Result<()> {
    with_openstack(Ok(Release::Installed), "", |rig| tell(rig, RESOURCES))
}

#[test]
fn resources_on_a_current_engine() -> Result<()> {
    with_openstack(Release::current(), "", |rig| tell(rig, RESOURCES))
}

#[test]
fn options_on_the_installed_engine() -> Result<()> {
    with_openstack(Ok(Release::Installed), "", |rig| tell(rig, OPTIONS))
}

#[test]
fn options_on_a_current_engine() -> Result<()> {
    with_openstack(Release::current(), "", |rig| tell(rig, OPTIONS))
}

#[test]
fn processes_on_the_installed_engine() -> Result<()> {
    with_openstack(Ok(Release::Installed), "", |rig| tell(rig, PROCESSES))
}

#[test]
fn processes_on_a_current_engine() -> Result<()> {
    with_openstack(Release::current(), "", |rig| tell(rig, PROCESSES))
}
