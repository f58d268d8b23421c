//! A machine under load: an engine, Kuryr's plugin, and bad weather before its cloud, which is a process of its own on
//! either cloud.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::tally::Weight;
use super::weather::Weather;
use crate::bench::resident_at;
use crate::cloud::Cloud;
use crate::engine::PrivateEngine;
use crate::host::{Host, Started};
use crate::kuryr::{Kuryr, Paths, binary};
use crate::openstack::OpenStack;
use crate::rig::{Place, Rig};
use crate::{Release, plugin, until, until_within};

/// Seconds between two comparisons.
const RECONCILE: u32 = 20;
/// Where the embedded cloud answers.
const API: &str = "127.0.0.1:9696";
/// An engine's end, with all its containers.
const ENGINE_ENDS: Duration = Duration::from_secs(60);
/// Its log, beside the plugin's.
const API_LOG: &str = "/run/kuryr-cloud.log";

/// Which cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The embedded one.
    Embedded,
    /// The one that `rig/openstack` has started.
    OpenStack,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Embedded => "embedded",
            Self::OpenStack => "openstack",
        })
    }
}

/// One machine.
pub struct Machine {
    /// The machine itself.
    pub rig: Rig,
    /// What is between Kuryr and the cloud.
    pub weather: Weather,
    /// Which cloud it has.
    pub kind: Kind,
    /// Whether ports are kept ready.
    pub ready_ports: bool,
    api: Option<Started>,
}

impl Machine {
    /// Boot one, in fair weather. With an odd seed the embedded cloud's keeps ports ready, else the other one: Docker asks
    /// once what follows from that, so it cannot change meanwhile.
    pub fn boot(kind: Kind, seed: u64) -> Result<Self> {
        let weather = Weather::new(seed);
        let ready_ports = (seed % 2 == 1) == (kind == Kind::Embedded);
        match kind {
            Kind::Embedded => Self::embedded(weather, ready_ports),
            Kind::OpenStack => Self::on_openstack(weather, ready_ports),
        }
    }

    fn embedded(weather: Weather, ready_ports: bool) -> Result<Self> {
        let host = Host::boot()?;
        let engine = PrivateEngine::start(&host)?;
        let api = start_api(&host)?;
        let address = weather.before(host.network()?, API)?;
        let text = fs::read_to_string(host.path(Paths::CLOUDS)).context("the cloud has told no credentials")?;
        let all: Value = serde_norway::from_str(&text).context("clouds.yaml is not YAML")?;
        let auth = &all["clouds"]["kuryr"]["auth"];
        let word = |key: &str| auth[key].as_str().unwrap_or_default();
        let configuration = format!(
            "[neutron]\nauth_type = password\nauth_url = http://{address}/identity/v3\nusername = {}\npassword = {}\n\
             project_name = {}\nproject_domain_id = default\nuser_domain_id = default\n\
             endpoint_override = http://{address}/networking\n\n[docker]\nreconcile_interval = {RECONCILE}\n",
            word("username"),
            word("password"),
            word("project_name"),
        );
        let kuryr = Kuryr::docker(&host, &with_pools(&configuration, ready_ports))?;
        let cloud = Kuryr::cloud(&host)?;
        let rig = Rig { kuryr, cloud, engine, host, openstack: None };
        Ok(Self { rig, weather, kind: Kind::Embedded, api: Some(api), ready_ports })
    }

    /// No other Kuryr may work there meanwhile: to the cloud they would be one host.
    fn on_openstack(weather: Weather, ready_ports: bool) -> Result<Self> {
        let openstack = OpenStack::find()?;
        let tenant = openstack.tenant(&["admin"])?;
        let neutron = weather.before(openstack.network()?, OpenStack::NEUTRON)?;
        let keystone = weather.before(openstack.network()?, OpenStack::KEYSTONE)?;
        let place = Place::only(openstack, tenant);
        let more = format!("endpoint_override = http://{neutron}\n\n[docker]\nreconcile_interval = {RECONCILE}\n");
        let configuration = place.configuration(&more).replace(OpenStack::KEYSTONE, &keystone);
        let host = Host::boot_in(&place.openstack)?;
        let engine = PrivateEngine::start_release(&host, Release::Installed)?;
        let kuryr = Kuryr::docker(&host, &with_pools(&configuration, ready_ports))?;
        let cloud = place.openstack.cloud(&place.tenant)?;
        let rig = Rig { kuryr, cloud, engine, host, openstack: Some(place) };
        Ok(Self { rig, weather, kind: Kind::OpenStack, api: None, ready_ports })
    }

