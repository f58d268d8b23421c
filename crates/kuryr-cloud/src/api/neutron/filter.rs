//! Filters of lists, applied to typed resources before anything is serialised.

use crate::{
    api::neutron::{
        exposed::Exposed,
        scalar::{Kind, Scalar},
    },
    engine::{Context, State},
};
use kuryr_neutron::Fault;
use std::collections::BTreeMap;

/// Says whether a resource is wanted.
pub type Predicate<'a, R> = Box<dyn Fn(&R) -> bool + 'a>;

/// All filters of a query; a resource must pass each.
pub fn predicates<'a, R: Exposed>(
    filters: &BTreeMap<String, Vec<String>>,
    state: &'a State,
    context: &'a Context,
) -> Result<Vec<Predicate<'a, R>>, Fault> {
    let mut unknown = Vec::new();
    let mut found = Vec::new();
    for (name, values) in filters {
        match predicate::<R>(name, values, state, context) {
            None => unknown.push(name.as_str()),
            Some(Ok(predicate)) => found.extend(predicate),
            Some(Err(fault)) => return Err(fault),
        }
    }
    if unknown.is_empty() {
        return Ok(found);
    }
    let names: Vec<String> = unknown.iter().take(20).map(|name| format!("'{}'", cut(name))).collect();
    Err(Fault::bad_request("HTTPBadRequest", format!("[{}] is invalid attribute for filtering", names.join(", "))))
}

/// `None`: no such filter. `Some(Ok(None))`: it has no value, and so filters nothing.
fn predicate<'a, R: Exposed>(
    name: &str,
    values: &[String],
    state: &'a State,
    context: &'a Context,
) -> Option<Result<Option<Predicate<'a, R>>, Fault>> {
    match name {
        "tags" => return Some(Ok(by_tags(values, |has, wanted| wanted.iter().all(has)))),
        "tags-any" => return Some(Ok(by_tags(values, |has, wanted| wanted.iter().any(has)))),
        "not-tags" => return Some(Ok(by_tags(values, |has, wanted| !wanted.iter().all(has)))),
        "not-tags-any" => return Some(Ok(by_tags(values, |has, wanted| !wanted.iter().any(has)))),
        "changed_since" => return Some(changed_since(values).map(Some)),
        _ => {}
    }
    if R::SPECIAL_FILTERS.contains(&name)
        && let Some(special) = R::special_filter(name, values)
    {
        return Some(special.map(Some));
    }
    let name = if name == "tenant_id" { "project_id" } else { name };
    let attribute = R::attributes().iter().find(|attribute| attribute.name == name)?;
    let kind = attribute.kind;
    let mut wanted = Vec::new();
    for value in values.iter().filter(|value| !value.is_empty() || kind == Kind::Text) {
        match kind.read(name, value) {
            Ok(scalar) => wanted.push(scalar.map(Owned::from)),
            Err(fault) => return Some(Err(fault)),
        }
    }
    if wanted.is_empty() {
        return Some(Ok(None));
    }
    let wanted: Vec<Owned> = wanted.into_iter().flatten().collect();
    let get = attribute.get;
    let shareable = R::SHAREABLE.filter(|_| name == "shared");
    Some(Ok(Some(Box::new(move |resource: &R| {
        let value = match shareable {
            Some(shareable) => state.is_shared_with(shareable(resource.id()), &context.project_id).into(),
            None => get(resource),
        };
        wanted.iter().any(|wanted| wanted.borrowed() == value)
    }))))
}

/// A scalar that owns its text.
enum Owned {
    Text(String),
    Other(Scalar<'static>),
}

impl From<Scalar<'_>> for Owned {
    fn from(scalar: Scalar<'_>) -> Self {
        match scalar {
            Scalar::Text(text) => Self::Text(text.to_owned()),
            Scalar::Null => Self::Other(Scalar::Null),
            Scalar::Bool(value) => Self::Other(Scalar::Bool(value)),
            Scalar::Number(value) => Self::Other(Scalar::Number(value)),
            Scalar::Id(value) => Self::Other(Scalar::Id(value)),
            Scalar::Ip(value) => Self::Other(Scalar::Ip(value)),
            Scalar::Net(value) => Self::Other(Scalar::Net(value)),
            Scalar::Mac(value) => Self::Other(Scalar::Mac(value)),
            Scalar::Time(value) => Self::Other(Scalar::Time(value)),
        }
    }
}

impl Owned {
    fn borrowed(&self) -> Scalar<'_> {
        match self {
            Self::Text(text) => Scalar::Text(text),
            Self::Other(scalar) => *scalar,
        }
    }
}

/// Decides from "it has this tag" and the tags of the query.
type TagTest = fn(&dyn Fn(&String) -> bool, &[String]) -> bool;

fn by_tags<R: Exposed>(values: &[String], test: TagTest) -> Option<Predicate<'static, R>> {
    let wanted: Vec<String> =
        values.iter().flat_map(|value| value.split(',')).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    if wanted.is_empty() {
        return None;
    }
    Some(Box::new(move |resource| test(&|wanted| resource.tags().iter().any(|tag| tag.as_str() == wanted), &wanted)))
}

fn changed_since<R: Exposed>(values: &[String]) -> Result<Predicate<'static, R>, Fault> {
    let attribute = R::attributes().iter().find(|attribute| attribute.name == "updated_at");
    let value = values.last().map(String::as_str).unwrap_or_default();
    let since: jiff::Timestamp = value.parse().or_else(|_| format!("{value}Z").parse()).map_err(|_| {
        Fault::invalid("changed_since", format!("'{}' is not an instant such as 2026-01-31T12:00:00Z", cut(value)))
    })?;
    Ok(Box::new(move |resource| attribute.is_some_and(|attribute| (attribute.get)(resource) >= Scalar::Time(since))))
}

fn cut(text: &str) -> String {
    text.chars().take(100).collect()
}
