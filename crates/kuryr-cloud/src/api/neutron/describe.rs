//! What the document says of the five calls that every resource has.

use crate::api::{
    neutron::{attributes::Purpose, exposed::Exposed, scalar::Kind},
    openapi::{Operation, Parameter, Schemas, body},
};
use serde_json::{Value, json};

/// The name of many, for people.
fn many<R: Exposed>() -> String {
    R::COLLECTION.replace('_', " ")
}

/// The name of one, for people.
fn one<R: Exposed>() -> String {
    R::MEMBER.replace('_', " ")
}

/// `GET` of a collection.
pub fn list<R: Exposed>() -> Operation {
    Operation::neutron(format!("List {}", many::<R>()))
        .with(filters::<R>())
        .with(order_and_page::<R>())
        .answers(200, Schemas::list::<R>)
        // A marker that is not there.
        .refuses(&[400, 404])
}

/// `POST` of one or several.
pub fn create<R: Exposed>() -> Operation {
    let several = if R::BULK { ", or several at once" } else { "" };
    Operation::neutron(format!("Create one of the {}{several}", many::<R>()))
        .takes(|schemas| {
            let new = body::<R::New>(schemas, Purpose::Create, |attributes| R::parse_new(attributes).map(|_| ()));
            if !R::BULK {
                return json!({
                    "type": "object", "required": [R::MEMBER], "properties": {R::MEMBER: new, R::COLLECTION: false},
                });
            }
            let several = json!({"type": "array", "items": new, "minItems": 1});
            json!({"anyOf": [
                {"type": "object", "required": [R::MEMBER], "properties": {R::MEMBER: new, R::COLLECTION: false}},
                {"type": "object", "required": [R::COLLECTION], "properties": {R::COLLECTION: several}},
            ]})
        })
        .answers(201, |schemas| {
            if !R::BULK {
                return schemas.member::<R>();
            }
            let resource = schemas.resource::<R>();
            let several = json!({"type": "array", "items": resource});
            let choice = |name: &str, schema: &Value| {
                json!({
                    "type": "object", "required": [name], "properties": {name: schema}, "additionalProperties": false,
                })
            };
            json!({"anyOf": [choice(R::MEMBER, &resource), choice(R::COLLECTION, &several)]})
        })
        .makes(format!("/{}/id", R::MEMBER))
        .refuses(&[404, 409, 503])
}

/// `GET` of one.
pub fn show<R: Exposed>() -> Operation {
    Operation::neutron(format!("Show one of the {}", many::<R>()))
        .with([fields()])
        .answers(200, Schemas::shown_member::<R>)
        .refuses(&[400, 404])
}

/// `PUT` of one.
pub fn update<R: Exposed>() -> Operation {
    Operation::neutron(format!("Change a {}; what the body leaves out stays", one::<R>()))
        .with([if_match()])
        .takes(|schemas| {
            let change =
                body::<R::Update>(schemas, Purpose::Update, |attributes| R::parse_update(attributes).map(|_| ()));
            json!({"type": "object", "required": [R::MEMBER], "properties": {R::MEMBER: change}})
        })
        .answers(200, Schemas::member::<R>)
        .refuses(&[404, 409, 412, 503])
}

/// `DELETE` of one.
pub fn delete<R: Exposed>() -> Operation {
    Operation::neutron(format!("Delete a {}", one::<R>()))
        .with([if_match()])
        .answers_nothing(204)
        .refuses(&[400, 404, 409, 412, 503])
}

/// A change or deletion of no resource at all.
pub fn nothing() -> Operation {
    Operation::neutron("Always refused: it names no resource").refuses(&[404])
}

fn if_match() -> Parameter {
    let form = "`revision_number=N`: the call counts only while the resource still has this revision. Other conditions say \
                nothing.";
    Parameter::header("If-Match", form)
}

fn names<R: Exposed>() -> Vec<&'static str> {
    let own = R::attributes().iter().map(|attribute| attribute.name);
    let owner = R::attributes().iter().any(|attribute| attribute.name == "project_id").then_some("tenant_id");
    own.chain(owner).collect()
}

fn texts() -> Value {
    json!({"type": "array", "items": {"type": "string"}})
}

fn filters<R: Exposed>() -> Vec<Parameter> {
    let by_attribute = R::attributes().iter().flat_map(|attribute| {
        let any = |name| {
            let truth = json!({"enum": ["true", "false", "True", "False", "1", "0", ""]});
            let items = if attribute.kind == Kind::Bool { truth } else { json!({"type": "string"}) };
            Parameter::query(
                name,
                format!("Any of these values of `{name}`."),
                json!({"type": "array", "items": items}),
            )
        };
        let older = (attribute.name == "project_id").then(|| any("tenant_id"));
        [any(attribute.name)].into_iter().chain(older)
    });
    let special = R::SPECIAL_FILTERS.iter().map(|name| {
        Parameter::query(*name, format!("Filters by `{name}`; for keys of records as `key=value`."), texts())
    });
    let tags = [
        ("tags", "All of these tags, with commas between them."),
        ("tags-any", "Any of these tags."),
        ("not-tags", "Not all of these tags."),
        ("not-tags-any", "None of these tags."),
    ];
    let tags = tags.map(|(name, description)| Parameter::query(name, description, texts()));
    let since = Parameter::query(
        "changed_since",
        "Changed at this instant or later.",
        json!({"type": "string", "format": "date-time"}),
    );
    by_attribute.chain(special).chain(tags).chain([since]).collect()
}

fn fields() -> Parameter {
    Parameter::query("fields", "Tell these attributes only; what is none is ignored.", texts())
}

fn order_and_page<R: Exposed>() -> Vec<Parameter> {
    let keys = json!({"type": "array", "items": {"enum": names::<R>()}});
    let directions = json!({"type": "array", "items": {"enum": ["asc", "desc"]}});
    vec![
        fields(),
        Parameter::query("sort_key", "Order by these attributes, the first one first.", keys),
        Parameter::query("sort_dir", "The direction of each of `sort_key`, as many of them.", directions),
        Parameter::query(
            "limit",
            "Entries of a page; 0: all of them.",
            json!({"type": "string", "pattern": "^[0-9]{0,18}$"}),
        ),
        Parameter::query(
            "marker",
            "The id after which the page begins, where there is a limit.",
            json!({"type": "string"}),
        ),
        Parameter::query("page_reverse", "`true`: the page ends before the marker.", json!({"type": "string"})),
    ]
}
