//! Log lines in systemd's journal: found by the ids of Docker's and of Neutron's things.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use kuryr_tests::{Kuryr, Rig, skip, until, with_configured_rig};
use serde_json::Value;

const JOURNALD: &str = "/lib/systemd/systemd-journald";
const SOCKET: &str = "/run/systemd/journal/socket";

/// Entries of Kuryr's in the machine's journal.
fn entries(rig: &Rig, matching: &str) -> Result<Vec<Value>> {
    let words =
        ["journalctl", "--directory", "/run/log/journal", "--output", "json", "SYSLOG_IDENTIFIER=kuryr", matching];
    rig.host.run(&words)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

#[test]
fn the_journal_is_asked_for_a_port() -> Result<()> {
    if !Path::new(JOURNALD).exists() {
        return skip("no systemd-journald on this machine");
    }
    with_configured_rig("[DEFAULT]\nuse_journal = true\n", |rig| {
        let told = Kuryr::log(&rig.host);
        let complaints = told.matches("there is no journal").count();
        ensure!(complaints == 1 && told.contains(SOCKET) && told.contains("ready"), "without a journal: {told}");

        rig.host.run(&["mkdir", "-p", "/run/systemd/journal", "/run/log/journal"])?;
        let _journald = rig.host.start(&[JOURNALD], &[], "/run/journald.log")?;
        until("the journal to listen", || {
            ensure!(rig.host.path(SOCKET).exists());
            Ok(())
        })?;
        ensure!(rig.kuryr.stop(&rig.host)?.success());
        let before = Kuryr::log(&rig.host).len();
        rig.kuryr.start(&rig.host)?;
        rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
        rig.engine.container("web", "blue", &[])?;
        let endpoint = rig.engine.endpoint("web", "blue")?;
        let port = rig.cloud.port_by_mac(&endpoint.mac)?;
        let entry = until("the journal to have it", || {
            let entries = entries(rig, &format!("KURYR_PORT={}", port.id))?;
            let plugged = |entry: &&Value| entry["MESSAGE"].as_str().is_some_and(|line| line.contains("plugged"));
            entries.iter().find(plugged).cloned().with_context(|| format!("{entries:?}"))
        })?;
        ensure!(entry["KURYR_ENDPOINT"] == endpoint.id.as_str() && entry["PRIORITY"] == "6", "{entry}");
        ensure!(entry["KURYR_NETWORK"].as_str().is_some_and(|id| id.len() == 64), "{entry}");
        ensure!(entries(rig, &format!("KURYR_ENDPOINT={}", endpoint.id))?.contains(&entry));
        let elsewhere = Kuryr::log(&rig.host);
        ensure!(elsewhere.len() == before, "standard error has: {}", &elsewhere[before..]);
        Ok(())
    })
}
