//! Finds Identity API v3 below the URL an operator gave.

use crate::catalog::join;
use http::StatusCode;
use serde::Deserialize;
use url::Url;

/// What discovery found out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Discovered {
    /// v3 is here.
    V3(Url),
    /// Keystone answered, and has no v3; these are the versions it has.
    NoV3(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    /// Of an unversioned URL: `{"versions": {"values": […]}}`.
    Keystone { versions: Values },
    /// As other services write it: `{"versions": […]}`.
    List { versions: Vec<Version> },
    /// Of a versioned URL: `{"version": {…}}`.
    One { version: Version },
}

#[derive(Deserialize)]
struct Values {
    values: Vec<Version>,
}

#[derive(Deserialize)]
struct Version {
    #[serde(default)]
    id: String,
    #[serde(default)]
    links: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    rel: String,
    #[serde(default)]
    href: String,
}

/// False when the URL itself names its version.
pub(crate) fn needs_discovery(auth_url: &Url) -> bool {
    auth_url.path().trim_end_matches('/').rsplit('/').next() != Some("v3")
}

/// Reads the answer of `GET <auth_url>`; of no use, it means `<auth_url>/v3`, as in keystoneauth.
pub(crate) fn identity_url(auth_url: &Url, status: StatusCode, body: &[u8]) -> Discovered {
    let fallback = || Discovered::V3(join(auth_url, "v3"));
    if !status.is_success() && status != StatusCode::MULTIPLE_CHOICES {
        return fallback();
    }
    let versions = match serde_json::from_slice(body) {
        Ok(Document::Keystone { versions }) => versions.values,
        Ok(Document::List { versions }) => versions,
        Ok(Document::One { version }) => vec![version],
        Err(_) => return fallback(),
    };
    let Some(v3) = versions.iter().find(|v| v.id == "v3" || v.id.starts_with("v3.")) else {
        return Discovered::NoV3(versions.into_iter().map(|v| v.id.chars().take(20).collect()).collect());
    };
    // Keystone behind a proxy often knows neither its scheme nor its host, and a password goes nowhere but where
    // the operator said: only the path is taken.
    let href = v3.links.iter().find(|link| link.rel == "self").and_then(|link| auth_url.join(&link.href).ok());
    match href {
        Some(href) => {
            let mut url = auth_url.clone();
            url.set_query(None);
            url.set_fragment(None);
            url.set_path(href.path().trim_end_matches('/'));
            Discovered::V3(url)
        }
        None => fallback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn found(auth_url: &str, status: u16, body: &str) -> Discovered {
        identity_url(&Url::parse(auth_url).unwrap(), StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    fn v3(url: &str) -> Discovered {
        Discovered::V3(Url::parse(url).unwrap())
    }

    #[test]
    fn a_version_in_the_url_needs_no_discovery() {
        for (url, needs) in [
            ("http://c/v3", false),
            ("http://c/identity/v3/", false),
            ("http://c:5000", true),
            ("http://c/identity", true),
        ] {
            assert_eq!(needs_discovery(&Url::parse(url).unwrap()), needs, "{url}");
        }
    }

    #[test]
    fn the_host_is_the_operators_and_the_path_keystones() {
        let versions = json!({"versions": {"values": [
            {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": "http://evil.example/keystone/v3/"}]},
        ]}});
        assert_eq!(found("https://c:5000/", 300, &versions.to_string()), v3("https://c:5000/keystone/v3"));
    }

    #[test]
    fn no_use_means_v3_below() {
        for (status, body) in [(404, ""), (200, "<html>"), (300, r#"{"versions": 3}"#), (500, "{}")] {
            assert_eq!(found("http://c/identity/", status, body), v3("http://c/identity/v3"), "{body}");
        }
    }

    #[test]
    fn an_old_keystone_is_told() {
        let body = json!({"versions": {"values": [{"id": "v2.0"}]}}).to_string();
        assert_eq!(found("http://c/", 300, &body), Discovered::NoV3(vec!["v2.0".into()]));
    }

    proptest! {
        #[test]
        fn nothing_panics_or_changes_the_host(body in ".*", href in ".*") {
            let _ = found("http://c/", 200, &body);
            let versions = json!({"version": {"id": "v3", "links": [{"rel": "self", "href": href}]}}).to_string();
            let Discovered::V3(url) = found("http://c/", 200, &versions) else { panic!("v3 was there") };
            prop_assert_eq!(url.host_str(), Some("c"));
        }
    }
}
