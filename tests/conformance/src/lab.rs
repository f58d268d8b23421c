//! Where one case works: names of its own, a list of what it made, and a list of what was not as it should be.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Call, Client, json_body};
use crate::matching::difference;

/// What a case returns when it cannot go on.
pub type Outcome = Result<()>;

/// The reason why a case does not apply to a cloud.
#[derive(Debug)]
pub struct Skipped(pub String);

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skipped {}

/// The place of one case.
pub struct Lab {
    /// The cloud.
    pub client: Arc<Client>,
    /// Another user, without rights of administration and in another project, when there is one.
    pub other: Option<Arc<Client>>,
    /// A host of the cloud, for ports to be bound to.
    pub host: String,
    prefix: String,
    counter: AtomicUsize,
    checks: AtomicUsize,
    problems: Mutex<Vec<String>>,
    undo: Mutex<Vec<(Method, String, Option<Value>)>>,
}

/// The JSON key of one resource of a collection, such as `port` of `ports` and of `ports?x=y`.
pub fn member(collection: &str) -> String {
    let collection = collection_of(collection);
    match collection.strip_suffix("ies") {
        Some(start) => format!("{start}y"),
        None => collection.strip_suffix('s').unwrap_or(&collection).to_owned(),
    }
}

/// The JSON key of several resources at a path: `ports` of `ports/1`, `policies` of `qos/policies/1`, and
/// `dscp_marking_rules` of `qos/policies/1/dscp_marking_rules/2`.
pub fn collection_of(path: &str) -> String {
    let mut segments = path.split('?').next().unwrap_or_default().split('/');
    let name = match segments.next() {
        Some("qos") => {
            let policies = segments.next();
            segments.nth(1).or(policies)
        }
        first => first,
    };
    name.unwrap_or_default().replace('-', "_")
}

/// A resource's id as text; empty when it has none.
pub fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap_or_default()
}

impl Lab {
    /// A new place; `prefix` begins every name.
    pub fn new(client: Arc<Client>, other: Option<Arc<Client>>, host: String, prefix: String) -> Self {
        Self {
            client,
            other,
            host,
            prefix,
            counter: AtomicUsize::new(0),
            checks: AtomicUsize::new(0),
            problems: Mutex::default(),
            undo: Mutex::default(),
        }
    }

    /// A name that nobody else uses.
    pub fn name(&self) -> String {
        format!("{}-{}", self.prefix, self.counter.fetch_add(1, Ordering::Relaxed))
    }

    /// The user's project.
    pub fn project(&self) -> &str {
        self.client.about["project"]["id"].as_str().unwrap_or_default()
    }

    /// Checks so far, and what was wrong.
    pub fn verdict(self) -> (usize, Vec<String>) {
        (self.checks.into_inner(), self.problems.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that something is not as it should be; the case goes on.
    pub fn check(&self, holds: bool, problem: impl FnOnce() -> String) {
        self.checks.fetch_add(1, Ordering::Relaxed);
        if !holds {
            self.problems.lock().unwrap_or_else(PoisonError::into_inner).push(problem());
        }
    }

    /// Everything in `wanted` is in `actual`; objects may have more, lists may not.
    pub fn same(&self, what: &str, actual: &Value, wanted: Value) {
        let found = difference(&wanted, actual);
        self.check(found.is_none(), || format!("{what}: {}", found.unwrap_or_default()));
    }

    /// Ends a case that does not apply.
    pub fn skip<T>(&self, reason: impl Into<String>) -> Result<T> {
        Err(Skipped(reason.into()).into())
    }

    /// A call of Neutron; `path` is below the version.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer> {
        self.call_as(&self.client, method, path, body).await
    }

    /// A call of Neutron as another user.
    pub async fn call_as(&self, who: &Client, method: Method, path: &str, body: Option<Value>) -> Result<Answer> {
        self.raw(who, method, path, body.as_ref().map(json_body), Vec::new()).await
    }

    /// A call of Neutron with headers and bytes of any kind.
    pub async fn raw(
        &self,
        who: &Client,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        headers: Vec<(&'static str, String)>,
    ) -> Result<Answer> {
        let url = format!("{}/{path}", who.network).trim_end_matches('/').to_owned();
        who.send(Call { method, url, token: Some(who.token.clone()), headers, body }).await
    }

    /// `GET`, which must work.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.call(Method::GET, path, None).await?;
        self.worked(&Method::GET, path, answer, 200)
    }

    /// `GET` of one resource, which must work.
    pub async fn show(&self, collection: &str, resource: &Value) -> Result<Value> {
        let body = self.get(&format!("{collection}/{}", id(resource))).await?;
        Ok(body[member(collection)].clone())
    }

    /// `GET` of a list, which must work.
    pub async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let collection = collection_of(path);
        let body = self.get(path).await?;
        body[&collection].as_array().cloned().with_context(|| format!("GET {path} answered no '{collection}': {body}"))
    }

    /// `POST` of one resource, which must work; it is deleted at the end.
    pub async fn create(&self, collection: &str, attributes: Value) -> Result<Value> {
        let member = member(collection);
        let body = json!({ &member: attributes });
        let answer = self.call(Method::POST, collection, Some(body)).await?;
        self.forget_later(collection, &answer.body[&member]);
        Ok(self.worked(&Method::POST, collection, answer, 201)?[&member].clone())
    }

