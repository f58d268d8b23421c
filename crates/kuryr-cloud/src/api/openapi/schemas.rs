//! The document's named schemas.

use crate::api::{
    neutron::Exposed,
    openapi::{Family, Untrue, body::properties},
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// Where named schemas are.
const PLACE: &str = "#/components/schemas/";

/// Named schemas, and what makes them.
pub struct Schemas {
    /// Of what is written.
    answers: SchemaGenerator,
    /// Of what is read, each whole.
    bodies: SchemaGenerator,
    named: Map<String, Value>,
    responses: Map<String, Value>,
    untrue: Option<Untrue>,
}

impl Default for Schemas {
    fn default() -> Self {
        let place = |settings: &mut SchemaSettings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        };
        let whole = |settings: &mut SchemaSettings| settings.inline_subschemas = true;
        Self {
            answers: SchemaSettings::draft2020_12().for_serialize().with(place).into_generator(),
            bodies: SchemaSettings::draft2020_12().for_deserialize().with(place).with(whole).into_generator(),
            named: Map::from_iter([("Boolean".to_owned(), boolean()), ("Digits".to_owned(), digits())]),
            responses: Map::new(),
            untrue: None,
        }
    }
}

/// True and false in Neutron's words for them.
fn boolean() -> Value {
    let words =
        "^\\s*([Tt]([Rr][Uu][Ee])?|[Yy]([Ee][Ss])?|[Oo][Nn]|[Ff]([Aa][Ll][Ss][Ee])?|[Nn]([Oo])?|[Oo][Ff][Ff]|0|1)\\s*$";
    json!({"anyOf": [{"type": "boolean"}, {"enum": [0, 1]}, {"type": "string", "pattern": words}]})
}

/// A whole number as a text.
fn digits() -> Value {
    json!({"type": "string", "pattern": "^[+-]?[0-9]+$"})
}

/// Says of a body's schema whether it is true.
type Checked = Result<Value, String>;

impl Schemas {
    /// A reference to what has this name; `make` makes it the first time.
    pub fn named(&mut self, name: &str, make: impl FnOnce(&mut Self) -> Value) -> Value {
        if !self.named.contains_key(name) {
            let schema = make(self);
            self.named.insert(name.to_owned(), schema);
        }
        json!({"$ref": format!("{PLACE}{name}")})
    }

    /// What has this name; null if nothing has.
    pub fn known(&self, name: &str) -> Value {
        self.named.get(name).cloned().unwrap_or_default()
    }

    /// As [`Schemas::named`], for a body whose parser was asked.
    pub fn named_body(&mut self, name: &str, make: impl FnOnce(&mut Self) -> Checked) -> Value {
        self.named(name, |schemas| match make(schemas) {
            Ok(schema) => schema,
            Err(reason) => {
                schemas.untrue = Some(Untrue { body: name.to_owned(), reason });
                Value::Bool(true)
            }
        })
    }

    /// The shape of a type that is read, without what its parser says.
    pub fn shape<T: JsonSchema>(&mut self) -> Value {
        self.bodies.subschema_for::<T>().to_value()
    }

    /// The schema of a type that is written.
    pub fn written<T: JsonSchema>(&mut self) -> Value {
        self.answers.subschema_for::<T>().to_value()
    }

    /// A resource, whole.
    pub fn resource<R: Exposed>(&mut self) -> Value {
        self.named(&R::schema_name(), |schemas| {
            let reference = schemas.written::<R>();
            let name = reference.get("$ref").and_then(Value::as_str).and_then(|text| text.rsplit('/').next());
            let definition = name.and_then(|name| schemas.answers.definitions_mut().remove(name));
            let mut schema = flattened(definition.unwrap_or(reference));
            R::describe(&mut schema);
            close(&mut schema);
            schema
        })
    }

    /// A resource of which the query may have asked for some attributes only.
    pub fn shown<R: Exposed>(&mut self) -> Value {
        self.resource::<R>();
        let name = R::schema_name();
        self.named(&format!("{name}Shown"), |schemas| {
            let mut schema = schemas.named.get(name.as_ref()).cloned().unwrap_or_default();
            if let Some(schema) = schema.as_object_mut() {
                schema.remove("required");
            }
            schema
        })
    }

