//! One call: sent, repeated where that is safe, its refusal read.

use super::{
    Session, background,
    pace::Kind,
    patience,
    repeat::{self, Repeat, Verdict},
    turns::Turn,
};
use crate::{
    Call, CloudFault, Error,
    auth::Proof,
    catalog::{join, public},
    fault,
};
use bytes::Bytes;
use http::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, IF_MATCH},
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;
use uuid::Uuid;

/// A connection that did not come within this is not tried again.
const CONNECTED_WITHIN: Duration = Duration::from_secs(1);

/// A call that waits longer for its turn says so in the log.
const NOTABLE: Duration = Duration::from_millis(10);

/// A call of Neutron.
#[derive(Debug, Clone)]
pub(crate) struct ServiceCall {
    pub(crate) method: Method,
    /// Below the version, encoded, without a leading slash.
    pub(crate) path: String,
    /// Encoded, without the question mark; may be empty.
    pub(crate) query: String,
    pub(crate) body: Option<Bytes>,
    /// Only if the resource still has this revision.
    pub(crate) revision: Option<u64>,
    pub(crate) repeat: Repeat,
    /// The id that logs of the cloud shall have; `None`: a new one.
    pub(crate) request_id: Option<String>,
}

impl ServiceCall {
    /// A call without a body, repeated only when it was certainly not carried out.
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: String::new(),
            body: None,
            revision: None,
            repeat: Repeat::Unsent,
            request_id: None,
        }
    }
}

/// A success.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) call: Box<Call>,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) result: Result<Answer, Error>,
    /// True when an earlier attempt may have been carried out: a 404 may then be its doing.
    pub(crate) may_have_happened_before: bool,
}

/// The cloud's own id of a request, as its answer has it.
fn cloud_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-openstack-request-id")?.to_str().ok()?;
    Some(id.chars().take(64).collect())
}

/// A request with all that repeating it needs.
pub(super) struct Exchange {
    method: Method,
    url: Url,
    body: Option<Bytes>,
    repeat: Repeat,
    proof: Option<Proof>,
    revision: Option<u64>,
    request_id: String,
    /// Take refusals as answers.
    pub(super) any_status: bool,
    /// Calls of Neutron take turns, for they are many.
    takes_turns: bool,
    kind: Option<Kind>,
    may_have_happened: bool,
}

impl Exchange {
    pub(super) fn new(method: Method, mut url: Url, body: Option<Bytes>, repeat: Repeat) -> Self {
        // No OpenStack service reads them, and libraries below log URLs. Only URLs without a host refuse.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Self {
            method,
            url,
            body,
            repeat,
            proof: None,
            revision: None,
            request_id: format!("req-{}", Uuid::new_v4()),
            any_status: false,
            takes_turns: false,
            kind: None,
            may_have_happened: false,
        }
    }

    fn call(&self) -> Box<Call> {
        Box::new(Call {
            method: self.method.clone(),
            url: public(&self.url),
            request_id: self.request_id.clone(),
            answered_as: None,
        })
    }

    fn request(&self) -> Result<Request<Bytes>, Error> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(self.url.as_str())
            .header(ACCEPT, "application/json")
            .header("x-openstack-request-id", &self.request_id);
        if let Some(proof) = &self.proof {
            request = request.header(&proof.name, &proof.value);
        }
        if self.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if background::is_background() {
            let (name, value) = background::PRIORITY;
            request = request.header(name, value);
        }
        if let Some(revision) = self.revision {
            request = request.header(IF_MATCH, format!("revision_number={revision}"));
        }
        request.body(self.body.clone().unwrap_or_default()).map_err(|error| Error::Invalid {
            field: "request",
            value: public(&self.url),
            expected: format!("a URL that can be sent ({error})"),
        })
    }

    fn refusal(&self, answer: &Response<Bytes>) -> Error {
        let text = fault::parse(answer.body());
        Error::Fault(Box::new(CloudFault {
            status: answer.status().as_u16(),
            error_type: text.error_type,
            message: text.message,
            detail: text.detail,
            is_neutron: text.is_neutron,
            request_id: cloud_id(answer.headers()),
            sent_id: self.request_id.clone(),
            method: self.method.clone(),
            url: public(&self.url),
        }))
    }
}

impl Session {
    /// Calls Neutron. A refused token is replaced once.
    pub(crate) async fn call(&self, call: ServiceCall) -> Outcome {
        let _under_way = (!background::is_background()).then(|| self.traffic.begin());
        let mut session = self.now();
        if let Some(error) = session.inner.absence.spares() {
            return Outcome { result: Err(error), may_have_happened_before: false };
        }
        loop {
            let mut exchange = None;
            let result = session.call_once_authenticated(call.clone(), &mut exchange).await;
            session.inner.absence.observe(&result);
            let may_have_happened_before = exchange.is_some_and(|exchange| exchange.may_have_happened);
            let newer = session.now();
            let is_replaced = !Arc::ptr_eq(&newer.inner, &session.inner);
            if is_replaced && !may_have_happened_before && matches!(result, Err(Error::Auth { .. })) {
                session = newer;
                continue;
            }
            return Outcome { result, may_have_happened_before };
        }
    }

