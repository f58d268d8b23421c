//! A session: a fresh token, endpoints from its catalog, and calls that are repeated when that is safe.
//!
//! - The token and the catalog are one snapshot that is read without a lock.
//! - However many calls find the token refused, one of them asks for a new one and the others wait for it.
//! - A token is renewed in the background before it ends, with the credential and not with the old token:
//!   a token got by a token ends when that one does.
//! - A cloud that is away is not waited for by what can be done later.
//! - Many calls at once take turns: a cloud gets as many as it does at a time, those first whose operation began first.
//! - Calls that nobody waits for are marked, and can wait until no others are under way.
//! - Credentials, timeouts and certificates can be replaced while calls are under way: those end with what they began
//!   with, and what is refused for its credentials is tried again with the new ones.

mod absence;
mod background;
mod exchange;
mod pace;
mod patience;
mod renewal;
mod repeat;
mod turns;

pub use absence::if_there;
pub use background::{Traffic, UnderWay, in_background};
pub(crate) use exchange::{Answer, Outcome, ServiceCall};
pub use patience::{time_left, within};
pub(crate) use repeat::Repeat;

use crate::{
    Error,
    auth::Identity,
    catalog::{public, versioned},
    transport::{Http, HttpOptions, Transport},
};
use arc_swap::{ArcSwap, ArcSwapOption};
use kuryr_config::{Auth, CloudSettings, IdentityVersion, Interface};
use kuryr_neutron::ProjectId;
use renewal::{Renewal, Snapshot};
use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};
use tokio::{sync::Mutex, time::Instant};
use url::Url;

/// How a session behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOptions {
    /// Region of the endpoints; `None`: the first that the catalog has.
    pub region: Option<String>,
    /// Which of a service's endpoints are used. Default: public.
    pub interface: Interface,
    /// Where the credentials come from, for errors: `[neutron] in /etc/kuryr/kuryr.conf`. May be empty.
    pub source: String,
    /// Neutron's URL, with or without `/v2.0`, instead of the catalog's (`endpoint_override`).
    pub network_endpoint: Option<Url>,
    /// Which version of Keystone's API is asked. Default: what `auth_url` names, else what Keystone has.
    pub identity_version: IdentityVersion,
    /// Longest time a call may take, with its repetitions and with getting a token. Default 60 s.
    pub timeout: Duration,
    /// How often a call is repeated at most. Default 3.
    pub retries: usize,
    /// Wait before the first repetition; it doubles up to 5 s, with up to as much again by chance. Default 100 ms.
    pub retry_delay: Duration,
    /// Longest `Retry-After` that is waited for; a longer one ends the call. Default 20 s.
    pub retry_after_limit: Duration,
    /// Whether calls take turns when they are many. Default true; not for a cloud in this very process.
    pub takes_turns: bool,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            region: None,
            interface: Interface::Public,
            source: String::new(),
            network_endpoint: None,
            identity_version: IdentityVersion::Any,
            timeout: Duration::from_secs(60),
            retries: 3,
            retry_delay: Duration::from_millis(100),
            retry_after_limit: Duration::from_secs(20),
            takes_turns: true,
        }
    }
}

impl SessionOptions {
    /// What settings say; the rest as by default.
    pub fn from_settings(settings: &CloudSettings) -> Self {
        let default = Self::default();
        Self {
            region: settings.region.clone(),
            interface: settings.interface,
            source: settings.source.clone(),
            network_endpoint: settings.endpoint_override.clone(),
            identity_version: settings.identity_version,
            timeout: settings.timeout.unwrap_or(default.timeout),
            ..default
        }
    }
}

/// A session with a cloud. Clones share everything.
#[derive(Clone)]
pub struct Session {
    /// What a call began with.
    inner: Arc<Inner>,
    /// What the next one begins with.
    current: Arc<ArcSwap<Inner>>,
    traffic: Traffic,
}

struct Inner {
    transport: Arc<dyn Transport>,
    auth_url: Url,
    auth: Auth,
    options: SessionOptions,
    /// Where Keystone's API is, once known.
    identity: tokio::sync::OnceCell<Identity>,
    snapshot: ArcSwapOption<Snapshot>,
    renewal: Arc<Mutex<Renewal>>,
    /// Attempts to get a token that have ended, well or not.
    attempts: AtomicU64,
    absence: absence::Absence,
    /// `None`: calls take no turns.
    turns: Option<turns::Turns>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("auth_url", &public(&self.inner.auth_url)).finish_non_exhaustive()
    }
}

