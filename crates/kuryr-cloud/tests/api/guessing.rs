//! Who guesses passwords gets slow answers and then none, and others do not notice.

use crate::client::{Answer, Client, login, send};
use futures_util::future::join_all;
use http::Request;
use kuryr_http::Peer;
use serde_json::{Value, json};
use std::net::SocketAddr;

const TOKENS: &str = "/identity/v3/auth/tokens";
const ATTACKER: &str = "192.0.2.1";
/// Attempts that are made at once. Of one user 64 are looked at together, and a few more if the first have ended by then.
const ATTEMPTS: usize = 80;
const LOOKED_AT: usize = 72;

/// A login by TCP from this address.
async fn from(client: &Client, address: &str, path: &str, body: &Value) -> Answer {
    let mut request = Request::post(path).body(body.to_string().into()).unwrap();
    request.extensions_mut().insert(Peer::Tcp(SocketAddr::new(address.parse().unwrap(), 4711)));
    send(&client.router, request).await
}

/// Many at once; what is told to those that were looked at, and to those that were not.
async fn guess(client: &Client, path: &str, body: &Value) -> (Value, Answer) {
    let answers = join_all((0..ATTEMPTS).map(|_| from(client, ATTACKER, path, body))).await;
    let (mut looked_at, mut refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 401);
    assert!((1..=LOOKED_AT).contains(&looked_at.len()), "{} of {ATTEMPTS}: {refused:?}", looked_at.len());
    (looked_at.remove(0).body, refused.remove(0).expect(429))
}

#[tokio::test]
async fn a_user_who_exists_is_guarded_as_one_who_does_not() {
    let told: Vec<_> = join_all(["admin", "nobody"].map(|user| async move {
        let client = Client::new().await;
        let (wrong, refused) = guess(&client, TOKENS, &login(user, "guess")).await;
        assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
        assert_eq!(refused.body["error"]["title"], "Too Many Requests");
        assert!(!refused.body.to_string().contains("guess") && !refused.body.to_string().contains(user));
        wrong
    }))
    .await;
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn who_knows_the_password_comes_in_while_others_guess() {
    let client = Client::new().await;
    let right = client.login();
    guess(&client, TOKENS, &login("admin", "guess")).await;
    // From another address it is slower now, for the guesses may come from many; on this machine and by root's socket not.
    for address in ["127.0.0.1", "::1", "198.51.100.1"] {
        from(&client, address, TOKENS, &right).await.expect(201);
    }
    client.post(TOKENS, right).await.expect(201);
    client.get("/identity/v3/users").await.expect(200);
}

#[tokio::test]
async fn a_password_is_not_guessed_by_changing_it() {
    let client = Client::new().await;
    let user = client.get("/identity/v3/users?name=admin").await.body["users"][0]["id"].as_str().unwrap().to_owned();
    let change = json!({"user": {"original_password": "guess", "password": "another"}});
    guess(&client, &format!("/identity/v3/users/{user}/password"), &change).await;
    client.post(TOKENS, client.login()).await.expect(201);
}

#[tokio::test]
async fn the_secret_of_an_application_credential_is_not_guessed_either() {
    let client = Client::new().await;
    let user = client.get("/identity/v3/users?name=admin").await.body["users"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/identity/v3/users/{user}/application_credentials");
    let body = json!({"application_credential": {"name": "program", "secret": "its own"}});
    let made = client.post(&path, body).await.expect(201).body["application_credential"]["id"].clone();
    let by = |mut who: Value, secret: &str| {
        who["secret"] = json!(secret);
        json!({"auth": {"identity": {"methods": ["application_credential"], "application_credential": who}}})
    };
    let id = || json!({"id": made});
    let name = |name: &str| json!({"name": name, "user": {"id": user}});
    guess(&client, TOKENS, &by(id(), "guess")).await;
    for who in [id(), name("program")] {
        from(&client, "127.0.0.1", TOKENS, &by(who, "its own")).await.expect(201);
    }
}
