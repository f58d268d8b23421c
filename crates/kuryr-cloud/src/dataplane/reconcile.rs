//! The loop: waits for something to change, on either side, and makes a pass.

use super::{
    dhcp,
    error::Error,
    layout::Layout,
    worker::{Report, Triggers, Worker},
};
use crate::engine::{self, Engine};
use futures_util::FutureExt;
use kuryr_netlink::{LinkMonitor, nftables::Monitor};
use kuryr_neutron::Fault;
use std::time::Duration;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

/// Everything is looked at this often, whatever was heard.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// What failed is tried again after this long, then after twice as long, and so on up to [`LOOK_EVERY`].
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A caller waits no longer for the kernel.
const APPLIED_WITHIN: Duration = Duration::from_secs(5);

/// How far the data plane is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last revision of the state whose rules and bridges are in force.
    pub revision: u64,
    /// What the last pass could not do; empty: all is well.
    pub failures: Vec<String>,
    /// Bridges that should be there.
    pub bridges: usize,
    /// Interfaces that have rules.
    pub interfaces: usize,
    /// Routers that should be there.
    pub routers: usize,
    /// It runs no longer.
    pub stopped: bool,
}

/// A revision is not in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotApplied {
    /// It took too long.
    #[error("the data plane did not apply the change within {} seconds{}", APPLIED_WITHIN.as_secs(), .0)]
    Late(String),
    /// It is not running.
    #[error("the data plane has stopped")]
    Stopped,
}

/// A running data plane; clones are the same one.
#[derive(Debug, Clone)]
pub struct DataPlane {
    progress: watch::Receiver<Progress>,
}

impl DataPlane {
    /// Starts one for an engine. Must be called within a tokio runtime; the first pass is made at once, in the
    /// background. It stops, and leaves everything in place, when the token is cancelled.
    ///
    /// # Errors
    /// When namespaces cannot be opened, for want of rights or of the kernel's modules.
    pub fn start(engine: Engine, layout: Layout, cancel: CancellationToken) -> Result<Self, Error> {
        let worker = Worker::open(engine.clone(), layout)?;
        let ears = Ears::open(&worker)?;
        let (publish, progress) = watch::channel(Progress::default());
        let dhcp = dhcp::Server::open(engine.clone(), worker.namespace());
        tokio::spawn(async move {
            let dhcp = dhcp.map(|server| tokio::spawn(server.run()));
            let mut reconciler = Reconciler { engine, worker: Some(worker), ears, publish: &publish };
            let outcome = reconciler.run(&cancel).await;
            // All hold on the namespace ends before it says so: whoever waits for that may start another.
            drop(reconciler);
            if let Some(dhcp) = dhcp {
                dhcp.abort();
                // An error says that it was aborted.
                let _ = dhcp.await;
            }
            if let Err(error) = outcome {
                tracing::error!(%error, "the data plane stopped");
            }
            publish.send_modify(|progress| progress.stopped = true);
        });
        Ok(Self { progress })
    }

    /// Waits until the rules of a revision are in force, for at most five seconds.
    pub async fn applied(&self, revision: u64) -> Result<(), NotApplied> {
        let mut progress = self.progress.clone();
        let reached = progress.wait_for(|p| p.revision >= revision || p.stopped);
        let reached = tokio::time::timeout(APPLIED_WITHIN, reached).await.map(|r| r.map(|p| p.revision));
        match reached {
            Ok(Ok(now)) if now >= revision => Ok(()),
            Ok(_) => Err(NotApplied::Stopped),
            Err(_) => {
                let failures = self.progress.borrow().failures.join("; ");
                Err(NotApplied::Late(if failures.is_empty() { failures } else { format!(": {failures}") }))
            }
        }
    }

    /// How far it is.
    pub fn status(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Waits until it has stopped.
    pub async fn stopped(&self) {
        // An error means that the sender has gone, which is as good.
        let _ = self.progress.clone().wait_for(|progress| progress.stopped).await;
    }
}

/// What tells of changes that are not ours.
struct Ears {
    links: LinkMonitor,
    rules: Monitor,
    host_rules: Monitor,
}

impl Ears {
    fn open(worker: &Worker) -> Result<Self, Error> {
        Ok(Self {
            links: LinkMonitor::open_in(worker.namespace())?,
            rules: Monitor::open_in(worker.namespace())?,
            host_rules: Monitor::open_in(worker.host_namespace())?,
        })
    }