    /// `{"port": …}`, as who made or changed it gets it.
    pub fn member<R: Exposed>(&mut self) -> Value {
        let resource = self.resource::<R>();
        object([(R::MEMBER, resource)])
    }

    /// `{"port": …}`, as who looks at it gets it.
    pub fn shown_member<R: Exposed>(&mut self) -> Value {
        let resource = self.shown::<R>();
        object([(R::MEMBER, resource)])
    }

    /// `{"ports": […]}`, with links where there are further pages.
    pub fn list<R: Exposed>(&mut self) -> Value {
        let resource = self.shown::<R>();
        let links = self.links();
        json!({
            "type": "object", "required": [R::COLLECTION], "additionalProperties": false,
            "properties": {R::COLLECTION: {"type": "array", "items": resource}, format!("{}_links", R::COLLECTION): links},
        })
    }

    /// Links to further pages and the like.
    pub fn links(&mut self) -> Value {
        let text = || json!({"type": "string"});
        let link = self.named("Link", |_| object([("rel", text()), ("href", text())]));
        json!({"type": "array", "items": link})
    }

    /// What a refusal says.
    pub fn refusal(&mut self, family: Family) -> Value {
        let text = || json!({"type": "string"});
        match family {
            Family::Neutron => self.named("NeutronError", |_| {
                object([("NeutronError", object([("type", text()), ("message", text()), ("detail", text())]))])
            }),
            Family::Keystone => self.named("KeystoneError", |_| {
                object([(
                    "error",
                    object([("code", json!({"type": "integer"})), ("message", text()), ("title", text())]),
                )])
            }),
        }
    }

    /// A reference to an answer that many calls have.
    pub fn response(&mut self, name: String, response: Value) -> Value {
        let reference = json!({"$ref": format!("#/components/responses/{name}")});
        self.responses.entry(name).or_insert(response);
        reference
    }

    /// The answers that many calls have.
    pub fn take_responses(&mut self) -> Map<String, Value> {
        std::mem::take(&mut self.responses)
    }

    /// All named schemas.
    pub fn finish(mut self) -> Result<Map<String, Value>, Untrue> {
        if let Some(untrue) = self.untrue {
            return Err(untrue);
        }
        for (name, mut schema) in self.answers.take_definitions(true) {
            close(&mut schema);
            self.named.entry(name).or_insert(schema);
        }
        self.named.values_mut().for_each(addresses);
        Ok(self.named)
    }
}

/// A type of which one field brings its attributes in whole, with all of them in one place.
fn flattened(mut schema: Value) -> Value {
    let all = properties(&schema);
    let Some(members) = schema.as_object_mut() else { return schema };
    if let Some(choices) = members.remove("oneOf") {
        let more = choices.pointer("/0/required").and_then(Value::as_array).cloned().unwrap_or_default();
        if let Some(required) = members.get_mut("required").and_then(Value::as_array_mut) {
            required.extend(more);
        }
        members.insert("properties".to_owned(), all.into());
    }
    schema
}

/// What an answer does not say it has, it has not.
fn close(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.contains_key("properties") {
        object.entry("additionalProperties").or_insert(Value::Bool(false));
    }
}

/// An object that has these members, and no others.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let required = json!(names);
    let properties: Map<String, Value> = members.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false})
}

/// The same, or null.
pub fn nullable(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// OpenAPI knows addresses by their versions.
fn addresses(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(addresses),
        Value::Object(members) => {
            members.values_mut().for_each(addresses);
            if members.get("format").is_some_and(|format| format == "ip") {
                members.remove("format");
                let kinds = members.remove("type");
                let mut choices =
                    vec![json!({"type": "string", "format": "ipv4"}), json!({"type": "string", "format": "ipv6"})];
                if kinds.is_some_and(|kinds| kinds.as_array().is_some_and(|kinds| kinds.contains(&"null".into()))) {
                    choices.push(json!({"type": "null"}));
                }
                members.insert("anyOf".to_owned(), choices.into());
            }
        }
        _ => {}
    }
}
