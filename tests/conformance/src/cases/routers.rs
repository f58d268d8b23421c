//! Routers, their interfaces and gateways.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use crate::lab::{Lab, Outcome, id};
use crate::matching::ANYTHING;

/// How long a port may take to come up.
const PATIENCE: Duration = Duration::from_secs(20);

crate::cases!["routers":
    have_defaults,
    change,
    join_a_subnet,
    join_a_port,
    have_ports_that_come_up,
    leave_a_subnet,
    join_a_subnet_once,
    refuse_bad_interfaces,
    refuse_to_leave_what_they_have_not_joined,
    have_a_gateway,
    want_an_external_network,
    with_interfaces_stay,
    take_routes,
    refuse_bad_input,
    not_there_are_not_found,
];

fn path(router: &Value, verb: &str) -> String {
    format!("routers/{}/{verb}_router_interface", id(router))
}

async fn have_defaults(lab: &Lab) -> Outcome {
    let router = lab.create("routers", json!({})).await?;
    let wanted = json!({
        "id": ANYTHING, "name": "", "description": "", "admin_state_up": true, "status": "ACTIVE",
        "external_gateway_info": null, "routes": [], "tags": [], "project_id": lab.project(),
        "tenant_id": lab.project(), "revision_number": ANYTHING, "created_at": ANYTHING, "updated_at": ANYTHING,
    });
    lab.same("router", &router, wanted);
    Ok(())
}

async fn change(lab: &Lab) -> Outcome {
    let router = lab.router(json!({})).await?;
    let given = json!({"name": "n", "description": "d", "admin_state_up": false});
    lab.same("changed", &lab.update("routers", &router, given.clone()).await?, given);
    Ok(())
}

async fn join_a_subnet(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    let router = lab.router(json!({})).await?;
    let joined = lab.join(&router, json!({"subnet_id": subnet["id"]})).await?;
    let wanted = json!({
        "id": router["id"], "subnet_id": subnet["id"], "subnet_ids": [subnet["id"]], "port_id": ANYTHING,
        "network_id": network["id"], "project_id": lab.project(),
    });
    lab.same("interface", &joined, wanted);
    let port = lab.show("ports", &json!({"id": joined["port_id"]})).await?;
    let wanted = json!({
        "device_id": router["id"], "device_owner": "network:router_interface", "security_groups": [],
        "port_security_enabled": false, "fixed_ips": [{"subnet_id": subnet["id"], "ip_address": "10.1.0.1"}],
    });
    lab.same("port", &port, wanted);
    Ok(())
}

async fn join_a_port(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    let port = lab.port(&network, json!({"fixed_ips": [{"ip_address": "10.1.0.77"}]})).await?;
    let router = lab.router(json!({})).await?;
    let joined = lab.join(&router, json!({"port_id": port["id"]})).await?;
    lab.same("interface", &joined, json!({"port_id": port["id"], "subnet_id": subnet["id"]}));
    let joined = lab.show("ports", &port).await?;
    let wanted = json!({
        "device_id": router["id"], "device_owner": "network:router_interface", "port_security_enabled": true,
        "security_groups": port["security_groups"],
    });
    lab.same("port", &joined, wanted);
    Ok(())
}

/// Though nobody plugs them. A gateway's does so with Neutron's agents and not with OVN, so nobody can rely on it.
async fn have_ports_that_come_up(lab: &Lab) -> Outcome {
    let subnet = lab.subnet(&lab.network().await?, "10.1.0.0/24").await?;
    let router = lab.router(json!({})).await?;
    let port = json!({"id": lab.join(&router, json!({"subnet_id": subnet["id"]})).await?["port_id"]});
    let started = Instant::now();
    while lab.show("ports", &port).await?["status"] != "ACTIVE" && started.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    lab.same("port", &lab.show("ports", &port).await?, json!({"status": "ACTIVE"}));
    Ok(())
}

async fn leave_a_subnet(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    let router = lab.router(json!({})).await?;
    for by_port in [false, true] {
        let joined = lab.put(&path(&router, "add"), json!({"subnet_id": subnet["id"]})).await?;
        let port = joined["port_id"].clone();
        let body = if by_port { json!({"port_id": port}) } else { json!({"subnet_id": subnet["id"]}) };
        let left = lab.put(&path(&router, "remove"), body).await?;
        lab.same(
            "left",
            &left,
            json!({"id": router["id"], "subnet_id": subnet["id"], "port_id": port, "network_id": network["id"]}),
        );
        let gone = format!("ports/{}", port.as_str().unwrap_or_default());
        lab.refused(Method::GET, &gone, None, 404, "PortNotFound", "").await?;
    }
    Ok(())
}

