//! `kuryr cloud`: the embedded cloud alone, and its removal.

use crate::{
    cli::{Cloud, Purge},
    configuration::Given,
    confinement,
    embedded::Embedded,
    failure::Failure,
    logging::{self, Log},
    output,
    process::{self, ready, serve},
    reload::Reload,
    state_lock::StateLock,
};
use anyhow::Context;
use kuryr_cloud::dataplane::{self, Layout};
use kuryr_config::Settings;
use std::{
    fs,
    io::{self, BufRead, IsTerminal, Write},
    path::Path,
};
use tokio_util::sync::CancellationToken;

/// Runs the embedded cloud until a signal ends it.
pub fn run(cloud: &Cloud, given: Given) -> Result<(), Failure> {
    process::give_memory_back();
    let given = given.with_place(&cloud.place);
    let settings = given.clone().settings()?;
    process::require_rights()?;
    let log = logging::start(&settings.logging)?;
    // To load it takes a right that is not kept; what is wrong with it is told where it is needed.
    let _ = dataplane::ensure_bridge_netfilter();
    confinement::keep_only(confinement::EMBEDDED)?;
    Ok(serve(|stop| alone(given, settings, log, stop))?)
}

async fn alone(given: Given, settings: Settings, log: Log, stop: CancellationToken) -> anyhow::Result<()> {
    let reload = Reload::listen(given, &settings, log)?;
    let settings = settings.embedded;
    let embedded = Embedded::open(StateLock::take(&settings.state_dir)?, &settings).await?;
    ready();
    let (outcome, ()) = tokio::join!(embedded.run(None, stop.clone()), reload.run(None, stop));
    outcome
}

/// What the embedded cloud keeps in its state folder; anything else there is not ours to remove.
const STATE_FILES: [&str; 5] = ["kuryr.db", "kuryr.db-wal", "kuryr.db-shm", "clouds.yaml", "lock"];

/// Removes what it made in this kernel, and its state if that is wanted too.
pub fn purge(purge: &Purge, given: Given) -> Result<(), Failure> {
    let settings = given.with_state_dir(purge.state_dir.as_deref()).settings()?;
    let folder = &settings.embedded.state_dir;
    process::require_rights()?;
    if !purge.yes && !confirmed(&question(purge.state, folder))? {
        return Err(Failure::usage("nothing was removed", "say 'yes' when asked, or use --yes"));
    }
    logging::start(&settings.logging)?;
    // Only where there is state can another process be using it.
    let lock = if folder.exists() { Some(StateLock::take(folder)?) } else { None };
    let layout = Layout::of_this_host().context("cannot look at this host's network")?;
    let held = dataplane::hold(&layout)?;
    dataplane::purge(&layout).context("the kernel still has something of the embedded cloud; try again")?;
    if purge.state {
        remove_state(folder)?;
    }
    drop((held, lock));
    let state = if purge.state { " and its state" } else { "" };
    output::write(format!("the embedded cloud's bridges, namespaces and rules{state} are gone\n").as_bytes())
}

fn question(state: bool, folder: &Path) -> String {
    let kernel = "This removes the embedded cloud's bridges, namespaces and rules from this kernel: containers on its \
                  networks lose them.";
    if state {
        format!("{kernel}\nIt also removes its networks, ports and users for ever, in '{}'.", folder.display())
    } else {
        kernel.to_owned()
    }
}

/// Asks on the terminal; without one the answer is no.
fn confirmed(question: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    anstream::eprint!("{question}\nGo on? [yes/no] ");
    io::stderr().flush().context("cannot ask")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn remove_state(folder: &Path) -> anyhow::Result<()> {
    for name in STATE_FILES {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove '{}'", path.display()));
            }
            _ => {}
        }
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            anstream::eprintln!("note: '{}' has files of others and stays", folder.display());
            Ok(())
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove '{}'", folder.display()))
        }
        _ => Ok(()),
    }
}
