//! Two private machines beside each other: a cable between them, and one embedded cloud for both.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::host::{Host, Started};
use crate::kuryr::{Paths, binary};
use crate::{get, until};

/// Two machines, each with a network namespace of its own. The first one runs the cloud, and the containers of both are
/// wired in its data plane.
pub struct Pair {
    /// The embedded cloud's process; dropped first.
    pub cloud: Started,
    /// The machines.
    pub hosts: [Host; 2],
}

impl Pair {
    /// Their addresses on the cable.
    pub const ADDRESSES: [&str; 2] = ["203.0.113.1", "203.0.113.2"];
    const API: &str = "203.0.113.1:9696";

    /// Boot them, and start the cloud.
    pub fn boot() -> Result<Self> {
        let hosts = [Host::boot()?, Host::boot()?];
        let [first, second] = &hosts;
        let peer = second.pid().to_string();
        first.outside(&["ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", &peer])?;
        for (host, address) in hosts.iter().zip(Self::ADDRESSES) {
            host.run(&["ip", "address", "add", &format!("{address}/24"), "dev", "cable"])?;
            host.run(&["ip", "link", "set", "cable", "up"])?;
        }
        let program = binary()?;
        let cloud = first.start(&[&program.to_string_lossy(), "cloud", "--api-listen", Self::API], &[], Paths::LOG)?;
        until("the API to answer", || {
            ensure!(get(&first.path(Paths::API), "/")?.status < 400);
            Ok(())
        })?;
        until("the data plane", || first.run(&["ip", "-n", "kuryr", "link", "show"]).map(drop))?;
        second.adopt(first)?;
        Ok(Self { cloud, hosts })
    }
}

impl Host {
    /// Run a command in this machine's network, with the outer machine's processes.
    fn outside(&self, words: &[&str]) -> Result<()> {
        let network = format!("--net=/proc/{}/ns/net", self.pid());
        let output = Command::new("nsenter").arg(network).args(words).output().context("cannot run nsenter")?;
        ensure!(output.status.success(), "{}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }

    /// Show the data plane of another machine's cloud under the same name.
    fn adopt(&self, other: &Host) -> Result<()> {
        let script =
            format!("mkdir -p /run/netns && touch {0} && mount --bind /proc/self/ns/net {0}", Paths::NAMESPACE);
        let own = |kind: &str| format!("/proc/{}/ns/{kind}", self.pid());
        let output = Command::new("nsenter")
            .arg(format!("--mount={}", own("mnt")))
            .arg(format!("--pid={}", own("pid")))
            .arg(format!("--net={}", other.path(Paths::NAMESPACE).display()))
            .args(["sh", "-ec", &script])
            .output()
            .context("cannot run nsenter")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }
}
