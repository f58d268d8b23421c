//! Keystone's API v2.0, against a small stand-in: there has been no real one since 2018. And clouds without Keystone.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use kuryr_neutron::{Network, ProjectId};
use kuryr_openstack::{
    ApplicationCredential, Auth, CloudSettings, Domain, Error, IdentityVersion, InProcess, Interface, Neutron, Project,
    Query, Scope, Session, SessionOptions, Tls, User,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// A cloud of 2013: what it was asked, and the header it takes.
#[derive(Clone, Default)]
struct Old(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    logins: Vec<Value>,
    valid: Option<(&'static str, String)>,
    calls: usize,
}

impl Old {
    fn session(&self, auth_url: &str, auth: Auth, options: SessionOptions) -> Session {
        Session::new(Arc::new(InProcess::new(self.router())), auth_url.parse().unwrap(), auth, options)
    }

    fn router(&self) -> Router {
        let versions = || async {
            let links = json!([{"rel": "self", "href": "http://localhost:5000/v2.0/"}]);
            let v2 = json!({"id": "v2.0", "status": "stable", "links": links});
            (StatusCode::MULTIPLE_CHOICES, Json(json!({"versions": {"values": [v2]}})))
        };
        Router::new()
            .route("/", get(versions))
            .route("/v2.0/tokens", post(issue))
            .route("/networking/v2.0/networks", get(networks))
            .with_state(self.clone())
    }

    /// Takes this header, and no other.
    fn takes(self, name: &'static str, value: &str) -> Self {
        self.0.lock().unwrap().valid = Some((name, value.to_owned()));
        self
    }

    fn revoke(&self) {
        self.0.lock().unwrap().valid = None;
    }

    fn logins(&self) -> Vec<Value> {
        self.0.lock().unwrap().logins.clone()
    }
}

async fn issue(State(old): State<Old>, Json(body): Json<Value>) -> Response {
    let mut known = old.0.lock().unwrap();
    known.logins.push(body.clone());
    let right = body["auth"]["passwordCredentials"]["password"] == "hunter2" || body["auth"]["token"]["id"] == "first";
    if !right {
        let error = json!({"error": {"code": 401, "title": "Not Authorized", "message": "Who are you?"}});
        return (StatusCode::UNAUTHORIZED, Json(error)).into_response();
    }
    let token = format!("token-{}", known.logins.len());
    known.valid = Some(("x-auth-token", token.clone()));
    let endpoint = json!({"region": "RegionOne", "publicURL": "http://old.test/networking", "id": "1"});
    Json(json!({"access": {
        "token": {"id": token, "issued_at": "2013-01-01T00:00:00.000000", "expires": "2013-01-02T00:00:00Z",
            "tenant": {"id": "42", "name": "service", "enabled": true}},
        "serviceCatalog": [{"type": "network", "name": "neutron", "endpoints": [endpoint]}],
    }}))
    .into_response()
}

async fn networks(State(old): State<Old>, headers: HeaderMap) -> Response {
    let mut known = old.0.lock().unwrap();
    known.calls += 1;
    match &known.valid {
        Some((name, value)) if headers.get(*name).is_some_and(|given| given == value.as_str()) => {
            Json(json!({"networks": []})).into_response()
        }
        _ => (StatusCode::UNAUTHORIZED, "Authentication required").into_response(),
    }
}

fn domain() -> Domain {
    Domain::default()
}

fn service() -> Scope {
    Scope::Project(Project::Name { name: "service".into(), domain: domain() })
}

fn password(password: &str) -> Auth {
    let user = User::Name { name: "kuryr".into(), domain: domain() };
    Auth::Password { user, password: password.into(), scope: service() }
}

fn version(identity_version: IdentityVersion) -> SessionOptions {
    SessionOptions { identity_version, ..SessionOptions::default() }
}

#[tokio::test]
async fn password_and_token_work_wherever_v2_is_found() {
    for (url, wanted) in [
        ("http://old.test", IdentityVersion::Any),
        ("http://old.test/v2.0", IdentityVersion::Any),
        ("http://old.test/v2.0/", IdentityVersion::V2),
        ("http://old.test/", IdentityVersion::V2),
    ] {
        for (auth, asked) in [
            (password("hunter2"), json!({"passwordCredentials": {"username": "kuryr", "password": "hunter2"}})),
            (Auth::Token { token: "first".into(), scope: service() }, json!({"token": {"id": "first"}})),
        ] {
            let old = Old::default();
            let neutron = Neutron::new(old.session(url, auth, version(wanted)));
            neutron.list::<Network>(&Query::new()).await.unwrap();
            assert_eq!(neutron.session().project_id().await.unwrap(), Some(ProjectId("42".into())));
            // Revoked in between: nobody notices.
            old.revoke();
            neutron.list::<Network>(&Query::new()).await.unwrap();
            let mut asked = asked;
            asked["tenantName"] = "service".into();
            assert_eq!(old.logins(), vec![json!({ "auth": asked }); 2], "{url}");
        }
    }
}

#[tokio::test]
async fn what_v2_cannot_do_is_told() {
    let old = Old::default();
    let credential = ApplicationCredential::Id("c".into());
    let elsewhere = User::Name { name: "kuryr".into(), domain: Domain::Name("Elsewhere".into()) };
    for (auth, words) in [
        (password("wrong"), "]; check user name, password"),
        (Auth::ApplicationCredential { credential, secret: "s".into() }, "application credentials"),
        (Auth::Password { user: elsewhere, password: "hunter2".into(), scope: service() }, "knows no domains"),
    ] {
        let session = old.session("http://old.test", auth, SessionOptions::default());
        let error = session.authenticate().await.unwrap_err();
        assert!(matches!(error, Error::Auth { .. }) && error.to_string().contains(words), "{error}");
    }
    assert_eq!(old.logins().len(), 1, "what cannot be said is not sent");
}

#[tokio::test]
async fn without_keystone_the_same_header_goes_to_neutron_each_time() {
    let endpoint = Some("http://old.test/networking".parse().unwrap());
    let options = SessionOptions { network_endpoint: endpoint, ..SessionOptions::default() };
    let basic = Auth::Basic { username: "kuryr".into(), password: "hunter2".into() };
    for (auth, name, value) in [
        (Auth::AdminToken("s3cret".into()), "x-auth-token", "s3cret"),
        (basic, "authorization", "Basic a3VyeXI6aHVudGVyMg=="),
        (Auth::Nobody, "accept", "application/json"),
    ] {
        let old = Old::default().takes(name, value);
        let neutron = Neutron::new(old.session("http://old.test/networking", auth, options.clone()));
        neutron.list::<Network>(&Query::new()).await.unwrap();
        old.revoke();
        let error = neutron.list::<Network>(&Query::new()).await.unwrap_err();
        assert_eq!(error.status(), Some(401), "{error}");
        assert_eq!((old.logins().len(), old.0.lock().unwrap().calls), (0, 2), "there is nothing to renew");
    }
}

#[tokio::test]
async fn settings_choose_the_version() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let old = Old::default();
    let router = old.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let settings = CloudSettings {
        source: String::new(),
        auth_url: format!("http://{address}").parse().unwrap(),
        auth: password("hunter2"),
        identity_version: IdentityVersion::V2,
        region: None,
        interface: Interface::Public,
        endpoint_override: Some(format!("http://{address}/networking").parse().unwrap()),
        tls: Tls::default(),
        timeout: None,
    };
    Neutron::new(Session::from_settings(&settings).unwrap()).list::<Network>(&Query::new()).await.unwrap();
    let v3 = CloudSettings { identity_version: IdentityVersion::V3, ..settings };
    let error = Session::from_settings(&v3).unwrap().authenticate().await.unwrap_err().to_string();
    assert!(error.contains("/v3/auth/tokens"), "{error}");
}
