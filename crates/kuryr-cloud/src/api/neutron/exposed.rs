//! What a resource must tell to be served.

use crate::{
    api::neutron::{attributes::Attributes, filter::Predicate, scalar::Attribute},
    engine::{Context, Record, State, Txn, Visible},
};
use kuryr_neutron::{Fault, FaultKind, ProjectId, Resource, Shareable};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::{borrow::Cow, str::FromStr};

/// What is served below `/v2.0/{PATH}`.
pub trait Exposed: Resource<Id: FromStr> + Visible {
    /// How the state keeps it.
    type Row: Record<Id = Self::Id>;
    /// Neutron's name of the refusal when there is none with an id, such as `PortNotFound`.
    const NOT_FOUND: &'static str;
    /// What people call it, such as `Port`.
    const TITLE: &'static str;
    /// What is said of one that is not there.
    const ABSENT: &'static str = "could not be found.";
    /// Attributes that exist and can never be set.
    const READ_ONLY: &'static [&'static str] = &[];
    /// Attributes that can be set at creation only.
    const CREATE_ONLY: &'static [&'static str] = &[];
    /// Attributes that only administrators see.
    const ADMINS_ONLY: &'static [&'static str] = &[];

    /// Several can be created by one call.
    const BULK: bool = true;

    /// What it is to RBAC policies, if it has an attribute `shared`, which each asker sees otherwise.
    const SHAREABLE: Option<fn(Self::Id) -> Shareable> = None;

    /// The resource in the row.
    fn of(row: &Self::Row) -> &Self;
    /// Attributes to filter and sort by.
    fn attributes() -> &'static [Attribute<Self>];
    /// Filters that are no comparison with one value. `None`: there is none of this name.
    fn special_filter(_name: &str, _values: &[String]) -> Option<Result<Predicate<'static, Self>, Fault>> {
        None
    }
    /// The names of those filters.
    const SPECIAL_FILTERS: &'static [&'static str] = &[];
    /// Its tags.
    fn tags(&self) -> &[kuryr_neutron::Tag];
    /// Its owner.
    fn project(&self) -> &ProjectId;
    /// As the API shows it to somebody, with what the state keeps elsewhere.
    fn shown(&self, _state: &State, _context: &Context) -> Self {
        self.clone()
    }
    /// `decorate` does something.
    const DECORATED: bool = false;
    /// Last touches to what is answered.
    fn decorate(_answer: &mut Map<String, Value>) {}
    /// Last touches to the answer of a change.
    fn decorate_changed(answer: &mut Map<String, Value>) {
        Self::decorate(answer);
    }

    /// What last touches do to the schema of answers, beyond leaving attributes out.
    fn describe_decoration(_schema: &mut Value) {}
    /// Makes the schema of the type that of answers.
    fn describe(schema: &mut Value) {
        let owner = schema.pointer("/properties/project_id").cloned().unwrap_or_else(|| json!({"type": "string"}));
        let Some(properties) = schema.pointer_mut("/properties").and_then(Value::as_object_mut) else { return };
        properties.insert("tenant_id".to_owned(), owner);
        let mut told = properties.keys().map(|name| (name.clone(), Value::Null)).collect();
        Self::decorate(&mut told);
        properties.retain(|name, _| told.contains_key(name));
        if let Some(required) = schema.pointer_mut("/required").and_then(Value::as_array_mut) {
            required.push("tenant_id".into());
            required.retain(|name| {
                let name = name.as_str().unwrap_or_default();
                told.contains_key(name) && !Self::ADMINS_ONLY.contains(&name)
            });
        }
        Self::describe_decoration(schema);
    }

    /// Reads the body of a creation.
    fn parse_new(attributes: &mut Attributes<'_>) -> Result<Self::New, Fault>;
    /// Reads the body of a change.
    fn parse_update(attributes: &mut Attributes<'_>) -> Result<Self::Update, Fault>;

    /// Creates some, all or none.
    fn create(txn: &mut Txn, context: &Context, new: Vec<Self::New>) -> Result<Vec<Self>, Fault>;
    /// Changes one.
    fn update(
        txn: &mut Txn,
        context: &Context,
        id: Self::Id,
        update: Self::Update,
        revision: Option<u64>,
    ) -> Result<Self, Fault>;
    /// Deletes one.
    fn delete(txn: &mut Txn, context: &Context, id: Self::Id) -> Result<(), Fault>;
    /// Its revision number.
    fn revision(&self) -> u64;

    /// Does the data plane have work when this becomes that? Only then an answer waits for it.
    fn concerns_data_plane(_before: Option<&Self>, _after: Option<&Self>) -> bool {
        false
    }
    /// Does the answer promise something that the data plane had to do first? Then a failure must be told in the state.
    fn promises(_before: Option<&Self>, _after: &Self) -> bool {
        false
    }
    /// Tells in the state that the promise cannot be kept.
    fn break_promise(_txn: &mut Txn, resource: &Self) -> Result<Self, Fault> {
        Ok(resource.clone())
    }
    /// True when something must be there before the asker may list: see [`Exposed::seed`].
    fn wants_seed(_state: &State, _context: &Context) -> bool {
        false
    }
    /// Makes what must be there.
    fn seed(_txn: &mut Txn, _context: &Context) -> Result<(), Fault> {
        Ok(())
    }

    /// 404, in Neutron's words.
    fn not_found(id: &str) -> Fault {
        let id: String = id.chars().take(255).collect();
        Fault::new(FaultKind::NotFound, Self::NOT_FOUND, format!("{} {id} {}", Self::TITLE, Self::ABSENT))
    }
}

/// A resource as answered: with its owner under the older name too.
#[derive(Serialize)]
pub struct Answered<'a, R> {
    #[serde(flatten)]
    resource: &'a R,
    tenant_id: &'a ProjectId,
}

impl<'a, R: Exposed> Answered<'a, R> {
    /// A resource, answered whole.
    pub fn new(resource: &'a R) -> Self {
        Self { resource, tenant_id: resource.project() }
    }
}

/// A resource as answered to somebody who may not see all, or asked for some attributes only.
pub fn answered<R: Exposed>(resource: &R, context: &Context, fields: &[String]) -> Value {
    told(resource, context, fields, R::decorate)
}

/// A resource as answered to whoever has changed it.
pub fn changed<R: Exposed>(resource: &R, context: &Context) -> Value {
    told(resource, context, &[], R::decorate_changed)
}

fn told<R: Exposed>(
    resource: &R,
    context: &Context,
    fields: &[String],
    decorate: fn(&mut Map<String, Value>),
) -> Value {
    let Ok(Value::Object(mut object)) = serde_json::to_value(Answered::new(resource)) else { return Value::Null };
    decorate(&mut object);
    if !context.is_admin {
        for name in R::ADMINS_ONLY {
            object.remove(*name);
        }
    }
    if !fields.is_empty() {
        object.retain(|name, _| fields.iter().any(|field| field == name));
    }
    Value::Object(object)
}

/// Finds a resource that the asker may see.
pub fn find<'a, R: Exposed>(state: &'a State, context: &Context, id: R::Id) -> Result<Cow<'a, R>, Fault> {
    R::Row::table(state)
        .get(&id)
        .map(|row| R::of(row))
        .filter(|resource| resource.is_visible(state, context))
        .map(Cow::Borrowed)
        .ok_or_else(|| R::not_found(&id.to_string()))
}
