//! For fields of type `Option<Option<T>>`: absent is `None`, `null` is `Some(None)`.
//!
//! Absent, null and set are three different things in an update. Use as
//! `#[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes `null` for `Some(None)`; absent fields are skipped before they get here.
pub fn serialize<T: Serialize, S: Serializer>(value: &Option<Option<T>>, s: S) -> Result<S::Ok, S::Error> {
    value.as_ref().and_then(Option::as_ref).serialize(s)
}

/// Reads a present field; `null` becomes `Some(None)`.
pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(d).map(Some)
}
