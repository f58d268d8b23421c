//! The disk of the embedded cloud's database is full: what creates is refused and told why, what is there goes on and can be
//! removed, and everything works again when there is room.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{Network, Port};
use kuryr_tests::{Kuryr, Rig, until, with_rig};
use serde_json::json;

const FOLDER: &str = "/var/lib/kuryr";
/// Of the disk, and of what is kept of it for deletions, in bytes.
const DISK: u64 = 80 << 20;
const KEPT: u64 = 16 << 20;

fn filler(rig: &Rig) -> PathBuf {
    rig.host.path(FOLDER).join("of-somebody-else")
}

/// Leaves less than this of the disk, also while Kuryr writes.
fn fill(rig: &Rig, left: u64) -> Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(filler(rig))?;
    let block = vec![0; 1 << 16];
    loop {
        let disk = rustix::fs::statvfs(rig.host.path(FOLDER))?;
        if disk.f_bfree * disk.f_frsize <= left || file.write_all(&block).is_err() {
            return Ok(());
        }
    }
}

/// What the cloud says to who creates something.
fn refusal(rig: &Rig) -> Result<String> {
    let refused = rig.cloud.make::<Network>(json!({ "name": "one more" }));
    Ok(format!("{:#}", refused.err().context("a full disk takes one more network")?))
}

#[test]
fn a_full_disk_is_named_and_what_is_there_goes_on_and_can_be_removed() -> Result<()> {
    with_rig(|rig| {
        ensure!(rig.kuryr.stop(&rig.host)?.success());
        let size = format!("size={DISK},mode=700");
        rig.host.run(&["mount", "-t", "tmpfs", "-o", &size, "tmpfs", FOLDER])?;
        rig.kuryr.start(&rig.host)?;
        rig.cloud = Kuryr::cloud(&rig.host)?;
        rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
        for name in ["one", "two", "three"] {
            rig.engine.container(name, "blue", &[])?;
        }
        let two = rig.engine.endpoint("two", "blue")?.address;
        let network = rig.cloud.port_by_mac(&rig.engine.endpoint("one", "blue")?.mac)?.network_id;
        let number = |number: u32| json!({ "network_id": network, "name": format!("n{number}") });
        let ports = (0..100).map(|i| rig.cloud.make::<Port>(number(i))).collect::<Result<Vec<_>>>()?;

        // Little is left: it is kept for what gives room back.
        fill(rig, KEPT - (1 << 20))?;
        let told = refusal(rig)?;
        ensure!(told.contains("503") && told.contains("/var/lib/kuryr/kuryr.db is full"), "{told}");
        let told = rig.engine.refused(&["run", "--rm", "--network", "blue", kuryr_tests::IMAGE, "true"])?;
        ensure!(told.contains("is full"), "{told}");
        ensure!(rig.cloud.all::<Port>()?.len() >= 103);
        rig.engine.ping("one", &two)?;
        for port in &ports[..90] {
            rig.cloud.delete::<Port>(port.id)?;
        }
        rig.engine.docker(&["rm", "--force", "three"])?;

        // Nothing is left, and the process starts anew meanwhile.
        fill(rig, 0)?;
        refusal(rig)?;
        rig.kuryr.kill(&rig.host)?;
        rig.kuryr.start(&rig.host)?;
        ensure!(refusal(rig)?.contains("is full"));
        ensure!(rig.cloud.all::<Port>()?.iter().filter(|port| port.name.starts_with('n')).count() == 10);
        rig.engine.ping("one", &two)?;
        rig.engine.docker(&["rm", "--force", "two"])?;

        // Room is made: all of it works again, and what could not be removed goes.
        fs::remove_file(filler(rig))?;
        rig.cloud.make::<Port>(number(1000))?;
        rig.engine.container("four", "blue", &[])?;
        let four = rig.engine.endpoint("four", "blue")?.address;
        rig.engine.ping("one", &four)?;
        until("the port of the one that was removed to go", || {
            rig.kuryr.command(&rig.host, &["gc"])?;
            let (status, differences) = rig.differences()?;
            ensure!(status == Some(0) && differences.is_empty(), "{status:?} {differences:?}");
            Ok(())
        })?;
        rig.engine.docker(&["rm", "--force", "one", "four"])?;
        for port in rig.cloud.all::<Port>()?.into_iter().filter(|port| port.name.starts_with('n')) {
            rig.cloud.delete::<Port>(port.id)?;
        }
        rig.engine.docker(&["network", "rm", "blue"])?;
        ensure!(rig.cloud.inventory()?.is_empty(), "{:?}", rig.cloud.inventory()?);
        rig.is_clean()
    })
}
