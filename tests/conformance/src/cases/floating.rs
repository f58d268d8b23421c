//! Floating IPs.

use std::time::{Duration, Instant};

use anyhow::Result;
use http::Method;
use serde_json::{Value, json};

use super::fixture::{each, with};
use crate::lab::{Lab, Outcome, id};
use crate::matching::ANYTHING;

crate::cases!["floating ips":
    have_defaults,
    keep_their_address_in_a_port,
    are_lent_to_a_port,
    need_a_way,
    are_lent_once,
    hold_what_they_need,
    are_given_back_with_their_port,
    go_with_their_network_or_keep_it,
    can_be_chosen,
    refuse_bad_input,
    not_there_are_not_found,
    are_found,
];

/// An id of nothing.
pub const MISSING: &str = "00000000-0000-4000-8000-000000000000";
const PATIENCE: Duration = Duration::from_secs(20);

/// An external network, and a router between it and a network with a port of two addresses.
pub struct Scene {
    /// The external network.
    pub outside: Value,
    /// The other one.
    pub inside: Value,
    /// Its subnet, 10.1.0.0/24.
    pub inner: Value,
    /// The router.
    pub router: Value,
    /// The port: 10.1.0.5 and 10.1.0.6.
    pub port: Value,
}

async fn outside(lab: &Lab) -> Result<(Value, Value)> {
    let outside = lab.create("networks", json!({"name": lab.name(), "router:external": true})).await?;
    let subnet = lab.subnet_with(&outside, "172.31.0.0/24", json!({"enable_dhcp": false})).await?;
    Ok((outside, subnet))
}

/// Makes it.
pub async fn scene(lab: &Lab) -> Result<Scene> {
    let (outside, _) = outside(lab).await?;
    let inside = lab.network().await?;
    let inner = lab.subnet(&inside, "10.1.0.0/24").await?;
    let router = lab.router(json!({"external_gateway_info": {"network_id": outside["id"]}})).await?;
    lab.join(&router, json!({"subnet_id": inner["id"]})).await?;
    let ips = json!({"fixed_ips": [{"ip_address": "10.1.0.5"}, {"ip_address": "10.1.0.6"}]});
    let port = lab.port(&inside, ips).await?;
    Ok(Scene { outside, inside, inner, router, port })
}

impl Scene {
    /// A floating IP of the external network.
    pub async fn floating(&self, lab: &Lab, more: Value) -> Result<Value> {
        lab.create("floatingips", with(json!({"floating_network_id": self.outside["id"]}), more)).await
    }

    async fn no_floating(&self, lab: &Lab, more: Value, status: u16, error_type: &str, words: &str) -> Outcome {
        let body = with(json!({"floating_network_id": self.outside["id"]}), more);
        lab.no_create("floatingips", body, status, error_type, words).await
    }
}

