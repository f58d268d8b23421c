//! Ports: addresses, devices, security.

use http::Method;
use serde_json::{Value, json};

use crate::lab::{Lab, Outcome, id};
use crate::matching::ANYTHING;

crate::cases!["ports":
    have_defaults,
    of_networks_without_subnets_have_no_address,
    take_the_address_asked_for,
    take_one_address_of_each_family,
    take_several_addresses,
    never_share_an_address,
    refuse_addresses_that_do_not_fit,
    end_when_a_pool_is_empty,
    take_the_mac_asked_for,
    never_share_a_mac,
    refuse_bad_input,
    refuse_bad_changes,
    change,
    change_their_addresses,
    keep_their_network,
    give_addresses_back,
    belong_to_devices,
    of_routers_are_not_deleted_here,
    not_there_are_not_found,
    with_slaac_addresses_derive_them,
];

fn addresses(port: &Value) -> Vec<&str> {
    let list = port["fixed_ips"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|ip| ip["ip_address"].as_str().unwrap_or_default()).collect()
}

async fn have_defaults(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    let port = lab.create("ports", json!({"network_id": network["id"]})).await?;
    let wanted = json!({
        "id": ANYTHING, "name": "", "description": "", "network_id": network["id"], "admin_state_up": true,
        "status": "DOWN", "device_id": "", "device_owner": "", "port_security_enabled": true,
        "fixed_ips": [{"subnet_id": subnet["id"], "ip_address": ANYTHING}], "allowed_address_pairs": [],
        "security_groups": [ANYTHING], "mac_address": ANYTHING, "tags": [], "revision_number": 1,
        "binding:vnic_type": "normal", "binding:host_id": "", "binding:vif_type": "unbound",
        "binding:vif_details": {}, "binding:profile": {},
        "project_id": lab.project(), "tenant_id": lab.project(), "created_at": ANYTHING, "updated_at": ANYTHING,
    });
    lab.same("port", &port, wanted);
    let mac = port["mac_address"].as_str().unwrap_or_default();
    lab.check(mac.starts_with("fa:16:3e:"), || format!("mac_address is {mac}"));
    let groups = lab.list(&format!("security-groups?name=default&project_id={}", lab.project())).await?;
    lab.same("group", &port["security_groups"][0], groups.first().map(|group| group["id"].clone()).unwrap_or_default());
    let shown = lab.show("ports", &port).await?;
    lab.same("shown", &shown, json!({"fixed_ips": port["fixed_ips"], "mac_address": mac, "status": "DOWN"}));
    Ok(())
}

async fn of_networks_without_subnets_have_no_address(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let port = lab.port(&network, json!({})).await?;
    lab.same("port", &port, json!({"fixed_ips": []}));
    lab.subnet(&network, "10.1.0.0/24").await?;
    let none = lab.port(&network, json!({"fixed_ips": []})).await?;
    lab.same("asked for none", &none, json!({"fixed_ips": []}));
    Ok(())
}

async fn take_the_address_asked_for(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    for (asked, wanted) in [
        (json!({"ip_address": "10.1.0.50"}), json!("10.1.0.50")),
        (json!({"subnet_id": subnet["id"], "ip_address": "10.1.0.51"}), json!("10.1.0.51")),
        (json!({"subnet_id": subnet["id"]}), json!(ANYTHING)),
        (json!({"ip_address": "10.1.0.1"}), json!("10.1.0.1")),
    ] {
        let port = lab.port(&network, json!({"fixed_ips": [asked]})).await?;
        lab.same("port", &port["fixed_ips"], json!([{"subnet_id": subnet["id"], "ip_address": wanted}]));
    }
    Ok(())
}

async fn take_one_address_of_each_family(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    lab.subnet(&network, "10.1.0.0/24").await?;
    lab.subnet(&network, "10.2.0.0/24").await?;
    lab.subnet(&network, "fd00:1::/64").await?;
    let port = lab.port(&network, json!({})).await?;
    let found = addresses(&port);
    lab.check(found.len() == 2, || format!("{found:?}"));
    lab.check(found.iter().filter(|ip| ip.contains(':')).count() == 1, || format!("{found:?}"));
    Ok(())
}

