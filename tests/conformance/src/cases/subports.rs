//! Subports of trunks.

use http::Method;
use serde_json::{Value, json};

use super::fixture::with;
use super::trunks::{Setting, net, on_vlan, path, setting, trunk};
use crate::lab::{Lab, Outcome, id};

crate::cases!["subports":
    come_and_go,
    are_no_devices_ports,
    are_no_wider_than_their_trunk,
    of_no_shape_or_sense_are_refused,
    of_no_shape_or_sense_are_neither_added_nor_removed,
];

async fn come_and_go(lab: &Lab) -> Outcome {
    let Setting { child, other, trunk, .. } = setting(lab).await?;
    // A number may be written as a text.
    let sub = with(on_vlan(&other, 6), json!({"segmentation_id": "6"}));
    let more = lab.put(&path(&trunk, "add"), json!({ "sub_ports": [sub] })).await?;
    let both = json!([on_vlan(&child, 5), on_vlan(&other, 6)]);
    lab.same("more", &more, json!({"id": trunk["id"], "sub_ports": both, "tenant_id": lab.project()}));
    lab.same("carried", &lab.show("ports", &other).await?["device_owner"], json!("trunk:subport"));
    let less = lab.put(&path(&trunk, "remove"), json!({"sub_ports": [{"port_id": child["id"]}]})).await?;
    lab.same("less", &less, json!({"id": trunk["id"], "sub_ports": [on_vlan(&other, 6)]}));
    let wanted = json!({"device_owner": "", "binding:profile": {}, "binding:vif_type": "unbound", "status": "DOWN"});
    lab.same("free again", &lab.show("ports", &child).await?, wanted.clone());
    // Its number is free too, and what is said of it at a removal says nothing.
    let again = lab.put(&path(&trunk, "add"), json!({"sub_ports": [on_vlan(&child, 5)]})).await?;
    lab.same("again", &again["sub_ports"], json!([on_vlan(&other, 6), on_vlan(&child, 5)]));
    lab.put(&path(&trunk, "remove"), json!({"sub_ports": [on_vlan(&child, 9), on_vlan(&other, 6)]})).await?;
    lab.same("none", &lab.show("trunks", &trunk).await?["sub_ports"], json!([]));
    lab.put(&path(&trunk, "add"), json!({"sub_ports": [on_vlan(&child, 4094), on_vlan(&other, 1)]})).await?;
    lab.delete("trunks", &trunk).await?;
    for port in [&child, &other] {
        lab.same("without a trunk", &lab.show("ports", port).await?, wanted.clone());
    }
    Ok(())
}

async fn are_no_devices_ports(lab: &Lab) -> Outcome {
    let network = net(lab, "10.77.0.0/24").await?;
    let (parent, busy) = (lab.port(&network, json!({})).await?, lab.port(&network, json!({"device_id": "x"})).await?);
    let words = format!(
        "Unable to complete operation on port {} for network {}. Port already has an attached device x.",
        id(&busy),
        id(&network)
    );
    let body = json!({"port_id": parent["id"], "sub_ports": [on_vlan(&busy, 5)]});
    lab.no_create("trunks", body, 409, "PortInUse", &words).await?;
    // A device may well have a trunk.
    trunk(lab, &busy, json!({"sub_ports": [on_vlan(&parent, 5)]})).await?;
    let lost = lab.port(&network, json!({"binding:host_id": "nowhere"})).await?;
    let words = format!("Port {} is currently in use and is not eligible for use as a parent port.", id(&lost));
    lab.no_create("trunks", json!({"port_id": lost["id"]}), 409, "ParentPortInUse", &words).await
}

async fn are_no_wider_than_their_trunk(lab: &Lab) -> Outcome {
    let wide = net(lab, "10.77.0.0/24").await?;
    let narrow = lab.create("networks", json!({"name": lab.name(), "mtu": 1200})).await?;
    let (wide, narrow) = (lab.port(&wide, json!({})).await?, lab.port(&narrow, json!({})).await?);
    let body = json!({"port_id": narrow["id"], "sub_ports": [on_vlan(&wide, 5)]});
    let words = format!("cannot be greater than MTU 1200 of trunk {}.", id(&narrow));
    lab.no_create("trunks", body, 409, "SubPortMtuGreaterThanTrunkPortMtu", &words).await?;
    trunk(lab, &wide, json!({"sub_ports": [on_vlan(&narrow, 5)]})).await.map(drop)
}

