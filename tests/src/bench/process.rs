//! Start and memory of the process itself.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kuryr_neutron::Port;
use kuryr_openstack::Query;

use super::report::{Limit, Report};
use super::{PLUGIN, api};
use crate::cloud::Cloud;
use crate::host::Host;
use crate::{Kuryr, until};

/// What the process holds right after its start is given back within this time.
const SETTLE: Duration = Duration::from_secs(3);

/// The very first start, which makes the state, then one with it; memory of the second.
pub fn first_start(host: &Host, config: &str, report: &mut Report) -> Result<Kuryr> {
    let started = Instant::now();
    let mut kuryr = Kuryr::up_at(host, config, PLUGIN)?;
    report.measured("first start to serving, state made", milliseconds(started), Limit::None, "ms");
    kuryr.stop(host)?;
    let started = Instant::now();
    kuryr.start(host)?;
    report.measured("start to serving, empty", milliseconds(started), Limit::AtMost(100.0), "ms");
    std::thread::sleep(SETTLE);
    report.measured("memory, idle (RSS)", resident(host, &kuryr)?, Limit::AtMost(15.0), "MB");
    Ok(kuryr)
}

/// A start with all the ports that the API was asked for, and what they cost in memory.
pub fn second_start(host: &Host, kuryr: &mut Kuryr, cloud: &Cloud, report: &mut Report) -> Result<()> {
    kuryr.stop(host)?;
    let started = Instant::now();
    kuryr.start(host)?;
    report.measured(
        &format!("start to serving, {} ports", api::PORTS),
        milliseconds(started),
        Limit::AtMost(100.0),
        "ms",
    );
    until("the ports to be there", || {
        let found = cloud.list::<Port>(&Query::new().fields(&["id", "network_id", "mac_address"]))?.len();
        ensure!(found >= api::PORTS, "{found} ports");
        Ok(())
    })?;
    std::thread::sleep(SETTLE);
    report.measured(&format!("memory, {} ports (RSS)", api::PORTS), resident(host, kuryr)?, Limit::AtMost(64.0), "MB");
    Ok(())
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// Resident memory in MB.
fn resident(host: &Host, kuryr: &Kuryr) -> Result<f64> {
    resident_at(&host.path(format!("/proc/{}/status", kuryr.pid()?)))
}

/// Resident memory in MB of the process with this `status` file.
pub fn resident_at(path: &Path) -> Result<f64> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().context("VmRSS is no number")?;
    Ok(kilobytes / 1024.0)
}
