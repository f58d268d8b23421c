//! The service catalog that comes with a token: which service is where.

use crate::Error;
use serde::Deserialize;
use std::{fmt, str::FromStr};
use url::Url;

/// Which of a service's endpoints to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// For anyone.
    Public,
    /// For other services of the cloud.
    Internal,
    /// For administrators.
    Admin,
}

/// A text names no interface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not public, internal or admin")]
pub struct UnknownInterface(pub String);

impl FromStr for Interface {
    type Err = UnknownInterface;
    /// Also takes the older names `publicURL`, `internalURL` and `adminURL`.
    fn from_str(s: &str) -> Result<Self, UnknownInterface> {
        match s.strip_suffix("URL").unwrap_or(s) {
            "public" => Ok(Self::Public),
            "internal" => Ok(Self::Internal),
            "admin" => Ok(Self::Admin),
            _ => Err(UnknownInterface(s.to_owned())),
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        })
    }
}

/// A catalog as Keystone writes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Catalog(Vec<Entry>);

#[derive(Debug, Clone, Deserialize)]
struct Entry {
    #[serde(rename = "type", default)]
    service: String,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone, Deserialize)]
struct Endpoint {
    #[serde(default)]
    interface: String,
    /// Newer name.
    #[serde(default)]
    region_id: Option<String>,
    /// Older name.
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    url: String,
}

impl Endpoint {
    fn is_in(&self, region: &str) -> bool {
        self.region_id.as_deref() == Some(region) || self.region.as_deref() == Some(region)
    }
}

impl Catalog {
    /// The first endpoint of a service in the region (any when none is asked for), by the first interface that has one.
    pub(crate) fn endpoint(
        &self,
        service: &'static str,
        interfaces: &[Interface],
        region: Option<&str>,
    ) -> Result<Url, Error> {
        let of_service = || self.0.iter().filter(|e| e.service == service).flat_map(|e| &e.endpoints);
        let found = interfaces.iter().find_map(|interface| {
            let name = interface.to_string();
            of_service().find(|e| {
                e.interface.strip_suffix("URL").unwrap_or(&e.interface) == name && region.is_none_or(|r| e.is_in(r))
            })
        });
        if let Some(endpoint) = found {
            return service_url(&endpoint.url, "endpoint in the catalog");
        }
        let known: Vec<String> = of_service()
            .map(|e| {
                let region = e.region_id.as_deref().or(e.region.as_deref()).unwrap_or("no region");
                format!("{} in {region}", e.interface)
            })
            .collect();
        let interfaces: Vec<String> = interfaces.iter().map(Interface::to_string).collect();
        Err(Error::NoEndpoint {
            service,
            interface: interfaces.join(" or "),
            region: region.map_or_else(|| "any region".to_owned(), |r| format!("region '{r}'")),
            known: if known.is_empty() { "none".to_owned() } else { known.join(", ") },
        })
    }
}

/// A URL that requests can be sent to, or an error that names it.
pub(crate) fn service_url(text: &str, field: &'static str) -> Result<Url, Error> {
    let wrong = |value: &str, expected: &str| {
        Err(Error::Invalid { field, value: value.to_owned(), expected: expected.to_owned() })
    };
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        Ok(url) => wrong(&public(&url), "expected a URL that begins with http:// or https://"),
        // The text itself may hold a password before an '@'.
        Err(_) if text.contains('@') => wrong("(hidden)", "expected a URL such as http://controller:9696"),
        Err(_) => wrong(text, "expected a URL such as http://controller:9696"),
    }
}

/// A URL as it may be shown: without user, password, query and fragment.
pub(crate) fn public(url: &Url) -> String {
    let mut shown = url.clone();
    // Both refuse only URLs that cannot have them.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    shown.into()
}

/// The URL with this path appended, whether or not it ended in a slash. The path must be encoded already.
pub(crate) fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

/// The endpoint with the version its paths begin with, whether or not the catalog says it.
pub(crate) fn versioned(endpoint: &Url, version: &str) -> Url {
    let path = endpoint.path().trim_end_matches('/');
    if path.rsplit('/').next() == Some(version) { join(endpoint, "") } else { join(endpoint, version) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn catalog() -> Catalog {
        serde_json::from_value(json!([
            {"type": "identity", "name": "keystone", "endpoints": []},
            {"type": "network", "name": "neutron", "endpoints": [
                {"interface": "public", "region": "One", "region_id": "One", "url": "http://public.one:9696"},
                {"interface": "internal", "region": "One", "url": "http://internal.one:9696/"},
                {"interface": "publicURL", "region_id": "Two", "url": "http://public.two/networking/v2.0/"},
                {"interface": "public", "region_id": "Bad", "url": "file:///etc/shadow"},
            ]},
        ]))
        .unwrap()
    }

    #[test]
    fn interface_and_region_choose() {
        let find = |interfaces: &[Interface], region| {
            catalog().endpoint("network", interfaces, region).map(|u| u.to_string()).unwrap()
        };
        assert_eq!(find(&[Interface::Public], None), "http://public.one:9696/");
        assert_eq!(find(&[Interface::Public], Some("Two")), "http://public.two/networking/v2.0/");
        assert_eq!(find(&[Interface::Internal, Interface::Public], None), "http://internal.one:9696/");
        assert_eq!(find(&[Interface::Internal, Interface::Public], Some("Two")), "http://public.two/networking/v2.0/");
    }

    #[test]
    fn what_is_missing_is_told_with_what_there_is() {
        let error = catalog().endpoint("network", &[Interface::Admin], Some("One")).unwrap_err().to_string();
        assert!(error.contains("no admin endpoint of type 'network' in region 'One'"), "{error}");
        assert!(error.contains("internal in One"), "{error}");
        let error = catalog().endpoint("network", &[Interface::Public], Some("Bad")).unwrap_err().to_string();
        assert!(error.contains("file:///etc/shadow"), "{error}");
    }

    #[test]
    fn versions_and_slashes_are_optional() {
        for (given, wanted) in [
            ("http://c:9696", "http://c:9696/v2.0/networks"),
            ("http://c:9696/", "http://c:9696/v2.0/networks"),
            ("http://c:9696/v2.0", "http://c:9696/v2.0/networks"),
            ("http://c/networking/v2.0/", "http://c/networking/v2.0/networks"),
            ("http://c/networking", "http://c/networking/v2.0/networks"),
        ] {
            let endpoint = versioned(&service_url(given, "endpoint").unwrap(), "v2.0");
            assert_eq!(join(&endpoint, "networks").as_str(), wanted, "{given}");
        }
    }

    #[test]
    fn secrets_in_urls_are_not_shown() {
        let url = Url::parse("http://admin:hunter2@c:9696/v2.0/ports?token=hunter2#hunter2").unwrap();
        assert_eq!(public(&url), "http://c:9696/v2.0/ports");
        for text in ["ftp://admin:hunter2@c", "//admin:hunter2@c"] {
            assert!(!service_url(text, "auth_url").unwrap_err().to_string().contains("hunter2"));
        }
    }
}
