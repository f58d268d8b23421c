//! Looking, comparing and setting right, once or for as long as Kuryr runs.

use crate::{
    Plugin,
    engine::Engine,
    reconcile::{
        Row, Truth, Young, apply, compare,
        look::{Depth, look},
    },
};
use kuryr_openstack::in_background;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Time for what Docker tried while this process was away, and tries again: it may want what an earlier one made for
/// it. Docker waits 1, 2, 4 and 8 seconds between its attempts, and then gives up.
const HEAD_START: Duration = Duration::from_millis(8500);
/// Pause between two looks of a process that does not serve Docker itself: what differs in both is no passing state.
const SECOND_LOOK: Duration = Duration::from_secs(2);
/// How often all networks of the cloud are looked at. What a process leaves when it is killed, the next one finds at
/// its start; after a removal, or a creation that failed, it is done the next time.
const WHOLE_EVERY: Duration = Duration::from_secs(3600);
/// Pause after a time without Docker or Neutron.
const AGAIN: Duration = Duration::from_secs(5);

/// The pause between two comparisons, which may change; `None`: there are none.
pub type Pause = watch::Receiver<Option<Duration>>;

/// Keeps Docker, Neutron and the kernel in step.
#[derive(Debug, Clone)]
pub struct Reconciler {
    plugin: Plugin,
    docker_socket: PathBuf,
    young: Young,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Everything that was compared.
    pub rows: Vec<Row>,
    /// What was removed.
    pub removed: Vec<Row>,
    /// What could not be removed, and why.
    pub failed: Vec<(Row, String)>,
    /// Docker did not answer, so that nothing of it was judged.
    pub without_docker: bool,
}

/// One comparison by itself, ended.
#[derive(Debug)]
pub struct Done {
    /// What came of it; nothing: Neutron or the kernel could not be asked.
    pub outcome: Option<Outcome>,
    /// How long it took.
    pub took: Duration,
}

impl Reconciler {
    /// For the ports of this plugin and the containers of the Docker behind this socket.
    pub fn new(plugin: &Plugin, docker_socket: &Path, young: Young) -> Self {
        Self { plugin: plugin.clone(), docker_socket: docker_socket.to_owned(), young }
    }

    /// Sets all sides side by side, and changes nothing.
    ///
    /// # Errors
    /// Neutron or the kernel could not be asked.
    pub async fn compare(&self) -> Result<Outcome, crate::Error> {
        let seen = look(&self.plugin, &self.docker_socket, self.young, Depth::Whole).await?;
        Ok(Outcome { rows: compare(&seen), without_docker: seen.docker.is_none(), ..Outcome::default() })
    }

    /// The same, and removes what is wrong in this sense.
    ///
    /// # Errors
    /// Neutron or the kernel could not be asked. What could not be removed is in the outcome.
    pub async fn collect(&self, truth: Truth) -> Result<Outcome, crate::Error> {
        self.collect_in(truth, Depth::Whole).await
    }

    async fn collect_in(&self, truth: Truth, depth: Depth) -> Result<Outcome, crate::Error> {
        let mut first = None;
        if self.young != Young::Remembered {
            let rows = self.compare().await?.rows;
            if rows.iter().any(|row| row.is_collected(truth)) {
                tokio::time::sleep(SECOND_LOOK).await;
            }
            first = Some(rows);
        }
        let plugin = self.plugin.now();
        let seen = look(&plugin, &self.docker_socket, self.young, depth).await?;
        let engine = Engine::at(&self.docker_socket)?;
        let mut outcome = Outcome { rows: compare(&seen), without_docker: seen.docker.is_none(), ..Outcome::default() };
        let lasting = |row: &&Row| first.as_ref().is_none_or(|first| first.contains(row));
        let mut collected: Vec<&Row> =
            outcome.rows.iter().filter(|row| row.is_collected(truth)).filter(lasting).collect();
        // A network goes after what is on it.
        collected.sort_by_key(|row| row.subject.rank());
        for row in collected {
            match apply::collect(&plugin, &engine, &seen, row).await {
                Ok(true) => outcome.removed.push(row.clone()),
                Ok(false) => {}
                Err(error) => outcome.failed.push((row.clone(), error.text())),
            }
        }
        Ok(outcome)
    }

    /// Collects now and then, the first time a few seconds after the start, until it is told to stop. Each time is told to
    /// `observe`. The pause in between may change; while there is none, nothing is collected.
    pub async fn run(&self, mut every: Pause, stop: CancellationToken, observe: impl Fn(&Done)) {
        let mut pause = every.borrow_and_update().map(|_| HEAD_START);
        let mut again = AGAIN;
        let mut whole: Option<Instant> = None;
        let mut has_docker = true;
        let mut ended = tokio::time::Instant::now();
        loop {
            let rest = async {
                match pause {
                    Some(pause) => tokio::time::sleep_until(ended + pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                Ok(()) = every.changed() => {
                    pause = *every.borrow_and_update();
                    continue;
                }
                () = rest => {}
            }
            let started = Instant::now();
            let unsettled = &self.plugin.unsettled;
            let depth = match whole {
                Some(last) if last.elapsed() < WHOLE_EVERY && !unsettled.is_doubtful_since(last) => Depth::Host,
                _ => Depth::Whole,
            };
            let collected = in_background(self.collect_in(Truth::Docker, depth));
            // Cut off in the middle, it goes on at the next start.
            let Some(result) = stop.run_until_cancelled(collected).await else { return };
            let complete = result.as_ref().is_ok_and(|outcome| !outcome.without_docker);
            // What was removed may have held something else.
            let is_done = complete && result.as_ref().is_ok_and(|all| all.failed.is_empty() && all.removed.is_empty());
            if depth == Depth::Whole {
                whole = is_done.then_some(started);
            }
            match &result {
                Ok(outcome) => {
                    outcome.log();
                    self.tell_of_docker(&mut has_docker, !outcome.without_docker);
                }
                Err(error) => tracing::warn!(error = %error.text(), "could not compare Docker, Neutron and the kernel"),
            }
            observe(&Done { outcome: result.ok(), took: started.elapsed() });
            ended = tokio::time::Instant::now();
            pause = every.borrow_and_update().map(|every| if complete { every } else { again.min(every) });
            again = if complete { AGAIN } else { again * 2 };
        }
    }

    /// Told when it changes: where Docker's socket cannot be reached at all, as in some containers, that is no news.
    fn tell_of_docker(&self, known: &mut bool, answers: bool) {
        let docker_socket = self.docker_socket.display();
        match (*known, answers) {
            (true, false) => tracing::warn!(
                %docker_socket,
                "Docker does not answer, so nothing that it may still have is removed; see docker_socket in [docker]"
            ),
            (false, true) => tracing::info!(%docker_socket, "Docker answers again"),
            _ => {}
        }
        *known = answers;
    }
}

impl Outcome {
    fn log(&self) {
        for row in &self.removed {
            tracing::info!(what = %row, "removed, because nobody has it any more");
        }
        for (row, error) in &self.failed {
            tracing::warn!(what = %row, %error, "could not be removed; it is tried again");
        }
        let unhandled = self.rows.iter().filter(|row| row.difference.is_one() && !row.is_collected(Truth::Docker));
        for row in unhandled {
            tracing::warn!(what = %row, difference = row.difference.text(), "out of step; see 'kuryr diff'");
        }
    }
}