impl Session {
    /// A session with the configured cloud, over TCP and TLS. Reads the files that its TLS settings name.
    pub fn from_settings(settings: &CloudSettings) -> Result<Self, Error> {
        Self::from_settings_over(settings, |transport| transport)
    }

    /// The same with something put around the way to the cloud.
    pub fn from_settings_over(
        settings: &CloudSettings,
        around: impl FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport>,
    ) -> Result<Self, Error> {
        let transport = Http::new(&HttpOptions { tls: settings.tls.clone(), ..HttpOptions::default() })?;
        Ok(Self::new(
            around(Arc::new(transport)),
            settings.auth_url.clone(),
            settings.auth.clone(),
            SessionOptions::from_settings(settings),
        ))
    }

    /// A session that will get its token with the first call, from Keystone at `auth_url`, with or without its version.
    /// The methods without Keystone never look there; they need [`SessionOptions::network_endpoint`].
    pub fn new(transport: Arc<dyn Transport>, auth_url: Url, auth: Auth, options: SessionOptions) -> Self {
        let inner = Arc::new(Inner {
            transport,
            auth_url,
            auth,
            turns: options.takes_turns.then(turns::Turns::default),
            options,
            identity: tokio::sync::OnceCell::new(),
            snapshot: ArcSwapOption::empty(),
            renewal: Arc::default(),
            attempts: AtomicU64::new(0),
            absence: absence::Absence::default(),
        });
        Self { current: Arc::new(ArcSwap::new(inner.clone())), inner, traffic: Traffic::default() }
    }

    /// From now on this session, with all its clones, works as `newer` does: with its way to the cloud, its credentials,
    /// its options and, if it has one already, its token. Calls under way go on.
    pub fn replace(&self, newer: &Self) {
        self.current.store(newer.current.load_full());
    }

    /// The session as a call that begins now sees it, to its end.
    fn now(&self) -> Self {
        Self { inner: self.current.load_full(), ..self.clone() }
    }

    /// Makes sure that there is a token: tells at the start of a program whether its credentials are right.
    pub async fn authenticate(&self) -> Result<(), Error> {
        let now = self.now();
        now.fresh(now.deadline()).await.map(|_| ())
    }

    /// The project the token is good for; `None` when it is not a project's.
    pub async fn project_id(&self) -> Result<Option<ProjectId>, Error> {
        let now = self.now();
        Ok(now.fresh(now.deadline()).await?.project_id.clone())
    }

    /// Where Neutron is, with its version.
    pub async fn network_endpoint(&self) -> Result<Url, Error> {
        let now = self.now();
        let snapshot = now.fresh(now.deadline()).await?;
        now.network_endpoint_in(&snapshot)
    }

    /// Whether several calls in a row had no answer, the last a moment ago.
    pub fn is_away(&self) -> bool {
        self.now().inner.absence.known().is_some()
    }

    /// The calls that somebody waits for.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// How many calls the cloud is given at a time, as far as is known by now; `None`: any number.
    pub fn calls_at_a_time(&self) -> Option<usize> {
        self.now().inner.turns.as_ref().map(turns::Turns::at_a_time)
    }

    /// How many calls wait until the cloud has done others.
    pub fn calls_waiting(&self) -> usize {
        self.now().inner.turns.as_ref().map_or(0, turns::Turns::waiting)
    }

    fn network_endpoint_in(&self, snapshot: &Snapshot) -> Result<Url, Error> {
        let options = &self.inner.options;
        let endpoint = match &options.network_endpoint {
            Some(url) => url.clone(),
            None => snapshot.catalog.endpoint("network", options.interface, options.region.as_deref())?,
        };
        Ok(versioned(&endpoint, "v2.0"))
    }

    fn deadline(&self) -> Instant {
        let timeout = self.inner.options.timeout;
        Instant::now() + time_left().map_or(timeout, |left| left.min(timeout))
    }
}
