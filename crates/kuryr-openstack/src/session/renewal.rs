//! Getting tokens: once for all who need one.

use super::{Session, exchange::Exchange, repeat::Repeat};
use crate::{
    Error,
    auth::{self, Discovered, Identity, IssuedToken, Proof},
    catalog::{Catalog, join, public},
};
use bytes::Bytes;
use http::Method;
use kuryr_neutron::ProjectId;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{
    sync::OwnedMutexGuard,
    time::{Instant, timeout_at},
};
use url::Url;

/// How long before its end a token is renewed, unless it lives only shortly.
const MARGIN: Duration = Duration::from_secs(120);
/// A token that ends this soon is not used any more: it must outlive its call's way to the service.
const LAST_MOMENT: Duration = Duration::from_secs(2);
/// Wait after a renewal failed while the old token still works.
const RENEWAL_PAUSE: Duration = Duration::from_secs(10);

/// A token and what came with it.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    /// Counts tokens from 1.
    pub(super) generation: u64,
    /// `None`: nobody asks who we are.
    pub(super) proof: Option<Proof>,
    pub(super) catalog: Catalog,
    pub(super) project_id: Option<ProjectId>,
    renew_at: Option<Instant>,
    unusable_at: Option<Instant>,
}

impl Snapshot {
    /// `asked`: when the token was asked for, from which its life is counted, to be on the safe side.
    fn new(generation: u64, token: IssuedToken, asked: Instant, can_renew: bool) -> Self {
        let before_end = |margin: Duration| {
            // A tenth at most, so that a short life is not all renewal.
            token.lifetime.and_then(|life| asked.checked_add(life.saturating_sub(margin.min(life / 10))))
        };
        Self {
            generation,
            renew_at: if can_renew { before_end(MARGIN) } else { None },
            unusable_at: before_end(LAST_MOMENT),
            proof: Some(Proof::token(token.header)),
            catalog: token.catalog,
            project_id: token.project_id,
        }
    }

    /// Without Keystone: nothing ends, and nothing is known of the cloud.
    fn standing(proof: Option<Proof>) -> Self {
        let catalog = Catalog::default();
        Self { generation: 1, proof, catalog, project_id: None, renew_at: None, unusable_at: None }
    }

    fn is_past(moment: Option<Instant>) -> bool {
        moment.is_some_and(|m| Instant::now() >= m)
    }
}

/// What the last attempt to get a token came to.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    last_error: Option<Error>,
}

impl Session {
    /// A token that can be used now.
    pub(super) async fn fresh(&self, deadline: Instant) -> Result<Arc<Snapshot>, Error> {
        match self.inner.snapshot.load_full() {
            None if !self.inner.auth.uses_keystone() => self.standing(),
            None => self.renewed(0, deadline).await,
            Some(snapshot) if Snapshot::is_past(snapshot.unusable_at) => {
                self.renewed(snapshot.generation, deadline).await
            }
            Some(snapshot) => {
                if Snapshot::is_past(snapshot.renew_at) {
                    self.renew_behind(snapshot.generation);
                }
                Ok(snapshot)
            }
        }
    }

    fn standing(&self) -> Result<Arc<Snapshot>, Error> {
        let proof = auth::standing_proof(&self.inner.auth).map_err(|expected| Error::Invalid {
            field: "token or password",
            value: "(hidden)".to_owned(),
            expected: expected.to_owned(),
        })?;
        let snapshot = Arc::new(Snapshot::standing(proof));
        self.inner.snapshot.store(Some(snapshot.clone()));
        Ok(snapshot)
    }

    /// A token newer than the one of this generation. Of all who wait, one asks; a failure is everybody's.
    pub(super) async fn renewed(&self, generation: u64, deadline: Instant) -> Result<Arc<Snapshot>, Error> {
        let inner = &self.inner;
        let attempts = inner.attempts.load(Ordering::Acquire);
        let Ok(renewal) = timeout_at(deadline, inner.renewal.clone().lock_owned()).await else {
            return Err(self.no_token(&inner.auth_url, "another call has waited for it until our deadline".to_owned()));
        };
        if let Some(snapshot) = inner.snapshot.load_full()
            && snapshot.generation > generation
        {
            return Ok(snapshot);
        }
        if inner.attempts.load(Ordering::Acquire) > attempts
            && let Some(error) = &renewal.last_error
        {
            return Err(error.clone());
        }
        self.renew(renewal, deadline).await
    }

