//! Where clients find the cloud.

use url::Url;

/// The addresses that documents and the catalog tell clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Without a slash at its end, such as `http://127.0.0.1:9696`.
    base: String,
    /// Region of all endpoints.
    pub region: String,
}

impl Site {
    /// From the URL at which clients reach the router's root.
    pub fn new(base: &Url, region: String) -> Self {
        Self { base: base.as_str().trim_end_matches('/').to_owned(), region }
    }

    /// The URL of a path, which starts with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}
