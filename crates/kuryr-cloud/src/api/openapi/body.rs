//! Schemas of bodies: the shapes are the types', what is allowed is asked of the parser.

use crate::api::{
    neutron::{Attributes, Purpose},
    openapi::{Schemas, nullable},
};
use kuryr_neutron::{Fault, ProjectId};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

/// Lengths that texts are limited to, if at all.
const LENGTHS: [usize; 2] = [64, 255];

/// A parser that can be asked.
struct Parser<'a> {
    purpose: Purpose,
    read: &'a dyn Fn(&mut Attributes<'_>) -> Result<(), Fault>,
}

impl Parser<'_> {
    /// Reads a body; tells the attributes that were asked for, and those that nobody took.
    fn read(&self, body: Map<String, Value>) -> Result<(Vec<String>, Vec<String>), Fault> {
        let project = ProjectId::default();
        let mut attributes = Attributes::new(body, self.purpose, "", true, &project).recording();
        (self.read)(&mut attributes)?;
        Ok((attributes.asked().map(str::to_owned).collect(), attributes.left().map(str::to_owned).collect()))
    }

    fn accepts(&self, body: &Map<String, Value>) -> bool {
        self.read(body.clone()).is_ok_and(|(_, left)| left.is_empty())
    }

    /// Accepts this value of this attribute beside those of a body.
    fn accepts_with(&self, body: &Map<String, Value>, name: &str, value: Value) -> bool {
        let mut body = body.clone();
        body.insert(name.to_owned(), value);
        self.accepts(&body)
    }
}

/// The named schema of a body that has the shape of a type.
pub fn body<T: JsonSchema>(
    schemas: &mut Schemas,
    purpose: Purpose,
    read: impl Fn(&mut Attributes<'_>) -> Result<(), Fault>,
) -> Value {
    let parser = Parser { purpose, read: &read };
    schemas.named_body(&T::schema_name(), |schemas| describe(&parser, &schemas.shape::<T>()))
}

fn describe(parser: &Parser<'_>, shape: &Value) -> Result<Value, String> {
    let shapes = properties(shape);
    let mut whole: Map<String, Value> = shapes.iter().map(|(name, shape)| (name.clone(), sample(shape))).collect();
    let (asked, left) = parser.read(whole.clone()).map_err(|fault| fault.message)?;
    left.iter().for_each(|name| drop(whole.remove(name)));
    let is_required = |name: &&String| {
        let mut without = whole.clone();
        without.remove(*name);
        !parser.accepts(&without)
    };
    let required: Vec<&String> = whole.keys().filter(is_required).collect();
    let least: Map<String, Value> =
        required.iter().filter_map(|name| Some(((*name).clone(), whole.get(*name)?.clone()))).collect();
    let mut members = Map::new();
    for name in asked {
        let known = if name == "tenant_id" { "project_id" } else { &name };
        let words = shapes.get(known).and_then(|shape| shape.get("enum")?.as_array()).into_iter().flatten();
        if let Some(word) =
            words.filter(|word| !word.is_null()).find(|word| !parser.accepts_with(&least, &name, (*word).clone()))
        {
            return Err(format!("{name} cannot be {word}"));
        }
        let schema = match shapes.get(known) {
            Some(shape) => fit(parser, &least, &name, shape),
            None => unknown(parser, &least, &name),
        };
        members.insert(name, schema);
    }
    Ok(json!({"type": "object", "required": required, "properties": members, "additionalProperties": false}))
}

/// An attribute that the parser takes and the type does not have.
fn unknown(parser: &Parser<'_>, least: &Map<String, Value>, name: &str) -> Value {
    let id = json!({"type": ["string", "null"], "format": "uuid"});
    let is_id = parser.accepts_with(least, name, sample(&id)) && !parser.accepts_with(least, name, "x".into());
    let mut schema = if is_id { id } else { json!({}) };
    if let Some(members) = schema.as_object_mut() {
        members.insert("description".to_owned(), "Taken, and of no effect.".into());
    }
    schema
}

/// The attributes of a type, those too that one of its fields brings in whole.
pub(super) fn properties(shape: &Value) -> Map<String, Value> {
    let mut found = shape.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    for choice in shape.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
        for (name, one) in properties(choice) {
            match (found.get_mut(&name), one.get("const")) {
                (Some(known), Some(word)) => {
                    if let Some(words) = known.get_mut("enum").and_then(Value::as_array_mut) {
                        words.push(word.clone());
                    }
                }
                (Some(_), None) => {}
                (None, Some(word)) => drop(found.insert(name, json!({"type": "string", "enum": [word]}))),
                (None, None) => drop(found.insert(name, one)),
            }
        }
    }
    found
}

