//! A Neutron without some of its extensions: a proxy that does not tell of them and answers for their paths as if there
//! were none.

use std::io::BufReader;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::OpenStack;
use crate::wire::{Message, Wire};

/// A running proxy; it ends with the test's process.
pub struct Veil {
    /// Its address, for `endpoint_override`.
    pub url: String,
}

impl Veil {
    /// Hide the extensions by which resources have tags.
    pub fn without_tags(openstack: &OpenStack) -> Result<Self> {
        let listener = openstack.run(|| TcpListener::bind("127.0.0.1:0").context("cannot listen"))?;
        let url = format!("http://{}", listener.local_addr()?);
        let namespace = Arc::new(openstack.network()?);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let namespace = Arc::clone(&namespace);
                std::thread::spawn(move || crate::world::enter(&namespace).and_then(|()| serve(stream)));
            }
        });
        Ok(Self { url })
    }
}

fn serve(downstream: TcpStream) -> Result<()> {
    downstream.set_nodelay(true)?;
    let mut reader = BufReader::new(downstream.try_clone()?);
    let mut writer = downstream;
    while let Some(mut request) = Message::read(&mut reader)? {
        let path = request.path().split('?').next().unwrap_or_default().to_owned();
        let hidden = path.split('/').any(|part| part == "tags" || is_of_tags(part));
        let mut answer = if hidden {
            let fault =
                json!({ "NeutronError": { "type": "HTTPNotFound", "message": "no such extension", "detail": "" } });
            Message { first: "HTTP/1.1 404 Not Found".to_owned(), headers: Vec::new(), body: fault.to_string().into() }
        } else {
            request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("connection"));
            request.headers.push(("Connection".to_owned(), "close".to_owned()));
            Wire::new(TcpStream::connect(OpenStack::NEUTRON)?).ask(&request)?
        };
        if path.ends_with("/extensions") {
            answer.body = without_tags(&answer.body)?;
        }
        answer.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("connection"));
        answer.write(&mut writer)?;
    }
    Ok(())
}

fn is_of_tags(alias: &str) -> bool {
    matches!(alias, "tag" | "tag-ext" | "standard-attr-tag") || alias.starts_with("tag-")
}

fn without_tags(body: &[u8]) -> Result<Vec<u8>> {
    let mut all: Value = serde_json::from_slice(body).context("the list of extensions is not JSON")?;
    if let Some(list) = all["extensions"].as_array_mut() {
        list.retain(|extension| !extension["alias"].as_str().is_some_and(is_of_tags));
    }
    Ok(all.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_of_tags_are_not_told() {
        let body = br#"{"extensions":[{"alias":"standard-attr-tag"},{"alias":"tag-ports-during-bulk-creation"},
            {"alias":"router"}]}"#;
        assert_eq!(without_tags(body).unwrap(), br#"{"extensions":[{"alias":"router"}]}"#);
    }
}