/// Subports that have a wrong shape, and what is said of them.
fn misshapen(one: &Value, two: &Value) -> Vec<(Value, String)> {
    let unnumbered = "missing segmentation information. Must specify both segmentation_id and segmentation_type";
    vec![
        (json!("x"), "Invalid data format for subports: 'x' is not a list".to_owned()),
        (json!(null), "Invalid data format for subports: 'None' is not a list".to_owned()),
        (json!([1]), "Invalid data format for subport: '1' is not a dict".to_owned()),
        (json!([{}]), "A valid port UUID must be specified".to_owned()),
        (json!([{"port_id": "x"}]), "Invalid UUID for subport: 'x'".to_owned()),
        (json!([{"port_id": one["id"], "segmentation_id": 5}]), unnumbered.to_owned()),
        (json!([{"port_id": one["id"], "segmentation_type": "vlan"}]), unnumbered.to_owned()),
        (json!([on_vlan(one, 5), on_vlan(one, 6)]), format!("Non unique UUID for subport: '{}'", id(one))),
        (json!([on_vlan(one, 5), on_vlan(two, 5)]), format!("Segmentation ID '5' for '{}' is not unique", id(two))),
    ]
}

/// Subports that have a shape and no sense.
fn senseless(port: &Value) -> Vec<(Value, &'static str)> {
    let sub = |more: Value| json!([with(on_vlan(port, 5), more)]);
    vec![
        (json!([{"port_id": port["id"]}]), "missing segmentation information. Must specify both"),
        (sub(json!({"segmentation_id": "x"})), "Invalid subport details: segmentation_id 'x' is not an integer"),
        (sub(json!({"segmentation_id": 0})), "Segmentation ID '0' is not in range"),
        (sub(json!({"segmentation_id": 4095})), "Segmentation ID '4095' is not in range"),
        (sub(json!({"segmentation_type": "foo"})), "Unknown segmentation_type 'foo'"),
        // That of its network, which is none of a VLAN.
        (json!([{"port_id": port["id"], "segmentation_type": "inherit"}]), "Unknown segmentation_type '"),
    ]
}

async fn of_no_shape_or_sense_are_refused(lab: &Lab) -> Outcome {
    let network = net(lab, "10.77.0.0/24").await?;
    let (parent, one) = (lab.port(&network, json!({})).await?, lab.port(&network, json!({})).await?);
    let two = lab.port(&network, json!({})).await?;
    let body = |sub_ports: Value| json!({"port_id": parent["id"], "sub_ports": sub_ports});
    for (sub_ports, words) in misshapen(&one, &two) {
        lab.no_create("trunks", body(sub_ports), 400, "HTTPBadRequest", &words).await?;
    }
    for (sub_ports, words) in senseless(&one) {
        lab.no_create("trunks", body(sub_ports), 400, "InvalidInput", words).await?;
    }
    lab.same("free", &lab.show("ports", &one).await?["device_owner"], json!(""));
    Ok(())
}

async fn of_no_shape_or_sense_are_neither_added_nor_removed(lab: &Lab) -> Outcome {
    let Setting { child, other, trunk, .. } = setting(lab).await?;
    let third = lab.create("ports", json!({"network_id": child["network_id"]})).await?;
    let call = |verb: &str, sub_ports: Value| (path(&trunk, verb), Some(json!({ "sub_ports": sub_ports })));
    for (sub_ports, words) in misshapen(&other, &third) {
        for verb in ["add", "remove"] {
            let (path, body) = call(verb, sub_ports.clone());
            lab.refused(Method::PUT, &path, body, 400, "InvalidInput", &words).await?;
        }
    }
    for (sub_ports, words) in senseless(&other) {
        let (path, body) = call("add", sub_ports);
        lab.refused(Method::PUT, &path, body, 400, "InvalidInput", words).await?;
    }
    let (add, body) = call("add", json!([on_vlan(&third, 6), on_vlan(&other, 5)]));
    let words = format!("segmentation_type vlan and segmentation_id 5 already in use on trunk {}.", id(&trunk));
    lab.refused(Method::PUT, &add, body, 409, "DuplicateSubPort", &words).await?;
    let (remove, body) = call("remove", json!([{"port_id": child["id"]}, {"port_id": other["id"]}]));
    let words = format!("SubPort {} on trunk {} could not be found.", id(&other), id(&trunk));
    lab.refused(Method::PUT, &remove, body, 404, "SubPortNotFound", &words).await?;
    lab.same("unchanged", &lab.show("trunks", &trunk).await?["sub_ports"], json!([on_vlan(&child, 5)]));
    lab.same("free", &lab.show("ports", &third).await?["device_owner"], json!(""));
    Ok(())
}