/// An attribute's schema, with what the parser says of null, of lengths and ranges, and of unknown keys.
fn fit(parser: &Parser<'_>, least: &Map<String, Value>, name: &str, shape: &Value) -> Value {
    let mut schema = without_null(shape.clone());
    let accepts = |value: Value| parser.accepts_with(least, name, value);
    let sample = sample(&schema);
    if let Some(members) = schema.as_object_mut() {
        let is_plain = ["enum", "const", "format", "pattern"].iter().all(|key| !members.contains_key(*key));
        match members.get("type").and_then(Value::as_str) {
            Some("string") if is_plain => {
                let reaches = |length: usize| accepts("x".repeat(length).into());
                if let Some(longest) = LENGTHS.into_iter().find(|length| reaches(*length) && !reaches(length + 1)) {
                    members.insert("maxLength".to_owned(), longest.into());
                }
                if !accepts("\0".into()) {
                    members.insert("pattern".to_owned(), "^[^\\u0000]*$".into());
                }
                if !accepts("".into()) {
                    members.insert("minLength".to_owned(), 1.into());
                }
            }
            Some("integer") if !members.contains_key("enum") => {
                members.retain(|key, _| key != "format" && key != "minimum" && key != "maximum");
                let inside = sample.as_i64().unwrap_or_default();
                members.insert("minimum".to_owned(), limit(inside, i64::MIN, |number| accepts(number.into())).into());
                members.insert("maximum".to_owned(), limit(inside, i64::MAX, |number| accepts(number.into())).into());
            }
            Some("array") => {
                let strange = sample.get(0).and_then(with_strange_key).map(|item| json!([item]));
                if let Some(items) =
                    members.get_mut("items").filter(|_| strange.is_some_and(|strange| !accepts(strange)))
                {
                    close(items);
                }
            }
            Some("object") => {
                let is_closed = with_strange_key(&sample).is_some_and(|strange| !accepts(strange));
                let may_be_empty = members.contains_key("required") && accepts(json!({}));
                if is_closed {
                    close(&mut schema);
                }
                if may_be_empty {
                    schema = json!({"anyOf": [schema, {"type": "object", "maxProperties": 0}]});
                }
            }
            _ => {}
        }
    }
    let schema = readable(schema);
    if accepts(Value::Null) { nullable_as_it_is(schema) } else { schema }
}

/// The last number that is accepted on the way from one that is to the end.
fn limit(inside: i64, end: i64, accepts: impl Fn(i64) -> bool) -> i64 {
    if accepts(end) {
        return end;
    }
    let (mut good, mut bad) = (i128::from(inside), i128::from(end));
    while (good - bad).abs() > 1 {
        let middle = (good + bad).div_euclid(2);
        let is_good = i64::try_from(middle).is_ok_and(&accepts);
        if is_good { good = middle } else { bad = middle }
    }
    i64::try_from(good).unwrap_or(inside)
}

/// An object with a key that nobody knows. `None`: it is no object, or one of any keys.
fn with_strange_key(sample: &Value) -> Option<Value> {
    let mut object = sample.as_object().filter(|object| !object.is_empty())?.clone();
    object.insert("a strange key".to_owned(), 1.into());
    Some(object.into())
}

