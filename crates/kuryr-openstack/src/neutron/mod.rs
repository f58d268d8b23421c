//! The Networking API v2.0, for every resource of `kuryr-neutron` alike.

mod agreement;
mod creation;
mod encoding;
mod forwardings;
mod pages;
mod query;
mod routers;
mod tags;
mod trunks;

pub use creation::CREATED_BY_KURYR;
pub use query::Query;

use crate::{
    Error, Session, fault,
    session::{Answer, Outcome, Repeat, ServiceCall, within},
};
use bytes::Bytes;
use http::Method;
use kuryr_neutron::{Extension, Resource};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, value::RawValue};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// Most that looking what became of a call with a lost answer adds to its time.
const LOOKING: Duration = Duration::from_secs(10);

/// A typed client of Neutron. Clones share their session.
#[derive(Debug, Clone)]
pub struct Neutron {
    session: Session,
    /// What stands behind the request's id in the description of everything that is created.
    signature: Arc<str>,
}

impl Neutron {
    /// A client that calls through this session.
    pub fn new(session: Session) -> Self {
        Self { session, signature: Arc::from("") }
    }

    /// The same, with a signature of its own: what it creates is described as `Created by Kuryr, req-…<signature>`.
    pub fn signed(self, signature: &str) -> Self {
        Self { signature: Arc::from(signature), ..self }
    }

    /// What it adds to the descriptions of what it creates; nothing unless it was [signed](Self::signed).
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// One resource; one that is not there is an error ([`Error::is_not_found`]).
    pub async fn get<R: Resource>(&self, id: R::Id) -> Result<R, Error> {
        let answer = self.call(Method::GET, member_path::<R>(id), None, Repeat::Safe).await.result?;
        the_one::<R>(&answer, id)
    }