    /// Waits for a change that is not ours; `None`: there was one, but it means nothing. Safe to cancel.
    async fn listen(&mut self, worker: Option<&Worker>) -> Result<Option<Triggers>, Error> {
        tokio::select! {
            event = self.links.next() => {
                let mut links = vec![event?];
                // One pass for all that has happened by now.
                while let Some(event) = self.links.next().now_or_never() {
                    links.push(event?);
                }
                Ok(Some(Triggers { links, ..Triggers::default() }))
            }
            generation = self.rules.next() => {
                let generation = generation?;
                let foreign = worker.is_none_or(|worker| worker.is_foreign(generation));
                if foreign {
                    tracing::info!("someone else changed the rules of the bridges' namespace; they are compared");
                }
                Ok(foreign.then(Triggers::default))
            }
            generation = self.host_rules.next() => {
                generation?;
                Ok(Some(Triggers::default()))
            }
        }
    }
}

fn gone() -> Error {
    Error::Thread("it is gone".to_owned())
}

struct Reconciler<'a> {
    engine: Engine,
    /// Away only while it is at work.
    worker: Option<Worker>,
    ears: Ears,
    publish: &'a watch::Sender<Progress>,
}

impl Reconciler<'_> {
    async fn run(&mut self, cancel: &CancellationToken) -> Result<(), Error> {
        let mut changes = self.engine.changes();
        let mut triggers = Some(Triggers { look: true, ..Triggers::default() });
        let mut next_look = Instant::now() + LOOK_EVERY;
        let mut retry = RETRY_AFTER;
        loop {
            if let Some(triggers) = triggers.take() {
                if triggers.look {
                    next_look = Instant::now() + LOOK_EVERY;
                }
                if self.pass(triggers).await? {
                    retry = RETRY_AFTER;
                } else {
                    next_look = next_look.min(Instant::now() + retry);
                    retry = LOOK_EVERY.min(retry * 2);
                }
            }
            triggers = tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                changed = changes.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    Some(Triggers::default())
                }
                heard = self.ears.listen(self.worker.as_ref()) => match heard {
                    Ok(heard) => heard,
                    Err(error) => {
                        tracing::warn!(%error, "news of the kernel were lost; everything is looked at");
                        self.ears = Ears::open(self.worker.as_ref().ok_or_else(gone)?)?;
                        Some(Triggers { look: true, ..Triggers::default() })
                    }
                },
                () = tokio::time::sleep_until(next_look) => Some(Triggers { look: true, ..Triggers::default() }),
            };
        }
    }

    /// Makes a pass and tells of it. False if something must be tried again soon.
    async fn pass(&mut self, triggers: Triggers) -> Result<bool, Error> {
        let made = self.at_work(move |worker| worker.pass(triggers).map(|report| (report, worker.counts()))).await?;
        match made {
            Ok((report, (bridges, interfaces, routers))) => {
                for failure in &report.failures {
                    tracing::warn!(%failure, "the data plane could not do something; it will try again");
                }
                let failures = report.failures.clone();
                let (revision, stopped) = (report.revision, false);
                self.publish.send_replace(Progress { revision, failures, bridges, interfaces, routers, stopped });
                let well = report.failures.is_empty();
                self.tell(report).await;
                let forgotten = self.at_work(Worker::forget_departed).await?;
                if let Err(failure) = &forgotten {
                    tracing::warn!(%failure, "connections of ports that left are still known; it will try again");
                }
                Ok(well && forgotten.is_ok())
            }
            Err(error) => {
                tracing::error!(%error, "the data plane could not apply the state; the rules before stay in force");
                self.publish.send_modify(|progress| progress.failures = vec![error.to_string()]);
                Ok(false)
            }
        }
    }

    /// Lends the worker to a thread that may block.
    async fn at_work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Worker) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let mut worker = self.worker.take().ok_or_else(gone)?;
        let work = tokio::task::spawn_blocking(move || {
            let result = work(&mut worker);
            (worker, result)
        });
        let (worker, result) = work.await.map_err(|error| Error::Thread(error.to_string()))?;
        self.worker = Some(worker);
        Ok(result)
    }

    /// Writes status to the state. What has gone meanwhile needs none.
    async fn tell(&self, report: Report) {
        let Report { ports, routers, trunks, .. } = report;
        if ports.is_empty() && routers.is_empty() && trunks.is_empty() {
            return;
        }
        let written = self.engine.write(move |txn| {
            for (id, status) in ports {
                ignore_missing(engine::port::set_status(txn, id, status))?;
            }
            for (id, status) in routers {
                ignore_missing(engine::router::set_status(txn, id, status))?;
            }
            for (id, status) in trunks {
                ignore_missing(engine::trunk::set_status(txn, id, status))?;
            }
            Ok(())
        });
        if let Err(fault) = written.await {
            tracing::warn!(%fault, "the status of ports, routers and trunks was not written");
        }
    }
}

fn ignore_missing(result: Result<(), Fault>) -> Result<(), Fault> {
    result.or_else(|fault| if fault.kind == kuryr_neutron::FaultKind::NotFound { Ok(()) } else { Err(fault) })
}