    /// Renews in the background, unless someone is at it already.
    fn renew_behind(&self, generation: u64) {
        let Ok(renewal) = self.inner.renewal.clone().try_lock_owned() else { return };
        let session = self.clone();
        tokio::spawn(async move {
            let current = session.inner.snapshot.load_full();
            let Some(current) = current.filter(|s| s.generation == generation) else { return };
            if let Err(error) = session.renew(renewal, session.deadline()).await {
                tracing::warn!(%error, "the token could not be renewed early; the old one is used while it lasts");
                let postponed = Snapshot { renew_at: Some(Instant::now() + RENEWAL_PAUSE), ..(*current).clone() };
                // Only if nobody has put a newer one there.
                session.inner.snapshot.compare_and_swap(&Some(current), Some(Arc::new(postponed)));
            }
        });
    }

    async fn renew(&self, mut renewal: OwnedMutexGuard<Renewal>, deadline: Instant) -> Result<Arc<Snapshot>, Error> {
        let asked = Instant::now();
        let result = self.issue(deadline).await;
        let inner = &self.inner;
        inner.attempts.fetch_add(1, Ordering::Release);
        match result {
            Ok(token) => {
                let generation = inner.snapshot.load().as_ref().map_or(0, |s| s.generation) + 1;
                tracing::debug!(generation, lifetime = ?token.lifetime, "got a token");
                let snapshot = Arc::new(Snapshot::new(generation, token, asked, auth::can_renew(&inner.auth)));
                inner.snapshot.store(Some(snapshot.clone()));
                renewal.last_error = None;
                Ok(snapshot)
            }
            Err(error) => {
                renewal.last_error = Some(error.clone());
                Err(error)
            }
        }
    }

    async fn issue(&self, deadline: Instant) -> Result<IssuedToken, Error> {
        let identity = self.inner.identity.get_or_try_init(|| self.discover(deadline)).await?;
        let (path, body) =
            auth::request(identity, &self.inner.auth).map_err(|reason| self.no_token(&identity.url, reason))?;
        let url = join(&identity.url, path);
        let mut exchange = Exchange::new(Method::POST, url.clone(), Some(Bytes::from(body.to_string())), Repeat::Safe);
        let answer = self.exchange(&mut exchange, deadline).await.map_err(|error| match error.status() {
            Some(401) => self.refused(&url, 401, self.credentials_refused(&error)),
            Some(404) => self.refused(&url, 404, format!("{}; no Identity API here: check auth_url", words(&error))),
            Some(status) => self.refused(&url, status, words(&error)),
            None => self.no_token(&url, error.to_string()),
        })?;
        auth::issued(identity, answer.headers.get("x-subject-token"), &answer.body)
            .map_err(|reason| self.no_token(&url, reason))
    }

    async fn discover(&self, deadline: Instant) -> Result<Identity, Error> {
        let auth_url = &self.inner.auth_url;
        if let Some(identity) = auth::named_version(auth_url, self.inner.options.identity_version) {
            return Ok(identity);
        }
        let mut exchange = Exchange::new(Method::GET, join(auth_url, ""), None, Repeat::Safe);
        exchange.any_status = true;
        let answer =
            self.exchange(&mut exchange, deadline).await.map_err(|error| self.no_token(auth_url, error.to_string()))?;
        match auth::identity_url(auth_url, answer.status, &answer.body) {
            Discovered::Found(identity) => Ok(identity),
            Discovered::Neither(has) => {
                Err(self.no_token(auth_url, format!("this Keystone has neither v3 nor v2.0, only {}", has.join(", "))))
            }
        }
    }

    fn credentials_refused(&self, error: &Error) -> String {
        let (said, check) = (words(error), auth::what_to_check(&self.inner.auth));
        match self.inner.options.source.as_str() {
            "" => format!("{said}; {check}"),
            source => format!("{said}; {check} (credentials from {source})"),
        }
    }

    fn no_token(&self, url: &Url, reason: String) -> Error {
        Error::Auth { url: public(url), reason, status: None }
    }

    fn refused(&self, url: &Url, status: u16, reason: String) -> Error {
        Error::Auth { url: public(url), reason, status: Some(status) }
    }
}

/// What Keystone said, without the URL that the error names anyway.
fn words(error: &Error) -> String {
    match error.fault() {
        Some(fault) if fault.message.is_empty() => format!("it answered {} {}", fault.status, fault.ids()),
        Some(fault) => format!("it answered {}: {} {}", fault.status, fault.message, fault.ids()),
        None => error.to_string(),
    }
}
