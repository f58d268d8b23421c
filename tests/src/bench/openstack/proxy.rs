//! A proxy between a plugin and its OpenStack that notes calls. Addresses in the cloud's answers become the proxy's,
//! so that everything the catalog leads to passes here too.

use std::io::BufReader;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::wire::{Message, Wire};

/// Where the cloud's services listen, in the rig's network namespace.
const SERVICES: [&str; 2] = ["127.0.0.1:5000", "127.0.0.1:9696"];

/// One call of the cloud.
#[derive(Debug, Clone)]
pub struct Call {
    /// Method and path, without ids and without a query.
    pub what: String,
    /// Nobody waited for it: it said so, as Kuryr does where it writes behind.
    pub behind: bool,
    /// How long the cloud took.
    pub took: Duration,
}

impl Call {
    fn of(request: &Message) -> Self {
        let method = request.first.split(' ').next().unwrap_or_default();
        let path = request.path().split('?').next().unwrap_or_default();
        let plain = |part: &str| if part.len() >= 32 { "…".to_owned() } else { part.to_owned() };
        let path: Vec<String> = path.split('/').map(plain).collect();
        let behind = request.header("Priority").is_some_and(|urgency| urgency == "u=7");
        Self { what: format!("{method} {}", path.join("/")), behind, took: Duration::ZERO }
    }
}

/// What a proxy has seen.
#[derive(Debug, Default)]
struct Seen {
    calls: Vec<Call>,
    last: Option<Instant>,
}

/// A running proxy; it ends with the process.
pub struct Proxy {
    seen: Arc<Mutex<Seen>>,
    /// Host and port of Keystone as the plugin has to name it.
    pub keystone: String,
}

impl Proxy {
    /// Listen once for each service.
    pub fn start() -> Result<Self> {
        let seen = Arc::<Mutex<Seen>>::default();
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
            let (seen, names) = (Arc::clone(&seen), Arc::clone(&names));
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (seen, names) = (Arc::clone(&seen), Arc::clone(&names));
                    std::thread::spawn(move || drop(serve(stream, service, &names, &seen)));
                }
            });
        }
        Ok(Self { seen, keystone })
    }

    /// The calls that were answered since this was asked last.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut locked(&self.seen).calls)
    }

    /// Wait until there has been no call for so long; not for ever.
    pub fn quiet(&self, pause: Duration, limit: Duration) {
        let (started, tick) = (Instant::now(), Duration::from_millis(10));
        let since = |last: Option<Instant>| last.filter(|last| *last > started).unwrap_or(started).elapsed();
        while since(locked(&self.seen).last) < pause && started.elapsed() < limit {
            std::thread::sleep(tick);
        }
    }
}

fn locked(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(downstream: TcpStream, service: &str, names: &[(&str, String)], seen: &Mutex<Seen>) -> Result<()> {
    downstream.set_nodelay(true)?;
    let mut reader = BufReader::new(downstream.try_clone()?);
    let mut writer = downstream;
    while let Some(mut request) = Message::read(&mut reader)? {
        let (mut call, asked) = (Call::of(&request), Instant::now());
        locked(seen).last = Some(asked);
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("connection"));
        request.headers.push(("Connection".to_owned(), "close".to_owned()));
        let mut answer = ask(service, &request)?;
        call.took = asked.elapsed();
        {
            let mut seen = locked(seen);
            seen.calls.push(call);
            seen.last = Some(Instant::now());
        }
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
    fn calls_are_told_without_ids() {
        let id = "0080c0c7-6ead-4dc0-ade4-56e08a9484c5";
        let call = |path: &str, headers: &[(&str, &str)]| Call::of(&Message::request("PUT", path, headers, ""));
        let tagging = call(&format!("/v2.0/ports/{id}/tags?x={id}"), &[("priority", "u=7")]);
        assert_eq!((tagging.what.as_str(), tagging.behind), ("PUT /v2.0/ports/…/tags", true));
        let update = call("/v2.0/ports/1", &[]);
        assert_eq!((update.what.as_str(), update.behind), ("PUT /v2.0/ports/1", false));
    }

    #[test]
    fn addresses_of_services_become_the_proxys() {
        let names = [("127.0.0.1:5000", "127.0.0.1:7".to_owned()), ("127.0.0.1:9696", "127.0.0.1:8".to_owned())];
        let body = br#"{"a":"http://127.0.0.1:9696/","b":"http://127.0.0.1:5000/v3"}"#.to_vec();
        let told = String::from_utf8(rewrite(body, &names)).unwrap();
        assert_eq!(told, r#"{"a":"http://127.0.0.1:8/","b":"http://127.0.0.1:7/v3"}"#);
        assert_eq!(rewrite(vec![0xff, 0x00], &names), [0xff, 0x00]);
    }
}