async fn take_several_addresses(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    lab.subnet(&network, "10.1.0.0/24").await?;
    let asked = json!([{"ip_address": "10.1.0.50"}, {"ip_address": "10.1.0.51"}]);
    let port = lab.port(&network, json!({"fixed_ips": asked})).await?;
    let mut found = addresses(&port);
    found.sort_unstable();
    lab.check(found == ["10.1.0.50", "10.1.0.51"], || format!("{found:?}"));
    let twice = json!([{"ip_address": "10.1.0.60"}, {"ip_address": "10.1.0.60"}]);
    lab.no_port(&network, json!({"fixed_ips": twice}), 400, "HTTPBadRequest", "Duplicate IP address '10.1.0.60'").await
}

async fn never_share_an_address(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    lab.port(&network, json!({"fixed_ips": [{"ip_address": "10.1.0.50"}]})).await?;
    let words = format!("IP address 10.1.0.50 already allocated in subnet {}", id(&subnet));
    let body = json!({"fixed_ips": [{"ip_address": "10.1.0.50"}]});
    lab.no_port(&network, body.clone(), 409, "IpAddressAlreadyAllocated", &words).await?;
    let other = lab.port(&network, json!({})).await?;
    lab.no_update("ports", &other, body, 409, "IpAddressAlreadyAllocated", &words).await
}

async fn refuse_addresses_that_do_not_fit(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    let foreign = lab.subnet(&lab.network().await?, "10.2.0.0/24").await?;
    let missing = "00000000-0000-4000-8000-000000000000";
    for (asked, status, error_type, words) in [
        (
            json!([{"ip_address": "10.9.0.1"}]),
            400,
            "InvalidIpForNetwork",
            "IP address 10.9.0.1 is not a valid IP for any of the subnets",
        ),
        (
            json!([{"subnet_id": subnet["id"], "ip_address": "10.9.0.1"}]),
            400,
            "InvalidIpForSubnet",
            "IP address 10.9.0.1 is not a valid IP for the specified subnet",
        ),
        (json!([{"ip_address": "10.1.0.0"}]), 400, "InvalidIpForNetwork", ""),
        (json!([{"ip_address": "10.1.0.255"}]), 400, "InvalidIpForNetwork", ""),
        (json!([{"subnet_id": foreign["id"]}]), 400, "InvalidInput", "Failed to create port on network"),
        (json!([{"subnet_id": missing}]), 404, "SubnetNotFound", missing),
        (json!([{"ip_address": "x"}]), 400, "HTTPBadRequest", "Invalid input for fixed_ips"),
        (json!([{"subnet_id": "x"}]), 400, "HTTPBadRequest", "Invalid input for fixed_ips"),
        (json!("x"), 400, "HTTPBadRequest", "Invalid input for fixed_ips"),
        (json!([{"nonsense": 1}]), 400, "InvalidInput", "IP allocation requires subnet_id or ip_address."),
        (json!([{}]), 400, "InvalidInput", ""),
    ] {
        lab.no_port(&network, json!({"fixed_ips": asked}), status, error_type, words).await?;
    }
    Ok(())
}

async fn end_when_a_pool_is_empty(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/30").await?;
    // The cloud's own services may already have taken the only address.
    let taken = lab.list(&format!("ports?fixed_ips=subnet_id={}", id(&subnet))).await?.len();
    if taken == 0 {
        lab.port(&network, json!({})).await?;
    }
    let words = format!("No more IP addresses available on network {}.", id(&network));
    lab.no_port(&network, json!({}), 409, "IpAddressGenerationFailure", &words).await?;
    let body = json!({"fixed_ips": [{"subnet_id": subnet["id"]}]});
    lab.no_port(&network, body, 409, "IpAddressGenerationFailure", "").await
}

async fn take_the_mac_asked_for(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    for (asked, wanted) in [
        ("02:42:0a:01:00:02", "02:42:0a:01:00:02"),
        ("02:42:0A:01:00:FF", "02:42:0a:01:00:ff"),
        ("02-42-0a-01-00-03", "02:42:0a:01:00:03"),
    ] {
        let port = lab.port(&network, json!({"mac_address": asked})).await?;
        lab.same("mac", &port["mac_address"], json!(wanted));
    }
    Ok(())
}

