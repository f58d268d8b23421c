//! Networks.

use http::Method;
use serde_json::json;

use crate::lab::{Lab, Outcome, id};
use crate::matching::ANYTHING;

use super::fixture::each;

crate::cases!["networks":
    have_defaults,
    take_what_is_given,
    are_shown_as_created,
    change,
    know_their_subnets,
    take_the_mtu_given,
    refuse_bad_input,
    refuse_bad_changes,
    in_use_stay,
    with_ports_of_their_services_go,
    not_there_are_not_found,
    deleted_are_gone,
    may_share_a_name,
    external_ones_are_marked,
];

async fn have_defaults(lab: &Lab) -> Outcome {
    let network = lab.create("networks", json!({})).await?;
    let wanted = json!({
        "id": ANYTHING, "name": "", "description": "", "admin_state_up": true, "status": "ACTIVE", "shared": false,
        "router:external": false, "port_security_enabled": true, "mtu": ANYTHING, "subnets": [], "tags": [],
        "project_id": lab.project(), "tenant_id": lab.project(), "revision_number": 1,
        "created_at": ANYTHING, "updated_at": ANYTHING,
    });
    lab.same("network", &network, wanted);
    for key in ["created_at", "updated_at"] {
        let time = network[key].as_str().unwrap_or_default();
        lab.check(time.len() == 20 && time.ends_with('Z'), || format!("{key} is '{time}', wanted seconds and Z"));
    }
    Ok(())
}

async fn take_what_is_given(lab: &Lab) -> Outcome {
    let name = lab.name();
    let given = json!({"name": name, "description": "é", "admin_state_up": false, "port_security_enabled": false});
    let network = lab.create("networks", given.clone()).await?;
    lab.same("network", &network, given);
    Ok(())
}

async fn are_shown_as_created(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let mut wanted = network.clone();
    // Some clouds tell this in the answer to a creation alone.
    wanted.as_object_mut().and_then(|wanted| wanted.remove("is_default"));
    lab.same("shown", &lab.show("networks", &network).await?, wanted);
    let body = lab.get(&format!("networks/{}?fields=id&fields=name", id(&network))).await?;
    lab.same("fields", &body, json!({"network": {"id": network["id"], "name": network["name"]}}));
    lab.check(body["network"].as_object().is_some_and(|keys| keys.len() == 2), || format!("more than asked: {body}"));
    Ok(())
}

async fn change(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let name = lab.name();
    let given = json!({"name": name, "description": "d", "admin_state_up": false});
    let changed = lab.update("networks", &network, given.clone()).await?;
    lab.same("changed", &changed, given);
    lab.check(changed["revision_number"].as_u64() > network["revision_number"].as_u64(), || {
        format!("the revision stays {}", changed["revision_number"])
    });
    lab.same("created", &changed["created_at"], network["created_at"].clone());
    lab.same(
        "words for true",
        &lab.update("networks", &network, json!({"admin_state_up": "true"})).await?,
        json!({"admin_state_up": true}),
    );
    Ok(())
}

async fn know_their_subnets(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.0.0.0/24").await?;
    lab.same("subnets", &lab.show("networks", &network).await?["subnets"], json!([subnet["id"]]));
    lab.delete("subnets", &subnet).await?;
    lab.same("subnets", &lab.show("networks", &network).await?["subnets"], json!([]));
    Ok(())
}

async fn take_the_mtu_given(lab: &Lab) -> Outcome {
    let network = lab.create("networks", json!({"mtu": 1300})).await?;
    lab.same("mtu", &network["mtu"], json!(1300));
    lab.same("changed", &lab.update("networks", &network, json!({"mtu": 1280})).await?["mtu"], json!(1280));
    lab.no_update(
        "networks",
        &network,
        json!({"mtu": "x"}),
        400,
        "InvalidInput",
        "Invalid input for operation: 'x' is not an integer.",
    )
    .await?;
    lab.no_create("networks", json!({"mtu": -1}), 400, "HTTPBadRequest", "Invalid input for mtu").await
}

