//! From a change of a security group until packets feel it, with many ports in the group.

use std::fs::File;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kuryr_neutron::{Network, Port, SecurityGroupRule, Subnet};
use kuryr_openstack::Query;
use serde_json::{Value, json};

use super::report::{Limit, Report};
use super::series::Series;
use crate::cloud::Cloud;
use crate::host::Host;
use crate::world::run_in;
use crate::{PrivateEngine, until};

/// Ports of this host in the group, beside the one to which packets go.
const PORTS: usize = 1000;
/// Rules that come and go.
const TURNS: usize = 50;
/// Where packets go.
const SERVICE: u16 = 7000;
/// Between two packets.
const PACE: Duration = Duration::from_micros(500);
/// A port without packets for so long is closed.
const SILENCE: Duration = Duration::from_millis(150);

/// Measure and report.
pub fn measure(host: &Host, engine: &PrivateEngine, cloud: &Cloud, report: &mut Report) -> Result<()> {
    for name in ["client", "server"] {
        engine.container(name, "blue", &[])?;
    }
    let server = engine.endpoint("server", "blue")?;
    let port = cloud.port_by_mac(&server.mac)?;
    let group = cloud.group("watched")?;
    cloud.put_into(port.id, &[group.id])?;
    let network: Network = cloud.make(json!({ "name": "watched" }))?;
    let _: Subnet = cloud.make(json!({ "network_id": network.id, "ip_version": 4, "cidr": "10.65.0.0/16" }))?;
    let bound = json!({
        "network_id": network.id, "binding:host_id": port.binding_host_id, "security_groups": [group.id],
    });
    for _ in 0..PORTS {
        cloud.make::<Port>(bound.clone())?;
    }

    let sandbox = |name: &str| -> Result<File> {
        let pid = engine.docker(&["inspect", "--format", "{{.State.Pid}}", name])?;
        Ok(File::open(host.path(format!("/proc/{pid}/ns/net")))?)
    };
    let open = |address| Ok(UdpSocket::bind((address, SERVICE))?);
    let receiver = run_in(&sandbox("server")?, || open(Ipv4Addr::UNSPECIFIED))?;
    let sender = run_in(&sandbox("client")?, || open(Ipv4Addr::UNSPECIFIED))?;
    sender.connect((server.address.as_str(), SERVICE))?;
    receiver.set_read_timeout(Some(SILENCE))?;
    let (last, over) = (Mutex::new(Instant::now()), AtomicBool::new(false));
    let [opened, closed] = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                // A packet that is lost is what is measured.
                let _ = sender.send(b"?");
                std::thread::sleep(PACE);
            }
        });
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                if receiver.recv(&mut [0; 8]).is_ok() {
                    *last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                }
            }
        });
        let rule = json!({
            "security_group_id": group.id, "direction": "ingress", "ethertype": "IPv4", "protocol": "udp",
            "port_range_min": SERVICE, "port_range_max": SERVICE,
        });
        let measured = turns(cloud, &rule, || *last.lock().unwrap_or_else(PoisonError::into_inner));
        over.store(true, Ordering::SeqCst);
        measured
    })?;
    for (name, series) in [("opens", &opened), ("closes", &closed)] {
        let what = format!("a security group's rule {name} {} ports, until packets feel it", PORTS + 1);
        report.measured(&format!("{what}, p50"), series.median(), Limit::None, "ms");
        report.measured(&format!("{what}, p99"), series.quantile(0.99), Limit::AtMost(100.0), "ms");
    }
    engine.docker(&["rm", "--force", "client", "server"])?;
    for port in cloud.list::<Port>(&Query::new().eq("network_id", network.id))? {
        cloud.delete::<Port>(port.id)?;
    }
    cloud.delete::<Network>(network.id)
}

/// Make the rule and remove it, some times; `last` tells when the last packet came.
fn turns(cloud: &Cloud, rule: &Value, last: impl Fn() -> Instant) -> Result<[Series; 2]> {
    let mut both = [Series::default(), Series::default()];
    for _ in 0..TURNS {
        let asked = Instant::now();
        let made: SecurityGroupRule = cloud.make(rule.clone())?;
        let first = until("a packet that is allowed", || {
            let last = last();
            ensure!(last > asked, "none came");
            Ok(last)
        })?;
        both[0].add(first.duration_since(asked));
        let asked = Instant::now();
        cloud.delete::<SecurityGroupRule>(made.id)?;
        until("silence", || {
            ensure!(last().elapsed() >= SILENCE, "packets come");
            Ok(())
        })?;
        // None came after the question: closed at once, as far as packets can tell.
        both[1].add(last().saturating_duration_since(asked));
    }
    Ok(both)
}
