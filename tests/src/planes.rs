//! Two Kuryrs on one cloud, each with a container engine on a machine of its own.
//!
//! Both machines have one name to the cloud, as two engines on one host have: what tells one Kuryr's things from the
//! other's is its control plane alone.

use std::fs;

use anyhow::{Context, Result};

use crate::cloud::Cloud;
use crate::engine::PrivateEngine;
use crate::host::{Host, Started};
use crate::kuryr::{Kuryr, Paths};
use crate::openstack::OpenStack;
use crate::packaging::Login;
use crate::pair::Pair;
use crate::release::Release;
use crate::rig::{Place, Rig, able_to_boot, skip, watched};

/// Where its metrics are; both compare as often as they may.
fn own(metrics: &str) -> String {
    format!("\n[metrics]\nlisten = {metrics}\n[docker]\nreconcile_interval = 1\n")
}

/// Run a test on two machines with engines of these releases, beside an embedded cloud that both use.
pub fn with_planes(releases: [Result<Release>; 2], test: impl FnOnce(&mut [Rig; 2]) -> Result<()>) -> Result<()> {
    with_both(releases, embedded, test)
}

/// The same on a real OpenStack.
pub fn with_planes_on_openstack(
    releases: [Result<Release>; 2],
    test: impl FnOnce(&mut [Rig; 2]) -> Result<()>,
) -> Result<()> {
    let openstack = match OpenStack::find() {
        Ok(openstack) => openstack,
        Err(reason) => return skip(&format!("{reason:#}")),
    };
    with_both(releases, |releases| Ok((on_openstack(openstack, releases)?, None)), test)
}

fn with_both(
    [one, other]: [Result<Release>; 2],
    start: impl FnOnce([Release; 2]) -> Result<([Rig; 2], Option<Started>)>,
    test: impl FnOnce(&mut [Rig; 2]) -> Result<()>,
) -> Result<()> {
    let releases = match able_to_boot().and_then(|()| Ok([one?, other?])) {
        Ok(releases) => releases,
        Err(reason) => return skip(&format!("{reason:#}")),
    };
    let (mut rigs, _cloud) = start(releases)?;
    watched(&mut rigs, test, |rigs| rigs.iter().map(|rig| &rig.host).collect())
}

fn embedded([one, other]: [Release; 2]) -> Result<([Rig; 2], Option<Started>)> {
    let Pair { cloud, hosts: [first, second] } = Pair::boot()?;
    let Login { url, user, password, project } = Login::read(&first.path(Paths::CLOUDS))?;
    let login = format!(
        "[neutron]\nauth_type = password\nauth_url = {url}\nusername = {user}\npassword = {password}\n\
         project_name = {project}\nproject_domain_name = Default\nuser_domain_name = Default\n"
    );
    // The cloud's credentials and its socket are files of the first machine.
    let clients = [Kuryr::cloud(&first)?, Kuryr::cloud(&first)?];
    let rig = |host: Host, release, plane, client| -> Result<Rig> {
        let engine = PrivateEngine::start_release(&host, release)?;
        let kuryr =
            Kuryr::docker(&host, &format!("[DEFAULT]\ncontrol_plane = {plane}\n{login}{}", own("127.0.0.1:9698")))?;
        Ok(Rig { kuryr, cloud: client, engine, host, openstack: None })
    };
    let [client, another]: [Cloud; 2] = clients;
    Ok(([rig(first, one, "one", client)?, rig(second, other, "other", another)?], Some(cloud)))
}

fn on_openstack(openstack: OpenStack, [one, other]: [Release; 2]) -> Result<[Rig; 2]> {
    let tenant = openstack.tenant(&["admin"])?;
    let start = |release, plane: &str| {
        let plane = format!("{}-{plane}", tenant.name);
        let more = own(&openstack.free_address()?);
        Rig::start_on(Place { openstack: openstack.clone(), tenant: tenant.clone(), plane }, release, &more)
    };
    Ok([start(one, "one")?, start(other, "other")?])
}

impl Rig {
    /// How often Kuryr has compared Docker, Neutron and the kernel by itself since it started.
    pub fn comparisons(&self) -> Result<u64> {
        let config = fs::read_to_string(self.host.path(Paths::CONFIG))?;
        let address =
            config.lines().find_map(|line| line.strip_prefix("listen = ")).context("no metrics are served")?;
        let told = self.host.run(&["busybox", "wget", "-q", "-O", "-", &format!("http://{address}/metrics")])?;
        let counts = told.lines().filter(|line| line.starts_with("kuryr_reconciliations_total{"));
        Ok(counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
    }
}