async fn join_a_subnet_once(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    let overlapping = lab.subnet(&lab.network().await?, "10.1.0.0/25").await?;
    let router = lab.router(json!({})).await?;
    lab.join(&router, json!({"subnet_id": subnet["id"]})).await?;
    let body = Some(json!({"subnet_id": subnet["id"]}));
    let words =
        format!("Bad router request: Cidr 10.1.0.0/24 of subnet {} overlaps with cidr 10.1.0.0/24", id(&subnet));
    lab.refused(Method::PUT, &path(&router, "add"), body, 400, "BadRequest", &words).await?;
    let body = Some(json!({"subnet_id": overlapping["id"]}));
    let words = "Bad router request: Cidr 10.1.0.0/25 of subnet";
    lab.refused(Method::PUT, &path(&router, "add"), body, 400, "BadRequest", words).await?;
    let other = lab.router(json!({})).await?;
    let body = Some(json!({"subnet_id": subnet["id"]}));
    lab.refused(Method::PUT, &path(&other, "add"), body, 409, "IpAddressAlreadyAllocated", "10.1.0.1").await
}

async fn refuse_bad_interfaces(lab: &Lab) -> Outcome {
    let router = lab.router(json!({})).await?;
    let network = lab.network().await?;
    let subnet = lab.subnet_with(&network, "10.1.0.0/24", json!({"gateway_ip": null})).await?;
    let used = lab.port(&network, json!({"device_id": "device", "device_owner": "compute:x"})).await?;
    let plain = lab.port(&lab.network().await?, json!({})).await?;
    let missing = "00000000-0000-4000-8000-000000000000";
    for (body, status, error_type, words) in [
        (json!({}), 400, "BadRequest", "Either subnet_id or port_id must be specified"),
        (
            json!({"subnet_id": missing, "port_id": missing}),
            400,
            "BadRequest",
            "Cannot specify both subnet-id and port-id",
        ),
        (json!({"subnet_id": missing}), 404, "SubnetNotFound", missing),
        (json!({"port_id": missing}), 404, "PortNotFound", missing),
        (json!({"subnet_id": "x"}), 400, "BadRequest", "Bad router request: 'x' is not a valid UUID."),
        (json!({"subnet_id": subnet["id"]}), 400, "BadRequest", "must have a gateway IP"),
        (json!({"port_id": used["id"]}), 409, "PortInUse", "Unable to complete operation on port"),
        (json!({"port_id": plain["id"]}), 400, "BadRequest", "must have at least one fixed IP"),
    ] {
        lab.refused(Method::PUT, &path(&router, "add"), Some(body), status, error_type, words).await?;
    }
    let body = Some(json!({"subnet_id": subnet["id"]}));
    lab.refused(Method::PUT, &path(&json!({"id": missing}), "add"), body, 404, "RouterNotFound", missing).await
}

async fn refuse_to_leave_what_they_have_not_joined(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    let port = lab.port(&network, json!({})).await?;
    let router = lab.router(json!({})).await?;
    for (body, status, error_type) in [
        (json!({"subnet_id": subnet["id"]}), 404, "RouterInterfaceNotFoundForSubnet"),
        (json!({"port_id": port["id"]}), 404, "RouterInterfaceNotFound"),
        (json!({}), 400, "BadRequest"),
    ] {
        lab.refused(Method::PUT, &path(&router, "remove"), Some(body), status, error_type, "").await?;
    }
    Ok(())
}

async fn have_a_gateway(lab: &Lab) -> Outcome {
    let outside = lab.create("networks", json!({"name": lab.name(), "router:external": true})).await?;
    let subnet = lab.subnet_with(&outside, "172.30.0.0/24", json!({"enable_dhcp": false})).await?;
    let router = lab.router(json!({"external_gateway_info": {"network_id": outside["id"]}})).await?;
    let gateway = json!({
        "network_id": outside["id"], "enable_snat": true,
        "external_fixed_ips": [{"subnet_id": subnet["id"], "ip_address": ANYTHING}],
    });
    lab.same("router", &router["external_gateway_info"], gateway);
    let ports = lab.list(&format!("ports?device_id={}", id(&router))).await?;
    lab.same(
        "ports",
        &json!(ports),
        json!([{"device_owner": "network:router_gateway", "network_id": outside["id"], "tenant_id": ""}]),
    );
    lab.no_delete("networks", &outside, 409, "NetworkInUse", "").await?;
    let asked = json!({"network_id": outside["id"], "external_fixed_ips": [{"subnet_id": subnet["id"], "ip_address": "172.30.0.99"}]});
    let changed = lab.update("routers", &router, json!({"external_gateway_info": asked})).await?;
    lab.same("asked", &changed["external_gateway_info"], asked);
    let gone = lab.update("routers", &router, json!({"external_gateway_info": {}})).await?;
    lab.same("gone", &gone["external_gateway_info"], Value::Null);
    let ports = lab.list(&format!("ports?device_id={}", id(&router))).await?;
    lab.check(ports.is_empty(), || format!("{ports:?}"));
    Ok(())
}