async fn never_share_a_mac(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let mac = json!({"mac_address": "02:42:0a:01:00:02"});
    lab.port(&network, mac.clone()).await?;
    let words = format!(
        "Unable to complete operation for network {}. The mac address 02:42:0a:01:00:02 is in use.",
        id(&network)
    );
    lab.no_port(&network, mac.clone(), 409, "MacAddressInUse", &words).await?;
    let other = lab.port(&network, json!({})).await?;
    lab.no_update("ports", &other, mac.clone(), 409, "MacAddressInUse", "").await?;
    lab.port(&lab.network().await?, mac).await.map(drop)
}

async fn refuse_bad_input(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    for (body, words) in [
        (json!({"mac_address": "x"}), "Invalid input for mac_address. Reason: 'x' is not a valid MAC address."),
        (json!({"mac_address": "00:00:00:00:00:00"}), ""),
        (json!({"name": "n".repeat(256)}), "Invalid input for name"),
        (json!({"device_id": 7}), "Invalid input for device_id"),
        (json!({"security_groups": ["x"]}), "Invalid input for security_groups. Reason: 'x' is not a valid UUID."),
        (json!({"security_groups": "x"}), "Invalid input for security_groups"),
        (json!({"allowed_address_pairs": [{"ip_address": "x"}]}), "'x' is not a valid IP address"),
        (json!({"binding:vnic_type": "nonsense"}), "Invalid input for binding:vnic_type"),
        (json!({"binding:profile": "x"}), "Invalid input for binding:profile"),
        (json!({"nonsense": 1}), "Unrecognized attribute(s) 'nonsense'"),
        (json!({"status": "ACTIVE"}), "Attribute 'status' not allowed in POST"),
        (json!({"binding:vif_type": "ovs"}), "Attribute 'binding:vif_type' not allowed in POST"),
        (json!({"network_id": "x"}), "Invalid input for network_id. Reason: 'x' is not a valid UUID."),
    ] {
        lab.no_port(&network, body, 400, "HTTPBadRequest", words).await?;
    }
    let words = "Invalid input for operation: 'x' cannot be converted to boolean.";
    lab.no_port(&network, json!({"admin_state_up": "x"}), 400, "InvalidInput", words).await?;
    let body = json!({"allowed_address_pairs": [{"mac_address": "02:42:0a:01:00:02"}]});
    let words = "AllowedAddressPair must contain ip_address";
    lab.no_port(&network, body, 400, "AllowedAddressPairsMissingIP", words).await?;
    lab.no_create("ports", json!({}), 400, "HTTPBadRequest", "Required attribute 'network_id' not specified").await?;
    let missing = "00000000-0000-4000-8000-000000000000";
    lab.no_create("ports", json!({"network_id": missing}), 404, "NetworkNotFound", missing).await?;
    let body = json!({"security_groups": [missing]});
    lab.no_port(&network, body, 404, "SecurityGroupNotFound", missing).await
}

async fn refuse_bad_changes(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let port = lab.port(&network, json!({})).await?;
    for (key, value) in [("id", port["id"].clone()), ("status", json!("ACTIVE")), ("network_id", network["id"].clone())]
    {
        let words = format!("Cannot update read-only attribute {key}");
        lab.no_update("ports", &port, json!({ key: value }), 400, "HTTPBadRequest", &words).await?;
    }
    Ok(())
}

async fn change(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let port = lab.port(&network, json!({})).await?;
    let given = json!({
        "name": "n", "description": "d", "admin_state_up": false, "device_id": "device", "device_owner": "kuryr:container",
        "mac_address": "02:42:0a:01:00:09",
    });
    let changed = lab.update("ports", &port, given.clone()).await?;
    lab.same("changed", &changed, given);
    lab.check(changed["revision_number"].as_u64() > port["revision_number"].as_u64(), || "same revision".to_owned());
    Ok(())
}

