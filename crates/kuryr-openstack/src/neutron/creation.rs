//! Creating, once and no more, also when the answer is lost.
//!
//! A creation whose answer is late, broken or nonsense may have been carried out, and Neutron lets nobody choose an id.
//! So each creation names its request in the description, where it can be looked for: found, it is as good as answered;
//! not found, it is looked for again later, and removed if it came after all, for its caller was told that it failed.

use super::{LOOKING, Neutron, Query, agreement, encoded, member, nonsense};
use crate::{
    Error,
    session::{Answer, ServiceCall, within},
};
use http::Method;
use kuryr_neutron::Resource;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;
use uuid::Uuid;

/// When a creation that was not found is looked for again: a service behind a load balancer that gave up on it may
/// still be at it.
const LATER: [Duration; 4] =
    [Duration::from_secs(2), Duration::from_secs(15), Duration::from_secs(60), Duration::from_secs(300)];

/// First words of the description of everything that is created; the id of the request and the client's signature follow.
pub const CREATED_BY_KURYR: &str = "Created by Kuryr, ";

impl Neutron {
    /// Creates one. Never carried out twice; one whose answer is lost is found again, or removed.
    ///
    /// Unless it says something else, its description becomes `Created by Kuryr, req-…`, with the id of the request by
    /// which the cloud's logs can be searched, and the client's signature ([`Neutron::signed`]).
    pub async fn create<R: Resource>(&self, new: &R::New) -> Result<R, Error> {
        let mut body = encoded(R::MEMBER, new)?;
        let request = Request::new(&self.signature);
        let is_marked = request.mark(&mut body);
        let asked = body.clone();
        let post = async {
            let (created, answer) = self.post::<R, R>(R::MEMBER, body, &request).await?;
            if is_marked && !request.made(&created) || !is_marked && !is_named(&created, &asked) {
                let reason = format!("it tells of {} {}, which this request did not create", R::MEMBER, created.id());
                return Err(nonsense(&answer, reason));
            }
            Ok(created)
        };
        match post.await {
            // What describes itself otherwise is known by its name, if it has one and is alone with it.
            Err(error) if !is_marked && error.may_have_happened() => match self.find_named::<R>(&asked).await {
                Some(found) => Ok(found),
                None => Err(error),
            },
            Err(error) if is_marked && error.may_have_happened() => match self.find_marked::<R>(&request).await {
                Some(mut found) if found.len() == 1 => {
                    tracing::warn!(%error, "was created all the same, and is used");
                    Ok(found.remove(0))
                }
                _ => Err(self.later::<R>(request, error)),
            },
            result => result,
        }
    }

    /// Creates many with one call, all or none, in this order. None at all is no call. See [`Neutron::create`].
    pub async fn create_many<R: Resource>(&self, new: &[R::New]) -> Result<Vec<R>, Error> {
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let mut body = encoded(R::COLLECTION, new)?;
        let request = Request::new(&self.signature);
        let is_marked = body.as_array_mut().is_some_and(|all| all.iter_mut().all(|one| request.mark(one)));
        let post = async {
            let (created, answer) = self.post::<R, Vec<R>>(R::COLLECTION, body, &request).await?;
            let ours = created.iter().filter(|one| !is_marked || request.made(*one)).count();
            if ours != new.len() || created.len() != new.len() {
                let reason = format!("{} {} asked for, {ours} told", new.len(), R::COLLECTION);
                return Err(nonsense(&answer, reason));
            }
            Ok(created)
        };
        match post.await {
            Err(error) if is_marked && error.may_have_happened() => {
                // Which is which cannot be told: all of them go.
                if let Some(found) = self.find_marked::<R>(&request).await
                    && !found.is_empty()
                {
                    within(LOOKING, self.remove(found)).await;
                }
                Err(self.later::<R>(request, error))
            }
            result => result,
        }
    }

    async fn post<R: Resource, T: DeserializeOwned>(
        &self,
        key: &str,
        body: Value,
        request: &Request,
    ) -> Result<(T, Answer), Error> {
        let call = ServiceCall {
            request_id: Some(request.id.clone()),
            body: Some(super::wrapped(key, body)),
            ..ServiceCall::new(Method::POST, R::PATH)
        };
        let answer = self.session.call(call).await.result?;
        Ok((member(&answer, key)?, answer))
    }

    /// The only one with the name and description that were asked for.
    async fn find_named<R: Resource>(&self, asked: &Value) -> Option<R> {
        let name = asked["name"].as_str().filter(|name| !name.is_empty())?;
        let mut found: Vec<R> = within(LOOKING, self.list::<R>(&Query::new().eq("name", name))).await.ok()?;
        found.retain(|one| is_named(one, asked));
        if found.len() == 1 { found.pop() } else { None }
    }

    /// What this request has created; `None`: the cloud does not say.
    async fn find_marked<R: Resource>(&self, request: &Request) -> Option<Vec<R>> {
        let query = Query::new().eq("description", request.description());
        let mut found = match within(LOOKING, self.list::<R>(&query)).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, request = %request.id, "cannot tell whether a failed request created something");
                return None;
            }
        };
        // A service that does not know the filter answers with everything there is.
        found.retain(|one| request.made(one));
        Some(found)
    }

    /// Looks again in the background, and hands the error on.
    fn later<R: Resource>(&self, request: Request, error: Error) -> Error {
        let neutron = self.clone();
        tokio::spawn(async move {
            for pause in LATER {
                sleep(pause).await;
                if let Some(found) = neutron.find_marked::<R>(&request).await
                    && !found.is_empty()
                {
                    neutron.remove(found).await;
                }
            }
        });
        error
    }

    async fn remove<R: Resource>(&self, found: Vec<R>) {
        for one in found {
            let (kind, id) = (R::MEMBER, one.id());
            match self.delete_if_exists::<R>(id).await {
                Ok(_) => tracing::info!(kind, %id, "removed what a failed request had created"),
                Err(error) => tracing::error!(kind, %id, %error, "a failed request has left it; remove it by hand"),
            }
        }
    }
}

/// A request that creates something, by the id that the cloud's logs have.
struct Request {
    id: String,
    signature: Arc<str>,
}

impl Request {
    fn new(signature: &Arc<str>) -> Self {
        Self { id: format!("req-{}", Uuid::new_v4()), signature: Arc::clone(signature) }
    }

    fn description(&self) -> String {
        format!("{CREATED_BY_KURYR}{}{}", self.id, self.signature)
    }

    /// Names this request in the description; false when the description says something else already.
    fn mark(&self, new: &mut Value) -> bool {
        let Some(new) = new.as_object_mut() else { return false };
        let is_free = new.get("description").is_none_or(|text| text.is_null() || text == "");
        if is_free {
            new.insert("description".to_owned(), self.description().into());
        }
        is_free
    }

    fn made<R: Resource>(&self, one: &R) -> bool {
        serde_json::to_value(one).is_ok_and(|one| one["description"] == self.description())
    }
}

/// True when a resource has the name and description that were asked for.
fn is_named<R: Resource>(one: &R, asked: &Value) -> bool {
    let told = serde_json::to_value(one).unwrap_or_default();
    ["name", "description"].iter().all(|key| agreement::has(&told[key], &asked[key]))
}
