//! The client against servers that lie, are silent, or stop in the middle.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use kuryr_ovsdb::{Address, Client, Deadlines, Error, Operation, Vswitch};
use proptest::prelude::*;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
};

const SHORT: Deadlines = Deadlines {
    connect: Duration::from_millis(200),
    answer: Duration::from_millis(200),
    take_up: Duration::from_millis(200),
};

/// Answers the first bytes of every connection with these, then keeps it open or not.
fn serve(answer: Vec<u8>, keep: bool) -> (tempfile::TempDir, Client) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(&answer).await;
            if keep {
                kept.push(stream);
            }
        }
    });
    (directory, Client::new(Address::Unix(path), SHORT))
}

async fn ask(answer: &[u8], keep: bool) -> Error {
    let (_directory, client) = serve(answer.to_vec(), keep);
    client.transact("Open_vSwitch", &[Operation::present("Bridge", "br-int")]).await.unwrap_err()
}

#[tokio::test]
async fn each_kind_of_lie_has_its_error() {
    let error = ask(b"", true).await;
    assert!(matches!(error, Error::Timeout { method: "transact", .. }), "{error}");
    let error = ask(b"", false).await;
    assert!(matches!(error, Error::Disconnected { .. }), "{error}");
    let error = ask(b"SSH-2.0-OpenSSH", true).await;
    assert!(error.to_string().contains("byte 0x53 where a JSON object should begin"), "{error}");
    let error = ask(b"{\"id\":99,\"result\":[],\"error\":null}", true).await;
    assert!(matches!(error, Error::Timeout { .. }), "an answer to another question is none: {error}");
    let error = ask(b"{\"id\":1,\"result\":[],\"error\":null}", true).await;
    assert!(matches!(error, Error::Protocol(_)), "{error}");
    let error =
        ask(b"{\"id\":1,\"result\":null,\"error\":{\"error\":\"unknown database\",\"details\":\"x\"}}", true).await;
    assert_eq!(error.to_string(), "Open vSwitch's database refused: unknown database: x");
    let error = ask(b"{\"id\":1,\"result\":null,\"error\":[7]}", true).await;
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    let error = ask(&[b"{\"a\":".to_vec(), vec![b'['; 100]].concat(), true).await;
    assert!(error.to_string().contains("nested more than 32 deep"), "{error}");
}

#[tokio::test]
async fn a_server_that_always_ends_the_connection_is_given_up() {
    let (_directory, client) = serve(Vec::new(), false);
    let error = Vswitch::new(client).remove_ports("x", "kuryr").await.unwrap_err();
    assert!(matches!(error, Error::Disconnected { .. }), "{error}");
}

#[tokio::test]
async fn many_callers_without_a_server_wait_as_long_as_one() {
    let directory = tempfile::tempdir().unwrap();
    let deadlines = Deadlines { connect: Duration::from_secs(1), ..SHORT };
    let client = Client::new(Address::Unix(directory.path().join("db.sock")), deadlines);
    let started = std::time::Instant::now();
    let ask = |client: Client| tokio::spawn(async move { client.echo().await });
    let asking: Vec<_> = (0..16).map(|_| ask(client.clone())).collect();
    for task in asking {
        assert!(task.await.unwrap().unwrap_err().is_absent());
    }
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_echo_from_the_server_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let client = Client::new(Address::Unix(path), SHORT);
    let asking = tokio::spawn(async move { client.echo().await });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut buffer = [0; 4096];
    let length = stream.read(&mut buffer).await.unwrap();
    let question: serde_json::Value = serde_json::from_slice(&buffer[..length]).unwrap();
    assert_eq!(question["method"], "echo");
    stream.write_all(b"{\"method\":\"echo\",\"params\":[1],\"id\":\"probe\"}").await.unwrap();
    let length = stream.read(&mut buffer).await.unwrap();
    let reply: serde_json::Value = serde_json::from_slice(&buffer[..length]).unwrap();
    assert_eq!(reply, serde_json::json!({"id": "probe", "result": [1], "error": null}));
    let answer = serde_json::json!({"id": question["id"], "result": question["params"], "error": null});
    stream.write_all(answer.to_string().as_bytes()).await.unwrap();
    asking.await.unwrap().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_answered_there_is_an_end(answer in "[\\[\\]{}\",:a-e1 ]{0,60}", keep in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let answers = [answer.clone(), format!("{{\"id\":1,\"error\":null,\"result\":{answer}}}"),
                format!("{{\"method\":\"update2\",\"params\":{answer}}}")];
            for answer in answers {
                let (_directory, client) = serve(answer.into_bytes(), keep);
                let fast = Deadlines { answer: Duration::from_millis(5), ..SHORT };
                let client = Client::new(client.address().clone(), fast);
                let steps = [Operation::present("Bridge", "b")];
                let asked = client.transact("Open_vSwitch", &steps);
                let _ = tokio::time::timeout(Duration::from_secs(5), asked).await.unwrap();
                let watched = client.monitor("Open_vSwitch", "Interface", &["name"], &[]);
                let _ = tokio::time::timeout(Duration::from_secs(5), watched).await.unwrap();
            }
        });
    }
}
