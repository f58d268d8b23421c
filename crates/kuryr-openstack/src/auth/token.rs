//! A token as Keystone issues it.

use crate::catalog::Catalog;
use http::HeaderValue;
use jiff::Timestamp;
use kuryr_neutron::ProjectId;
use serde::Deserialize;
use std::time::Duration;

/// An issued token. `Debug` does not show it: the header is marked sensitive.
#[derive(Debug)]
pub(crate) struct IssuedToken {
    pub(crate) header: HeaderValue,
    /// How long it lives from its issue; `None`: for ever.
    pub(crate) lifetime: Option<Duration>,
    pub(crate) catalog: Catalog,
    pub(crate) project_id: Option<ProjectId>,
}

#[derive(Deserialize)]
struct Answer {
    token: Token,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    issued_at: Option<Timestamp>,
    #[serde(default)]
    expires_at: Option<Timestamp>,
    #[serde(default)]
    catalog: Catalog,
    #[serde(default)]
    project: Option<Project>,
}

#[derive(Deserialize)]
struct Project {
    id: ProjectId,
}

impl IssuedToken {
    /// Reads the answer of `POST /v3/auth/tokens`: the token is in the header `X-Subject-Token`, all else in the body.
    pub(crate) fn read(header: Option<&HeaderValue>, body: &[u8]) -> Result<Self, String> {
        let mut header = header.ok_or("the answer has no X-Subject-Token header")?.clone();
        header.set_sensitive(true);
        let Answer { token } =
            serde_json::from_slice(body).map_err(|error| format!("the token is unreadable: {error}"))?;
        let lifetime = lifetime(token.issued_at, token.expires_at);
        Ok(Self { header, lifetime, catalog: token.catalog, project_id: token.project.map(|p| p.id) })
    }
}

/// Keystone's own clock on both ends: ours may be wrong.
pub(super) fn lifetime(issued: Option<Timestamp>, end: Option<Timestamp>) -> Option<Duration> {
    end.map(|end| Duration::try_from(end.duration_since(issued.unwrap_or_else(Timestamp::now))).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn life_is_measured_by_keystones_clock() {
        let header = HeaderValue::from_static("secret-token");
        let body =
            br#"{"token": {"issued_at": "2001-01-01T00:00:00.000000Z", "expires_at": "2001-01-01T01:00:00.000000Z",
            "project": {"id": "42", "name": "x"}, "methods": ["password"]}}"#;
        let token = IssuedToken::read(Some(&header), body).unwrap();
        assert_eq!(token.lifetime, Some(Duration::from_secs(3600)));
        assert_eq!(token.project_id, Some(ProjectId("42".into())));
        assert!(!format!("{token:?}").contains("secret-token"));
    }

    #[test]
    fn lies_are_errors() {
        let header = HeaderValue::from_static("t");
        assert!(IssuedToken::read(None, br#"{"token": {}}"#).unwrap_err().contains("X-Subject-Token"));
        for body in ["", "[]", "<html>", r#"{"token": 1}"#, r#"{"token": {"catalog": "x"}}"#] {
            assert!(IssuedToken::read(Some(&header), body.as_bytes()).is_err(), "{body}");
        }
        // A life that ends before it begins is over, not a panic.
        let over = br#"{"token": {"issued_at": "2001-01-01T00:00:00Z", "expires_at": "1999-01-01T00:00:00Z"}}"#;
        assert_eq!(IssuedToken::read(Some(&header), over).unwrap().lifetime, Some(Duration::ZERO));
    }
}