async fn change_their_addresses(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    let port = lab.port(&network, json!({"fixed_ips": [{"ip_address": "10.1.0.50"}]})).await?;
    let one = |address: &str| json!({"subnet_id": subnet["id"], "ip_address": address});
    for wanted in
        [json!([one("10.1.0.50"), one("10.1.0.51")]), json!([one("10.1.0.51")]), json!([]), json!([one("10.1.0.50")])]
    {
        let changed = lab.update("ports", &port, json!({"fixed_ips": wanted})).await?;
        let mut found = changed["fixed_ips"].as_array().cloned().unwrap_or_default();
        found.sort_by_key(|ip| ip["ip_address"].to_string());
        lab.same("addresses", &json!(found), wanted);
    }
    // An address that is kept is named by its subnet alone.
    let kept = lab.update("ports", &port, json!({"fixed_ips": [{"subnet_id": subnet["id"]}]})).await?;
    lab.check(addresses(&kept).len() == 1, || format!("{kept}"));
    Ok(())
}

async fn keep_their_network(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let other = lab.network().await?;
    let port = lab.port(&network, json!({})).await?;
    let body = json!({"network_id": other["id"]});
    lab.no_update("ports", &port, body, 400, "HTTPBadRequest", "Cannot update read-only attribute network_id").await
}

async fn give_addresses_back(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    lab.subnet(&network, "10.1.0.0/24").await?;
    let asked = json!({"fixed_ips": [{"ip_address": "10.1.0.50"}], "mac_address": "02:42:0a:01:00:02"});
    for _ in 0..2 {
        let port = lab.port(&network, asked.clone()).await?;
        lab.delete("ports", &port).await?;
        lab.no_delete("ports", &port, 404, "PortNotFound", &format!("Port {} could not be found.", id(&port))).await?;
    }
    Ok(())
}

async fn belong_to_devices(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let device = lab.name();
    let given = json!({"device_id": device, "device_owner": "kuryr:container"});
    let port = lab.port(&network, given.clone()).await?;
    lab.same("port", &port, given);
    for filter in [format!("device_id={device}"), format!("device_id={device}&device_owner=kuryr:container")] {
        let found = lab.list(&format!("ports?{filter}")).await?;
        lab.check(found.len() == 1 && id(&found[0]) == id(&port), || format!("{filter} finds {}", found.len()));
    }
    lab.same(
        "free",
        &lab.update("ports", &port, json!({"device_id": "", "device_owner": ""})).await?,
        json!({"device_id": "", "device_owner": ""}),
    );
    Ok(())
}

async fn of_routers_are_not_deleted_here(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    let router = lab.router(json!({})).await?;
    let joined = lab.join(&router, json!({"subnet_id": subnet["id"]})).await?;
    let port = json!({"id": joined["port_id"]});
    let words = format!(
        "Port {} cannot be deleted directly via the port API: has device owner network:router_interface.",
        id(&port)
    );
    lab.no_delete("ports", &port, 409, "ServicePortInUse", &words).await
}

async fn not_there_are_not_found(lab: &Lab) -> Outcome {
    for missing in ["00000000-0000-4000-8000-000000000000", "nonsense"] {
        let path = format!("ports/{missing}");
        let words = format!("Port {missing} could not be found.");
        let body = Some(json!({"port": {"name": "x"}}));
        lab.refused(Method::GET, &path, None, 404, "PortNotFound", &words).await?;
        lab.refused(Method::PUT, &path, body, 404, "PortNotFound", &words).await?;
        lab.refused(Method::DELETE, &path, None, 404, "PortNotFound", &words).await?;
    }
    Ok(())
}

async fn with_slaac_addresses_derive_them(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let modes = json!({"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"});
    lab.subnet_with(&network, "fd00:2::/64", modes).await?;
    let port = lab.port(&network, json!({"mac_address": "02:42:0a:01:00:02"})).await?;
    lab.same("addresses", &json!(addresses(&port)), json!(["fd00:2::42:aff:fe01:2"]));
    lab.no_port(&network, json!({"fixed_ips": [{"ip_address": "fd00:2::5"}]}), 400, "AllocationOnAutoAddressSubnet", "")
        .await
}
