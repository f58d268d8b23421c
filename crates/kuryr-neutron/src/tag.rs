//! Tags of resources.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::{fmt, str::FromStr};

/// A tag: 1 to 255 characters, no comma (Neutron joins tags with commas in queries) and no slash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Tag(String);

/// A text cannot be a tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a tag of 1 to 255 characters without comma, slash and control characters")]
pub struct TagError(pub String);

impl Tag {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Tag {
    type Err = TagError;
    fn from_str(s: &str) -> Result<Self, TagError> {
        let length = s.chars().count();
        if length == 0 || length > 255 || s.chars().any(|c| c == ',' || c == '/' || c.is_control()) {
            return Err(TagError(s.chars().take(300).collect()));
        }
        Ok(Self(s.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Tag {
    /// Takes what a cloud says as it is: a cloud may hold tags that we would not write.
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d).map(Self)
    }
}

impl PartialEq<str> for Tag {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}
