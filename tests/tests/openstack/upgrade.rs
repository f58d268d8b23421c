//! From the original to this Kuryr on one host of an OpenStack and back, under containers that run.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{Network, Port, Subnet};
use kuryr_openstack::Query;
use kuryr_tests::{Cloud, Host, OpenStack, Original, PrivateEngine, Tenant, binary, skip, until};
use serde_json::json;

/// One host; the two programs take turns at one address, for Docker keeps where it found a driver.
struct Site<'a> {
    host: &'a Host,
    engine: &'a PrivateEngine,
    openstack: &'a OpenStack,
    cloud: Cloud,
    address: String,
    config: String,
    environment: PathBuf,
    /// `kuryr-server` and `kuryr-status` of this Kuryr.
    names: PathBuf,
}

impl Site<'_> {
    fn theirs(&self) -> Result<Original> {
        Original::configure(self.host, Some(&self.environment), &self.address, &self.config)?;
        let server = self.environment.join("bin/kuryr-server");
        let commands = self.openstack.folder.join("bin").display().to_string();
        Original::serve(self.host, &[&server.to_string_lossy()], &self.address, &commands)
    }

    fn ours(&self) -> Result<Original> {
        Original::configure(self.host, None, &self.address, &self.config)?;
        let server = self.names.join("kuryr-server");
        Original::serve(self.host, &[&server.to_string_lossy()], &self.address, "/usr/bin")
    }

    fn stop(&self, mut server: Original) -> Result<()> {
        self.host.signal(server.process.pid, "-TERM")?;
        server.process.wait().map(drop)
    }

    /// What `kuryr-status upgrade check` tells, and how it ends.
    fn check(&self) -> Result<(Option<i32>, String)> {
        let program = self.names.join("kuryr-status");
        let config = "/etc/kuryr/kuryr.conf";
        let output = self.host.output(&[&program.to_string_lossy(), "--config-file", config, "upgrade", "check"])?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    fn create(&self, name: &str, cidr: &str, options: &[&str]) -> Result<()> {
        let gateway = cidr.replace(".0/24", ".1");
        let create =
            ["network", "create", "-d", "kuryr", "--ipam-driver", "kuryr", "--subnet", cidr, "--gateway", &gateway];
        self.engine.docker(&[&create[..], options, &[name]].concat()).map(drop)
    }

    fn address(&self, container: &str, network: &str) -> Result<String> {
        Ok(self.engine.endpoint(container, network)?.address)
    }

    fn pings(&self, container: &str, address: &str) -> Result<()> {
        until("an answer to a ping", || self.engine.ping(container, address))
    }

    /// A container reaches another one's service, or not.
    fn reaches(&self, address: &str, port: u16, expected: bool) -> Result<()> {
        until("a service to be reached or not", || {
            ensure!(self.engine.reaches("one", address, port)? == expected, "{address}:{port}, wanted: {expected}");
            Ok(())
        })
    }

    /// Ports of containers.
    fn ports(&self) -> Result<Vec<Port>> {
        self.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"))
    }

    /// What ports with these names have left on the host and in its switch.
    fn interfaces(&self, names: &BTreeSet<String>) -> Result<Vec<String>> {
        let links = self.host.run(&["ip", "-brief", "link"])?;
        let links = links.lines().filter_map(|line| line.split(['@', ' ']).next());
        let switch = self.host.run(&[&self.openstack.command("ovs-vsctl"), "list-ports", "br-int"])?;
        Ok(links.chain(switch.lines()).filter(|name| names.contains(*name)).map(str::to_owned).collect())
    }

    /// Let a container ping this address ten times a second for as long as it is not told to stop.
    fn ping_on(&self, address: &str) -> Result<()> {
        let script = format!("ping -i 0.1 -W 2 {address} > /tmp/pings & echo $! > /tmp/pid; wait");
        self.engine.docker(&["exec", "--detach", "one", "sh", "-c", &script])?;
        until("the first pings", || {
            ensure!(self.engine.exec("one", &["cat", "/tmp/pings"])?.contains("seq=3"));
            Ok(())
        })
    }

    /// Stop it; none may be lost.
    fn no_ping_was_lost(&self) -> Result<()> {
        self.engine.exec("one", &["sh", "-c", "kill -INT $(cat /tmp/pid)"])?;
        let told = until("the summary of pings", || {
            let told = self.engine.exec("one", &["cat", "/tmp/pings"])?;
            ensure!(told.contains("packet loss"));
            Ok(told)
        })?;
        let summary = told.lines().find(|line| line.contains("packet loss")).unwrap_or_default();
        let numbers: Vec<u32> = summary.split(' ').filter_map(|word| word.parse().ok()).collect();
        // The last may have been on its way when it was told to stop.
        ensure!(matches!(numbers[..], [sent, back, ..] if sent > 30 && sent - back <= 1), "{summary}");
        Ok(())
    }
}

/// What the original made: a network of its own, and one on a network that was there before.
struct Before {
    network: Network,
    subnet: Subnet,
}

fn before(site: &Site<'_>, blue: &str, green: &str) -> Result<Before> {
    let network: Network = site.cloud.make(json!({ "name": "there-before" }))?;
    let range = json!({ "name": "there-before", "network_id": network.id, "ip_version": 4, "cidr": green });
    let subnet: Subnet = site.cloud.make(range)?;
    site.create("blue", blue, &[])?;
    let (net, sub) = (format!("neutron.net.uuid={}", network.id), format!("neutron.subnet.uuid={}", subnet.id));
    site.create("green", green, &["-o", &net, "-o", &sub, "--ipam-opt", &sub])?;
    for (name, network, arguments) in [
        ("one", "blue", &[][..]),
        ("two", "blue", &["--expose", "80"]),
        ("three", "blue", &[]),
        ("four", "green", &[]),
        ("five", "blue", &[]),
    ] {
        site.engine.container(name, network, arguments)?;
    }
    Ok(Before { network, subnet })
}