/// Drivers tell a status a moment later.
pub async fn becomes(lab: &Lab, floating: &Value, status: &str) -> Outcome {
    let started = Instant::now();
    loop {
        let now = lab.show("floatingips", floating).await?;
        if now["status"] == status || started.elapsed() > PATIENCE {
            lab.same("status", &now, json!({ "status": status }));
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn have_defaults(lab: &Lab) -> Outcome {
    let (outside, _) = outside(lab).await?;
    let made = lab.create("floatingips", json!({"floating_network_id": outside["id"]})).await?;
    let wanted = json!({
        "id": ANYTHING, "floating_network_id": outside["id"], "floating_ip_address": ANYTHING, "router_id": null,
        "port_id": null, "fixed_ip_address": null, "status": "DOWN", "description": "", "port_details": null,
        "port_forwardings": [], "tags": [], "project_id": lab.project(), "tenant_id": lab.project(),
        "revision_number": ANYTHING, "created_at": ANYTHING, "updated_at": ANYTHING,
    });
    lab.same("created", &made, wanted.clone());
    lab.same("shown", &lab.show("floatingips", &made).await?, wanted);
    let changed = lab.update("floatingips", &made, json!({"description": "a text"})).await?;
    lab.same("changed", &changed, json!({"description": "a text", "port_id": null}));
    Ok(())
}

async fn keep_their_address_in_a_port(lab: &Lab) -> Outcome {
    let (outside, subnet) = outside(lab).await?;
    let made = lab.create("floatingips", json!({"floating_network_id": outside["id"]})).await?;
    let ports = lab.list(&format!("ports?device_id={}", id(&made))).await?;
    let wanted = json!([{
        "device_owner": "network:floatingip", "status": "N/A", "project_id": "", "network_id": outside["id"],
        "fixed_ips": [{"subnet_id": subnet["id"], "ip_address": made["floating_ip_address"]}],
        "security_groups": [], "port_security_enabled": false, "binding:vif_type": "unbound",
    }]);
    lab.same("ports", &json!(ports), wanted);
    let words = "cannot be deleted directly via the port API: has device owner network:floatingip.";
    lab.no_delete("ports", &ports[0], 409, "ServicePortInUse", words).await?;
    lab.no_delete("subnets", &subnet, 409, "SubnetInUse", "").await?;
    lab.delete("floatingips", &made).await?;
    let ports = lab.list(&format!("ports?device_id={}", id(&made))).await?;
    lab.check(ports.is_empty(), || format!("{ports:?}"));
    Ok(())
}

async fn are_lent_to_a_port(lab: &Lab) -> Outcome {
    let scene = scene(lab).await?;
    let port = lab.port(&scene.inside, json!({"fixed_ips": [{"ip_address": "10.1.0.9"}]})).await?;
    let made = scene.floating(lab, json!({"port_id": port["id"]})).await?;
    let details = json!({
        "name": port["name"], "network_id": scene.inside["id"], "mac_address": port["mac_address"],
        "admin_state_up": true, "status": "DOWN", "device_id": "", "device_owner": "",
    });
    let lent = json!({
        "port_id": port["id"], "fixed_ip_address": "10.1.0.9", "router_id": scene.router["id"],
        "port_details": details,
    });
    lab.same("lent", &made, lent.clone());
    becomes(lab, &made, "ACTIVE").await?;
    lab.same("described", &lab.update("floatingips", &made, json!({"description": "x"})).await?, lent);
    let free = lab.update("floatingips", &made, json!({"port_id": null})).await?;
    lab.same(
        "free",
        &free,
        json!({"port_id": null, "fixed_ip_address": null, "router_id": null, "port_details": null}),
    );
    becomes(lab, &made, "DOWN").await?;
    let two = json!({"port_id": scene.port["id"]});
    let words =
        "has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a floating IP.";
    lab.no_update("floatingips", &made, two.clone(), 400, "BadRequest", words).await?;
    let other = with(two.clone(), json!({"fixed_ip_address": "10.1.0.7"}));
    let words = format!("Bad floatingip request: Port {} does not have fixed ip 10.1.0.7.", id(&scene.port));
    lab.no_update("floatingips", &made, other, 400, "BadRequest", &words).await?;
    let second = with(two, json!({"fixed_ip_address": "10.1.0.6"}));
    lab.same("second", &lab.update("floatingips", &made, second.clone()).await?, second);
    Ok(())
}

async fn need_a_way(lab: &Lab) -> Outcome {
    let (outside, _) = outside(lab).await?;
    let made = lab.create("floatingips", json!({"floating_network_id": outside["id"]})).await?;
    let inside = lab.network().await?;
    let inner = lab.subnet(&inside, "10.1.0.0/24").await?;
    let port = lab.port(&inside, json!({})).await?;
    let body = json!({"port_id": port["id"]});
    let words = format!("External network {} is not reachable from subnet {}.  Therefore,", id(&outside), id(&inner));
    let (status, error_type) = (404, "ExternalGatewayForFloatingIPNotFound");
    lab.no_update("floatingips", &made, body.clone(), status, error_type, &words).await?;
    let router = lab.router(json!({})).await?;
    lab.join(&router, json!({"subnet_id": inner["id"]})).await?;
    lab.no_update("floatingips", &made, body.clone(), status, error_type, &words).await?;
    lab.update("routers", &router, json!({"external_gateway_info": {"network_id": outside["id"]}})).await?;
    lab.same("lent", &lab.update("floatingips", &made, body.clone()).await?, body);
    lab.update("floatingips", &made, json!({"port_id": null})).await?;
    lab.update("routers", &router, json!({"external_gateway_info": null})).await?;
    Ok(())
}

async fn are_lent_once(lab: &Lab) -> Outcome {
    let scene = scene(lab).await?;
    let to = json!({"port_id": scene.port["id"], "fixed_ip_address": "10.1.0.5"});
    scene.floating(lab, to.clone()).await?;
    let words = format!(
        "with port {} using fixed IP 10.1.0.5, as that fixed IP already has a floating IP on external network {}.",
        id(&scene.port),
        id(&scene.outside)
    );
    scene.no_floating(lab, to.clone(), 409, "FloatingIPPortAlreadyAssociated", &words).await?;
    let free = scene.floating(lab, json!({})).await?;
    lab.no_update("floatingips", &free, to, 409, "FloatingIPPortAlreadyAssociated", &words).await?;
    let other = json!({"port_id": scene.port["id"], "fixed_ip_address": "10.1.0.6"});
    lab.same("other", &lab.update("floatingips", &free, other.clone()).await?, other);
    Ok(())
}

async fn hold_what_they_need(lab: &Lab) -> Outcome {
    let scene = scene(lab).await?;
    let to = json!({"port_id": scene.port["id"], "fixed_ip_address": "10.1.0.5"});
    let made = scene.floating(lab, to).await?;
    let words = format!(
        "Gateway cannot be updated for router {}, since a gateway to external network {} is required by one or more \
         floating IPs.",
        id(&scene.router),
        id(&scene.outside)
    );
    let none = json!({"external_gateway_info": null});
    lab.no_update("routers", &scene.router, none, 409, "RouterExternalGatewayInUseByFloatingIp", &words).await?;
    let path = format!("routers/{}/remove_router_interface", id(&scene.router));
    let words = format!("Router interface for subnet {} on router {} cannot", id(&scene.inner), id(&scene.router));
    let body = Some(json!({"subnet_id": scene.inner["id"]}));
    lab.refused(Method::PUT, &path, body, 409, "RouterInterfaceInUseByFloatingIP", &words).await?;
    let words = "because its original fixed_ip has been associated to a floating ip.";
    let body = json!({"fixed_ips": [{"ip_address": "10.1.0.6"}]});
    lab.no_update("ports", &scene.port, body, 400, "BadRequest", words).await?;
    lab.delete("floatingips", &made).await
}

async fn are_given_back_with_their_port(lab: &Lab) -> Outcome {
    let scene = scene(lab).await?;
    let port = lab.port(&scene.inside, json!({})).await?;
    let made = scene.floating(lab, json!({"port_id": port["id"]})).await?;
    lab.delete("ports", &port).await?;
    let free = json!({"port_id": null, "fixed_ip_address": null, "router_id": null, "port_details": null});
    lab.same("free", &lab.show("floatingips", &made).await?, free);
    becomes(lab, &made, "DOWN").await
}

async fn go_with_their_network_or_keep_it(lab: &Lab) -> Outcome {
    let scene = scene(lab).await?;
    scene.floating(lab, json!({"port_id": scene.port["id"], "fixed_ip_address": "10.1.0.5"})).await?;
    lab.no_delete("networks", &scene.outside, 409, "NetworkInUse", "").await?;
    let (unused, _) = outside(lab).await?;
    let made = lab.create("floatingips", json!({"floating_network_id": unused["id"]})).await?;
    lab.delete("networks", &unused).await?;
    lab.refused(Method::GET, &format!("floatingips/{}", id(&made)), None, 404, "FloatingIPNotFound", id(&made)).await
}

async fn can_be_chosen(lab: &Lab) -> Outcome {
    let (outside, subnet) = outside(lab).await?;
    let of = |more: Value| with(json!({"floating_network_id": outside["id"]}), more);
    let chosen = json!({"floating_ip_address": "172.31.0.77"});
    lab.same("chosen", &lab.create("floatingips", of(chosen.clone())).await?, chosen.clone());
    lab.no_create("floatingips", of(chosen), 409, "IpAddressAlreadyAllocated", "172.31.0.77").await?;
    let elsewhere = of(json!({"floating_ip_address": "10.9.9.9"}));
    lab.no_create("floatingips", elsewhere, 400, "InvalidIpForNetwork", "10.9.9.9").await?;
    lab.create("floatingips", of(json!({"subnet_id": subnet["id"]}))).await?;
    let other = lab.subnet(&lab.network().await?, "10.1.0.0/24").await?;
    let words = "because fixed_ips included invalid subnet";
    lab.no_create("floatingips", of(json!({"subnet_id": other["id"]})), 400, "InvalidInput", words).await
}

async fn refuse_bad_input(lab: &Lab) -> Outcome {
    let scene = scene(lab).await?;
    let inside = json!({"floating_network_id": scene.inside["id"]});
    let words = format!("Bad floatingip request: Network {} is not a valid external network.", id(&scene.inside));
    lab.no_create("floatingips", inside, 400, "BadRequest", &words).await?;
    let missing = json!({"floating_network_id": MISSING});
    lab.no_create("floatingips", missing, 404, "NetworkNotFound", MISSING).await?;
    let words = "Failed to parse request. Required attribute 'floating_network_id' not specified";
    lab.no_create("floatingips", json!({}), 400, "HTTPBadRequest", words).await?;
    scene.no_floating(lab, json!({"port_id": MISSING}), 404, "PortNotFound", MISSING).await?;
    let words = "Bad floatingip request: fixed_ip_address cannot be specified without a port_id.";
    scene.no_floating(lab, json!({"fixed_ip_address": "10.1.0.5"}), 400, "BadRequest", words).await?;
    for (body, words) in [
        (
            json!({"floating_network_id": "x"}),
            "Invalid input for floating_network_id. Reason: 'x' is not a valid UUID.",
        ),
        (json!({"port_id": "x"}), "Invalid input for port_id. Reason: 'x' is not a valid UUID."),
        (json!({"floating_ip_address": "x"}), "Invalid input for floating_ip_address. Reason: 'x' is not a valid IP"),
        (json!({"status": "ACTIVE"}), "Attribute 'status' not allowed in POST"),
        (json!({"nonsense": 1}), "Unrecognized attribute(s) 'nonsense'"),
    ] {
        scene.no_floating(lab, body, 400, "HTTPBadRequest", words).await?;
    }
    let made = scene.floating(lab, json!({})).await?;
    for name in ["floating_ip_address", "floating_network_id"] {
        let words = format!("Cannot update read-only attribute {name}");
        lab.no_update("floatingips", &made, json!({ name: made[name] }), 400, "HTTPBadRequest", &words).await?;
    }
    Ok(())
}

async fn not_there_are_not_found(lab: &Lab) -> Outcome {
    for (path, shown) in [(format!("floatingips/{MISSING}"), MISSING), ("floatingips/x".to_owned(), "x")] {
        let words = format!("Floating IP {shown} could not be found");
        let body = Some(json!({"floatingip": {"description": "x"}}));
        lab.refused(Method::GET, &path, None, 404, "FloatingIPNotFound", &words).await?;
        lab.refused(Method::PUT, &path, body, 404, "FloatingIPNotFound", &words).await?;
        lab.refused(Method::DELETE, &path, None, 404, "FloatingIPNotFound", &words).await?;
    }
    let path = format!("floatingips/{MISSING}/port_forwardings");
    lab.refused(Method::GET, &path, None, 404, "FloatingIPNotFound", MISSING).await
}

async fn are_found(lab: &Lab) -> Outcome {
    let scene = scene(lab).await?;
    let to = json!({"port_id": scene.port["id"], "fixed_ip_address": "10.1.0.5", "description": lab.name()});
    let lent = scene.floating(lab, to).await?;
    let free = scene.floating(lab, json!({})).await?;
    let tags = format!("floatingips/{}/tags", id(&free));
    lab.same("tags", &lab.put(&tags, json!({"tags": ["a"]})).await?, json!({"tags": ["a"]}));
    let value = |key: &str| lent[key].as_str().unwrap_or_default().to_owned();
    let network = format!("floating_network_id={}", id(&scene.outside));
    for (query, wanted) in [
        (format!("port_id={}", value("port_id")), vec![id(&lent)]),
        (format!("router_id={}", id(&scene.router)), vec![id(&lent)]),
        (format!("fixed_ip_address=10.1.0.5&{network}"), vec![id(&lent)]),
        (format!("floating_ip_address={}&{network}", value("floating_ip_address")), vec![id(&lent)]),
        (format!("description={}", value("description")), vec![id(&lent)]),
        (format!("tags=a&{network}"), vec![id(&free)]),
        (format!("id={}&id={}", id(&lent), id(&free)), vec![id(&lent), id(&free)]),
    ] {
        let found = lab.list(&format!("floatingips?{query}")).await?;
        let (mut found, mut wanted) = (each(&found, "id"), wanted);
        found.sort_unstable();
        wanted.sort_unstable();
        lab.check(found == wanted, || format!("{query}: {found:?}, wanted {wanted:?}"));
    }
    let short = lab.list(&format!("floatingips?{network}&fields=id")).await?;
    lab.check(short.iter().all(|one| one.as_object().is_some_and(|one| one.len() == 1)), || format!("{short:?}"));
    Ok(())
}
