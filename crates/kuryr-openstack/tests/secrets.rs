//! What is in logs and must be, and what is in neither logs, errors nor `Debug` and must not be: passwords and tokens.
//!
//! A program of its own, because it listens to all that is logged.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

#[allow(dead_code, reason = "the stand-in offers what other tests need")]
#[path = "client/stand_in.rs"]
mod stand_in;

use kuryr_neutron::{Network, NetworkId};
use kuryr_openstack::{Http, HttpOptions, Neutron, SessionOptions, Tls};
use stand_in::{ID, PASSWORD, StandIn, answer};
use std::{
    io,
    sync::{Arc, Mutex},
};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn nothing_that_is_written_holds_a_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let cloud = StandIn::new().serve().await;
    let id: NetworkId = ID.parse().unwrap();
    let transport = Http::new(&HttpOptions::default()).unwrap();
    let base = cloud.base().replace("http://", "http://someone:secret-in-url@");
    let (auth, auth_url) = (stand_in::password_auth(), format!("{base}/identity/v3").parse().unwrap());
    let endpoint = format!("{base}/networking").parse().unwrap();
    let options = SessionOptions { network_endpoint: Some(endpoint), ..SessionOptions::default() };
    let session = kuryr_openstack::Session::new(Arc::new(transport), auth_url, auth.clone(), options);
    let neutron = Neutron::new(session.clone());

    let mut written = format!("{neutron:?} {session:?} {auth:?}");
    neutron.get::<Network>(id).await.unwrap();
    cloud.revoke();
    cloud.script([answer(502, ""), answer(409, "no"), answer(200, "no")]);
    for _ in 0..2 {
        let error = neutron.get::<Network>(id).await.unwrap_err();
        written.push_str(&format!("{error} {error:?}"));
    }
    cloud.keystone([answer(401, "no")]);
    cloud.revoke();
    let error = neutron.get::<Network>(id).await.unwrap_err();
    written.push_str(&format!("{error} {error:?}"));

    written.push_str(&String::from_utf8_lossy(&log.0.lock().unwrap()));
    assert!(written.contains("called the cloud") && written.contains("req-"), "the log is there: {written}");
    for secret in [PASSWORD, "secret-token", "secret-in-url"] {
        assert!(!written.contains(secret), "{secret} is in:\n{written}");
    }
}

#[test]
fn certificates_are_left_unchecked_only_when_asked_and_with_a_warning() {
    let logged_with = |insecure| {
        let log = Log::default();
        let subscriber =
            tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(log.clone()).finish();
        let options = HttpOptions { tls: Tls { insecure, ..Tls::default() }, ..HttpOptions::default() };
        tracing::subscriber::with_default(subscriber, || Http::new(&options)).unwrap();
        let bytes = log.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    };
    let warned = logged_with(true);
    assert!(warned.contains("WARN") && warned.contains("certificates of the cloud are not verified"), "{warned}");
    assert_eq!(warned.matches("not verified").count(), 1, "once: {warned}");
    assert!(!logged_with(false).contains("not verified"));
}
