//! The service catalog that comes with a token: which service is where.

use crate::{Error, fault};
use kuryr_config::Interface;
use serde::Deserialize;
use url::Url;

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
    /// A catalog of service type, interface, region and URL of each endpoint.
    pub(crate) fn of(endpoints: impl Iterator<Item = (String, &'static str, Option<String>, String)>) -> Self {
        let entry = |(service, interface, region, url): (String, &str, _, _)| {
            let endpoint = Endpoint { interface: interface.to_owned(), region_id: None, region, url };
            Entry { service, endpoints: vec![endpoint] }
        };
        Self(endpoints.map(entry).collect())
    }

    /// The first endpoint of a service in the region (any when none is asked for).
    pub(crate) fn endpoint(
        &self,
        service: &'static str,
        interface: Interface,
        region: Option<&str>,
    ) -> Result<Url, Error> {
        let of_service = || self.0.iter().filter(|e| e.service == service).flat_map(|e| &e.endpoints);
        // Old catalogs say publicURL for public.
        let has_interface =
            |e: &Endpoint| e.interface.strip_suffix("URL").unwrap_or(&e.interface) == interface.as_str();
        let found = of_service().find(|e| has_interface(e) && region.is_none_or(|r| e.is_in(r)));
        if let Some(endpoint) = found {
            return service_url(&endpoint.url, "endpoint in the catalog");
        }
        let known: Vec<String> = of_service()
            .map(|e| {
                let region = e.region_id.as_deref().or(e.region.as_deref()).unwrap_or("no region");
                format!("{} in {region}", e.interface)
            })
            .collect();
        Err(Error::NoEndpoint {
            service,
            interface,
            region: region.map_or_else(|| "any region".to_owned(), |r| format!("region '{r}'")),
            known: if known.is_empty() { "none".to_owned() } else { fault::bounded(&known.join(", ")) },
        })
    }
}

/// A URL that requests can be sent to, or an error that names it.
pub(crate) fn service_url(text: &str, field: &'static str) -> Result<Url, Error> {
    let wrong = |value: &str, expected: &str| {
        Err(Error::Invalid { field, value: fault::bounded(value), expected: expected.to_owned() })
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
        let find = |interface, region| catalog().endpoint("network", interface, region).map(String::from).unwrap();
        assert_eq!(find(Interface::Public, None), "http://public.one:9696/");
        assert_eq!(find(Interface::Public, Some("Two")), "http://public.two/networking/v2.0/");
        assert_eq!(find(Interface::Internal, None), "http://internal.one:9696/");
        assert_eq!(find(Interface::Internal, Some("One")), "http://internal.one:9696/");
    }

    #[test]
    fn what_is_missing_is_told_with_what_there_is() {
        let error = catalog().endpoint("network", Interface::Admin, Some("One")).unwrap_err().to_string();
        assert!(error.contains("no admin endpoint of type 'network' in region 'One'"), "{error}");
        assert!(error.contains("internal in One"), "{error}");
        let error = catalog().endpoint("network", Interface::Public, Some("Bad")).unwrap_err().to_string();
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
