//! The five calls that every resource has.

use crate::{
    api::{
        Api, answer, body,
        neutron::{
            Refusal,
            asker::{Asker, PathParts, expected_revision},
            attributes::{Attributes, Purpose},
            describe,
            exposed::{Answered, Exposed, answered, changed, find},
            list::{Page, page},
            query::Query,
        },
        routes::Routes,
    },
    engine::{Context, Record},
};
use axum::{
    extract::{RawQuery, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use kuryr_neutron::{Fault, FaultKind};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};
use std::sync::Arc;

/// `/{PATH}` and `/{PATH}/{id}` of one resource.
pub fn routes<R: Exposed>(base: &str) -> Routes {
    let (all, one) = (format!("{base}/{}", R::PATH), format!("{base}/{}/{{id}}", R::PATH));
    Routes::default()
        .get(&all, list::<R>, describe::list::<R>())
        .post(&all, create::<R>, describe::create::<R>())
        .put(&all, nothing::<R>, describe::nothing())
        .delete(&all, nothing::<R>, describe::nothing())
        .get(&one, show::<R>, describe::show::<R>())
        .put(&one, update::<R>, describe::update::<R>())
        .delete(&one, delete::<R>, describe::delete::<R>())
}

async fn list<R: Exposed>(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    RawQuery(text): RawQuery,
) -> Result<Response, Refusal> {
    listed::<R>(&api, &context, &text.unwrap_or_default(), |_| true).await
}

/// Answers a list of what is `within`.
pub async fn listed<R: Exposed>(
    api: &Api,
    context: &Context,
    text: &str,
    within: impl Fn(&R::Row) -> bool,
) -> Result<Response, Refusal> {
    let query = Query::parse(text)?;
    if api.engine.read(|state| R::wants_seed(state, context)) {
        let asking = context.clone();
        api.engine.write(move |txn| R::seed(txn, &asking)).await?;
    }
    let page = api.engine.read(|state| page::<R>(state, context, &query, within))?;
    let links = if query.limit.is_some() { links(api, text, &page) } else { Vec::new() };
    let body = ListBody { items: &page.items, links, context, fields: &query.fields };
    Ok(answer::json(StatusCode::OK, &body))
}

/// Answers one.
pub async fn show<R: Exposed>(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts(id): PathParts<String>,
    RawQuery(text): RawQuery,
) -> Result<Response, Refusal> {
    let fields = Query::parse(&text.unwrap_or_default())?.fields;
    let id = id.parse::<R::Id>().map_err(|_| R::not_found(&id))?;
    let resource =
        api.engine.read(|state| find::<R>(state, &context, id).map(|resource| resource.shown(state, &context)))?;
    Ok(one(StatusCode::OK, &resource, &context, &fields))
}

/// A change or a deletion of no resource at all: Neutron looks for one called `None`.
async fn nothing<R: Exposed>(_: Asker) -> Refusal {
    R::not_found("None").into()
}

async fn create<R: Exposed>(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    request: Request,
) -> Result<Response, Refusal> {
    created::<R>(&api, context, request, |new| new).await
}

/// Creates one or several; `place` says where.
pub async fn created<R: Exposed>(
    api: &Api,
    context: Context,
    request: Request,
    place: impl Fn(R::New) -> R::New,
) -> Result<Response, Refusal> {
    let mut body = body::read_object(request.into_body()).await?;
    let (objects, many) = match (body.remove(R::COLLECTION), body.remove(R::MEMBER)) {
        (Some(_), _) if !R::BULK => {
            return Err(Fault::bad_request("HTTPBadRequest", "Bulk operation not supported").into());
        }
        (Some(Value::Array(items)), _) if items.is_empty() => {
            return Err(Fault::bad_request("HTTPBadRequest", "Resources required").into());
        }
        (Some(Value::Array(items)), _) => (items, true),
        (None, Some(item)) => (vec![item], false),
        _ => return Err(no_member::<R>()),
    };
    let parse = |object| parse::<R, _>(object, Purpose::Create, &context, R::parse_new).map(&place);
    let new: Vec<R::New> = objects.into_iter().map(parse).collect::<Result<_, _>>()?;
    let asking = context.clone();
    let committed = api.engine.write(move |txn| R::create(txn, &asking, new)).await?;
    let mut made = committed.value;
    let concerns = |resource: &R| R::concerns_data_plane(None, Some(resource));
    if made.iter().any(concerns) && api.wait(committed.revision).await.is_err() {
        made = break_promises(api, made, |resource| R::promises(None, resource)).await?;
    }
    let shown: Vec<R> = api.engine.read(|state| made.iter().map(|resource| resource.shown(state, &context)).collect());
    match shown.first() {
        Some(resource) if !many => Ok(one(StatusCode::CREATED, resource, &context, &[])),
        _ => {
            let body = ListBody { items: &shown, links: Vec::new(), context: &context, fields: &[] };
            Ok(answer::json(StatusCode::CREATED, &body))
        }
    }
}

/// Changes one.
pub async fn update<R: Exposed>(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts(id): PathParts<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Refusal> {
    let revision = expected_revision(&headers)?;
    let id = id.parse::<R::Id>().map_err(|_| R::not_found(&id))?;
    let mut body = body::read_object(request.into_body()).await?;
    let object = body.remove(R::MEMBER).ok_or_else(no_member::<R>)?;
    let change = parse::<R, _>(object, Purpose::Update, &context, R::parse_update)?;
    let before = api.engine.read(|state| R::Row::table(state).get(&id).cloned());
    let asking = context.clone();
    let committed = api.engine.write(move |txn| R::update(txn, &asking, id, change, revision)).await?;
    let before = before.as_deref().map(R::of);
    let concerns = R::concerns_data_plane(before, Some(&committed.value));
    let mut now = vec![committed.value];
    if concerns && api.wait(committed.revision).await.is_err() {
        now = break_promises(&api, now, |resource| R::promises(before, resource)).await?;
    }
    let shown: Vec<R> = api.engine.read(|state| now.iter().map(|resource| resource.shown(state, &context)).collect());
    let resource = shown.first().ok_or_else(Refusal::unknown_path)?;
    Ok(member::<R>(StatusCode::OK, changed(resource, &context)))
}

/// Deletes one.
pub async fn delete<R: Exposed>(
    State(api): State<Arc<Api>>,
    Asker(context): Asker,
    PathParts(id): PathParts<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let revision = expected_revision(&headers)?;
    let id = id.parse::<R::Id>().map_err(|_| R::not_found(&id))?;
    let committed = api
        .engine
        .write(move |txn| {
            let before = R::Row::table(txn).get(&id).cloned();
            if let (Some(expected), Some(row)) = (revision, &before) {
                check_revision(expected, R::of(row).revision())?;
            }
            R::delete(txn, &context, id)?;
            Ok(before)
        })
        .await?;
    if R::concerns_data_plane(committed.value.as_deref().map(R::of), None) {
        // It is gone either way; what the kernel still has of it, the data plane takes away later.
        let _ = api.wait(committed.revision).await;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn check_revision(expected: u64, current: u64) -> Result<(), Fault> {
    if expected == current {
        return Ok(());
    }
    let message = format!("Constrained to {expected}, but current revision is {current}");
    Err(Fault::new(FaultKind::PreconditionFailed, "RevisionNumberConstraintFailed", message))
}

/// Tells in the state, and so in the answer, what was promised and is not in force.
async fn break_promises<R: Exposed>(api: &Api, made: Vec<R>, promised: impl Fn(&R) -> bool) -> Result<Vec<R>, Fault> {
    let promised: Vec<bool> = made.iter().map(promised).collect();
    if !promised.contains(&true) {
        return Ok(made);
    }
    let told = api.engine.write(move |txn| {
        let tell = |(resource, promised): (&R, &bool)| {
            if *promised { R::break_promise(txn, resource) } else { Ok(resource.clone()) }
        };
        made.iter().zip(&promised).map(tell).collect::<Result<Vec<R>, Fault>>()
    });
    Ok(told.await?.value)
}

fn parse<R: Exposed, T>(
    object: Value,
    purpose: Purpose,
    context: &Context,
    read: fn(&mut Attributes<'_>) -> Result<T, Fault>,
) -> Result<T, Refusal> {
    let Value::Object(object) = object else { return Err(no_member::<R>()) };
    let mut attributes = Attributes::new(object, purpose, R::MEMBER, context.is_admin, &context.project_id);
    let read = read(&mut attributes)?;
    let known = match purpose {
        Purpose::Create => R::READ_ONLY.to_vec(),
        Purpose::Update => [R::READ_ONLY, R::CREATE_ONLY].concat(),
    };
    attributes.finish(&known)?;
    Ok(read)
}

fn no_member<R: Exposed>() -> Refusal {
    Fault::bad_request("HTTPBadRequest", format!("Unable to find '{}' in request body", R::MEMBER)).into()
}

fn one<R: Exposed>(status: StatusCode, resource: &R, context: &Context, fields: &[String]) -> Response {
    member::<R>(status, answered(resource, context, fields))
}

fn member<R: Exposed>(status: StatusCode, answer: Value) -> Response {
    answer::json(status, &Map::from_iter([(R::MEMBER.to_owned(), answer)]))
}

/// `next` and `previous`, with the query that leads there.
fn links<R: Exposed>(api: &Api, query: &str, page: &Page<R>) -> Vec<Value> {
    let link = |relation: &str, marker: &R, reverse: bool| {
        let kept =
            url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key != "marker" && key != "page_reverse");
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(kept).append_pair("marker", &marker.id().to_string());
        if reverse {
            query.append_pair("page_reverse", "True");
        }
        let href = format!("{}?{}", api.site.url(&format!("/networking/v2.0/{}", R::PATH)), query.finish());
        serde_json::json!({"rel": relation, "href": href})
    };
    let next = page.items.last().filter(|_| page.next).map(|last| link("next", last, false));
    let previous = page.items.first().filter(|_| page.previous).map(|first| link("previous", first, true));
    next.into_iter().chain(previous).collect()
}

/// A list as answered. For administrators who want all attributes nothing is built in between.
struct ListBody<'a, R> {
    items: &'a [R],
    links: Vec<Value>,
    context: &'a Context,
    fields: &'a [String],
}

impl<R: Exposed> Serialize for ListBody<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.context.is_admin && self.fields.is_empty() && !R::DECORATED {
            let items: Vec<_> = self.items.iter().map(Answered::new).collect();
            map.serialize_entry(R::COLLECTION, &items)?;
        } else {
            let items: Vec<_> = self.items.iter().map(|item| answered(item, self.context, self.fields)).collect();
            map.serialize_entry(R::COLLECTION, &items)?;
        }
        if !self.links.is_empty() {
            map.serialize_entry(&format!("{}_links", R::COLLECTION), &self.links)?;
        }
        map.end()
    }
}
