//! `kuryr cloud`: the embedded cloud alone, its database's copies, and its removal.

use crate::{
    cli::{Backup, Cloud, Purge, Restore},
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
use kuryr_cloud::{
    backup,
    dataplane::{self, Layout},
};
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
    confinement::keep_to_embedded()?;
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

/// Writes the database to a file, of the cloud that runs or of one that does not.
pub fn backup(wanted: &Backup, given: Given) -> Result<(), Failure> {
    let settings = given.with_state_dir(wanted.state_dir.as_deref()).settings()?;
    let folder = &settings.embedded.state_dir;
    let mut lock = None;
    let copy = match backup::from_running(folder)? {
        Some(copy) => copy,
        None if !folder.join(backup::DATABASE).exists() => {
            return Err(backup::Error::NoDatabase(folder.clone()).into());
        }
        None => {
            lock = Some(StateLock::take(folder)?);
            backup::from_folder(folder)?
        }
    };
    let version = backup::write(copy, &wanted.file)?;
    drop(lock);
    let told = format!(
        "wrote {}, schema version {version}; keep it safe: it holds passwords' hashes and the key that signs tokens\n",
        wanted.file.display()
    );
    output::write(told.as_bytes())
}

/// Puts a backup in the database's place.
pub fn restore(wanted: &Restore, given: Given) -> Result<(), Failure> {
    let settings = given.with_state_dir(wanted.state_dir.as_deref()).settings()?;
    let folder = &settings.embedded.state_dir;
    let question = format!(
        "This puts the networks, ports and users of '{}' in the place of those in '{}'.",
        wanted.file.display(),
        folder.display()
    );
    if !wanted.yes && !confirmed(&question)? {
        return Err(Failure::usage("nothing was restored", "say 'yes' when asked, or use --yes"));
    }
    let lock = StateLock::take(folder)?;
    let kept = backup::restore(&wanted.file, folder)?;
    drop(lock);
    let kept = kept.map(|kept| format!("; what was there is {} now", kept.display())).unwrap_or_default();
    output::write(format!("restored{kept}; 'kuryr up' brings the kernel in step\n").as_bytes())
}

/// What the embedded cloud keeps in its state folder, beside the database and its copies; anything else there is not ours to
/// remove.
const STATE_FILES: [&str; 3] = ["clouds.yaml", backup::SOCKET, "lock"];

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
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list '{}'", folder.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list '{}'", folder.display()))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let ours = STATE_FILES.contains(&name) || name.starts_with(backup::DATABASE);
        if ours && let Err(error) = fs::remove_file(&path) {
            return Err(error).with_context(|| format!("cannot remove '{}'", path.display()));
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
