//! Names of ports in DNS.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::{fmt, str::FromStr};

/// A name in DNS: labels of letters, digits and inner hyphens, at most 63 characters each and 255 in all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct DnsName(String);

/// A text cannot be a name in DNS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a name of letters, digits and hyphens, with at most 63 characters between its dots")]
pub struct DnsNameError(pub String);

impl DnsName {
    /// No name: a port gives up its own.
    pub fn none() -> Self {
        Self(String::new())
    }

    /// The text; empty for no name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DnsName {
    type Err = DnsNameError;
    fn from_str(s: &str) -> Result<Self, DnsNameError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(plain)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // A final dot says that nothing follows.
        let labels = s.strip_suffix('.').unwrap_or(s);
        if s.len() <= 255 && labels.split('.').all(is_label) {
            Ok(Self(s.to_owned()))
        } else {
            Err(DnsNameError(s.chars().take(80).collect()))
        }
    }
}

impl<'de> Deserialize<'de> for DnsName {
    /// Takes what a cloud says as it is, nothing for `null`.
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Self(Option::deserialize(d)?.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let longest = "a".repeat(63);
        for right in ["web", "Web-1", "web.example.org", "web.example.org.", "1", &longest] {
            assert_eq!(right.parse::<DnsName>().unwrap().as_str(), right);
        }
        let (long_label, long) = ("a".repeat(64), "a.".repeat(128));
        for wrong in ["", ".", "-web", "web-", "w_b", "web..org", "wéb", "web org", &long_label, &long] {
            assert!(wrong.parse::<DnsName>().is_err(), "{wrong}");
        }
    }
}
