//! Resources below another: forwarded ports of a floating IP, rules of a QoS policy.

use crate::{
    api::{
        Api,
        neutron::{
            Refusal,
            asker::{Asker, PathParts},
            collection::{self, created, listed},
            describe,
            exposed::{Exposed, find},
        },
        routes::Routes,
    },
    engine::{Context, Record},
};
use axum::{
    extract::{RawQuery, Request, State},
    response::Response,
};
use http::HeaderMap;
use kuryr_neutron::{Fault, Resource};
use std::sync::Arc;

/// What is served below `/v2.0/{PATH of the parent}/{id}/{PATH}`.
pub trait Nested: Exposed {
    /// What it is below.
    type Parent: Exposed;
    /// The parent of one.
    fn parent(row: &Self::Row) -> <Self::Parent as Resource>::Id;
    /// Puts a new one below a parent.
    fn place(new: Self::New, parent: <Self::Parent as Resource>::Id) -> Self::New;
    /// 404 of one that is not below a parent.
    fn absent(_parent: <Self::Parent as Resource>::Id, id: &str) -> Fault {
        Self::not_found(id)
    }
}

/// The five calls, below a parent.
pub fn routes<R: Nested>(base: &str) -> Routes {
    let all = format!("{base}/{}/{{parent}}/{}", R::Parent::PATH, R::PATH);
    let one = format!("{all}/{{id}}");
    Routes::default()
        .get(&all, list::<R>, describe::list::<R>().refuses(&[404]))
        .post(&all, create::<R>, describe::create::<R>())
        .get(&one, show::<R>, describe::show::<R>())
        .put(&one, update::<R>, describe::update::<R>())
        .delete(&one, delete::<R>, describe::delete::<R>())
}

type ParentId<R> = <<R as Nested>::Parent as Resource>::Id;

/// The parent, which must be there for the asker.
fn parent<R: Nested>(api: &Api, context: &Context, id: &str) -> Result<ParentId<R>, Refusal> {
    let parsed = id.parse().map_err(|_| R::Parent::not_found(id))?;
    api.engine.read(|state| find::<R::Parent>(state, context, parsed).map(|_| parsed)).map_err(Refusal::from)
}

/// One that is there, but below another parent, is not there.
fn check_place<R: Nested>(api: &Api, context: &Context, above: &str, id: &str) -> Result<(), Refusal> {
    let above = parent::<R>(api, context, above)?;
    let parsed = id.parse::<R::Id>().map_err(|_| R::absent(above, id))?;
    let is_below =
        api.engine.read(|state| R::Row::table(state).get(&parsed).is_some_and(|row| R::parent(row) == above));
    if is_below { Ok(()) } else { Err(R::absent(above, id).into()) }
}

async fn list<R: Nested>(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts(above): PathParts<String>,
    RawQuery(text): RawQuery,
) -> Result<Response, Refusal> {
    let above = parent::<R>(&api, &context, &above)?;
    listed::<R>(&api, &context, &text.unwrap_or_default(), |row| R::parent(row) == above).await
}

async fn create<R: Nested>(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts(above): PathParts<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let above = parent::<R>(&api, &context, &above)?;
    created::<R>(&api, context, request, |new| R::place(new, above)).await
}

async fn show<R: Nested>(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts((above, id)): PathParts<(String, String)>,
    query: RawQuery,
) -> Result<Response, Refusal> {
    check_place::<R>(&api, &context, &above, &id)?;
    collection::show::<R>(State(api), Asker(context), PathParts(id), query).await
}

async fn update<R: Nested>(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts((above, id)): PathParts<(String, String)>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Refusal> {
    check_place::<R>(&api, &context, &above, &id)?;
    collection::update::<R>(State(api), Asker(context), PathParts(id), headers, request).await
}

async fn delete<R: Nested>(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts((above, id)): PathParts<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    check_place::<R>(&api, &context, &above, &id)?;
    collection::delete::<R>(State(api), Asker(context), PathParts(id), headers).await
}