    /// One resource, or `None` when it is not there.
    pub async fn find<R: Resource>(&self, id: R::Id) -> Result<Option<R>, Error> {
        match self.get(id).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes one. Not repeated when the answer is lost, for someone else may have changed it meanwhile; but looked at.
    pub async fn update<R: Resource>(&self, id: R::Id, update: &R::Update) -> Result<R, Error> {
        self.put_member::<R>(id, None, update).await
    }

    /// Changes one, only if it still has this revision; otherwise [`Error::is_precondition_failed`].
    pub async fn update_if<R: Resource>(&self, id: R::Id, revision: u64, update: &R::Update) -> Result<R, Error> {
        self.put_member::<R>(id, Some(revision), update).await
    }

    async fn put_member<R: Resource>(&self, id: R::Id, revision: Option<u64>, update: &R::Update) -> Result<R, Error> {
        let asked = encoded(R::MEMBER, update)?;
        let body = Some(wrapped(R::MEMBER, asked.clone()));
        let call = ServiceCall { body, revision, ..ServiceCall::new(Method::PUT, member_path::<R>(id)) };
        let result = self.session.call(call).await.result.and_then(|answer| the_one::<R>(&answer, id));
        let Some(error) = result.as_ref().err().filter(|error| error.may_have_happened()) else { return result };
        // The answer is lost. If all is as it was asked for, it is as good as answered.
        match within(LOOKING, self.get::<R>(id)).await {
            Ok(found) if serde_json::to_value(&found).is_ok_and(|found| agreement::has(&found, &asked)) => {
                tracing::warn!(%error, "was changed all the same");
                Ok(found)
            }
            _ => result,
        }
    }

    /// Deletes one; one that is not there is an error, unless it went by an earlier attempt of this call.
    pub async fn delete<R: Resource>(&self, id: R::Id) -> Result<(), Error> {
        self.delete_path(member_path::<R>(id), None).await
    }

    /// Deletes one, only if it still has this revision, otherwise [`Error::is_precondition_failed`]; false when it was
    /// not there. Tags are part of the revision of what they are on.
    pub async fn delete_if<R: Resource>(&self, id: R::Id, revision: u64) -> Result<bool, Error> {
        match self.delete_path(member_path::<R>(id), Some(revision)).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes one; false when it was not there.
    pub async fn delete_if_exists<R: Resource>(&self, id: R::Id) -> Result<bool, Error> {
        match self.delete::<R>(id).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Aliases of the extensions that the cloud offers, such as `standard-attr-tag`.
    pub async fn extensions(&self) -> Result<BTreeSet<String>, Error> {
        let answer = self.call(Method::GET, "extensions".to_owned(), None, Repeat::Safe).await.result?;
        let extensions: Vec<Extension> = member(&answer, "extensions")?;
        Ok(extensions.into_iter().map(|extension| extension.alias).collect())
    }

    async fn delete_path(&self, path: String, revision: Option<u64>) -> Result<(), Error> {
        let call = ServiceCall { revision, repeat: Repeat::Safe, ..ServiceCall::new(Method::DELETE, path) };
        let outcome = self.session.call(call).await;
        match outcome.result {
            Err(error) if error.is_not_found() && outcome.may_have_happened_before => Ok(()),
            // Neutron has nothing to say; whoever has is not Neutron, or has not done it.
            Ok(answer) if !matches!(answer.body.trim_ascii(), b"" | b"null" | b"{}") => {
                Err(nonsense(&answer, "a deletion has no body".to_owned()))
            }
            result => result.map(|_| ()),
        }
    }

    async fn call(&self, method: Method, path: String, body: Option<Bytes>, repeat: Repeat) -> Outcome {
        self.session.call(ServiceCall { body, repeat, ..ServiceCall::new(method, path) }).await
    }
}

fn member_path<R: Resource>(id: R::Id) -> String {
    format!("{}/{}", R::PATH, encoding::segment(&id.to_string()))
}

/// `{"<key>": <value>}`.
fn encode<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Bytes, Error> {
    Ok(wrapped(key, encoded(key, value)?))
}

fn wrapped(key: &str, value: Value) -> Bytes {
    Bytes::from(Value::Object(Map::from_iter([(key.to_owned(), value)])).to_string())
}

fn encoded<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::Invalid {
        field: "body",
        value: key.to_owned(),
        expected: format!("something that JSON can say ({error})"),
    })
}

/// The resource that was asked for: what is done next is done to the id in it.
fn the_one<R: Resource>(answer: &Answer, id: R::Id) -> Result<R, Error> {
    let found: R = member(answer, R::MEMBER)?;
    if found.id() == id {
        return Ok(found);
    }
    Err(nonsense(answer, format!("{} {id} was asked for, {} came", R::MEMBER, found.id())))
}

/// What stands under the key of an answer's object.
fn member<T: DeserializeOwned>(answer: &Answer, key: &str) -> Result<T, Error> {
    let mut object: Object<'_> = decode(answer)?;
    let Some(value) = object.remove(key) else {
        return Err(nonsense(answer, format!("it has no '{key}'")));
    };
    serde_json::from_str(value.get()).map_err(|error| nonsense(answer, format!("{key}: {error}")))
}

/// A success whose words are of no interest: but they must be Neutron's, and not those of a failure.
fn done(answer: &Answer) -> Result<(), Error> {
    if answer.body.trim_ascii().is_empty() {
        return Ok(());
    }
    let told: Value = decode(answer)?;
    if told.get("NeutronError").is_some() { Err(nonsense(answer, format!("a success with {told}"))) } else { Ok(()) }
}

type Object<'a> = std::collections::BTreeMap<String, &'a RawValue>;

fn decode<'a, T: serde::Deserialize<'a>>(answer: &'a Answer) -> Result<T, Error> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        let beginning = String::from_utf8_lossy(&answer.body[..answer.body.len().min(80)]).into_owned();
        let beginning: String = beginning.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        nonsense(answer, format!("{error}; it begins with '{beginning}'"))
    })
}

fn nonsense(answer: &Answer, reason: String) -> Error {
    let reason = fault::bounded(&reason.chars().take(500).collect::<String>());
    Error::Decode { call: answer.call.clone(), status: answer.status.as_u16(), reason }
}
