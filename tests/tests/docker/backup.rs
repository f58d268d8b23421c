//! A backup while requests run, and the way back: Docker, Neutron and the kernel are in step afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

use anyhow::{Result, ensure};
use kuryr_neutron::Port;
use kuryr_tests::{Kuryr, Paths, Rig, stories::restart, until, with_rig};
use serde_json::json;

const BACKUP: &str = "/run/home/kuryr.db";

/// `kuryr cloud …`: what it says, on either output, and whether it worked.
fn cloud(rig: &Rig, arguments: &[&str]) -> Result<(bool, String)> {
    let output = rig.kuryr.command(&rig.host, &[&["cloud"], arguments].concat())?;
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

fn backup(rig: &Rig) -> Result<String> {
    let (worked, told) = cloud(rig, &["backup", BACKUP])?;
    ensure!(worked && told.contains("signs tokens"), "{told}");
    let file = fs::metadata(rig.host.path(BACKUP))?;
    ensure!(file.mode() & 0o777 == 0o600, "mode {:o}", file.mode());
    let folder = fs::read_dir(rig.host.path("/run/home"))?.flatten().map(|entry| entry.file_name());
    ensure!(folder.filter(|name| name.to_string_lossy().starts_with("kuryr")).count() == 1, "it is the only one");
    Ok(told)
}

#[test]
fn a_backup_of_a_cloud_that_runs_is_restored_and_everything_is_brought_in_step() -> Result<()> {
    with_rig(|rig| {
        fs::create_dir_all(rig.host.path("/run/home"))?;
        let address = restart::two_containers(rig)?;
        // Backups while ports come: each is looked at by the command that writes it.
        let network = rig.cloud.port_by_mac(&rig.engine.endpoint("one", "blue")?.mac)?.network_id;
        let writing = Kuryr::cloud(&rig.host)?;
        let held = std::thread::scope(|scope| {
            let writer = scope.spawn(|| -> Result<()> {
                for number in 0..150 {
                    writing.make::<Port>(json!({ "network_id": network, "name": format!("n{number:03}") }))?;
                }
                Ok(())
            });
            let mut backups = 0;
            while !writer.is_finished() || backups < 2 {
                backup(rig)?;
                backups += 1;
            }
            writer.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
            Ok::<_, anyhow::Error>(backups)
        })?;
        ensure!(held >= 2);
        backup(rig)?;
        let before: BTreeSet<_> = rig.cloud.all::<Port>()?.into_iter().map(|port| (port.id, port.name)).collect();

        // What comes and goes after the backup.
        rig.engine.container("late", "blue", &[])?;
        let late = rig.cloud.port_by_mac(&rig.engine.endpoint("late", "blue")?.mac)?;
        rig.engine.docker(&["rm", "--force", "two"])?;
        let (worked, told) = cloud(rig, &["restore", "--yes", BACKUP])?;
        ensure!(!worked && told.contains("another Kuryr (process") && told.contains("stop it"), "{told}");
        ensure!(rig.kuryr.stop(&rig.host)?.success());
        let (worked, told) = cloud(rig, &["restore", "--yes", "/etc/hostname"])?;
        ensure!(!worked && told.contains("/etc/hostname is no whole database"), "{told}");
        let (worked, told) = cloud(rig, &["restore", BACKUP])?;
        ensure!(!worked && told.contains("--yes"), "{told}");
        let (worked, told) = cloud(rig, &["restore", "--yes", BACKUP])?;
        ensure!(worked && told.contains("/var/lib/kuryr/kuryr.db.before-restore-1"), "{told}");

        rig.kuryr.start(&rig.host)?;
        rig.cloud = Kuryr::cloud(&rig.host)?;
        let after: BTreeSet<_> = rig.cloud.all::<Port>()?.into_iter().map(|port| (port.id, port.name)).collect();
        ensure!(after == before, "{:?}", after.symmetric_difference(&before).collect::<Vec<_>>());
        // Who was in it has its network; who was not has none; and the port of the one that went meanwhile goes too.
        rig.engine.container("new", "blue", &[])?;
        let new = rig.engine.endpoint("new", "blue")?.address;
        rig.engine.ping("one", &new)?;
        until("the late one's tap to go", || {
            ensure!(!rig.links(Some("kuryr"))?.contains(&late.id.tap_name()));
            Ok(())
        })?;
        until("the port of the container that went to go", || {
            rig.kuryr.command(&rig.host, &["gc"])?;
            let fixed = rig.cloud.all::<Port>()?.into_iter().flat_map(|port| port.fixed_ips);
            ensure!(!fixed.map(|fixed| fixed.ip_address.to_string()).any(|one| one == address));
            Ok(())
        })?;
        rig.engine.docker(&["rm", "--force", "one", "late", "new"])?;
        for port in rig.cloud.all::<Port>()?.into_iter().filter(|port| port.name.starts_with('n')) {
            rig.cloud.delete::<Port>(port.id)?;
        }
        rig.engine.docker(&["network", "rm", "blue"])?;
        ensure!(rig.cloud.inventory()?.is_empty(), "{:?}", rig.cloud.inventory()?);
        rig.is_clean()
    })
}

#[test]
fn a_cloud_that_does_not_run_is_backed_up_too_and_one_that_is_not_there_is_told() -> Result<()> {
    with_rig(|rig| {
        fs::create_dir_all(rig.host.path("/run/home"))?;
        rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
        rig.kuryr.kill(&rig.host)?;
        backup(rig)?;
        let (worked, told) = cloud(rig, &["backup", "--state-dir", "/run/nowhere", BACKUP])?;
        ensure!(!worked && told.contains("there is no database in /run/nowhere"), "{told}");
        ensure!(!rig.host.path("/run/nowhere").exists());
        // On another machine, or one whose disk was lost: from nothing but the backup.
        rig.host.run(&["busybox", "rm", "-rf", "/var/lib/kuryr"])?;
        let (worked, told) = cloud(rig, &["restore", "--yes", BACKUP])?;
        ensure!(worked && !told.contains("what was there"), "{told}");
        rig.kuryr.start(&rig.host)?;
        ensure!(rig.host.path(Paths::CLOUDS).exists());
        rig.cloud = Kuryr::cloud(&rig.host)?;
        rig.engine.container("one", "blue", &[])?;
        rig.engine.container("two", "blue", &[])?;
        rig.engine.ping("one", &rig.engine.endpoint("two", "blue")?.address)
    })
}
