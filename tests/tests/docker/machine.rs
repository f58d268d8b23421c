//! A virtual machine beside the containers, as `docs/machines.md` says: it configures itself, and the groups count.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{Network, Port, Status};
use kuryr_openstack::Query;
use kuryr_tests::{Rig, Started, skip, unpacked, until, until_within, with_rig};
use serde_json::json;

const RIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../rig/guest/run.sh");
/// What the rig is made of; its own list.
const PACKAGES: [&str; 5] = ["qemu-system-x86", "busybox-static", "cpio", "kmod", "linux-image-amd64"];
/// The machine is emulated, and others may be too at this moment.
const PATIENCE: Duration = Duration::from_secs(400);
/// Where its words are kept, on the host.
const LOG: &str = "/run/machine.log";

/// What the machine does: it asks for its address, waits for a service of `$web` to come, prolongs its lease, and looks who
/// answers. It says what it has seen.
const WORK: &str = r#"
card=$(ls /sys/class/net | grep -vx lo | head -1)
busybox=$KURYR_RIG_CACHE/guest/bin/busybox
cat > /run/told <<'SCRIPT'
#!/bin/sh
if [ "$1" = bound ]; then
    ip address add "$ip/$mask" dev "$interface"; ip link set "$interface" mtu "$mtu"
    for gateway in $router; do ip route add default via "$gateway"; done
fi
echo "$1: ip=$ip mask=$mask router=$router dns=$dns mtu=$mtu routes=$staticroutes lease=$lease"
SCRIPT
chmod +x /run/told
$busybox udhcpc -f -i "$card" -s /run/told -t 100 -T 2 -A 1 &
client=$!
until [ "$($busybox nc -w 5 "$web" 8080 < /dev/null)" = web ]; do sleep 1; done
echo "has reached the service"
kill -USR1 $client
until ping -c 1 -W 5 "$web" > /dev/null; do sleep 1; done
echo "has reached the open one"
if ping -c 2 -W 3 "$closed" > /dev/null; then echo "has reached the closed one"; fi
echo "has seen all"
while :; do sleep 1; done
"#;

/// It ends with the host.
struct Machine {
    process: Started,
}

impl Machine {
    fn start(rig: &Rig, port: &Port, cache: &Path, work: &str) -> Result<Self> {
        let card = format!("{},{}", port.id.tap_name(), port.mac_address);
        let cache = cache.to_str().context("the cache's path is no text")?;
        let words = ["ip", "netns", "exec", "kuryr", RIG, "-m", "512", "-t", "1200", "-i", &card, "--", work];
        let environment = [("KURYR_RIG_CACHE", cache), ("TMPDIR", "/run")];
        Ok(Self { process: rig.host.start(&words, &environment, LOG)? })
    }

    fn log(rig: &Rig) -> Result<String> {
        Ok(fs::read_to_string(rig.host.path(LOG))?)
    }

    /// Wait until it has said something.
    fn says(&mut self, rig: &Rig, words: &str) -> Result<()> {
        let said = until_within(PATIENCE, "the virtual machine", || {
            let log = Self::log(rig)?;
            if self.process.ended()?.is_some() {
                return Ok(Err(log));
            }
            ensure!(log.contains(words), "it has not said {words:?} but: {log}");
            Ok(Ok(()))
        })?;
        said.map_err(|log| anyhow::anyhow!("the virtual machine has ended: {log}"))
    }
}

/// Makes a port, and a tap for it where the bridges are.
fn attach(rig: &Rig, network: &Network) -> Result<Port> {
    let host = rig.host.run(&["hostname"])?;
    let port: Port = rig.cloud.make(json!({ "name": "vm1", "network_id": network.id, "binding:host_id": host }))?;
    let tap = port.id.tap_name();
    rig.host.run(&["ip", "netns", "exec", "kuryr", "ip", "tuntap", "add", &tap, "mode", "tap"])?;
    rig.host.run(&["ip", "-n", "kuryr", "link", "set", &tap, "up"])?;
    Ok(port)
}

#[test]
fn a_virtual_machine_gets_its_address_keeps_it_and_reaches_containers() -> Result<()> {
    let folder = match unpacked("guest", &PACKAGES) {
        Ok(folder) => folder,
        Err(reason) => return skip(&format!("no virtual machine can be made here: {reason:#}")),
    };
    let cache = folder.parent().context("a folder of the cache")?.to_owned();
    with_rig(|rig| {
        let range = ["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"];
        let options = ["-o", "neutron.subnet.dns_nameservers=10.10.0.53", "-o", "neutron.net.mtu=1400"];
        rig.create_network("blue", &[range, options].concat())?;
        let subnet = rig.cloud.subnet("10.10.0.0/24")?;
        let network: Network = rig.cloud.one(&Query::new().eq("id", subnet.network_id))?;
        rig.cloud.router(&[subnet.id])?;
        rig.engine.container("web", "blue", &[])?;
        rig.engine.container("closed", "blue", &[])?;
        rig.set_apart("closed", "blue", "closed")?;
        let [web, closed] = ["web", "closed"].map(|name| rig.engine.endpoint(name, "blue"));
        let port = attach(rig, &network)?;
        let address = port.fixed_ips[0].ip_address.to_string();
        let work = format!("web={} closed={}\n{WORK}", web?.address, closed?.address);
        let mut machine = Machine::start(rig, &port, &cache, &work)?;

        let told = format!("ip={address} mask=24 router=10.10.0.1 dns=10.10.0.53 mtu=1400 routes= lease=43200");
        machine.says(rig, &format!("bound: {told}"))?;
        until("the machine's port to be active", || {
            let port: Port = rig.cloud.one(&Query::new().eq("id", port.id))?;
            ensure!(port.status == Status::Active, "{port:?}");
            Ok(())
        })?;
        rig.ping("web", &address)?;
        ensure!(rig.engine.ping("closed", &address).is_err(), "no rule of the machine's group lets it in");

        rig.kuryr.kill(&rig.host)?;
        rig.kuryr.start(&rig.host)?;
        // For this the machine waits.
        rig.engine.serve("web", 8080)?;
        machine.says(rig, "has reached the service")?;
        machine.says(rig, &format!("renew: {told}"))?;
        machine.says(rig, "has seen all")?;
        let log = Machine::log(rig)?;
        ensure!(!log.contains("has reached the closed one"), "no rule of that one's group lets it in: {log}");
        // Nobody takes it for something of Kuryr's that was left behind.
        let found = rig.differences()?;
        ensure!(found == (Some(0), vec![]), "{found:?}");
        Ok(())
    })
}
