//! What the document says of Keystone's things: the schemas of their documents, and of the bodies that make and change them.

use crate::api::{
    keystone::fields::{NAME, SHORT_NAME, TEXT},
    openapi::{Operation, Parameter, Schemas, nullable, object},
};
use serde_json::{Map, Value, json};

fn text() -> Value {
    json!({"type": "string"})
}

fn flag() -> Value {
    json!({"type": "boolean"})
}

fn at() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

/// Where a thing is.
fn own_link() -> Value {
    object([("self", text())])
}

fn options() -> Value {
    json!({"type": "object", "properties": {"immutable": {"type": "boolean"}}, "additionalProperties": false})
}

/// With attributes that need not be there.
fn and_perhaps<const N: usize>(mut schema: Value, members: [(&str, Value); N]) -> Value {
    if let Some(properties) = schema.pointer_mut("/properties").and_then(Value::as_object_mut) {
        properties.extend(members.map(|(name, schema)| (name.to_owned(), schema)));
    }
    schema
}

fn endpoint_members() -> [(&'static str, Value); 5] {
    let which = json!({"enum": ["admin", "internal", "public"]});
    [("id", text()), ("interface", which), ("region", text()), ("region_id", text()), ("url", text())]
}

/// The document of a kind of thing, by its name in JSON.
pub fn document(schemas: &mut Schemas, member: &str) -> Value {
    let name: String = member.split('_').map(capital).collect();
    schemas.named(&name, |_| match member {
        "domain" => object([
            ("id", text()),
            ("name", text()),
            ("description", text()),
            ("enabled", flag()),
            ("tags", list(text())),
            ("options", options()),
            ("links", own_link()),
        ]),
        "project" => object([
            ("id", text()),
            ("name", text()),
            ("description", text()),
            ("enabled", flag()),
            ("domain_id", text()),
            ("parent_id", text()),
            ("is_domain", flag()),
            ("tags", list(text())),
            ("options", options()),
            ("links", own_link()),
        ]),
        "user" => and_perhaps(
            object([
                ("id", text()),
                ("name", text()),
                ("enabled", flag()),
                ("domain_id", text()),
                ("password_expires_at", json!({"type": "null"})),
                ("options", options()),
                ("links", own_link()),
            ]),
            [("default_project_id", text()), ("description", text()), ("email", text())],
        ),
        "role" => and_perhaps(role(), [("links", own_link())]),
        "service" => object([
            ("id", text()),
            ("type", text()),
            ("name", text()),
            ("enabled", flag()),
            ("description", text()),
            ("links", own_link()),
        ]),
        "endpoint" => {
            let [a, b, c, d, e] = endpoint_members();
            object([a, b, c, d, e, ("service_id", text()), ("enabled", flag()), ("links", own_link())])
        }
        "region" => object([
            ("id", text()),
            ("description", text()),
            ("parent_region_id", json!({"type": "null"})),
            ("links", own_link()),
        ]),
        "application_credential" => object([
            ("id", text()),
            ("name", text()),
            ("description", nullable(text())),
            ("user_id", text()),
            ("project_id", text()),
            ("system", json!({"type": "null"})),
            ("expires_at", nullable(text())),
            ("unrestricted", nullable(flag())),
            ("roles", list(role())),
            ("links", own_link()),
        ]),
        _ => Value::Bool(true),
    })
}

fn role() -> Value {
    object([
        ("id", text()),
        ("name", text()),
        ("domain_id", json!({"type": "null"})),
        ("description", nullable(text())),
        ("options", options()),
    ])
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

/// `{"user": …}`.
pub fn one(member: &'static str) -> impl Fn(&mut Schemas) -> Value {
    move |schemas| {
        let document = document(schemas, member);
        object([(member, document)])
    }
}

/// `{"users": […], "links": …}`.
pub fn many(member: &'static str, collection: &'static str) -> impl Fn(&mut Schemas) -> Value {
    move |schemas| {
        let document = document(schemas, member);
        page(collection, document)
    }
}

/// A list with Keystone's links.
pub fn page(collection: &str, item: Value) -> Value {
    let links = object([("self", text()), ("next", nullable(text())), ("previous", nullable(text()))]);
    object([(collection, list(item)), ("links", links)])
}

/// An application credential as its maker gets it, with the secret.
pub fn new_application_credential(schemas: &mut Schemas) -> Value {
    document(schemas, "application_credential");
    let secret = schemas.named("NewApplicationCredential", |schemas| {
        let mut whole = schemas.known("ApplicationCredential");
        if let Some(required) = whole.pointer_mut("/required").and_then(Value::as_array_mut) {
            required.push("secret".into());
        }
        and_perhaps(whole, [("secret", text())])
    });
    object([("application_credential", secret)])
}

/// The version document.
pub fn version() -> Value {
    let media = object([("base", text()), ("type", text())]);
    object([
        ("id", text()),
        ("status", text()),
        ("updated", at()),
        ("links", list(object([("rel", text()), ("href", text())]))),
        ("media-types", list(media)),
    ])
}

/// A service of the catalog, with its endpoints.
pub fn service(schemas: &mut Schemas) -> Value {
    schemas.named("CatalogEntry", |_| {
        let endpoints = list(object(endpoint_members()));
        object([("id", text()), ("type", text()), ("name", text()), ("endpoints", endpoints)])
    })
}

/// What a token says.
pub fn token(schemas: &mut Schemas) -> Value {
    let catalog = list(service(schemas));
    let token = schemas.named("Token", |_| {
        let named = || object([("id", text()), ("name", text())]);
        let domain = || object([("id", text()), ("name", nullable(text()))]);
        let placed = || object([("id", text()), ("name", nullable(text())), ("domain", nullable(domain()))]);
        let user = object([
            ("id", text()),
            ("name", nullable(text())),
            ("domain", nullable(domain())),
            ("password_expires_at", json!({"type": "null"})),
        ]);
        let credential = object([("id", text()), ("name", text()), ("restricted", flag())]);
        let always = object([
            ("methods", list(text())),
            ("user", user),
            ("audit_ids", list(text())),
            ("issued_at", at()),
            ("expires_at", at()),
        ]);
        and_perhaps(
            always,
            [
                ("project", placed()),
                ("is_domain", flag()),
                ("domain", domain()),
                ("roles", list(named())),
                ("application_credential", credential),
                ("catalog", catalog),
            ],
        )
    });
    object([("token", token)])
}

/// Who has which role where.
pub fn assignment(_: &mut Schemas) -> Value {
    let domain = || and_perhaps(object([("id", text())]), [("name", nullable(text()))]);
    let placed = || and_perhaps(object([("id", text())]), [("name", text()), ("domain", domain())]);
    let scope = json!({"anyOf": [object([("project", placed())]), object([("domain", domain())])]});
    let links = object([("assignment", text())]);
    let role = and_perhaps(object([("id", text())]), [("name", text())]);
    page("role_assignments", object([("user", placed()), ("role", role), ("scope", scope), ("links", links)]))
}

/// What a role brings with it.
pub fn inference(_: &mut Schemas) -> Value {
    let role = || object([("id", text()), ("name", text()), ("links", own_link())]);
    object([("role_inference", object([("prior_role", role()), ("implies", list(role()))])), ("links", own_link())])
}

/// A text of at most so many characters that says something.
fn name(longest: usize) -> Value {
    json!({"type": "string", "maxLength": longest, "pattern": "\\S"})
}

fn long_text() -> Value {
    json!({"type": "string", "maxLength": TEXT})
}

fn optional_text() -> Value {
    json!({"type": ["string", "null"], "maxLength": TEXT})
}

/// True and false in Keystone's words for them.
fn truth() -> Value {
    let words = "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Yy]([Ee][Ss])?|[Nn][Oo]?|[Oo][Nn]|[Oo][Ff][Ff]|0|1)$";
    json!({"anyOf": [{"type": ["boolean", "null"]}, {"type": "string", "pattern": words}]})
}

/// The body that makes (`is_new`) or changes a thing. Keystone takes no notice of what it does not know.
pub fn body(member: &'static str, is_new: bool) -> impl Fn(&mut Schemas) -> Value {
    move |_| {
        let place = || vec![("name", name(SHORT_NAME)), ("description", optional_text()), ("enabled", truth())];
        let members = match member {
            "domain" => place(),
            "project" => [place(), vec![("domain_id", optional_text())]].concat(),
            "user" => vec![
                ("name", name(NAME)),
                ("enabled", truth()),
                ("domain_id", optional_text()),
                ("default_project_id", optional_text()),
                ("description", optional_text()),
                ("email", optional_text()),
                ("password", optional_text()),
            ],
            "role" => vec![("name", name(NAME)), ("description", optional_text())],
            _ => vec![
                ("name", name(NAME)),
                ("description", optional_text()),
                ("secret", optional_text()),
                ("expires_at", optional_text()),
                ("unrestricted", truth()),
                (
                    "roles",
                    json!({"type": ["array", "null"], "items": {"type": "object", "anyOf": [
                        {"required": ["id"], "properties": {"id": text()}},
                        {"required": ["name"], "properties": {"name": text(), "id": false}},
                    ]}}),
                ),
            ],
        };
        let required: &[&str] = if is_new { &["name"] } else { &[] };
        wrapped(member, members, required)
    }
}

/// The body that changes one's own password.
pub fn passwords(_: &mut Schemas) -> Value {
    let members = vec![("original_password", long_text()), ("password", long_text())];
    wrapped("user", members, &["original_password", "password"])
}

fn wrapped(member: &str, members: Vec<(&str, Value)>, required: &[&str]) -> Value {
    let properties: Map<String, Value> = members.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    let thing = json!({"type": "object", "required": required, "properties": properties});
    json!({"type": "object", "required": [member], "properties": {member: thing}})
}

/// The body of a login.
pub fn login(_: &mut Schemas) -> Value {
    let domain = json!({"type": "object", "anyOf": [
        {"required": ["id"], "properties": {"id": text()}},
        {"required": ["name"], "properties": {"name": text(), "id": false}},
    ]});
    let reference = json!({"type": "object", "anyOf": [
        {"required": ["id"], "properties": {"id": text()}},
        {"required": ["name", "domain"], "properties": {"name": text(), "domain": domain, "id": false}},
    ]});
    let user = json!({"allOf": [reference, {"required": ["password"], "properties": {"password": text()}}]});
    let credential = json!({"type": "object", "required": ["secret"], "properties": {"secret": text()}, "anyOf": [
        {"required": ["id"], "properties": {"id": text()}},
        {"required": ["name", "user"], "properties": {"name": text(), "user": reference, "id": false}},
    ]});
    let by = |method: &str, proof: Value| {
        json!({"type": "object", "required": ["methods", method], "properties": {
            "methods": {"type": "array", "items": {"const": method}, "minItems": 1, "maxItems": 1}, method: proof,
        }})
    };
    let user = json!({"type": "object", "required": ["user"], "properties": {"user": user}});
    let token = json!({"type": "object", "required": ["id"], "properties": {"id": text()}});
    let identity = json!({"anyOf": [
        by("password", user), by("token", token), by("application_credential", credential),
    ]});
    let scope = json!({"anyOf": [
        {"type": "null"},
        {"const": "unscoped"},
        {"type": "object", "required": ["unscoped"]},
        {"type": "object", "required": ["project"], "properties": {"project": reference}},
        {"type": "object", "required": ["domain"], "properties": {"domain": domain, "project": false}},
        {"type": "object", "required": ["system"]},
    ]});
    let auth =
        json!({"type": "object", "required": ["identity"], "properties": {"identity": identity, "scope": scope}});
    json!({"type": "object", "required": ["auth"], "properties": {"auth": auth}})
}

/// A filter by an attribute.
pub fn filter(name: &'static str, description: &'static str) -> Parameter {
    Parameter::query(name, description, text())
}

/// The header of the token that is asked about.
pub fn subject() -> Parameter {
    Parameter::header("X-Subject-Token", "The token that is asked about; without it there is none to be found.")
}

/// A call for administrators that changes a thing.
pub fn change(summary: impl Into<std::borrow::Cow<'static, str>>) -> Operation {
    Operation::keystone(summary).refuses(&[403, 404, 409])
}
