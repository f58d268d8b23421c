//! The packages on a host of an OpenStack: the service within its limits under a real systemd, and Docker's managed plugin.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{Network, Port, Status};
use kuryr_openstack::Query;
use kuryr_tests::packaging::{Booted, Login, Making, Managed, with_booted};
use kuryr_tests::{Cloud, Engine, Host, OpenStack, PrivateEngine, Release, Tenant, skip, until};
use serde_json::Value;

const UNIT: &str = "kuryr.service";
const DROP_INS: &str = "/etc/systemd/system/kuryr.service.d";
/// What a machine's id is mixed with to make the id of its Kuryr.
const APPLICATION: &str = "--app-specific=6b757279722d43508d1f5a0e93c247b6";
/// Runs within the service's limits, when it is ready.
const ASK: &str = "[Service]\nExecStartPost=-/bin/sh -c 'exec kuryr diff --json > /run/kuryr/diff.json'\n";

/// A cloud's host, and what its Kuryr needs to know.
struct Place<'a> {
    openstack: &'a OpenStack,
    tenant: Tenant,
    cloud: Cloud,
    metrics: String,
    published: String,
}

impl<'a> Place<'a> {
    fn new(openstack: &'a OpenStack) -> Result<Self> {
        let tenant = openstack.tenant(&["admin"])?;
        let (metrics, published) = (openstack.free_address()?, openstack.free_address()?);
        Ok(Self { openstack, cloud: openstack.cloud(&tenant)?, tenant, metrics, published })
    }

    /// For a machine whose id is its own, or one that shares its id and needs another.
    fn config(&self, plane: Option<&str>) -> String {
        format!("{}\n[metrics]\nlisten = {}\n", self.openstack.configuration(&self.tenant, plane, ""), self.metrics)
    }

    /// What `-p` says to publish port 80 where nobody else listens.
    fn publish(&self) -> String {
        format!("{}:80", self.published)
    }

    /// What a TCP service of the host answers.
    fn fetch(&self) -> Result<String> {
        self.openstack.run(|| {
            let mut text = String::new();
            let mut stream = std::net::TcpStream::connect(&self.published)?;
            stream.set_read_timeout(Some(std::time::Duration::from_secs(3)))?;
            std::io::Read::read_to_string(&mut stream, &mut text)?;
            Ok(text.trim().to_owned())
        })
    }

    fn is_published(&self, name: &str) -> Result<()> {
        until("a published port to answer", || {
            let told = self.fetch()?;
            ensure!(told == name, "{told:?}");
            Ok(())
        })
    }

