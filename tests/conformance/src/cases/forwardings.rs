//! Single ports of floating IPs that are forwarded.

use anyhow::Result;
use http::Method;
use serde_json::{Value, json};

use super::fixture::{each, with};
use super::floating::{MISSING, Scene, becomes, scene};
use crate::lab::{Lab, Outcome, id};
use crate::matching::{ABSENT, ANYTHING};

crate::cases!["port forwardings":
    lead_from_port_to_port,
    lead_from_range_to_range,
    are_each_of_their_own_ports,
    and_a_port_of_its_own_exclude_each_other,
    refuse_bad_input,
    change,
    end_with_the_address,
];

impl Scene {
    fn forwarding(&self, more: Value) -> Value {
        let base = json!({
            "protocol": "tcp", "external_port": 80, "internal_port": 8080, "internal_ip_address": "10.1.0.5",
            "internal_port_id": self.port["id"],
        });
        with(base, more)
    }

    async fn forward(&self, lab: &Lab, floating: &Value, more: Value) -> Result<Value> {
        let path = below(floating, "");
        let body = json!({"port_forwarding": self.forwarding(more)});
        let answer = lab.call(Method::POST, &path, Some(body)).await?;
        let made = answer.body["port_forwarding"].clone();
        if answer.status == 201 {
            lab.undo_later(Method::DELETE, below(floating, id(&made)), None);
        }
        lab.check(answer.status == 201, || format!("POST {path}: {} {}", answer.status, answer.body));
        Ok(made)
    }

    async fn no_forward(
        &self,
        lab: &Lab,
        floating: &Value,
        body: Value,
        status: u16,
        error_type: &str,
        words: &str,
    ) -> Outcome {
        let body = Some(json!({ "port_forwarding": body }));
        lab.refused(Method::POST, &below(floating, ""), body, status, error_type, words).await
    }
}

/// Where the forwardings of a floating IP are, or one of them.
fn below(floating: &Value, forwarding: &str) -> String {
    format!("floatingips/{}/port_forwardings/{forwarding}", id(floating)).trim_end_matches('/').to_owned()
}

async fn forwarded(lab: &Lab, floating: &Value) -> Result<Vec<Value>> {
    Ok(lab.get(&below(floating, "")).await?["port_forwardings"].as_array().cloned().unwrap_or_default())
}

async fn lead_from_port_to_port(lab: &Lab) -> Outcome {
    let scene = scene(lab).await?;
    let floating = scene.floating(lab, json!({})).await?;
    lab.check(forwarded(lab, &floating).await?.is_empty(), || "forwards from the beginning".to_owned());
    let made = scene.forward(lab, &floating, json!({})).await?;
    let wanted = json!({
        "id": ANYTHING, "protocol": "tcp", "external_port": 80, "external_port_range": "80:80", "internal_port": 8080,
        "internal_port_range": "8080:8080", "internal_ip_address": "10.1.0.5", "internal_port_id": scene.port["id"],
        "description": "", "tenant_id": ABSENT,
    });
    lab.same("made", &made, wanted.clone());
    let shown = lab.get(&below(&floating, id(&made))).await?;
    lab.same("shown", &shown, json!({"port_forwarding": wanted}));
    let short = json!({
        "id": made["id"], "protocol": "tcp", "external_port": 80, "internal_port": 8080,
        "internal_ip_address": "10.1.0.5", "internal_port_id": scene.port["id"],
    });
    let wanted = json!({"router_id": scene.router["id"], "port_id": null, "port_forwardings": [short]});
    lab.same("floating IP", &lab.show("floatingips", &floating).await?, wanted);
    becomes(lab, &floating, "ACTIVE").await?;
    let other = scene.forward(lab, &floating, json!({"protocol": "udp", "description": "x"})).await?;
    lab.same("other", &other, json!({"protocol": "udp", "description": "x"}));
    for (query, wanted) in [
        ("protocol=udp", vec![id(&other)]),
        ("external_port=81", vec![]),
        ("external_port=80&protocol=tcp", vec![id(&made)]),
    ] {
        let found = lab.get(&format!("{}?{query}", below(&floating, ""))).await?;
        let found = each(found["port_forwardings"].as_array().map(Vec::as_slice).unwrap_or_default(), "id").join(" ");
        lab.check(found == wanted.join(" "), || format!("{query}: {found}"));
    }
    let query = format!("{}?nonsense=1", below(&floating, ""));
    let words = "['nonsense'] is invalid attribute for filtering";
    lab.refused(Method::GET, &query, None, 400, "HTTPBadRequest", words).await?;
    lab.no_delete("floatingips", &floating, 409, "FipInUseByPortForwarding", "").await?;
    for one in [&made, &other] {
        let answer = lab.call(Method::DELETE, &below(&floating, id(one)), None).await?;
        lab.check(answer.status == 204, || format!("{}", answer.body));
        lab.refused(Method::GET, &below(&floating, id(one)), None, 404, "PortForwardingNotFound", id(one)).await?;
    }
    lab.same("free", &lab.show("floatingips", &floating).await?, json!({"router_id": null, "port_forwardings": []}));
    becomes(lab, &floating, "DOWN").await
}

