//! What calls look like on the wire, and how their answers and refusals are read.

use crate::stand_in::{ID, Recorded, StandIn, answer, fault, json_answer, network};
use kuryr_neutron::{
    Network, NetworkId, NetworkUpdate, NewNetwork, Port, PortId, RouterId, RouterInterface, SecurityGroup, Tag,
};
use kuryr_openstack::{Error, Http, HttpOptions, Neutron, Query, SessionOptions};
use serde_json::{Value, json};
use std::sync::Arc;

fn id() -> NetworkId {
    ID.parse().unwrap()
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

#[tokio::test]
async fn each_call_is_what_the_networking_api_says() {
    let cloud = StandIn::new();
    cloud.answer_with(|call| match (call.method.as_str(), call.path.as_str()) {
        ("GET", "/v2.0/extensions") => {
            json_answer(200, &json!({"extensions": [{"alias": "router"}, {"alias": "standard-attr-tag", "name": "x"}]}))
        }
        ("GET", path) if path.starts_with("/v2.0/security-groups") => json_answer(200, &json!({"security_groups": []})),
        ("DELETE", _) => answer(204, ""),
        ("PUT", path) if path.ends_with("/tags") => json_answer(200, &call.body),
        ("POST", _) if call.body.get("networks").is_some() => {
            json_answer(201, &json!({"networks": [network("a"), network("b")]}))
        }
        _ => json_answer(200, &json!({"network": network("n")})),
    });
    let neutron = cloud.neutron();
    let new = |name: &str| NewNetwork { name: name.into(), ..NewNetwork::default() };
    let update = NetworkUpdate { name: Some("m".into()), ..NetworkUpdate::default() };
    let router: RouterId = ID.parse().unwrap();
    let by_subnet = RouterInterface { subnet_id: Some(ID.parse().unwrap()), port_id: None };

    assert_eq!(neutron.get::<Network>(id()).await.unwrap().name, "n");
    assert_eq!(neutron.create::<Network>(&new("n")).await.unwrap().id, id());
    let both = neutron.create_many::<Network>(&[new("a"), new("b")]).await.unwrap();
    assert_eq!((both[0].name.as_str(), both[1].name.as_str()), ("a", "b"));
    assert!(neutron.create_many::<Network>(&[]).await.unwrap().is_empty());
    neutron.update::<Network>(id(), &update).await.unwrap();
    neutron.update_if::<Network>(id(), 7, &update).await.unwrap();
    neutron.set_tags::<Network>(id(), &[tag("a"), tag("b:c")]).await.unwrap();
    neutron.add_tag::<Network>(id(), &tag("kuryr.net.uuid.uh:0a?b#c%d e é")).await.unwrap();
    neutron.remove_tag::<Network>(id(), &tag("x")).await.unwrap();
    neutron.add_router_interface(router, by_subnet).await.unwrap();
    neutron.remove_router_interface(router, by_subnet).await.unwrap();
    assert!(neutron.list::<SecurityGroup>(&Query::new().eq("name", "a b")).await.unwrap().is_empty());
    assert!(neutron.extensions().await.unwrap().contains("standard-attr-tag"));
    neutron.delete::<Network>(id()).await.unwrap();

    let one = format!("/v2.0/networks/{ID}");
    let router = format!("/v2.0/routers/{ID}");
    let wanted: Vec<(&str, String, Value)> = vec![
        ("GET", one.clone(), Value::Null),
        ("POST", "/v2.0/networks".into(), json!({"network": {"name": "n"}})),
        ("POST", "/v2.0/networks".into(), json!({"networks": [{"name": "a"}, {"name": "b"}]})),
        ("PUT", one.clone(), json!({"network": {"name": "m"}})),
        ("PUT", one.clone(), json!({"network": {"name": "m"}})),
        ("PUT", format!("{one}/tags"), json!({"tags": ["a", "b:c"]})),
        ("PUT", format!("{one}/tags/kuryr.net.uuid.uh:0a%3Fb%23c%25d%20e%20%C3%A9"), Value::Null),
        ("DELETE", format!("{one}/tags/x"), Value::Null),
        ("PUT", format!("{router}/add_router_interface"), json!({"subnet_id": ID})),
        ("PUT", format!("{router}/remove_router_interface"), json!({"subnet_id": ID})),
        ("GET", "/v2.0/security-groups?name=a%20b".into(), Value::Null),
        ("GET", "/v2.0/extensions".into(), Value::Null),
        ("DELETE", one, Value::Null),
    ];
    let calls = cloud.calls();
    // What is created names its request; the rest of the body is as it was given.
    let undescribed = |call: &Recorded| {
        let mut body = call.body.clone();
        let new = body.as_object_mut().and_then(|body| body.values_mut().next()).filter(|_| call.method == "POST");
        let id = call.headers["x-openstack-request-id"].to_str().unwrap();
        for one in new
            .into_iter()
            .flat_map(|new| if new.is_array() { new.as_array_mut().unwrap().iter_mut().collect() } else { vec![new] })
        {
            let description = one.as_object_mut().unwrap().remove("description");
            assert_eq!(description, Some(format!("Created by Kuryr, {id}").into()));
        }
        body
    };
    let seen: Vec<_> = calls.iter().map(|c| (c.method.as_str(), c.path.clone(), undescribed(c))).collect();
    assert_eq!(seen, wanted);

    for (number, call) in calls.iter().enumerate() {
        let if_match = call.headers.get("if-match").map(|v| v.to_str().unwrap());
        assert_eq!(if_match, (number == 4).then_some("revision_number=7"), "{call:?}");
        assert_eq!(call.headers["accept"], "application/json");
        assert_eq!(call.headers["host"], "cloud.test");
        assert_eq!(call.headers.contains_key("content-type"), !call.body.is_null(), "{call:?}");
    }
}

#[tokio::test]
async fn refusals_are_typed_and_tell_all_there_is() {
    let cloud = StandIn::new();
    let neutron = cloud.neutron();
    let text = "IP address 10.0.0.5 already allocated in subnet x.";
    cloud.script([fault(409, "IpAddressAlreadyAllocated", text)]);
    let error = neutron.create::<Network>(&NewNetwork::default()).await.unwrap_err();
    assert!(error.is_conflict() && !error.may_have_happened());
    assert_eq!(error.error_type(), "IpAddressAlreadyAllocated");
    let sent = &error.fault().unwrap().sent_id;
    assert_eq!(
        error.to_string(),
        format!(
            "POST http://cloud.test/networking/v2.0/networks answered 409 IpAddressAlreadyAllocated: {text} \
             [req-of-the-cloud, sent as {sent}]"
        )
    );
    assert_eq!(
        error.neutron_error_text().unwrap(),
        format!("{text}\nNeutron server returns request_ids: ['req-of-the-cloud']\nThe request was sent as {sent}")
    );

    cloud.script([
        answer(409, r#"{"NeutronError": {"type": "T", "message": "m", "detail": "d"}}"#),
        answer(409, r#"{"NeutronError": "only words"}"#),
        answer(404, "<html><body><h1>Not Found</h1></body></html>"),
        answer(412, r#"{"NeutronError": {"type": "RevisionNumberConstraintFailed", "message": "", "detail": ""}}"#),
    ]);
    let nothing = NetworkUpdate::default();
    let next = || neutron.update::<Network>(id(), &nothing);
    for words in ["m\nd", "only words"] {
        let error = next().await.unwrap_err();
        let sent = &error.fault().unwrap().sent_id;
        assert_eq!(error.neutron_error_text().unwrap(), format!("{words}\nThe request was sent as {sent}"));
    }
    let of_a_proxy = next().await.unwrap_err();
    let sent = &of_a_proxy.fault().unwrap().sent_id;
    assert!(sent.starts_with("req-") && of_a_proxy.to_string().contains(sent), "{of_a_proxy}");
    assert_eq!(of_a_proxy.neutron_error_text().unwrap(), format!("404-Not Found\nThe request was sent as {sent}"));
    assert!(next().await.unwrap_err().is_precondition_failed());
}

#[tokio::test]
async fn what_is_not_there_is_none_or_done() {
    let cloud = StandIn::new();
    let neutron = cloud.neutron();
    cloud.answer_with(|_| fault(404, "NetworkNotFound", "Network x could not be found."));
    assert_eq!(neutron.find::<Network>(id()).await.unwrap(), None);
    assert!(neutron.get::<Network>(id()).await.unwrap_err().is_not_found());
    assert!(!neutron.delete_if_exists::<Network>(id()).await.unwrap());
    assert!(neutron.delete::<Network>(id()).await.unwrap_err().is_not_found());
    assert!(neutron.remove_tag::<Network>(id(), &tag("t")).await.unwrap_err().is_not_found());
    cloud.answer_with(|_| fault(404, "TagNotFound", "Tag t could not be found."));
    neutron.remove_tag::<Network>(id(), &tag("t")).await.unwrap();
}

#[tokio::test]
async fn tags_that_no_path_can_name_are_never_sent() {
    let cloud = StandIn::new();
    let neutron = cloud.neutron();
    for text in [".", ".."] {
        let error = neutron.remove_tag::<Network>(id(), &tag(text)).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { field: "tag", .. }), "{error}");
        assert!(neutron.add_tag::<Network>(id(), &tag(text)).await.is_err());
    }
    assert_eq!(cloud.call_count(), 0);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let other = StandIn::new().serve().await;
    let cloud = StandIn::new().serve().await;
    let location = format!("{}/networking/v2.0/ports/{ID}", other.base());
    cloud.answer_with(move |_| {
        http::Response::builder().status(302).header("location", &location).body("".into()).unwrap()
    });
    let transport = Arc::new(Http::new(&HttpOptions::default()).unwrap());
    let neutron = Neutron::new(cloud.session(transport, SessionOptions::default()));
    let error = neutron.get::<Port>(ID.parse::<PortId>().unwrap()).await.unwrap_err();
    assert_eq!(error.status(), Some(302));
    assert!(error.to_string().contains("redirects are not followed"), "{error}");
    assert_eq!((cloud.logins(), cloud.call_count()), (1, 1));
    // A token refused there would have made a second login.
    assert_eq!((other.logins(), other.call_count()), (0, 0));
}
