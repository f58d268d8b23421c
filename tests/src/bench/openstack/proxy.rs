//! A proxy between a plugin and its OpenStack that counts calls. Addresses in the cloud's answers become the proxy's,
//! so that everything the catalog leads to passes here too.

use std::io::BufReader;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};

use crate::wire::{Message, Wire};

/// Where the cloud's services listen, in the rig's network namespace.
const SERVICES: [&str; 2] = ["127.0.0.1:5000", "127.0.0.1:9696"];

/// A running proxy; it ends with the process.
pub struct Proxy {
    calls: Arc<AtomicUsize>,
    /// Host and port of Keystone as the plugin has to name it.
    pub keystone: String,
}

impl Proxy {
    /// Listen once for each service.
    pub fn start() -> Result<Self> {
        let calls = Arc::new(AtomicUsize::new(0));
        let mut names = Vec::new();
        let mut listeners = Vec::new();
        for service in SERVICES {
            let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen for the proxy")?;
            names.push((service, listener.local_addr()?.to_string()));
            listeners.push((service, listener));
        }
        let keystone = names.first().context("no service")?.1.clone();
        let names = Arc::new(names);
        for (service, listener) in listeners {
            let (calls, names) = (Arc::clone(&calls), Arc::clone(&names));
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (calls, names) = (Arc::clone(&calls), Arc::clone(&names));
                    std::thread::spawn(move || drop(serve(stream, service, &names, &calls)));
                }
            });
        }
        Ok(Self { calls, keystone })
    }

    /// Calls so far.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

fn serve(downstream: TcpStream, service: &str, names: &[(&str, String)], calls: &AtomicUsize) -> Result<()> {
    downstream.set_nodelay(true)?;
    let mut reader = BufReader::new(downstream.try_clone()?);
    let mut writer = downstream;
    while let Some(mut request) = Message::read(&mut reader)? {
        calls.fetch_add(1, Ordering::SeqCst);
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("connection"));
        request.headers.push(("Connection".to_owned(), "close".to_owned()));
        let mut answer = ask(service, &request)?;
        answer.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("connection"));
        answer.body = rewrite(answer.body, names);
        answer.write(&mut writer)?;
    }
    Ok(())
}

/// One connection for each request: a server that closes an idle one never meets a request on it.
fn ask(service: &str, request: &Message) -> Result<Message> {
    let upstream = TcpStream::connect(service).with_context(|| format!("cannot reach {service}"))?;
    upstream.set_nodelay(true)?;
    let answer = Wire::new(upstream).ask(request)?;
    if answer.header("Content-Encoding").is_some() {
        bail!("{service} compresses its answers");
    }
    Ok(answer)
}

fn rewrite(body: Vec<u8>, names: &[(&str, String)]) -> Vec<u8> {
    match String::from_utf8(body) {
        Ok(text) => names.iter().fold(text, |text, (real, own)| text.replace(real, own)).into_bytes(),
        Err(error) => error.into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_services_become_the_proxys() {
        let names = [("127.0.0.1:5000", "127.0.0.1:7".to_owned()), ("127.0.0.1:9696", "127.0.0.1:8".to_owned())];
        let body = br#"{"a":"http://127.0.0.1:9696/","b":"http://127.0.0.1:5000/v3"}"#.to_vec();
        let told = String::from_utf8(rewrite(body, &names)).unwrap();
        assert_eq!(told, r#"{"a":"http://127.0.0.1:8/","b":"http://127.0.0.1:7/v3"}"#);
        assert_eq!(rewrite(vec![0xff, 0x00], &names), [0xff, 0x00]);
    }
}
