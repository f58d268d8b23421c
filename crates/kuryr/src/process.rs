//! The life of a serving process: its runtime, its end by signal, and what systemd is told.

use anyhow::Context;
use sd_notify::NotifyState;
use std::{future::Future, os::unix::process::CommandExt, process::Command, time::Duration};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

/// Exit status after a second signal, as shells give it to programs that SIGINT ended.
const IMPATIENT: i32 = 130;

/// Threads that serve requests, unless somebody wants more.
pub const THREADS: usize = 2;

/// Runs a service until it ends or a signal asks it to: the token tells it to stop in an orderly way.
///
/// # Errors
/// Those of the service.
pub fn serve<F>(service: impl FnOnce(CancellationToken) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    serve_with(THREADS, service)
}

/// The same on so many threads.
///
/// # Errors
/// Those of the service.
pub fn serve_with<F>(threads: usize, service: impl FnOnce(CancellationToken) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    runtime_with(threads)?.block_on(async {
        let stop = CancellationToken::new();
        stop_on_signal(stop.clone())?;
        service(stop).await
    })
}

/// glibc reads it when a program starts: from how many bytes on memory is taken from the system and given back to it.
const MMAP_THRESHOLD: &str = "MALLOC_MMAP_THRESHOLD_";

/// Starts this program anew, as the same process, with a fixed threshold of the allocator. Left to itself glibc raises
/// it to the size of what was freed, and a password's hash needs 19 MiB: each thread that ever checked one would keep
/// as much. Where it cannot be done, Kuryr runs with more memory.
pub fn give_memory_back() {
    if std::env::var_os(MMAP_THRESHOLD).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| program.clone().into_os_string());
    // Returns only if it failed.
    let _ = Command::new(&program).arg0(name).args(arguments).env(MMAP_THRESHOLD, "131072").exec();
}

/// A runtime that stays small: few threads, and those for blocking calls end soon.
pub fn runtime() -> anyhow::Result<Runtime> {
    runtime_with(THREADS)
}

fn runtime_with(threads: usize) -> anyhow::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(16)
        .thread_keep_alive(Duration::from_secs(2))
        .thread_name("kuryr")
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// The first SIGTERM or SIGINT cancels the token, the second ends the process at once.
fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stop.is_cancelled() {
                std::process::exit(IMPATIENT);
            }
            tracing::info!("stopping");
            // There may be no systemd to tell.
            let _ = sd_notify::notify(&[NotifyState::Stopping]);
            stop.cancel();
        }
    });
    Ok(())
}

/// Tells systemd, if there is one, that requests are answered from now on.
pub fn ready() {
    tracing::info!("ready");
    if let Err(error) = sd_notify::notify(&[NotifyState::Ready]) {
        tracing::warn!(%error, "cannot tell systemd that Kuryr is ready");
    }
}

/// Tells systemd that the configuration is being read anew; [`reloaded`] must follow.
pub fn reloading() {
    let told = NotifyState::monotonic_usec_now().and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now]));
    if let Err(error) = told {
        tracing::warn!(%error, "cannot tell systemd that Kuryr reads its configuration");
    }
}

/// Tells systemd that it was read, well or not.
pub fn reloaded() {
    if let Err(error) = sd_notify::notify(&[NotifyState::Ready]) {
        tracing::warn!(%error, "cannot tell systemd that Kuryr has read its configuration");
    }
}

/// Number of CAP_NET_ADMIN in the kernel's masks.
const NET_ADMIN: u32 = 12;

/// Refuses to begin without the right to make interfaces.
///
/// # Errors
/// This process lacks CAP_NET_ADMIN.
pub fn require_rights() -> anyhow::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").context("cannot read this process's rights")?;
    anyhow::ensure!(
        has_net_admin(&status),
        "Kuryr makes network interfaces, for which it needs CAP_NET_ADMIN; run it as root"
    );
    Ok(())
}

fn has_net_admin(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> NET_ADMIN & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read_from_the_effective_mask() {
        assert!(has_net_admin("CapPrm:\t0\nCapEff:\t0000000000001000\n"));
        assert!(!has_net_admin("CapPrm:\tffffffffffffffff\nCapEff:\t000001ffffffefff\n"));
        assert!(!has_net_admin(""));
    }
}