fn ranges(external: &str, internal: &str) -> Value {
    json!({"external_port_range": external, "internal_port_range": internal, "external_port": null, "internal_port": null})
}

async fn lead_from_range_to_range(lab: &Lab) -> Outcome {
    let scene = scene(lab).await?;
    let floating = scene.floating(lab, json!({})).await?;
    let body = |more: Value| {
        let mut body = scene.forwarding(more);
        if let Value::Object(body) = &mut body {
            body.retain(|_, value| !value.is_null());
        }
        body
    };
    for (external, internal) in [("100:102", "100:102"), ("110:112", "210:212"), ("120:122", "220:220")] {
        let wanted = body(ranges(external, internal));
        let answer = lab.call(Method::POST, &below(&floating, ""), Some(json!({ "port_forwarding": wanted }))).await?;
        let made = &answer.body["port_forwarding"];
        lab.undo_later(Method::DELETE, below(&floating, id(made)), None);
        lab.same("made", made, with(wanted, json!({"external_port": null})));
    }
    for (external, internal, words) in [
        ("101:103", "300:302", "external_port_range. The following ranges collide: 100:102 and 101:103."),
        ("130:132", "300:301", "The relation between internal and external ports must be N-N or 1-N."),
        ("130:132", "212:214", "internal_port_range. The following ranges collide: 210:212 and 212:214."),
    ] {
        scene.no_forward(lab, &floating, body(ranges(external, internal)), 400, "BadRequest", words).await?;
    }
    Ok(())
}

async fn are_each_of_their_own_ports(lab: &Lab) -> Outcome {
    let scene = scene(lab).await?;
    let floating = scene.floating(lab, json!({})).await?;
    scene.forward(lab, &floating, json!({})).await?;
    for (more, words) in [
        (json!({"external_port": 81}), "internal_port_range. The following ranges collide: 8080:8080 and 8080:8080."),
        (json!({"internal_port": 81}), "external_port_range. The following ranges collide: 80:80 and 80:80."),
        (
            json!({"internal_ip_address": "10.1.0.6"}),
            "external_port_range. The following ranges collide: 80:80 and 80:80.",
        ),
    ] {
        let words = format!("Bad port_forwarding request: There is a port collision with the {words}");
        scene.no_forward(lab, &floating, scene.forwarding(more), 400, "BadRequest", &words).await?;
    }
    scene.forward(lab, &floating, json!({"internal_ip_address": "10.1.0.6", "external_port": 81})).await?;
    Ok(())
}

async fn and_a_port_of_its_own_exclude_each_other(lab: &Lab) -> Outcome {
    let scene = scene(lab).await?;
    let floating = scene.floating(lab, json!({})).await?;
    scene.forward(lab, &floating, json!({})).await?;
    let other = lab.port(&scene.inside, json!({})).await?;
    let to = json!({"port_id": other["id"]});
    lab.no_update("floatingips", &floating, to.clone(), 409, "FipInUseByPortForwarding", id(&floating)).await?;
    let lent = scene.floating(lab, to).await?;
    let words = "as that fixed IP already has a floating IP on external network";
    let body = scene.forwarding(json!({"external_port": 82, "internal_port": 82}));
    scene.no_forward(lab, &lent, body, 409, "FloatingIPPortAlreadyAssociated", words).await?;
    let words = "There is a port collision with the internal_port_range. The following ranges collide: 8080:8080";
    scene.no_forward(lab, &lent, scene.forwarding(json!({"external_port": 82})), 400, "BadRequest", words).await?;
    let ip = &other["fixed_ips"][0]["ip_address"];
    let body =
        scene.forwarding(json!({"internal_port_id": other["id"], "internal_ip_address": ip, "external_port": 81}));
    let words = "as that port already has a binding floating IP.";
    scene.no_forward(lab, &floating, body, 409, "PortHasBindingFloatingIP", words).await
}