fn forth_and_back(site: &Site<'_>, blue: &str, green: &str) -> Result<()> {
    let theirs = site.theirs()?;
    let made = before(site, blue, green)?;
    let two = site.address("two", "blue")?;
    site.engine.serve("two", 80)?;
    site.engine.serve("two", 81)?;
    site.reaches(&two, 80, true)?;
    site.ping_on(&two)?;
    let ports = site.ports()?;
    ensure!(ports.len() == 5, "{ports:?}");
    let names = |ports: &[Port]| ports.iter().flat_map(|port| [port.id.tap_name(), port.id.container_name()]).collect();
    let mut interfaces: BTreeSet<String> = names(&ports);
    let (status, told) = site.check()?;
    ensure!(status == Some(1) && told.contains(&format!("process {}", theirs.process.pid)), "{status:?} {told}");

    // Forth: nothing changes by it.
    site.stop(theirs)?;
    let ours = site.ours()?;
    let (status, told) = site.check()?;
    ensure!(status != Some(2) && told.contains("it does not run here"), "{status:?} {told}");
    let now = site.ports()?;
    ensure!(now.iter().map(|port| port.id).eq(ports.iter().map(|port| port.id)), "{ports:?} {now:?}");
    site.reaches(&two, 80, true)?;
    // Its containers are removed, started again, connected and joined by new ones.
    site.engine.docker(&["rm", "--force", "three"])?;
    site.engine.docker(&["restart", "--time", "0", "five"])?;
    site.pings("one", &site.address("five", "blue")?)?;
    site.engine.docker(&["network", "connect", "blue", "four"])?;
    site.pings("one", &site.address("four", "blue")?)?;
    site.engine.container("six", "blue", &[])?;
    site.pings("six", &two)?;
    let red = blue.replace("10.42.", "10.44.");
    site.create("red", &red, &[])?;
    site.engine.container("seven", "red", &[])?;
    site.engine.container("eight", "red", &[])?;
    site.pings("seven", &site.address("eight", "red")?)?;
    let ports = site.ports()?;
    interfaces.extend(names(&ports));

    // Back: the original finds what this Kuryr made, and its own. It ends at once, and still tells Neutron whose all is.
    site.stop(ours)?;
    let ports = site.ports()?;
    ensure!(ports.len() == 8 && ports.iter().all(|port| port.device_id.len() == 64), "{ports:?}");
    let theirs = site.theirs()?;
    site.pings("seven", &site.address("eight", "red")?)?;
    for container in ["six", "eight", "five"] {
        site.engine.docker(&["rm", "--force", container])?;
    }
    site.engine.container("nine", "red", &[])?;
    site.pings("seven", &site.address("nine", "red")?)?;
    interfaces.extend(names(&site.ports()?));

    // And forth for good: all goes but what was there before.
    site.stop(theirs)?;
    let _ours = site.ours()?;
    site.no_ping_was_lost()?;
    site.engine.docker(&["rm", "--force", "one", "two", "four", "seven", "nine"])?;
    for network in ["blue", "green", "red"] {
        site.engine.docker(&["network", "rm", network])?;
    }
    let left = site.cloud.inventory()?;
    let expected = BTreeSet::from(["network there-before".to_owned(), "subnet there-before".to_owned()]);
    ensure!(left.iter().cloned().collect::<BTreeSet<_>>() == expected, "{left:?}");
    let network: Network = site.cloud.one(&Query::new().eq("id", made.network.id))?;
    let subnet: Subnet = site.cloud.one(&Query::new().eq("id", made.subnet.id))?;
    ensure!(network.name == "there-before" && network.tags.is_empty(), "{network:?}");
    ensure!(subnet.name == "there-before" && subnet.tags.is_empty(), "{subnet:?}");
    until("the interfaces to be gone", || {
        let left = site.interfaces(&interfaces)?;
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
}

#[test]
fn the_original_and_we_take_turns_under_running_containers() -> Result<()> {
    let openstack = match OpenStack::find() {
        Ok(openstack) => openstack,
        Err(reason) => return skip(&format!("{reason:#}")),
    };
    let environment = match Original::environment(Path::new(env!("CARGO_TARGET_TMPDIR"))) {
        Ok(environment) => environment,
        Err(reason) => return skip(&format!("{reason:#}")),
    };
    let tenant: Tenant = openstack.tenant(&["admin"])?;
    let host = Host::boot_in(&openstack)?;
    let engine = PrivateEngine::start(&host)?;
    let names = host.scratch().join("names");
    std::fs::create_dir(&names)?;
    for name in ["kuryr-server", "kuryr-status"] {
        symlink(binary()?, names.join(name))?;
    }
    // The original takes any pool of a range for its own, so the ranges must be new to this cloud.
    let number = uuid::Uuid::new_v4().as_bytes()[0];
    let (blue, green) = (format!("10.42.{number}.0/24"), format!("10.43.{number}.0/24"));
    let site = Site {
        cloud: openstack.cloud(&tenant)?,
        address: openstack.free_address()?,
        config: openstack.configuration(&tenant, Some(&tenant.name), ""),
        host: &host,
        engine: &engine,
        openstack: &openstack,
        environment,
        names,
    };
    forth_and_back(&site, &blue, &green).with_context(|| Original::log(&host))
}
