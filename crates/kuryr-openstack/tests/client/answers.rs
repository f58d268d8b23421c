//! Bodies that are broken, false, or far too large.

use crate::stand_in::{ID, StandIn, answer};
use kuryr_neutron::{Network, NetworkId, NewNetwork, Tag};
use kuryr_openstack::{Error, Http, HttpOptions, InProcess, Neutron, Query, SessionOptions, TransportError};
use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

fn id() -> NetworkId {
    ID.parse().unwrap()
}

#[tokio::test]
async fn a_yes_that_makes_no_sense_is_an_error() {
    let deep = format!("{{\"network\": {}", "[".repeat(200_000));
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "{\"network\": null}",
        "{\"network\": 7}",
        "{\"network\": {\"id\": \"../../etc\"}}",
        "{\"networks\": []}",
        "{\"network\": {\"id\": \"0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9\", \"mtu\": -1}}",
        "<!DOCTYPE html><html><body>Log in to the hotel's WLAN</body></html>",
        "\u{feff}\u{0}\u{1b}[2J",
        &deep,
    ] {
        let cloud = StandIn::new();
        let body = body.to_owned();
        cloud.answer_with(move |_| answer(200, body.clone()));
        let neutron = cloud.neutron();
        for error in [
            neutron.get::<Network>(id()).await.unwrap_err(),
            neutron.create::<Network>(&NewNetwork::default()).await.unwrap_err(),
        ] {
            assert!(matches!(error, Error::Decode { status: 200, .. }) && error.may_have_happened(), "{error}");
            let text = error.to_string();
            assert!(text.len() < 1000 && !text.contains('\u{1b}'), "{text}");
        }
        assert_eq!(cloud.call_count(), 2, "what makes no sense is not asked for again");
        assert_eq!(cloud.lookups(), 1, "what it may have created is looked for");
    }
}

#[tokio::test]
async fn a_bulk_answer_must_have_as_many() {
    let cloud = StandIn::new();
    let error = cloud.neutron().create_many::<Network>(&[NewNetwork::default(), NewNetwork::default()]).await;
    let error = error.unwrap_err();
    assert!(error.to_string().contains("2 networks asked for, 1 told") && error.may_have_happened(), "{error}");
}