async fn refuse_bad_input(lab: &Lab) -> Outcome {
    let scene = scene(lab).await?;
    let floating = scene.floating(lab, json!({})).await?;
    let without = |name: &str| {
        let mut body = scene.forwarding(json!({}));
        if let Value::Object(body) = &mut body {
            body.remove(name);
        }
        body
    };
    for name in ["protocol", "internal_ip_address", "internal_port_id"] {
        let words = format!("Failed to parse request. Required attribute '{name}' not specified");
        scene.no_forward(lab, &floating, without(name), 400, "HTTPBadRequest", &words).await?;
    }
    for (more, words) in [
        (json!({"protocol": "TCP"}), "Invalid input for protocol. Reason: TCP is not in valid_values"),
        (json!({"external_port": 0}), "external_port. Reason: '0' is too small - must be at least '1'."),
        (
            json!({"internal_port": 65536}),
            "internal_port. Reason: '65536' is too large - must be no larger than '65535'.",
        ),
        (json!({"internal_port_id": "x"}), "Invalid input for internal_port_id. Reason: 'x' is not a valid UUID."),
        (json!({"nonsense": 1}), "Unrecognized attribute(s) 'nonsense'"),
    ] {
        scene.no_forward(lab, &floating, scene.forwarding(more), 400, "HTTPBadRequest", words).await?;
    }
    let body = scene.forwarding(json!({"internal_ip_address": "10.1.0.99"}));
    let words = format!(
        "Requested internal IP address 10.1.0.99 is not suitable for internal neutron port {}, as its fixed_ips are \
         [{{'subnet_id': '{}', 'ip_address': '10.1.0.5'}}",
        id(&scene.port),
        id(&scene.inner)
    );
    scene.no_forward(lab, &floating, body, 400, "BadRequest", &words).await?;
    let body = scene.forwarding(json!({"internal_port_id": MISSING}));
    scene.no_forward(lab, &floating, body, 404, "PortNotFound", MISSING).await?;
    let far = lab.network().await?;
    lab.subnet(&far, "10.2.0.0/24").await?;
    let far = lab.port(&far, json!({"fixed_ips": [{"ip_address": "10.2.0.5"}]})).await?;
    let body = scene.forwarding(json!({"internal_port_id": far["id"], "internal_ip_address": "10.2.0.5"}));
    let words = format!("External network {} is not reachable from subnet", id(&scene.outside));
    scene.no_forward(lab, &floating, body, 400, "BadRequest", &words).await
}

async fn change(lab: &Lab) -> Outcome {
    let scene = scene(lab).await?;
    let floating = scene.floating(lab, json!({})).await?;
    let made = scene.forward(lab, &floating, json!({})).await?;
    scene.forward(lab, &floating, json!({"external_port": 90, "internal_port": 9090})).await?;
    let path = below(&floating, id(&made));
    for (change, wanted) in [
        (json!({"external_port": 8000}), json!({"external_port": 8000, "external_port_range": "8000:8000"})),
        (json!({"internal_port": 81, "description": "x"}), json!({"internal_port": 81, "description": "x"})),
        (json!({"protocol": "udp"}), json!({"protocol": "udp", "external_port": 8000, "internal_port": 81})),
    ] {
        let changed = lab.put(&path, json!({ "port_forwarding": change })).await?;
        lab.same("changed", &changed["port_forwarding"], wanted);
    }
    let elsewhere = below(&scene.floating(lab, json!({})).await?, id(&made));
    let body = Some(json!({"port_forwarding": {"description": "y"}}));
    lab.refused(Method::PUT, &elsewhere, body, 404, "PortForwardingNotFound", id(&made)).await
}

async fn end_with_the_address(lab: &Lab) -> Outcome {
    let scene = scene(lab).await?;
    let floating = scene.floating(lab, json!({})).await?;
    scene.forward(lab, &floating, json!({})).await?;
    scene.forward(lab, &floating, json!({"internal_ip_address": "10.1.0.6", "external_port": 81})).await?;
    let none = json!({"external_gateway_info": null});
    lab.no_update("routers", &scene.router, none, 409, "RouterExternalGatewayInUseByFloatingIp", "").await?;
    lab.update("ports", &scene.port, json!({"fixed_ips": [{"ip_address": "10.1.0.6"}]})).await?;
    let left = forwarded(lab, &floating).await?;
    lab.same("left", &json!(left), json!([{"external_port": 81}]));
    lab.delete("ports", &scene.port).await?;
    lab.check(forwarded(lab, &floating).await?.is_empty(), || "forwards to a port that is gone".to_owned());
    lab.same("floating IP", &lab.show("floatingips", &floating).await?, json!({"router_id": null}));
    Ok(())
}
