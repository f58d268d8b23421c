//! Tokens: got once for all, replaced when refused, renewed before they end.

use crate::stand_in::{ID, PASSWORD, StandIn, answer, auth_with, json_answer, password_auth};
use kuryr_neutron::{Network, NetworkId, ProjectId};
use kuryr_openstack::{
    ApplicationCredential, Auth, CloudSettings, Error, Http, HttpOptions, IdentityVersion, Interface, Neutron, Query,
    Scope, Session, SessionOptions, Tls,
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, advance};

const CALLERS: usize = 32;

fn id() -> NetworkId {
    ID.parse().unwrap()
}

fn keystone() -> url::Url {
    "http://cloud.test/identity/v3".parse().unwrap()
}

/// Lets background tasks run until the condition holds.
async fn until(condition: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never came true");
}

/// Lets background tasks run on, whatever they do.
async fn idle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_refusals_at_once_make_one_login() {
    let cloud = StandIn::new().serve().await;
    let transport = Arc::new(Http::new(&HttpOptions::default()).unwrap());
    let neutron = Neutron::new(cloud.session(transport, SessionOptions::default()));
    neutron.get::<Network>(id()).await.unwrap();
    assert_eq!(cloud.logins(), 1);

    cloud.revoke();
    // All of them have their 401 before the first can ask for a new token.
    cloud.hold_refusals(CALLERS);
    let calls: Vec<_> = (0..CALLERS)
        .map(|_| {
            let neutron = neutron.clone();
            tokio::spawn(async move { neutron.get::<Network>(id()).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(cloud.logins(), 2, "one for the start, one for all refusals");
    assert_eq!(cloud.call_count(), 1 + CALLERS);
}

#[tokio::test]
async fn a_cold_start_of_many_makes_one_login() {
    let cloud = StandIn::new();
    let neutron = cloud.neutron();
    let calls = (0..CALLERS).map(|_| neutron.get::<Network>(id()));
    for result in futures_util::future::join_all(calls).await {
        result.unwrap();
    }
    assert_eq!(cloud.logins(), 1);
}

#[tokio::test]
async fn a_failed_login_is_everybodys_and_asked_for_again_later() {
    let cloud = StandIn::new();
    cloud.keystone([json_answer(403, &json!({"error": {"code": 403, "title": "Forbidden", "message": "Locked."}}))]);
    let neutron = cloud.neutron();
    let calls = (0..CALLERS).map(|_| neutron.get::<Network>(id()));
    for result in futures_util::future::join_all(calls).await {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Auth { .. }) && error.to_string().contains("403: Locked."), "{error}");
        assert!(!error.may_have_happened());
    }
    assert_eq!(cloud.logins(), 1, "those who waited share the failure");
    neutron.get::<Network>(id()).await.unwrap();
    assert_eq!(cloud.logins(), 2);
}

#[tokio::test]
async fn a_token_refused_twice_is_an_error_and_no_loop() {
    let cloud = StandIn::new();
    cloud.answer_with(|_| answer(401, "Authentication required"));
    let error = cloud.neutron().get::<Network>(id()).await.unwrap_err();
    assert_eq!(error.status(), Some(401));
    assert!(error.to_string().contains("check that the service trusts this Keystone"), "{error}");
    assert_eq!((cloud.logins(), cloud.call_count()), (2, 2));
}

#[tokio::test]
async fn a_wrong_password_says_what_to_check() {
    let cloud = StandIn::new();
    let mut auth = password_auth();
    let Auth::Password { password, .. } = &mut auth else { unreachable!() };
    *password = "wrong-secret".into();
    let options = SessionOptions { source: "[neutron] in kuryr.conf".into(), ..SessionOptions::default() };
    let session = Session::new(cloud.in_process(), keystone(), auth, options);
    let error = session.authenticate().await.unwrap_err().to_string();
    assert!(error.contains("http://cloud.test/identity/v3/auth/tokens"), "{error}");
    assert!(error.contains("check user name, password"), "{error}");
    assert!(error.contains("credentials from [neutron] in kuryr.conf"), "{error}");
    assert!(!error.contains("wrong-secret"));
}

#[tokio::test]
async fn replaced_credentials_save_even_the_call_whose_old_ones_are_refused() {
    let cloud = StandIn::new();
    let session = cloud.session(cloud.in_process(), SessionOptions::default());
    let other = Neutron::new(cloud.session(cloud.in_process(), SessionOptions::default()));
    let neutron = Neutron::new(session.clone());
    neutron.get::<Network>(id()).await.unwrap();
    other.get::<Network>(id()).await.unwrap();

    cloud.rotate("another");
    let newer = Session::new(cloud.in_process(), keystone(), auth_with("another"), SessionOptions::default());
    // The call is refused for its token, and has yet to hear of it, when the credentials are replaced.
    cloud.hold_refusals(2);
    let replaced = async {
        idle().await;
        session.replace(&newer);
        other.get::<Network>(id()).await
    };
    let (saved, refused) = tokio::join!(neutron.get::<Network>(id()), replaced);
    saved.unwrap();
    assert!(refused.unwrap_err().is_login_refused(), "who is not told of the new password is refused");
    neutron.get::<Network>(id()).await.unwrap();
    assert_eq!(cloud.logins(), 2 + 2 + 1, "two at first, two with the old password, one with the new one");
}

#[tokio::test]
async fn a_login_that_is_refused_names_the_request() {
    let cloud = StandIn::new();
    cloud.rotate("another");
    let error = cloud.neutron().get::<Network>(id()).await.unwrap_err();
    assert!(error.is_login_refused(), "{error}");
    let words = error.to_string();
    assert!(words.contains("[req-of-the-cloud, sent as req-"), "{words}");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_behind_the_calls_before_it_ends() {
    let cloud = StandIn::new();
    let neutron = cloud.neutron();
    let token = |call: usize| cloud.calls()[call].headers["x-auth-token"].to_str().unwrap().to_owned();
    neutron.get::<Network>(id()).await.unwrap();
    advance(Duration::from_secs(3600 - 125)).await;
    neutron.get::<Network>(id()).await.unwrap();
    assert_eq!(cloud.logins(), 1, "not yet");

    advance(Duration::from_secs(10)).await;
    neutron.get::<Network>(id()).await.unwrap();
    assert_eq!(token(2), "secret-token-1", "the call did not wait");
    until(|| cloud.logins() == 2).await;
    idle().await;
    neutron.get::<Network>(id()).await.unwrap();
    assert_eq!((token(3).as_str(), cloud.logins()), ("secret-token-2", 2));

    // Nobody called for long: the token has ended, and the call gets a new one first.
    advance(Duration::from_secs(2 * 3600)).await;
    neutron.get::<Network>(id()).await.unwrap();
    assert_eq!((token(4).as_str(), cloud.logins()), ("secret-token-3", 3));
}

#[tokio::test(start_paused = true)]
async fn a_keystone_that_is_down_does_not_matter_while_the_token_lives() {
    let cloud = StandIn::new();
    let neutron = cloud.neutron();
    neutron.get::<Network>(id()).await.unwrap();
    cloud.keystone((0..50).map(|_| answer(418, "down")));
    advance(Duration::from_secs(3500)).await;
    for _ in 0..10 {
        neutron.get::<Network>(id()).await.unwrap();
        tokio::task::yield_now().await;
    }
    until(|| cloud.logins() == 2).await;
    for _ in 0..10 {
        neutron.get::<Network>(id()).await.unwrap();
    }
    assert_eq!(cloud.logins(), 2, "it is left alone for a while");
    advance(Duration::from_secs(11)).await;
    neutron.get::<Network>(id()).await.unwrap();
    until(|| cloud.logins() == 3).await;

    advance(Duration::from_secs(100)).await;
    assert!(matches!(neutron.get::<Network>(id()).await, Err(Error::Auth { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_came_from_a_token_is_not_renewed_early() {
    let cloud = StandIn::new();
    let auth = Auth::Token { token: "t".into(), scope: Scope::Unscoped };
    let neutron = Neutron::new(Session::new(cloud.in_process(), keystone(), auth, SessionOptions::default()));
    neutron.get::<Network>(id()).await.unwrap();
    assert_eq!(cloud.last_login()["auth"]["identity"], json!({"methods": ["token"], "token": {"id": "t"}}));
    advance(Duration::from_secs(3550)).await;
    neutron.get::<Network>(id()).await.unwrap();
    idle().await;
    assert_eq!(cloud.logins(), 1);
}

#[tokio::test]
async fn a_token_that_lives_no_time_still_serves_its_call() {
    let cloud = StandIn::new();
    cloud.lifetime(Duration::ZERO);
    let neutron = cloud.neutron();
    for _ in 0..3 {
        neutron.get::<Network>(id()).await.unwrap();
    }
    assert_eq!(cloud.logins(), 3);
}

#[tokio::test]
async fn v3_is_found_below_an_unversioned_url() {
    for path in ["identity", "identity/", "identity/v3", "identity/v3/"] {
        let cloud = StandIn::new();
        let session = cloud.session_at(path, cloud.in_process(), SessionOptions::default());
        assert_eq!(session.project_id().await.unwrap(), Some(ProjectId("42".into())), "{path}");
    }
}

#[tokio::test]
async fn an_application_credential_brings_its_own_scope() {
    let cloud = StandIn::new();
    let credential = ApplicationCredential::Id("c".into());
    let auth = Auth::ApplicationCredential { credential, secret: PASSWORD.into() };
    Session::new(cloud.in_process(), keystone(), auth, SessionOptions::default()).authenticate().await.unwrap();
    assert_eq!(cloud.last_login()["auth"].get("scope"), None);
}

#[tokio::test]
async fn the_endpoint_is_chosen_or_overridden() {
    let cloud = StandIn::new();
    let with = |options| Neutron::new(cloud.session(cloud.in_process(), options));
    let wrong = SessionOptions { region: Some("Mars".into()), ..SessionOptions::default() };
    let error = with(wrong).list::<Network>(&Query::new()).await.unwrap_err();
    assert!(matches!(error, Error::NoEndpoint { .. }), "{error}");
    assert!(error.to_string().contains("public in RegionOne"), "{error}");
    let wrong = SessionOptions { interface: Interface::Admin, ..SessionOptions::default() };
    assert!(matches!(with(wrong).list::<Network>(&Query::new()).await, Err(Error::NoEndpoint { .. })));

    for url in ["http://elsewhere.test/networking/v2.0/", "http://elsewhere.test/networking"] {
        let options = SessionOptions {
            region: Some("Mars".into()),
            network_endpoint: Some(url.parse().unwrap()),
            ..SessionOptions::default()
        };
        with(options).list::<Network>(&Query::new()).await.unwrap();
        assert_eq!(cloud.calls().last().unwrap().path, "/v2.0/networks");
    }
}

#[tokio::test(start_paused = true)]
async fn getting_a_token_is_bounded_by_the_calls_deadline() {
    struct Silent;
    #[async_trait::async_trait]
    impl kuryr_openstack::Transport for Silent {
        async fn send(
            &self,
            _: http::Request<bytes::Bytes>,
        ) -> Result<http::Response<bytes::Bytes>, kuryr_openstack::TransportError> {
            std::future::pending().await
        }
    }
    let session = Session::new(Arc::new(Silent), keystone(), password_auth(), SessionOptions::default());
    let started = Instant::now();
    let both = tokio::join!(session.authenticate(), session.authenticate());
    for result in [both.0, both.1] {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Auth { .. }) && !error.may_have_happened(), "{error}");
    }
    assert_eq!(started.elapsed().as_secs(), 60);
}

#[tokio::test]
async fn settings_make_a_session() {
    let cloud = StandIn::new().serve().await;
    let settings = CloudSettings {
        source: "[neutron] in kuryr.conf".into(),
        auth_url: format!("{}/identity", cloud.base()).parse().unwrap(),
        auth: password_auth(),
        identity_version: IdentityVersion::Any,
        region: Some("RegionOne".into()),
        interface: Interface::Public,
        endpoint_override: None,
        tls: Tls::default(),
        timeout: Some(Duration::from_secs(7)),
    };
    assert_eq!(SessionOptions::from_settings(&settings).timeout, Duration::from_secs(7));
    let neutron = Neutron::new(Session::from_settings(&settings).unwrap());
    neutron.get::<Network>(id()).await.unwrap();
    assert_eq!(neutron.session().network_endpoint().await.unwrap().path(), "/networking/v2.0");

    let missing = Tls { ca_file: Some("/nonexistent/ca.pem".into()), ..Tls::default() };
    let error = Session::from_settings(&CloudSettings { tls: missing, ..settings }).unwrap_err().to_string();
    assert!(error.contains("cafile") && error.contains("/nonexistent/ca.pem"), "{error}");
}