    /// Kuryr's plugin ends without a word, and comes back.
    pub fn kill_kuryr(&mut self) -> Result<()> {
        self.rig.kuryr.kill(&self.rig.host)?;
        self.rig.kuryr.start(&self.rig.host)
    }

    /// Kuryr's plugin ends as it is asked to, and comes back.
    pub fn restart_kuryr(&mut self) -> Result<()> {
        let status = self.rig.kuryr.stop(&self.rig.host)?;
        ensure!(status.success(), "kuryr, asked to end, did so with {status}");
        self.rig.kuryr.start(&self.rig.host)
    }

    /// The embedded cloud ends without a word, and comes back.
    pub fn kill_cloud(&mut self) -> Result<()> {
        let mut api = self.api.take().context("the cloud is none of ours")?;
        self.rig.host.signal(api.pid, "-KILL")?;
        api.wait()?;
        self.api = Some(start_api(&self.rig.host)?);
        Ok(())
    }

    /// The engine ends, its containers with it or without a word, and comes back.
    pub fn restart_engine(&mut self, signal: &str) -> Result<()> {
        let Rig { host, engine, .. } = &mut self.rig;
        let pid = engine.pid();
        host.signal(pid, signal)?;
        until_within(ENGINE_ENDS, "dockerd to end", || {
            let status = fs::read_to_string(host.path(format!("/proc/{pid}/stat"))).unwrap_or_default();
            ensure!(status.is_empty() || status.contains(") Z "), "it runs");
            Ok(())
        })?;
        // One that was killed has left it, and its number may be somebody's by now.
        drop(fs::remove_file(host.path("/run/docker.pid")));
        engine.start_again(host)
    }

    /// What Kuryr's plugin takes now.
    pub fn weigh(&self) -> Result<Weight> {
        let process = self.rig.host.path(format!("/proc/{}", self.rig.kuryr.pid()?));
        let memory = resident_at(&process.join("status"))?;
        Ok(Weight { memory, files: fs::read_dir(process.join("fd"))?.count() })
    }

    /// How these containers are wired, for whoever wants to know why they do not reach each other.
    pub fn wires(&self, containers: &[&str]) -> String {
        let Rig { engine, host, kuryr, .. } = &self.rig;
        let mut text = String::new();
        for container in containers {
            for words in [["ip", "address"], ["ip", "neigh"]] {
                let told = engine.exec(container, &words).unwrap_or_else(|error| format!("{error:#}"));
                text.push_str(&format!("--- {container}: {}\n{told}\n", words.join(" ")));
            }
        }
        let inside = ["ip", "netns", "exec", "kuryr"];
        for words in [&["bridge", "link"][..], &["bridge", "fdb"], &["nft", "list", "ruleset"]] {
            let told = host.output(&[&inside[..], words].concat());
            let told = told.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
            text.push_str(&format!("--- {}\n{told}\n", words.join(" ")));
        }
        let status = kuryr.command(host, &["status", "--json"]);
        let status = status.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        text + &format!("--- kuryr status\n{status}")
    }

    /// Logs of its processes.
    pub fn logs(&self) -> Vec<(&'static str, String)> {
        let host = &self.rig.host;
        let api = fs::read_to_string(host.path(API_LOG)).unwrap_or_default();
        vec![("kuryr", Kuryr::log(host)), ("dockerd", PrivateEngine::log(host)), ("cloud", api)]
    }

    /// A client of the cloud that the weather does not reach.
    pub fn cloud(&self) -> &Cloud {
        &self.rig.cloud
    }
}

fn with_pools(configuration: &str, ready_ports: bool) -> String {
    let driver = if ready_ports { "neutron" } else { "noop" };
    let docker = format!("[docker]\nvif_pool_driver = {driver}\n");
    configuration.replace("[docker]\n", &docker)
}

fn start_api(host: &Host) -> Result<Started> {
    let process = host.start(&[&binary()?.to_string_lossy(), "cloud"], &[], API_LOG)?;
    until("the embedded cloud to answer", || {
        ensure!(plugin::get(&host.path(Paths::API), "/")?.status < 400);
        Ok(())
    })?;
    Ok(process)
}