    fn metrics(&self) -> Result<String> {
        let url = format!("http://{}/metrics", self.metrics);
        let output = self
            .openstack
            .run(|| Ok(std::process::Command::new("busybox").args(["wget", "-q", "-O", "-", &url]).output()?))?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A network and two containers, of which the first publishes what is asked for; the answer is the first one's port.
    fn containers(&self, engine: &Engine, driver: &str, publish: &[&str]) -> Result<Port> {
        let cidr = format!("10.45.{}.0/24", uuid::Uuid::new_v4().as_bytes()[0]);
        let create = ["network", "create", "-d", driver, "--ipam-driver", driver, "--subnet", &cidr];
        engine.docker(&[&create[..], &["--gateway", &cidr.replace(".0/24", ".1"), "blue"]].concat())?;
        engine.container("one", "blue", publish)?;
        engine.container("two", "blue", &["--expose", "80"])?;
        engine.serve("one", 80)?;
        self.pings(engine)?;
        let port = self.cloud.port_by_mac(&engine.endpoint("one", "blue")?.mac)?;
        ensure!(port.binding_host_id.0 == self.openstack.host && port.status == Status::Active, "{port:?}");
        Ok(port)
    }

    fn pings(&self, engine: &Engine) -> Result<()> {
        let two = engine.endpoint("two", "blue")?.address;
        until("an answer to a ping", || engine.ping("one", &two))
    }

    fn clear(&self, engine: &Engine, port: &Port) -> Result<()> {
        engine.docker(&["rm", "--force", "one", "two"])?;
        engine.docker(&["network", "rm", "blue"])?;
        let left = self.cloud.inventory()?;
        ensure!(left.is_empty(), "{left:?}");
        until("the interface to be gone", || {
            let name = port.id.tap_name();
            let command = self.openstack.command("ovs-vsctl");
            let switch = std::process::Command::new(command).args(["list-ports", "br-int"]).output()?;
            let switch = String::from_utf8_lossy(&switch.stdout).into_owned();
            let link = self.openstack.run(|| {
                Ok(std::process::Command::new("ip").args(["link", "show", &name]).output()?.status.success())
            })?;
            ensure!(!switch.contains(&name) && !link, "{name} is still there");
            Ok(())
        })
    }
}

fn restart(machine: &Booted, limits: &[(&str, &str)]) -> Result<()> {
    for (name, text) in limits {
        machine.write(&format!("{DROP_INS}/{name}.conf"), text)?;
    }
    machine.run("systemctl", &["daemon-reload"])?;
    machine.run("systemctl", &["restart", UNIT]).map(drop)
}

/// All that the service does on an OpenStack, within its limits and these; `publishes` as they allow.
fn serves(machine: &Booted, place: &Place<'_>, limits: &[(&str, &str)], publishes: bool) -> Result<()> {
    machine.write("/etc/kuryr/kuryr.conf", &place.config(None))?;
    machine.install()?;
    machine.run("kuryr", &["config", "check"])?;
    restart(machine, limits)?;
    let engine = machine.engine()?;
    let publish = place.publish();
    let publish = if publishes { &["--publish", publish.as_str()][..] } else { &[] };
    let port = place.containers(&engine, "kuryr", publish)?;
    if publishes {
        place.is_published("one")?;
    }

    // The machine's id names this Kuryr, as systemd's own command makes it.
    let id = machine.run("systemd-id128", &["machine-id", APPLICATION])?;
    let tag = format!("kuryr.cp:{}:", id.replace('-', ""));
    until("the tag of this Kuryr", || {
        let network: Network = place.cloud.one(&Query::new().eq("id", port.network_id))?;
        ensure!(network.tags.iter().any(|told| told.as_str().starts_with(&tag)), "{tag} {:?}", network.tags);
        Ok(())
    })?;

    // Within its limits it sees Docker, Neutron and the kernel, the switch among it.
    restart(machine, &[("ask", ASK)])?;
    let told: Value = serde_json::from_slice(&fs::read(machine.path("/run/kuryr/diff.json"))?)?;
    ensure!(told["docker_answers"] == true, "{told}");
    let id = port.id.to_string();
    let row = told["rows"].as_array().into_iter().flatten().find(|row| row.to_string().contains(&id));
    let row = row.with_context(|| format!("no row about {id}: {told}"))?;
    let is_known = |side: &str| row[side].as_str().is_some_and(|text| !text.is_empty());
    ensure!(["docker", "neutron", "kernel"].iter().all(|side| is_known(side)), "{row}");
    ensure!(row["difference"] == "none", "{row}");

    // After a restart all is as it was.
    place.pings(&engine)?;
    if publishes {
        place.is_published("one")?;
    }
    let measured = place.metrics()?;
    ensure!(measured.contains("kuryr_cloud_request_duration_seconds_count"), "{measured}");
    place.clear(&engine, &port)?;
    ensure!(!machine.log().contains("ERROR"), "{}", machine.log());
    Ok(())
}

fn on_a_machine(test: impl FnOnce(&Booted, &Place<'_>) -> Result<()>) -> Result<()> {
    let openstack = match OpenStack::find() {
        Ok(openstack) => openstack,
        Err(reason) => return skip(&format!("{reason:#}")),
    };
    let place = Place::new(&openstack)?;
    let making = Making::new(env!("CARGO_TARGET_TMPDIR"));
    with_booted(&making, Some(&openstack), |machine| test(machine, &place))
}

#[test]
fn the_service_serves_a_host_of_an_openstack() -> Result<()> {
    on_a_machine(|machine, place| serves(machine, place, &[], true))
}

#[test]
fn with_further_limits_it_does_all_but_publish_ports() -> Result<()> {
    on_a_machine(|machine, place| {
        let limits = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/systemd/openstack.conf"))?;
        serves(machine, place, &[("openstack", &limits)], false)?;
        // What it may not do is told at once, and nothing stays.
        let engine = machine.engine()?;
        let cidr = "10.46.0.0/24";
        let create = ["network", "create", "-d", "kuryr", "--ipam-driver", "kuryr", "--subnet", cidr, "blue"];
        engine.docker(&create)?;
        let run = ["run", "-d", "--name", "one", "--network", "blue", "-p", &place.publish(), "kuryr-busybox", "true"];
        let told = engine.refused(&run)?;
        ensure!(told.contains("publish"), "{told}");
        engine.docker(&["rm", "--force", "one"])?;
        engine.docker(&["network", "rm", "blue"])?;
        let left = place.cloud.inventory()?;
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
}

fn managed(release: Result<Release>) -> Result<()> {
    let (openstack, release) = match (OpenStack::find(), release) {
        (Ok(openstack), Ok(release)) => (openstack, release),
        (Err(reason), _) | (_, Err(reason)) => return skip(&format!("{reason:#}")),
    };
    let place = Place::new(&openstack)?;
    let host = Host::boot_in(&openstack)?;
    let engine = PrivateEngine::start_release(&host, release)?;
    let folder = Path::new("/run/settings");
    fs::create_dir_all(host.path(folder))?;
    fs::write(host.path(folder.join("kuryr.conf")), place.config(Some(&place.tenant.name)))?;
    let used = || {
        let plugin = Managed::create(&host, &engine)?;
        plugin.set(&Login::of(&place.tenant), &["config.source=/run/settings"])?;
        plugin.enable()?;
        let publish = place.publish();
        let port = place.containers(&engine, Managed::NAME, &["--publish", &publish])?;
        place.is_published("one")?;
        // The plugin ends and comes back under its containers.
        plugin.disable_by_force()?;
        place.pings(&engine)?;
        plugin.enable()?;
        place.is_published("one")?;
        place.pings(&engine)?;
        place.clear(&engine, &port)?;
        plugin.remove()
    };
    used().with_context(|| PrivateEngine::log(&host))
}

#[test]
fn the_managed_plugin_serves_the_installed_engine() -> Result<()> {
    managed(Ok(Release::Installed))
}

#[test]
fn the_managed_plugin_serves_a_current_engine() -> Result<()> {
    managed(Release::current())
}
