//! Bodies of creations and changes, read field by field with Keystone's words for what is wrong.

use crate::api::{body, keystone::Fault};
use axum::body::Body;
use serde_json::{Map, Value};

/// Most characters of most names.
pub const NAME: usize = 255;
/// Most characters of a project's or domain's name.
pub const SHORT_NAME: usize = 64;
/// Most characters of anything else: a limit of ours, so that nobody fills the disk with one text.
pub const TEXT: usize = 4096;

/// The fields of one thing. Fields that nobody reads are no error, as with Keystone.
pub struct Fields {
    member: &'static str,
    object: Map<String, Value>,
}

impl Fields {
    /// Reads a body with one member.
    pub async fn read(body: Body, member: &'static str) -> Result<Self, Fault> {
        let mut body = body::read_object(body).await?;
        match body.remove(member) {
            Some(Value::Object(object)) => Ok(Self { member, object }),
            Some(other) => Err(wrong_type(member, &other, "object")),
            None => Err(Fault::BadRequest(format!("'{member}' is a required property"))),
        }
    }

    /// A text that must be there and say something.
    pub fn name(&self, longest: usize) -> Result<String, Fault> {
        self.new_name(longest)?.ok_or_else(|| self.lacks("name"))
    }

    /// The same, where it need not be there.
    pub fn new_name(&self, longest: usize) -> Result<Option<String>, Fault> {
        match self.object.get("name") {
            None => Ok(None),
            Some(Value::String(name)) if name.trim().is_empty() => {
                Err(invalid("name", name, &format!("'{name}' should be non-empty")))
            }
            Some(value) => text("name", value, longest).map(Some),
        }
    }

    /// A text that must be there.
    pub fn required(&self, field: &'static str) -> Result<String, Fault> {
        text(field, self.object.get(field).ok_or_else(|| self.lacks(field))?, TEXT)
    }

    /// A text that may be absent.
    pub fn text(&self, field: &'static str) -> Result<Option<String>, Fault> {
        Ok(self.nullable(field)?.flatten())
    }

    /// A text for which absent, null and a value are three different things.
    pub fn nullable(&self, field: &'static str) -> Result<Option<Option<String>>, Fault> {
        match self.object.get(field) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(value) => text(field, value, TEXT).map(|value| Some(Some(value))),
        }
    }

    /// True or false.
    pub fn boolean(&self, field: &'static str) -> Result<Option<bool>, Fault> {
        match self.object.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(Value::String(word)) => match word.to_ascii_lowercase().as_str() {
                "true" | "1" | "y" | "yes" | "on" => Ok(Some(true)),
                "false" | "0" | "n" | "no" | "off" => Ok(Some(false)),
                _ => Err(invalid(field, word, &format!("'{}' is not one of [True, False]", cut(word)))),
            },
            Some(other) => Err(wrong_type(field, other, "boolean")),
        }
    }

    /// Any other value.
    pub fn value(&self, field: &str) -> Option<&Value> {
        self.object.get(field).filter(|value| !value.is_null())
    }

    fn lacks(&self, field: &str) -> Fault {
        let given = Value::Object(Map::from_iter(self.object.keys().map(|key| (cut(key), Value::from("…")))));
        invalid(self.member, &given.to_string(), &format!("'{field}' is a required property"))
    }
}

fn text(field: &str, value: &Value, longest: usize) -> Result<String, Fault> {
    match value {
        Value::String(text) if text.chars().count() > longest => {
            Err(invalid(field, &cut(text), &format!("'{}' is too long", cut(text))))
        }
        Value::String(text) => Ok(text.clone()),
        other => Err(wrong_type(field, other, "string")),
    }
}

/// Users and projects stay in their domain; it may be repeated.
pub fn stays_in(domain_id: &str, asked: Option<String>) -> Result<(), Fault> {
    match asked {
        Some(asked) if asked != domain_id => Err(Fault::BadRequest("Cannot change Domain ID".to_owned())),
        _ => Ok(()),
    }
}

/// `Invalid input for field/attribute F. Value: V. R`. Only values that are no secrets are told.
pub fn invalid(field: &str, value: &str, reason: &str) -> Fault {
    let shown = if is_secret(field) { "***".to_owned() } else { cut(value) };
    let reason = if is_secret(field) { "it is too long".to_owned() } else { reason.to_owned() };
    Fault::BadRequest(format!("Invalid input for field/attribute {field}. Value: {shown}. {reason}"))
}

/// The value is of another kind.
pub fn wrong_type(field: &str, value: &Value, expected: &str) -> Fault {
    if is_secret(field) {
        return Fault::BadRequest(format!("Invalid input for field/attribute {field}. It is not of type '{expected}'"));
    }
    let value = cut(&value.to_string());
    invalid(field, &value, &format!("{value} is not of type '{expected}'"))
}

fn is_secret(field: &str) -> bool {
    field.contains("password") || field == "secret"
}

fn cut(text: &str) -> String {
    text.chars().take(300).collect()
}
