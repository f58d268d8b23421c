//! Logging in, and what Keystone tells.

use crate::client::{Client, URL, login, open};
use secrecy::ExposeSecret;
use serde_json::json;

const TOKENS: &str = "/identity/v3/auth/tokens";

#[tokio::test]
async fn versions_are_found_without_a_token() {
    let mut client = Client::new().await;
    client.token.clear();
    let list = client.get("/identity").await.expect(300);
    assert_eq!(list.body["versions"]["values"][0]["links"][0]["href"], format!("{URL}/identity/v3/"));
    let one = client.get("/identity/v3/").await.expect(200);
    assert_eq!(one.body["version"]["id"], "v3.14");
    let neutron = client.get("/networking/").await.expect(200);
    assert_eq!(neutron.body["versions"][0]["id"], "v2.0");
}

#[tokio::test]
async fn a_login_gives_a_scoped_token_with_the_catalog() {
    let client = Client::new().await;
    let answer = client.post(TOKENS, client.login()).await.expect(201);
    let token = &answer.body["token"];
    assert_eq!(token["project"]["name"], "admin");
    assert_eq!(token["roles"].as_array().unwrap().len(), 4, "admin, manager, member, reader: {token}");
    let network = token["catalog"].as_array().unwrap().iter().find(|service| service["type"] == "network").unwrap();
    assert_eq!(network["endpoints"][0]["url"], format!("{URL}/networking"));

    let mut body = client.login();
    body["auth"]["scope"] = json!("unscoped");
    let answer = client.post(TOKENS, body.clone()).await.expect(201);
    assert!(answer.body["token"].get("project").is_none());
    for scope in [json!({"project": {"name": "nobody", "domain": {"id": "default"}}}), json!({"system": {"all": true}})]
    {
        body["auth"]["scope"] = scope;
        client.post(TOKENS, body.clone()).await.expect(401);
    }
}

#[tokio::test]
async fn wrong_credentials_are_refused_alike() {
    let client = Client::new().await;
    let wrong = client.post(TOKENS, login("admin", "wrong")).await.expect(401);
    let unknown = client.post(TOKENS, login("nobody", "wrong")).await.expect(401);
    assert_eq!(wrong.body, unknown.body, "an answer tells whether a user exists");
    assert_eq!(wrong.body["error"]["code"], 401);
    assert_eq!(wrong.body["error"]["title"], "Unauthorized");
}

#[tokio::test]
async fn a_token_is_shown_exchanged_and_taken_back() {
    let client = Client::new().await;
    let issued = client.post(TOKENS, client.login()).await.expect(201);
    let subject = issued.header("x-subject-token").to_owned();
    let ask = |builder: http::request::Builder| builder.header("x-subject-token", &subject);
    let shown = client.send(ask(http::Request::get(TOKENS)), "").await.expect(200);
    assert_eq!(shown.body["token"]["expires_at"], issued.body["token"]["expires_at"]);
    let head = client.send(ask(http::Request::head(TOKENS)), "").await.expect(200);
    assert_eq!(head.body, serde_json::Value::Null);

    let exchange = json!({"auth": {"identity": {"methods": ["token"], "token": {"id": subject}}}});
    let exchanged = client.post(TOKENS, exchange.clone()).await.expect(201);
    assert_eq!(exchanged.body["token"]["expires_at"], issued.body["token"]["expires_at"], "an exchange never extends");

    client.send(ask(http::Request::delete(TOKENS)), "").await.expect(204);
    client.send(ask(http::Request::get(TOKENS)), "").await.expect(404);
    client.post(TOKENS, exchange).await.expect(401);
    client.get("/identity/v3/projects").await.expect(200);
}

#[tokio::test]
async fn tokens_revocations_and_the_password_survive_a_restart() {
    let client = Client::new().await;
    let password = client.cloud.credentials().password.expose_secret().to_owned();
    let second = client.post(TOKENS, client.login()).await.expect(201).header("x-subject-token").to_owned();
    client.send(http::Request::delete(TOKENS).header("x-subject-token", &second), "").await.expect(204);
    let Client { cloud, router, token, state } = client;
    drop((cloud, router));

    let cloud = open(state.path(), None).await;
    assert_eq!(cloud.credentials().password.expose_secret(), password);
    let client = Client { router: cloud.router(), cloud, token, state };
    client.get("/identity/v3/projects").await.expect(200);
    client.send(http::Request::get(TOKENS).header("x-subject-token", &second), "").await.expect(404);
}