fn close(schema: &mut Value) {
    if let Some(members) = schema.as_object_mut() {
        members.insert("additionalProperties".to_owned(), false.into());
    }
}

/// The schema of what is not null.
fn without_null(mut schema: Value) -> Value {
    let null = json!({"type": "null"});
    let Some(members) = schema.as_object_mut() else { return schema };
    if let Some(kinds) = members.get_mut("type").and_then(Value::as_array_mut) {
        kinds.retain(|kind| kind != "null");
        if let [one] = kinds.as_slice() {
            let one = one.clone();
            members.insert("type".to_owned(), one);
        }
    }
    if let Some(words) = members.get_mut("enum").and_then(Value::as_array_mut) {
        words.retain(|word| !word.is_null());
    }
    let description = members.get("description").cloned();
    let Some(choices) = members.get_mut("anyOf").and_then(Value::as_array_mut) else { return schema };
    choices.retain(|choice| *choice != null);
    match choices.as_slice() {
        [Value::Object(only)] => {
            let mut only = only.clone();
            if let Some(description) = description {
                only.insert("description".to_owned(), description);
            }
            only.into()
        }
        _ => schema,
    }
}

/// The same or null, with the description outside.
fn nullable_as_it_is(mut schema: Value) -> Value {
    let description = schema.as_object_mut().and_then(|members| members.remove("description"));
    let mut schema = nullable(schema);
    if let (Some(description), Some(members)) = (description, schema.as_object_mut()) {
        members.insert("description".to_owned(), description);
    }
    schema
}

/// True and false, and numbers, may be written as texts wherever a body has them.
fn readable(schema: Value) -> Value {
    match schema {
        Value::Array(items) => items.into_iter().map(readable).collect(),
        Value::Object(mut members) => {
            let kinds = members.get("type").cloned().unwrap_or_default();
            let kind = kinds.as_str().or_else(|| kinds.get(0)?.as_str()).unwrap_or_default();
            let may_be_null = kinds.as_array().is_some_and(|kinds| kinds.contains(&"null".into()));
            let mut texts = match kind {
                "boolean" => vec![json!({"$ref": "#/components/schemas/Boolean"})],
                "integer" => {
                    let number = members.iter().filter(|(key, _)| *key != "description" && *key != "type");
                    let mut number: Map<String, Value> =
                        number.map(|(key, value)| (key.clone(), value.clone())).collect();
                    number.insert("type".to_owned(), "integer".into());
                    vec![number.into(), json!({"$ref": "#/components/schemas/Digits"})]
                }
                _ => {
                    members = members.into_iter().map(|(key, value)| (key, readable(value))).collect();
                    return members.into();
                }
            };
            if may_be_null {
                texts.push(json!({"type": "null"}));
            }
            members.retain(|key, _| key == "description");
            members.insert("anyOf".to_owned(), texts.into());
            members.into()
        }
        other => other,
    }
}

/// A value that the schema describes.
fn sample(schema: &Value) -> Value {
    let first = |key: &str| schema.get(key).and_then(Value::as_array).and_then(|list| list.first());
    if let Some(given) = first("examples").or_else(|| first("enum")).or_else(|| schema.get("const")) {
        return given.clone();
    }
    if let Some(choice) = first("anyOf").or_else(|| first("oneOf")) {
        return sample(choice);
    }
    let kind = schema.get("type").and_then(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str()));
    match (kind, schema.get("format").and_then(Value::as_str)) {
        (Some("string"), Some("uuid")) => "00000000-0000-4000-8000-000000000001".into(),
        (Some("string"), Some("ip")) => "10.0.0.1".into(),
        (Some("string"), _) => "x".into(),
        (Some("integer"), _) => 24.into(),
        (Some("boolean"), _) => true.into(),
        (Some("array"), _) => schema.get("items").map(sample).into_iter().collect(),
        (Some("object"), _) => {
            properties(schema).into_iter().map(|(name, schema)| (name, sample(&schema))).collect::<Map<_, _>>().into()
        }
        _ => Value::Null,
    }
}