async fn want_an_external_network(lab: &Lab) -> Outcome {
    let inside = lab.network().await?;
    let words = format!("Bad router request: Network {} is not an external network.", id(&inside));
    let body = json!({"external_gateway_info": {"network_id": inside["id"]}});
    lab.no_create("routers", body.clone(), 400, "BadRequest", &words).await?;
    let router = lab.router(json!({})).await?;
    lab.no_update("routers", &router, body, 400, "BadRequest", &words).await?;
    let missing = "00000000-0000-4000-8000-000000000000";
    let body = json!({"external_gateway_info": {"network_id": missing}});
    lab.no_update("routers", &router, body, 404, "NetworkNotFound", missing).await?;
    let body = json!({"external_gateway_info": {"network_id": "x"}});
    lab.no_update("routers", &router, body, 400, "HTTPBadRequest", "Invalid input for external_gateway_info").await
}

async fn with_interfaces_stay(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    let router = lab.router(json!({})).await?;
    lab.join(&router, json!({"subnet_id": subnet["id"]})).await?;
    let words = format!("Router {} has ports still attached: ", id(&router));
    lab.no_delete("routers", &router, 409, "RouterInUse", &words).await?;
    lab.no_delete("subnets", &subnet, 409, "SubnetInUse", "").await?;
    lab.no_delete("networks", &network, 409, "NetworkInUse", "").await?;
    lab.put(&path(&router, "remove"), json!({"subnet_id": subnet["id"]})).await?;
    lab.delete("routers", &router).await
}

async fn take_routes(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    let router = lab.router(json!({})).await?;
    lab.join(&router, json!({"subnet_id": subnet["id"]})).await?;
    let routes = json!([{"destination": "10.9.0.0/16", "nexthop": "10.1.0.9"}]);
    let given = json!({"routes": routes});
    lab.same("routes", &lab.update("routers", &router, given.clone()).await?, given);
    let body = json!({"routes": [{"destination": "10.9.0.0/16", "nexthop": "10.7.0.9"}]});
    lab.no_update("routers", &router, body, 400, "InvalidRoutes", "").await?;
    let body = json!({"routes": [{"destination": "x", "nexthop": "10.1.0.9"}]});
    lab.no_update("routers", &router, body, 400, "HTTPBadRequest", "Invalid input for routes").await?;
    lab.refused(
        Method::PUT,
        &path(&router, "remove"),
        Some(json!({"subnet_id": subnet["id"]})),
        409,
        "RouterInterfaceInUseByRoute",
        "",
    )
    .await?;
    lab.same("none", &lab.update("routers", &router, json!({"routes": []})).await?, json!({"routes": []}));
    Ok(())
}

async fn refuse_bad_input(lab: &Lab) -> Outcome {
    for (body, words) in [
        (json!({"name": 7}), "Invalid input for name"),
        (json!({"external_gateway_info": "x"}), "Invalid input for external_gateway_info"),
        (json!({"external_gateway_info": {"nonsense": 1}}), "Invalid input for external_gateway_info"),
        (json!({"routes": []}), "Attribute 'routes' not allowed in POST"),
        (json!({"nonsense": 1}), "Unrecognized attribute(s) 'nonsense'"),
    ] {
        lab.no_create("routers", body, 400, "HTTPBadRequest", words).await?;
    }
    Ok(())
}

async fn not_there_are_not_found(lab: &Lab) -> Outcome {
    let missing = "00000000-0000-4000-8000-000000000000";
    let words = format!("Router {missing} could not be found");
    let path = format!("routers/{missing}");
    let body = Some(json!({"router": {"name": "x"}}));
    lab.refused(Method::GET, &path, None, 404, "RouterNotFound", &words).await?;
    lab.refused(Method::PUT, &path, body, 404, "RouterNotFound", &words).await?;
    lab.refused(Method::DELETE, &path, None, 404, "RouterNotFound", &words).await
}