#[tokio::test]
async fn a_lost_clouds_yaml_is_replaced_with_a_new_password() {
    let client = Client::new().await;
    let old = client.cloud.credentials().password.expose_secret().to_owned();
    let Client { cloud, router, state, .. } = client;
    drop((cloud, router));
    std::fs::remove_file(state.path().join("clouds.yaml")).unwrap();

    let cloud = open(state.path(), None).await;
    let client = Client { router: cloud.router(), cloud, token: String::new(), state };
    client.post(TOKENS, login("admin", &old)).await.expect(401);
    client.post(TOKENS, client.login()).await.expect(201);
    let text = std::fs::read_to_string(client.state.path().join("clouds.yaml")).unwrap();
    assert!(text.contains(client.cloud.credentials().password.expose_secret()));
}

#[tokio::test]
async fn what_there_is_can_be_read() {
    let client = Client::new().await;
    for (path, key, count) in [
        ("projects?name=admin", "projects", 1),
        ("projects?name=nobody", "projects", 0),
        ("users", "users", 1),
        ("domains", "domains", 1),
        ("services", "services", 2),
        ("endpoints", "endpoints", 6),
        ("regions", "regions", 1),
        ("roles", "roles", 5),
        ("role_assignments?include_names", "role_assignments", 1),
        ("auth/projects", "projects", 1),
        ("auth/catalog", "catalog", 2),
    ] {
        let answer = client.get(&format!("/identity/v3/{path}")).await.expect(200);
        assert_eq!(answer.body[key].as_array().unwrap().len(), count, "{path}: {}", answer.body);
    }
    let user = client.get("/identity/v3/users").await.body["users"][0].clone();
    assert!(user.get("password").is_none(), "hashes are not shown");
    let id = user["id"].as_str().unwrap();
    assert_eq!(client.get(&format!("/identity/v3/users/{id}")).await.expect(200).body["user"], user);
    client.get("/identity/v3/users/nobody").await.expect(404);
    client.get("/identity/v3/nothing").await.expect(404);
}

#[tokio::test]
async fn without_a_token_nothing_is_told() {
    let mut client = Client::new().await;
    for token in ["", "wrong", "a.b"] {
        client.token = token.to_owned();
        for path in
            ["/identity/v3/projects", "/identity/v3/auth/catalog", "/networking/v2.0/ports", "/networking/v2.0/"]
        {
            let answer = client.get(path).await.expect(401);
            assert_eq!(answer.body["error"]["code"], 401, "{path}");
            assert!(answer.header("www-authenticate").starts_with("Keystone uri="), "{path}");
        }
    }
}

#[tokio::test]
async fn a_clouds_yaml_with_another_password_is_refused_with_the_way_out() {
    let Client { cloud, router, state, .. } = Client::new().await;
    let password = cloud.credentials().password.expose_secret().to_owned();
    drop((cloud, router));
    let path = state.path().join("clouds.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(&password, "another")).unwrap();
    let options = crate::client::options(state.path());
    let error = kuryr_cloud::Cloud::open(options).await.err().unwrap().to_string();
    assert!(error.contains("clouds.yaml") && error.contains("remove it"), "{error}");
}

#[tokio::test]
async fn neutron_wants_a_token_for_a_project() {
    let mut client = Client::new().await;
    let mut body = client.login();
    body["auth"]["scope"] = json!("unscoped");
    client.token = client.post(TOKENS, body).await.expect(201).header("x-subject-token").to_owned();
    let refused = client.get("/networking/v2.0/ports").await.expect(403);
    assert_eq!(refused.error_type(), "PolicyNotAuthorized");
}

#[tokio::test]
async fn the_state_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let state = tempfile::tempdir().unwrap();
    std::fs::set_permissions(state.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let _cloud = open(state.path(), None).await;
    assert_eq!(std::fs::metadata(state.path()).unwrap().permissions().mode() & 0o777, 0o700);
}