#[tokio::test]
async fn calls_without_a_result_believe_no_failure_and_no_stranger() {
    let (cloud, tag): (StandIn, Tag) = (StandIn::new(), "t".parse().unwrap());
    let neutron = cloud.neutron();
    cloud.script([answer(200, r#"{"tags": ["t"]}"#), answer(201, ""), answer(204, "")]);
    neutron.set_tags::<Network>(id(), std::slice::from_ref(&tag)).await.unwrap();
    neutron.add_tag::<Network>(id(), &tag).await.unwrap();
    neutron.delete::<Network>(id()).await.unwrap();
    for body in ["<html>whatever", r#"{"NeutronError": {"type": "T", "message": "m", "detail": ""}}"#] {
        cloud.answer_with(move |_| answer(200, body));
        for error in [
            neutron.set_tags::<Network>(id(), std::slice::from_ref(&tag)).await.unwrap_err(),
            neutron.add_tag::<Network>(id(), &tag).await.unwrap_err(),
            neutron.delete::<Network>(id()).await.unwrap_err(),
        ] {
            assert!(matches!(error, Error::Decode { status: 200, .. }), "{error}");
        }
    }
}

#[tokio::test]
async fn huge_answers_are_not_read() {
    let huge = |cloud: &StandIn| cloud.answer_with(|_| answer(200, vec![b' '; 100_000]));
    let too_large = |error: Error| {
        let is = matches!(&error, Error::Transport { source: TransportError::TooLarge { limit: 5000 }, .. });
        assert!(is, "{error}");
    };
    let cloud = StandIn::new();
    huge(&cloud);
    let transport = InProcess::new(cloud.router()).response_limit(5000);
    let neutron = Neutron::new(cloud.session(Arc::new(transport), SessionOptions::default()));
    too_large(neutron.get::<Network>(id()).await.unwrap_err());
    assert_eq!(cloud.call_count(), 1);

    let cloud = StandIn::new().serve().await;
    huge(&cloud);
    let transport = Http::new(&HttpOptions { response_limit: 5000, ..HttpOptions::default() }).unwrap();
    let neutron = Neutron::new(cloud.session(Arc::new(transport), SessionOptions::default()));
    too_large(neutron.get::<Network>(id()).await.unwrap_err());
    too_large(neutron.list::<Network>(&Query::new()).await.unwrap_err());
    assert_eq!(cloud.call_count(), 2);
}

/// A server that answers every request with these bytes and closes. Returns its address and a counter of requests.
async fn raw_server(answer: &'static [u8]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 65536];
            let read = stream.read(&mut request).await.unwrap_or(0);
            if read > 0 {
                counter.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    (format!("http://{address}"), count)
}

/// Tokens from a good Keystone, networks from a raw server.
async fn neutron_at(url: &str) -> Neutron {
    let cloud = StandIn::new().serve().await;
    let options = SessionOptions {
        network_endpoint: Some(url.parse().unwrap()),
        retry_delay: Duration::from_millis(1),
        ..SessionOptions::default()
    };
    let transport = Http::new(&HttpOptions { response_limit: 5000, ..HttpOptions::default() }).unwrap();
    Neutron::new(cloud.session_at("identity", Arc::new(transport), options))
}

#[tokio::test]
async fn truncated_answers_are_asked_for_again_or_reported() {
    for bytes in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"network\""[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"net",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200",
        b"",
        b"SSH-2.0-OpenSSH_9.9\r\n",
    ] {
        let (url, count) = raw_server(bytes).await;
        let neutron = neutron_at(&url).await;
        let error = neutron.get::<Network>(id()).await.unwrap_err();
        let interrupted = |e: &Error| matches!(e, Error::Transport { source: TransportError::Interrupted { .. }, .. });
        assert!(interrupted(&error), "{error}");
        assert_eq!(count.swap(0, Ordering::SeqCst), 4, "{error}");
        let error = neutron.create::<Network>(&NewNetwork::default()).await.unwrap_err();
        assert!(interrupted(&error) && error.may_have_happened(), "{error}");
        assert_eq!(count.load(Ordering::SeqCst), 1 + 4, "sent once, then looked for: {error}");
    }
}

#[tokio::test]
async fn an_answer_without_a_length_is_bounded_too() {
    // The limit is 5000 bytes: 0x1770 are 6000.
    static ANSWER: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1770\r\n";
        [head.as_bytes(), &[b' '; 6000], b"\r\n0\r\n\r\n"].concat()
    });
    let (url, count) = raw_server(&ANSWER).await;
    let error = neutron_at(&url).await.get::<Network>(id()).await.unwrap_err();
    assert!(matches!(error, Error::Transport { source: TransportError::TooLarge { limit: 5000 }, .. }), "{error}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_length_that_is_a_lie_allocates_nothing() {
    let (url, count) = raw_server(b"HTTP/1.1 200 OK\r\ncontent-length: 9000000000000000000\r\n\r\n{").await;
    let error = neutron_at(&url).await.get::<Network>(id()).await.unwrap_err();
    assert!(matches!(error, Error::Transport { source: TransportError::TooLarge { .. }, .. }), "{error}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_closed_port_is_told_and_nothing_happened() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = neutron_at(&url).await.create::<Network>(&NewNetwork::default()).await.unwrap_err();
    assert!(matches!(&error, Error::Transport { source: TransportError::Connect { .. }, .. }), "{error}");
    assert!(!error.may_have_happened());
    let text = error.to_string();
    assert!(text.contains("Connection refused") && text.contains("is the service running"), "{text}");
}
