//! Calls to the cloud, named so that the same one of another run has the same name.

use crate::wire::Message;

/// The one of this name, and of those the one of this number, from 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// Such as `PUT ports/*`.
    pub name: String,
    /// Which of them.
    pub occurrence: usize,
    /// Nobody waits for it.
    pub behind: bool,
}

impl Call {
    /// Whether it changes nothing in the cloud; a token is nothing that could be left over.
    pub fn only_asks(&self) -> bool {
        self.name.starts_with("GET ") || self.name.ends_with("auth/tokens")
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.name, if self.behind { " (written behind)" } else { "" })?;
        if self.occurrence > 0 { write!(f, " no. {}", self.occurrence + 1) } else { Ok(()) }
    }
}

/// Whether nobody waits for the answer.
pub fn is_behind(request: &Message) -> bool {
    request.header("priority") == Some("u=7")
}

/// Method, path without ids, and what it filters by.
pub fn name(request: &Message) -> String {
    let method = request.first.split(' ').next().unwrap_or_default();
    let (path, query) = request.path().split_once('?').unwrap_or((request.path(), ""));
    let path = ["/v2.0/", "/v3/"].iter().find_map(|version| path.split_once(version)).map_or(path, |(_, rest)| rest);
    let mut after_tags = false;
    let parts: Vec<&str> = path
        .split('/')
        .map(|part| {
            let part = if after_tags || is_id(part) { "*" } else { part };
            after_tags = part == "tags" && path != "auth/tokens";
            part
        })
        .collect();
    let mut keys: Vec<&str> = query.split('&').filter_map(|pair| pair.split('=').next()).collect();
    keys.retain(|key| !key.is_empty());
    keys.sort_unstable();
    keys.dedup();
    let filter = if keys.is_empty() { String::new() } else { format!("?{}", keys.join("&")) };
    format!("{method} {}{filter}", parts.join("/"))
}

fn is_id(part: &str) -> bool {
    part.len() >= 32 && part.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

#[test]
fn the_same_call_has_the_same_name() {
    let of = |method, path| name(&Message::request(method, path, &[], ""));
    assert_eq!(of("GET", "/networking/v2.0/ports?tags=b&device_id=1&tags=c"), "GET ports?device_id&tags");
    assert_eq!(of("PUT", "/v2.0/ports/0f30d1a5-9d3b-4bd8-8b4b-a46c1c0a9c0d/tags/kuryr.net%3Ax"), "PUT ports/*/tags/*");
    assert_eq!(of("POST", "/identity/v3/auth/tokens"), "POST auth/tokens");
}