async fn refuse_bad_input(lab: &Lab) -> Outcome {
    for (body, words) in [
        (json!({"name": 7}), "Invalid input for name"),
        (json!({"name": "n".repeat(256)}), "Invalid input for name. Reason: '"),
        (json!({"description": "n".repeat(256)}), "Invalid input for description"),
        (json!({"nonsense": 1}), "Unrecognized attribute(s) 'nonsense'"),
        (json!({"id": "x"}), "Attribute 'id' not allowed in POST"),
        (json!({"status": "ACTIVE"}), "Attribute 'status' not allowed in POST"),
    ] {
        lab.no_create("networks", body, 400, "HTTPBadRequest", words).await?;
    }
    for (body, shown) in [
        (json!({"admin_state_up": "perhaps"}), "perhaps"),
        (json!({"shared": 7}), "7"),
        (json!({"port_security_enabled": "x"}), "x"),
    ] {
        let words = format!("Invalid input for operation: '{shown}' cannot be converted to boolean.");
        lab.no_create("networks", body, 400, "InvalidInput", &words).await?;
    }
    for body in [
        json!({}),
        json!({"port": {}}),
        json!({"network": []}),
        json!({"network": "x"}),
        json!([]),
        json!({"networks": []}),
    ] {
        let answer = lab.call(Method::POST, "networks", Some(body.clone())).await?;
        lab.check(answer.status == 400, || format!("{body}: {} {}", answer.status, answer.body));
    }
    for body in ["", "nonsense", "{", "\u{0}"] {
        let answer = lab.raw(&lab.client, Method::POST, "networks", Some(body.into()), Vec::new()).await?;
        lab.check(answer.status == 400, || format!("'{body}': {} {}", answer.status, answer.body));
    }
    Ok(())
}

async fn refuse_bad_changes(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    for (body, words) in [
        (json!({"id": network["id"]}), "Cannot update read-only attribute id"),
        (json!({"tenant_id": lab.project()}), "Cannot update read-only attribute"),
        (json!({"status": "DOWN"}), "Cannot update read-only attribute status"),
        (json!({"nonsense": 1}), "Unrecognized attribute(s) 'nonsense'"),
        (json!({"name": null}), "Invalid input for name"),
    ] {
        lab.no_update("networks", &network, body, 400, "HTTPBadRequest", words).await?;
    }
    let words = "Invalid input for operation: 'None' cannot be converted to boolean.";
    lab.no_update("networks", &network, json!({"admin_state_up": null}), 400, "InvalidInput", words).await
}

async fn in_use_stay(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let port = lab.port(&network, json!({})).await?;
    let words = format!(
        "Unable to complete operation on network {}. There are one or more ports still in use on the network",
        id(&network)
    );
    lab.no_delete("networks", &network, 409, "NetworkInUse", &words).await?;
    lab.delete("ports", &port).await?;
    lab.delete("networks", &network).await
}

async fn with_ports_of_their_services_go(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.0.0.0/24").await?;
    lab.port(&network, json!({"device_owner": "network:dhcp", "device_id": "reserved_dhcp_port"})).await?;
    lab.delete("networks", &network).await?;
    let words = format!("Subnet {} could not be found.", id(&subnet));
    lab.refused(Method::GET, &format!("subnets/{}", id(&subnet)), None, 404, "SubnetNotFound", &words).await
}

async fn not_there_are_not_found(lab: &Lab) -> Outcome {
    for missing in ["00000000-0000-4000-8000-000000000000", "nonsense"] {
        let path = format!("networks/{missing}");
        let words = format!("Network {missing} could not be found.");
        let body = Some(json!({"network": {"name": "x"}}));
        lab.refused(Method::GET, &path, None, 404, "NetworkNotFound", &words).await?;
        lab.refused(Method::PUT, &path, body, 404, "NetworkNotFound", &words).await?;
        lab.refused(Method::DELETE, &path, None, 404, "NetworkNotFound", &words).await?;
    }
    Ok(())
}

async fn deleted_are_gone(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    lab.delete("networks", &network).await?;
    lab.no_delete("networks", &network, 404, "NetworkNotFound", id(&network)).await?;
    let list = lab.list(&format!("networks?id={}", id(&network))).await?;
    lab.check(list.is_empty(), || format!("still listed: {list:?}"));
    Ok(())
}

async fn may_share_a_name(lab: &Lab) -> Outcome {
    let name = lab.name();
    let one = lab.create("networks", json!({"name": name})).await?;
    let two = lab.create("networks", json!({"name": name})).await?;
    let found = lab.list(&format!("networks?name={name}")).await?;
    let ids = each(&found, "id");
    lab.check(ids.len() == 2 && ids.contains(&id(&one)) && ids.contains(&id(&two)), || format!("{ids:?}"));
    Ok(())
}

async fn external_ones_are_marked(lab: &Lab) -> Outcome {
    let network = lab.create("networks", json!({"name": lab.name(), "router:external": true})).await?;
    lab.same("network", &network, json!({"router:external": true}));
    for (value, count) in [("True", 1), ("true", 1), ("False", 0)] {
        let found = lab.list(&format!("networks?id={}&router:external={value}", id(&network))).await?;
        lab.check(found.len() == count, || format!("router:external={value} finds {}", found.len()));
    }
    Ok(())
}
