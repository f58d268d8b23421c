//! Finds the Identity API below the URL an operator gave: v3 where it is, else v2.0.

use crate::catalog::join;
use http::StatusCode;
use kuryr_config::IdentityVersion;
use serde::Deserialize;
use url::Url;

/// Where a version of the Identity API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) url: Url,
    /// V2 or V3.
    pub(crate) version: IdentityVersion,
}

/// What discovery found out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Discovered {
    /// A version we know is here.
    Found(Identity),
    /// Keystone answered, and has none that we know; these are the versions it has.
    Neither(Vec<String>),
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

/// What needs no discovery: a version that the URL names, or that was asked for.
pub(crate) fn named_version(auth_url: &Url, wanted: IdentityVersion) -> Option<Identity> {
    let last = auth_url.path().trim_end_matches('/').rsplit('/').next();
    let found = |url, version| Some(Identity { url, version });
    match (wanted, last) {
        (IdentityVersion::Any | IdentityVersion::V3, Some("v3")) => found(auth_url.clone(), IdentityVersion::V3),
        (IdentityVersion::Any | IdentityVersion::V2, Some("v2.0")) => found(auth_url.clone(), IdentityVersion::V2),
        (IdentityVersion::V3, _) => found(join(auth_url, "v3"), IdentityVersion::V3),
        (IdentityVersion::V2, _) => found(join(auth_url, "v2.0"), IdentityVersion::V2),
        (IdentityVersion::Any, _) => None,
    }
}

/// Reads the answer of `GET <auth_url>`; of no use, it means `<auth_url>/v3`, as in keystoneauth.
pub(crate) fn identity_url(auth_url: &Url, status: StatusCode, body: &[u8]) -> Discovered {
    let below = |path, version| Discovered::Found(Identity { url: join(auth_url, path), version });
    let fallback = || below("v3", IdentityVersion::V3);
    if !status.is_success() && status != StatusCode::MULTIPLE_CHOICES {
        return fallback();
    }
    let versions = match serde_json::from_slice(body) {
        Ok(Document::Keystone { versions }) => versions.values,
        Ok(Document::List { versions }) => versions,
        Ok(Document::One { version }) => vec![version],
        Err(_) => return fallback(),
    };
    let of = |major: &str| versions.iter().find(|v| v.id == major || v.id.starts_with(&format!("{major}.")));
    let (found, path, version) = match (of("v3"), of("v2")) {
        (Some(v3), _) => (v3, "v3", IdentityVersion::V3),
        (None, Some(v2)) => (v2, "v2.0", IdentityVersion::V2),
        (None, None) => {
            return Discovered::Neither(versions.into_iter().map(|v| v.id.chars().take(20).collect()).collect());
        }
    };
    // Keystone behind a proxy often knows neither its scheme nor its host, and a password goes nowhere but where
    // the operator said: only the path is taken.
    let href = found.links.iter().find(|link| link.rel == "self").and_then(|link| auth_url.join(&link.href).ok());
    match href {
        Some(href) => {
            let mut url = auth_url.clone();
            url.set_query(None);
            url.set_fragment(None);
            url.set_path(href.path().trim_end_matches('/'));
            Discovered::Found(Identity { url, version })
        }
        None => below(path, version),
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

    fn is(url: &str, version: IdentityVersion) -> Discovered {
        Discovered::Found(Identity { url: Url::parse(url).unwrap(), version })
    }

    fn v3(url: &str) -> Discovered {
        is(url, IdentityVersion::V3)
    }

    #[test]
    fn a_version_in_the_url_or_asked_for_needs_no_discovery() {
        use IdentityVersion::{Any, V2, V3};
        for (url, wanted, found) in [
            ("http://c/v3", Any, Some(("http://c/v3", V3))),
            ("http://c/identity/v3/", Any, Some(("http://c/identity/v3/", V3))),
            ("http://c:5000/v2.0", Any, Some(("http://c:5000/v2.0", V2))),
            ("http://c:5000", Any, None),
            ("http://c/identity", Any, None),
            ("http://c/identity", V3, Some(("http://c/identity/v3", V3))),
            ("http://c/v3", V3, Some(("http://c/v3", V3))),
            ("http://c:5000/", V2, Some(("http://c:5000/v2.0", V2))),
            ("http://c:5000/v2.0/", V2, Some(("http://c:5000/v2.0/", V2))),
        ] {
            let named = named_version(&Url::parse(url).unwrap(), wanted).map(|i| (i.url.to_string(), i.version));
            assert_eq!(named, found.map(|(url, version)| (url.to_owned(), version)), "{url} {wanted:?}");
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
    fn v2_is_for_a_keystone_without_v3() {
        let body = |ids: &[&str]| {
            let versions: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
            json!({"versions": {"values": versions}}).to_string()
        };
        assert_eq!(found("http://c/", 300, &body(&["v2.0"])), is("http://c/v2.0", IdentityVersion::V2));
        assert_eq!(found("http://c/", 300, &body(&["v2.0", "v3.0"])), v3("http://c/v3"));
        assert_eq!(found("http://c/", 300, &body(&["v4.0"])), Discovered::Neither(vec!["v4.0".into()]));
    }

    proptest! {
        #[test]
        fn nothing_panics_or_changes_the_host(body in ".*", href in ".*") {
            let _ = found("http://c/", 200, &body);
            let versions = json!({"version": {"id": "v3", "links": [{"rel": "self", "href": href}]}}).to_string();
            let Discovered::Found(identity) = found("http://c/", 200, &versions) else { panic!("v3 was there") };
            prop_assert_eq!(identity.url.host_str(), Some("c"));
        }
    }
}