    /// `POST` of several, which must work; they are deleted at the end.
    pub async fn create_many(&self, collection: &str, attributes: Value) -> Result<Vec<Value>> {
        let key = collection.replace('-', "_");
        let answer = self.call(Method::POST, collection, Some(json!({ &key: attributes }))).await?;
        let made = answer.body[&key].as_array().cloned().unwrap_or_default();
        made.iter().for_each(|one| self.forget_later(collection, one));
        self.worked(&Method::POST, collection, answer, 201)?;
        Ok(made)
    }

    /// `PUT` of one resource, which must work.
    pub async fn update(&self, collection: &str, resource: &Value, attributes: Value) -> Result<Value> {
        let path = format!("{collection}/{}", id(resource));
        let member = member(collection);
        let answer = self.call(Method::PUT, &path, Some(json!({ &member: attributes }))).await?;
        Ok(self.worked(&Method::PUT, &path, answer, 200)?[&member].clone())
    }

    /// `DELETE` of one resource, which must work.
    pub async fn delete(&self, collection: &str, resource: &Value) -> Outcome {
        let path = format!("{collection}/{}", id(resource));
        let answer = self.call(Method::DELETE, &path, None).await?;
        self.worked(&Method::DELETE, &path, answer, 204).map(drop)
    }

    /// `PUT` of anything, which must answer 200.
    pub async fn put(&self, path: &str, body: Value) -> Result<Value> {
        let answer = self.call(Method::PUT, path, Some(body)).await?;
        self.worked(&Method::PUT, path, answer, 200)
    }

    /// The call must be refused with this status, this type and words that contain these. What it made in spite of
    /// that is deleted at the end.
    pub async fn refused(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        status: u16,
        error_type: &str,
        words: &str,
    ) -> Outcome {
        let shown = body.as_ref().map(Value::to_string).unwrap_or_default();
        let answer = self.call(method.clone(), path, body).await?;
        if method == Method::POST && answer.status == 201 {
            self.forget_later(path, &answer.body[member(path)]);
        }
        let right = answer.status == status && answer.error_type() == error_type && answer.message().contains(words);
        self.check(right, || {
            format!(
                "{method} /{path} {shown}\n    wanted {status} {error_type} \"{words}\"\n    was    {} {} \"{}\"",
                answer.status,
                answer.error_type(),
                if answer.message().is_empty() { answer.body.to_string() } else { answer.message().to_owned() },
            )
        });
        Ok(())
    }

    /// A `POST` of one resource that must be refused.
    pub async fn no_create(
        &self,
        collection: &str,
        attributes: Value,
        status: u16,
        error_type: &str,
        words: &str,
    ) -> Outcome {
        let body = json!({ member(collection): attributes });
        self.refused(Method::POST, collection, Some(body), status, error_type, words).await
    }

    /// A `PUT` of one resource that must be refused.
    pub async fn no_update(
        &self,
        collection: &str,
        resource: &Value,
        attributes: Value,
        status: u16,
        error_type: &str,
        words: &str,
    ) -> Outcome {
        let path = format!("{collection}/{}", id(resource));
        let body = json!({ member(collection): attributes });
        self.refused(Method::PUT, &path, Some(body), status, error_type, words).await
    }

    /// A `DELETE` of one resource that must be refused.
    pub async fn no_delete(
        &self,
        collection: &str,
        resource: &Value,
        status: u16,
        error_type: &str,
        words: &str,
    ) -> Outcome {
        let path = format!("{collection}/{}", id(resource));
        self.refused(Method::DELETE, &path, None, status, error_type, words).await
    }

    fn worked(&self, method: &Method, path: &str, answer: Answer, status: u16) -> Result<Value> {
        self.checks.fetch_add(1, Ordering::Relaxed);
        if answer.status != status {
            bail!("{method} /{path}: wanted {status}, was {} {}", answer.status, answer.body);
        }
        Ok(answer.body)
    }

    fn forget_later(&self, collection: &str, resource: &Value) {
        if !id(resource).is_empty() {
            self.undo_later(Method::DELETE, format!("{collection}/{}", id(resource)), None);
        }
    }

    /// A call of Neutron to make at the end; the last one noted is made first.
    pub fn undo_later(&self, method: Method, path: String, body: Option<Value>) {
        self.undo_at(method, format!("{}/{path}", self.client.network), body);
    }

    /// The same with the whole URL.
    pub fn undo_at(&self, method: Method, url: String, body: Option<Value>) {
        self.undo.lock().unwrap_or_else(PoisonError::into_inner).push((method, url, body));
    }

    /// Takes everything away again.
    pub async fn clean(&self) {
        let undo = std::mem::take(&mut *self.undo.lock().unwrap_or_else(PoisonError::into_inner));
        for (method, path, body) in undo.into_iter().rev() {
            let body = body.as_ref().map(json_body);
            let token = Some(self.client.token.clone());
            let call = Call { method: method.clone(), url: path.clone(), token, headers: Vec::new(), body };
            match self.client.send(call).await {
                Ok(answer) if answer.status < 300 || answer.status == 404 => {}
                // A router without this interface, because the case has taken it away.
                Ok(answer) if path.ends_with("router_interface") && answer.status == 409 => {}
                Ok(answer) => {
                    self.check(false, || format!("left behind: {method} {path}: {} {}", answer.status, answer.body))
                }
                Err(error) => self.check(false, || format!("left behind: {path}: {error:#}")),
            }
        }
    }
}
