//! Lists: page by page, whole, and never for ever.

use crate::stand_in::{ID, Recorded, StandIn, json_answer};
use http::{HeaderMap, Method};
use kuryr_neutron::{Network, NetworkId};
use kuryr_openstack::{Error, Http, HttpOptions, Neutron, Query, SessionOptions};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};
use url::form_urlencoded::parse;
use uuid::Uuid;

fn networks(ids: impl IntoIterator<Item = u128>) -> Vec<Value> {
    ids.into_iter().map(|n| json!({"id": Uuid::from_u128(n), "name": format!("n{n}")})).collect()
}

fn page(networks: &[Value], next: Option<&str>) -> http::Response<axum::body::Body> {
    let mut body = json!({ "networks": networks });
    if let Some(href) = next {
        body["networks_links"] = json!([{"rel": "previous", "href": "http://x/"}, {"rel": "next", "href": href}]);
    }
    json_answer(200, &body)
}

fn parameter(call: &Recorded, name: &str) -> Option<String> {
    let query = call.path.split_once('?')?.1.to_owned();
    parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn numbers(list: &[Network]) -> Vec<u128> {
    list.iter().map(|n| n.id.0.as_u128()).collect()
}

#[tokio::test]
async fn all_pages_are_read_in_order_at_our_own_endpoint() {
    // The links point to another server, as behind a badly set up proxy, or as an attacker would have them.
    let other = StandIn::new().serve().await;
    let evil = other.base();
    let cloud = StandIn::new().serve().await;
    cloud.answer_with(move |call| {
        let next = |marker: u128| {
            let marker = Uuid::from_u128(marker);
            format!("{evil}/networking/v2.0/networks?limit=2&filter=a%3Db&marker={marker}")
        };
        match parameter(call, "marker").map(|m| m.parse::<Uuid>().unwrap().as_u128()) {
            None => page(&networks([1, 2]), Some(&next(2))),
            // Something was created meanwhile, and an item comes twice.
            Some(2) => page(&networks([2, 3]), Some(&next(3))),
            _ => page(&networks([4]), None),
        }
    });
    let transport = Arc::new(Http::new(&HttpOptions::default()).unwrap());
    let neutron = Neutron::new(cloud.session(transport, SessionOptions::default()));
    let query = Query::new().page_size(2).eq("filter", "a=b");
    assert_eq!(numbers(&neutron.list::<Network>(&query).await.unwrap()), [1, 2, 3, 4]);
    assert_eq!((other.call_count(), other.logins()), (0, 0), "nothing, and least of all the token, goes elsewhere");
    for call in cloud.calls() {
        assert_eq!(parameter(&call, "filter").as_deref(), Some("a=b"));
    }
}

#[tokio::test]
async fn endless_lists_end() {
    let cloud = StandIn::new();
    let neutron = cloud.neutron();
    // The same page again and again.
    cloud.answer_with(|_| page(&networks([1, 2]), Some("http://c/networking/v2.0/networks?marker=2")));
    let error = neutron.list::<Network>(&Query::new()).await.unwrap_err();
    assert!(matches!(error, Error::Decode { .. }) && error.to_string().contains("has no end"), "{error}");
    assert_eq!(cloud.call_count(), 2);
    // Empty pages.
    cloud.answer_with(|_| page(&[], Some("/v2.0/networks?marker=2")));
    assert!(neutron.list::<Network>(&Query::new()).await.is_err());
    assert_eq!(cloud.call_count(), 3);
}

#[tokio::test]
async fn a_list_that_always_brings_something_new_ends_too() {
    let cloud = StandIn::new();
    cloud.answer_with(|call| {
        let number = parameter(call, "marker").map_or(0, |m| m.parse::<u128>().unwrap()) + 1;
        page(&networks([number]), Some(&format!("/v2.0/networks?marker={number}")))
    });
    let error = cloud.neutron().list::<Network>(&Query::new()).await.unwrap_err();
    assert!(error.to_string().contains("has no end: page 10000"), "{error}");
    assert_eq!(cloud.call_count(), 10_000);
}

#[tokio::test]
async fn links_to_something_else_are_refused() {
    for href in [
        "http://evil.test/",
        "http://evil.test/v2.0/ports?marker=1",
        "/v2.0/networks",
        "/v2.0/networks?",
        "/v2.0/networks?#a",
        "",
        "\u{0}?",
    ] {
        let cloud = StandIn::new();
        cloud.answer_with(move |_| page(&networks([1]), Some(href)));
        let error = cloud.neutron().list::<Network>(&Query::new()).await.unwrap_err();
        assert!(matches!(error, Error::Decode { .. }), "{href}: {error}");
        assert_eq!(cloud.call_count(), 1, "{href}");
    }
    // What follows the question mark is the cloud's, and stays a query whatever it is.
    let cloud = StandIn::new();
    cloud.script([page(&networks([1]), Some("/v2.0/networks?marker=\r\nX-Evil: 1&\"<é>")), page(&networks([2]), None)]);
    assert_eq!(numbers(&cloud.neutron().list::<Network>(&Query::new()).await.unwrap()), [1, 2]);
    assert!(cloud.calls().iter().all(|call| !call.headers.contains_key("x-evil")));
}

#[tokio::test]
async fn many_alternatives_are_asked_for_in_parts() {
    let cloud = StandIn::new();
    cloud.answer_with(|call| {
        assert!(call.path.len() < 8000, "{}", call.path.len());
        let query = call.path.split_once('?').unwrap().1;
        let ids = parse(query.as_bytes()).filter(|(key, _)| key == "id");
        page(&networks(ids.map(|(_, id)| id.parse::<Uuid>().unwrap().as_u128())), None)
    });
    let wanted: BTreeSet<u128> = (1..=1000).collect();
    let ids = wanted.iter().map(|n| NetworkId(Uuid::from_u128(*n)));
    let found = cloud.neutron().list::<Network>(&Query::new().any("id", ids)).await.unwrap();
    assert_eq!(numbers(&found).into_iter().collect::<BTreeSet<_>>(), wanted);
    assert_eq!(found.len(), 1000);
    assert!((2..=16).contains(&cloud.call_count()), "{}", cloud.call_count());
}

#[tokio::test]
async fn one_of_none_is_no_call() {
    let cloud = StandIn::new();
    let query = Query::new().any("id", Vec::<NetworkId>::new());
    assert!(cloud.neutron().list::<Network>(&query).await.unwrap().is_empty());
    assert_eq!((cloud.call_count(), cloud.logins()), (0, 0));
    // The stand-in's default answer has one network: without the filter it would have come.
    assert_eq!(cloud.neutron().list::<Network>(&Query::new()).await.unwrap()[0].id, ID.parse().unwrap());
    let recorded = Recorded { method: Method::GET, path: "/".into(), headers: HeaderMap::new(), body: Value::Null };
    assert_eq!(parameter(&recorded, "marker"), None);
}

#[tokio::test]
async fn strangers_in_a_list_are_told() {
    let cloud = StandIn::new();
    cloud.answer_with(|_| page(&networks([1, 2]), None));
    let error = cloud.neutron().list::<Network>(&Query::new().eq("name", "mine")).await.unwrap_err();
    assert!(matches!(error, Error::Decode { .. }) && error.to_string().contains("filter 'name'"), "{error}");
}