    async fn call_once_authenticated(&self, call: ServiceCall, kept: &mut Option<Exchange>) -> Result<Answer, Error> {
        let deadline = self.deadline();
        let snapshot = self.fresh(deadline).await?;
        let mut url = join(&self.network_endpoint_in(&snapshot)?, &call.path);
        url.set_query(Some(call.query.as_str()).filter(|q| !q.is_empty()));
        let exchange = kept.insert(Exchange::new(call.method, url, call.body, call.repeat));
        exchange.takes_turns = true;
        exchange.kind = Kind::of(&exchange.method, &call.path);
        exchange.revision = call.revision;
        if let Some(id) = call.request_id {
            exchange.request_id = id;
        }
        exchange.proof = snapshot.proof.clone();
        match self.exchange(exchange, deadline).await {
            Err(error) if error.status() == Some(401) && self.inner.auth.uses_keystone() => {
                let snapshot = self.renewed(snapshot.generation, deadline).await?;
                exchange.proof = snapshot.proof.clone();
                self.exchange(exchange, deadline).await
            }
            result => result,
        }
    }

    /// Sends, and repeats while the table of repetitions, the count and the deadline allow.
    pub(super) async fn exchange(&self, exchange: &mut Exchange, deadline: Instant) -> Result<Answer, Error> {
        let options = &self.inner.options;
        let mut delays = repeat::delays(options);
        let is_away = self.inner.absence.known().is_some();
        let mut first = None;
        loop {
            let turn = self.turn(exchange, deadline).await?;
            let begun = *first.get_or_insert_with(Instant::now);
            let (error, verdict) = match self.send(exchange, turn, deadline).await? {
                Ok(answer) => {
                    let verdict = repeat::judge_answer(exchange.repeat, answer.status(), answer.headers());
                    let refused = !answer.status().is_success() && !exchange.any_status;
                    if !refused && verdict == Verdict::Final {
                        let (head, body) = answer.into_parts();
                        let mut call = exchange.call();
                        call.answered_as = cloud_id(&head.headers);
                        return Ok(Answer { call, status: head.status, headers: head.headers, body });
                    }
                    (exchange.refusal(&answer), verdict)
                }
                Err(source) => {
                    let verdict = repeat::judge_failure(exchange.repeat, &source);
                    (Error::Transport { call: exchange.call(), source }, verdict)
                }
            };
            let Verdict::Again(wanted) = verdict else { return Err(error) };
            // Whoever knocked in vain a moment ago, or has just waited long for a connection, does not knock again.
            if error.is_without_connection() && (is_away || begun.elapsed() >= CONNECTED_WITHIN) {
                return Err(error);
            }
            let Some(delay) = delays.next() else { return Err(error) };
            let wait = wanted.unwrap_or(delay);
            if wanted.is_some_and(|w| w > options.retry_after_limit) || Instant::now() + wait >= deadline {
                return Err(error);
            }
            exchange.may_have_happened |= error.may_have_happened();
            tracing::debug!(%error, ?wait, "trying again");
            sleep(wait).await;
        }
    }

    /// Waits until the call's turn has come, if it takes one: what nobody waits for gives way by other means.
    async fn turn(&self, exchange: &Exchange, deadline: Instant) -> Result<Option<Turn>, Error> {
        if !exchange.takes_turns || background::is_background() {
            return Ok(None);
        }
        let Some(turns) = &self.inner.turns else { return Ok(None) };
        let asked = Instant::now();
        let Ok(turn) = timeout_at(deadline, turns.take(patience::began())).await else {
            return Err(Error::OutOfTime { call: exchange.call(), limit: asked.elapsed() });
        };
        let waited = asked.elapsed();
        if waited >= NOTABLE {
            tracing::debug!(request_id = %exchange.request_id, ?waited, "waited until the cloud had done others");
        }
        Ok(Some(turn))
    }

    async fn send(
        &self,
        exchange: &Exchange,
        turn: Option<Turn>,
        deadline: Instant,
    ) -> Result<Result<Response<Bytes>, crate::TransportError>, Error> {
        let request = exchange.request()?;
        let started = Instant::now();
        if let Some(limit) = patience::used_up() {
            return Err(Error::OutOfTime { call: exchange.call(), limit });
        }
        let sending = async {
            let sending = self.inner.transport.send(request);
            match turn {
                Some(turn) => turn.make(exchange.kind.clone(), sending).await,
                None => sending.await,
            }
        };
        let Ok(result) = timeout_at(deadline, sending).await else {
            let after = patience::used_up().unwrap_or(self.inner.options.timeout);
            return Err(Error::Timeout { call: exchange.call(), after });
        };
        tracing::debug!(
            method = %exchange.method,
            url = %public(&exchange.url),
            request_id = %exchange.request_id,
            status = result.as_ref().map_or(0, |r| r.status().as_u16()),
            elapsed = ?started.elapsed(),
            "called the cloud"
        );
        Ok(result)
    }
}
