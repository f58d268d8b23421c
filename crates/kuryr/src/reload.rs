//! SIGHUP: the configuration is read anew. What is wrong changes nothing; what can change without a restart does, and
//! the log says what cannot.

use crate::{
    configuration::Given,
    listen,
    logging::Log,
    plugin::{self, Followers},
    process,
};
use anyhow::Context;
use kuryr_config::{CloudSettings, Readings, Settings, options::OptionSpec};
use kuryr_openstack::{Session, within};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Longest wait for Keystone to say whether new credentials are right.
const PATIENCE: Duration = Duration::from_secs(10);

/// Listens for the signal from its making on.
pub struct Reload {
    given: Given,
    log: Log,
    signals: Signal,
    /// The options at the start, which those that need a restart still have.
    started: Readings,
    /// The options that are followed.
    followed: Readings,
    cloud: Option<CloudSettings>,
}

impl Reload {
    /// What was given at the start is read again at each signal.
    pub fn listen(given: Given, settings: &Settings, log: Log) -> anyhow::Result<Self> {
        Ok(Self {
            given,
            log,
            signals: signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?,
            started: settings.readings.clone(),
            followed: settings.readings.clone(),
            cloud: settings.cloud.clone(),
        })
    }

    /// Reads anew at each signal, until it is told to stop.
    pub async fn run(mut self, followers: Option<Followers>, stop: CancellationToken) {
        while stop.run_until_cancelled(self.signals.recv()).await.flatten().is_some() {
            process::reloading();
            if let Err(error) = self.read(followers.as_ref()).await {
                tracing::error!("the configuration stays as it was: {error:#}");
            }
            process::reloaded();
        }
    }

    async fn read(&mut self, followers: Option<&Followers>) -> anyhow::Result<()> {
        let settings = Settings::load(&self.given.clone().sources()).map_err(|problems| {
            let all: Vec<_> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}", all.join("; "))
        })?;
        let is_same_cloud = match (&self.cloud, &settings.cloud) {
            (Some(old), Some(new)) => old.is_same_cloud(new),
            (None, None) => true,
            _ => false,
        };
        if let Some(followers) = followers {
            let newer = match (&settings.cloud, &followers.session) {
                (Some(cloud), Some(_)) if is_same_cloud => Some(logged_in(cloud, followers).await?),
                _ => None,
            };
            if let (Some(keys), Some(tls)) = (&followers.keys, &settings.docker.tls) {
                keys.replace(&listen::files(tls))?;
            }
            // From here on nothing fails.
            if let (Some(session), Some(newer)) = (&followers.session, &newer) {
                session.replace(newer);
            }
            followers.plugin.follow(plugin::settings(&settings));
            followers.every.send_replace(settings.docker.reconcile_interval);
        }
        self.log.change(&settings.logging);
        self.tell(&settings, is_same_cloud, followers);
        self.followed = settings.readings;
        Ok(())
    }

    fn tell(&self, settings: &Settings, is_same_cloud: bool, followers: Option<&Followers>) {
        let is_followed = |option: &&OptionSpec| match followers {
            Some(followers) if option.is_login() => option.is_live() && is_same_cloud && followers.session.is_some(),
            Some(_) => option.is_live(),
            // The embedded cloud alone has nothing but its log that could change.
            None => option.name == "debug",
        };
        let followed = names(self.followed.changed(&settings.readings).filter(is_followed));
        let waiting = names(self.started.changed(&settings.readings).filter(|option| !is_followed(option)));
        for warning in settings.warnings.iter() {
            tracing::warn!("{warning}");
        }
        let changed = if followed.is_empty() { "nothing" } else { &followed };
        tracing::info!(%changed, "the configuration was read anew");
        if !waiting.is_empty() {
            tracing::warn!(changed = %waiting, "changes that take effect at the next start");
        }
        if !is_same_cloud {
            tracing::warn!("the configuration names another cloud, which is used from the next start on");
        }
    }
}

/// A session with the credentials, timeouts and files as they are now. Those that the cloud refuses are not taken; a
/// cloud that cannot be asked refuses nothing.
async fn logged_in(cloud: &CloudSettings, followers: &Followers) -> anyhow::Result<Session> {
    let session = Session::from_settings_over(cloud, |way| followers.metrics.time_calls(way))?;
    match within(PATIENCE, session.authenticate()).await {
        Err(error) if error.is_login_refused() => Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, "whether the credentials are right is not known yet");
            Ok(session)
        }
        Ok(()) => Ok(session),
    }
}

fn names<'a>(options: impl Iterator<Item = &'a OptionSpec>) -> String {
    options.map(|option| format!("[{}] {}", option.group, option.name)).collect::<Vec<_>>().join(", ")
}
