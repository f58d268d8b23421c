//! Subnets: ranges, gateways, allocation pools.

use http::Method;
use serde_json::json;

use crate::lab::{Lab, Outcome, id};
use crate::matching::ANYTHING;

crate::cases!["subnets":
    have_defaults,
    of_ipv6_have_defaults,
    without_gateway_use_every_address,
    keep_their_gateway_out_of_the_pool,
    take_pools_given,
    take_routes_and_name_servers,
    forget_host_bits,
    may_not_overlap_in_one_network,
    may_overlap_in_two_networks,
    want_a_gateway_that_fits,
    refuse_bad_pools,
    refuse_bad_input,
    change,
    change_their_gateway,
    change_their_pools,
    keep_what_cannot_change,
    in_use_stay,
    not_there_are_not_found,
    of_small_ranges,
    of_two_addresses_want_a_gateway_elsewhere,
    of_ipv6_have_their_first_address_for_gateway,
    of_ipv6_take_modes,
];

async fn have_defaults(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let given = json!({"network_id": network["id"], "ip_version": 4, "cidr": "10.1.0.0/24"});
    let subnet = lab.create("subnets", given).await?;
    let wanted = json!({
        "id": ANYTHING, "name": "", "description": "", "network_id": network["id"], "ip_version": 4,
        "cidr": "10.1.0.0/24", "gateway_ip": "10.1.0.1", "enable_dhcp": true, "subnetpool_id": null,
        "allocation_pools": [{"start": "10.1.0.2", "end": "10.1.0.254"}], "dns_nameservers": [], "host_routes": [],
        "ipv6_ra_mode": null, "ipv6_address_mode": null, "tags": [], "revision_number": 0,
        "project_id": lab.project(), "tenant_id": lab.project(), "created_at": ANYTHING, "updated_at": ANYTHING,
    });
    lab.same("subnet", &subnet, wanted);
    lab.same("shown", &lab.show("subnets", &subnet).await?, subnet.clone());
    Ok(())
}

async fn of_ipv6_have_defaults(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "fd00:1::/64").await?;
    let wanted = json!({
        "ip_version": 6, "cidr": "fd00:1::/64", "gateway_ip": ANYTHING, "ipv6_ra_mode": null, "ipv6_address_mode": null,
        "allocation_pools": [{"start": ANYTHING, "end": "fd00:1::ffff:ffff:ffff:ffff"}],
    });
    lab.same("subnet", &subnet, wanted);
    Ok(())
}

async fn without_gateway_use_every_address(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet_with(&network, "10.1.0.0/29", json!({"gateway_ip": null})).await?;
    let wanted = json!({"gateway_ip": null, "allocation_pools": [{"start": "10.1.0.1", "end": "10.1.0.6"}]});
    lab.same("subnet", &subnet, wanted);
    Ok(())
}

async fn keep_their_gateway_out_of_the_pool(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    for (cidr, gateway, pools) in [
        ("10.1.0.0/29", "10.1.0.6", json!([{"start": "10.1.0.1", "end": "10.1.0.5"}])),
        (
            "10.2.0.0/29",
            "10.2.0.3",
            json!([{"start": "10.2.0.1", "end": "10.2.0.2"}, {"start": "10.2.0.4", "end": "10.2.0.6"}]),
        ),
    ] {
        let subnet = lab.subnet_with(&network, cidr, json!({"gateway_ip": gateway})).await?;
        lab.same(cidr, &subnet, json!({"gateway_ip": gateway}));
        let mut found = subnet["allocation_pools"].as_array().cloned().unwrap_or_default();
        found.sort_by_key(|pool| pool["start"].to_string());
        lab.same(cidr, &json!(found), pools);
    }
    Ok(())
}

async fn take_pools_given(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let pools = json!([{"start": "10.1.0.10", "end": "10.1.0.20"}]);
    let subnet = lab.subnet_with(&network, "10.1.0.0/24", json!({"allocation_pools": pools})).await?;
    lab.same("subnet", &subnet, json!({"allocation_pools": pools, "gateway_ip": "10.1.0.1"}));
    let port = lab.port(&network, json!({})).await?;
    let address = port["fixed_ips"][0]["ip_address"].as_str().unwrap_or_default();
    let last: u8 = address.rsplit('.').next().and_then(|last| last.parse().ok()).unwrap_or_default();
    lab.check((10..=20).contains(&last), || format!("{address} is not of the pool"));
    Ok(())
}

async fn take_routes_and_name_servers(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let given = json!({
        "dns_nameservers": ["10.1.0.53", "10.1.0.54"],
        "host_routes": [{"destination": "10.9.0.0/16", "nexthop": "10.1.0.9"}],
        "enable_dhcp": false,
    });
    let subnet = lab.subnet_with(&network, "10.1.0.0/24", given.clone()).await?;
    lab.same("subnet", &subnet, given);
    let given = json!({"dns_nameservers": ["10.1.0.54"], "host_routes": []});
    lab.same("changed", &lab.update("subnets", &subnet, given.clone()).await?, given);
    for (body, words) in [
        (json!({"cidr": "10.2.0.0/24", "dns_nameservers": ["not an address!"]}), "Invalid input for dns_nameservers"),
        (
            json!({"cidr": "10.2.0.0/24", "dns_nameservers": ["1.1.1.1", "1.1.1.1"]}),
            "Invalid input for dns_nameservers",
        ),
        (
            json!({"cidr": "10.2.0.0/24", "host_routes": [{"destination": "10.9.0.0/16"}]}),
            "Invalid input for host_routes",
        ),
        (
            json!({"cidr": "10.2.0.0/24", "host_routes": [{"destination": "x", "nexthop": "10.1.0.9"}]}),
            "Invalid input for host_routes",
        ),
    ] {
        lab.no_subnet(&network, body, 400, "HTTPBadRequest", words).await?;
    }
    Ok(())
}

async fn forget_host_bits(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.77/24").await?;
    lab.same("subnet", &subnet, json!({"cidr": "10.1.0.0/24", "gateway_ip": "10.1.0.1"}));
    Ok(())
}

async fn may_not_overlap_in_one_network(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    lab.subnet(&network, "10.1.0.0/24").await?;
    for cidr in ["10.1.0.0/24", "10.1.0.128/25", "10.0.0.0/8"] {
        let words =
            format!("Requested subnet with cidr: {cidr} for network: {} overlaps with another subnet", id(&network));
        lab.no_subnet(&network, json!({"cidr": cidr}), 400, "InvalidInput", &words).await?;
    }
    lab.subnet(&network, "10.1.1.0/24").await.map(drop)
}

async fn may_overlap_in_two_networks(lab: &Lab) -> Outcome {
    for _ in 0..2 {
        let network = lab.network().await?;
        lab.subnet(&network, "10.1.0.0/24").await?;
    }
    Ok(())
}

async fn want_a_gateway_that_fits(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let cidr = "10.1.0.0/24";
    for (gateway, error_type) in [("10.1.0.0", "InvalidInput"), ("10.1.0.255", "InvalidInput")] {
        lab.no_subnet(&network, json!({"cidr": cidr, "gateway_ip": gateway}), 400, error_type, "Gateway is not valid")
            .await?;
    }
    lab.no_subnet(
        &network,
        json!({"cidr": cidr, "gateway_ip": "x"}),
        400,
        "HTTPBadRequest",
        "Invalid input for gateway_ip",
    )
    .await?;
    let body = json!({"cidr": cidr, "gateway_ip": "fd00::1"});
    lab.no_subnet(&network, body, 400, "InvalidInput", "gateway_ip").await?;
    let pools = json!([{"start": "10.1.0.10", "end": "10.1.0.20"}]);
    let body = json!({"cidr": cidr, "gateway_ip": "10.1.0.15", "allocation_pools": pools});
    let words = "Gateway ip 10.1.0.15 conflicts with allocation pool";
    lab.no_subnet(&network, body, 409, "GatewayConflictWithAllocationPools", words).await?;
    let outside = lab.subnet_with(&network, cidr, json!({"gateway_ip": "10.9.0.1"})).await?;
    lab.same("a gateway outside", &outside["gateway_ip"], json!("10.9.0.1"));
    Ok(())
}

async fn refuse_bad_pools(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let pool = |start: &str, end: &str| json!({"start": start, "end": end});
    for (pools, status, error_type) in [
        (json!([pool("10.1.0.20", "10.1.0.10")]), 400, "InvalidAllocationPool"),
        (json!([pool("10.2.0.10", "10.2.0.20")]), 400, "OutOfBoundsAllocationPool"),
        (json!([pool("10.1.0.10", "10.1.0.255")]), 400, "OutOfBoundsAllocationPool"),
        (json!([pool("10.1.0.0", "10.1.0.20")]), 400, "OutOfBoundsAllocationPool"),
        (json!([pool("10.1.0.10", "10.1.0.20"), pool("10.1.0.20", "10.1.0.30")]), 409, "OverlappingAllocationPools"),
        (json!([pool("10.1.0.10", "fd00::1")]), 400, "InvalidAllocationPool"),
        (json!([{"start": "10.1.0.10"}]), 400, "HTTPBadRequest"),
        (json!([pool("x", "y")]), 400, "HTTPBadRequest"),
        (json!("x"), 400, "InvalidInput"),
    ] {
        let body = json!({"cidr": "10.1.0.0/24", "allocation_pools": pools});
        lab.no_subnet(&network, body, status, error_type, "").await?;
    }
    Ok(())
}

async fn refuse_bad_input(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    for (body, status, error_type, words) in [
        (json!({}), 400, "BadRequest", "a subnetpool must be specified in the absence of a cidr"),
        (json!({"cidr": "x"}), 400, "InvalidInput", "Invalid input for operation: x is not in a CIDR format."),
        (
            json!({"cidr": "10.1.0.0"}),
            400,
            "InvalidInput",
            "Subnet has a prefix length that is incompatible with DHCP service enabled.",
        ),
        (json!({"cidr": "10.1.0.0/33"}), 400, "InvalidInput", "10.1.0.0/33 is not in a CIDR format."),
        (json!({"cidr": "fd00::/64"}), 400, "InvalidInput", "does not match the ip_version '4'"),
        (json!({"cidr": "10.1.0.0/24", "ip_version": 5}), 400, "HTTPBadRequest", "Invalid input for ip_version"),
        (json!({"cidr": "10.1.0.0/24", "ip_version": "x"}), 400, "InvalidInput", "'x' is not an integer."),
        (json!({"cidr": "10.1.0.0/24", "nonsense": 1}), 400, "HTTPBadRequest", "Unrecognized attribute(s) 'nonsense'"),
        (json!({"cidr": "10.1.0.0/24", "ipv6_ra_mode": "slaac"}), 400, "InvalidInput", ""),
        (
            json!({"cidr": "224.0.0.0/24"}),
            400,
            "InvalidInput",
            "Multicast IP subnet is not supported if enable_dhcp is True.",
        ),
        (
            json!({"cidr": "127.0.0.0/24"}),
            400,
            "InvalidInput",
            "Loopback IP subnet is not supported if enable_dhcp is True.",
        ),
        (json!({"cidr": "0.0.0.0/0"}), 400, "InvalidInput", ""),
        (json!({"cidr": "10.1.0.0/24", "prefixlen": 24}), 400, "BadRequest", ""),
        (json!({"cidr": "10.1.0.0/24", "network_id": "x"}), 400, "HTTPBadRequest", "Invalid input for network_id"),
    ] {
        lab.no_subnet(&network, body, status, error_type, words).await?;
    }
    let missing = "00000000-0000-4000-8000-000000000000";
    let body = json!({"network_id": missing, "ip_version": 4, "cidr": "10.1.0.0/24"});
    lab.no_create("subnets", body, 404, "NetworkNotFound", missing).await?;
    let body = json!({"ip_version": 4, "cidr": "10.1.0.0/24"});
    lab.no_create("subnets", body, 400, "HTTPBadRequest", "Required attribute 'network_id' not specified").await?;
    let body = json!({"network_id": network["id"], "cidr": "10.1.0.0/24"});
    lab.no_create("subnets", body, 400, "HTTPBadRequest", "Required attribute 'ip_version' not specified").await
}

async fn change(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    let given = json!({"name": "n", "description": "d", "enable_dhcp": false});
    let changed = lab.update("subnets", &subnet, given.clone()).await?;
    lab.same("changed", &changed, given);
    lab.check(changed["revision_number"].as_u64() > subnet["revision_number"].as_u64(), || "same revision".to_owned());
    Ok(())
}

async fn change_their_gateway(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let pools = json!([{"start": "10.1.0.10", "end": "10.1.0.20"}]);
    let subnet = lab.subnet_with(&network, "10.1.0.0/24", json!({"allocation_pools": pools})).await?;
    lab.same(
        "moved",
        &lab.update("subnets", &subnet, json!({"gateway_ip": "10.1.0.2"})).await?["gateway_ip"],
        json!("10.1.0.2"),
    );
    let body = json!({"gateway_ip": "10.1.0.12"});
    lab.no_update("subnets", &subnet, body, 409, "GatewayConflictWithAllocationPools", "10.1.0.12").await?;
    let gone = lab.update("subnets", &subnet, json!({"gateway_ip": null})).await?;
    lab.same("gone", &gone, json!({"gateway_ip": null, "allocation_pools": pools}));
    Ok(())
}

async fn change_their_pools(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    let pools = json!([{"start": "10.1.0.100", "end": "10.1.0.110"}]);
    let given = json!({"allocation_pools": pools});
    lab.same("changed", &lab.update("subnets", &subnet, given.clone()).await?, given);
    let body = json!({"allocation_pools": [{"start": "10.1.0.1", "end": "10.1.0.110"}]});
    lab.no_update("subnets", &subnet, body, 409, "GatewayConflictWithAllocationPools", "").await?;
    let body = json!({"allocation_pools": [{"start": "10.2.0.1", "end": "10.2.0.110"}]});
    lab.no_update("subnets", &subnet, body, 400, "OutOfBoundsAllocationPool", "").await
}

async fn keep_what_cannot_change(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    for (key, value) in [
        ("cidr", json!("10.2.0.0/24")),
        ("ip_version", json!(6)),
        ("network_id", network["id"].clone()),
        ("id", subnet["id"].clone()),
        ("ipv6_ra_mode", json!("slaac")),
    ] {
        let words = format!("Cannot update read-only attribute {key}");
        lab.no_update("subnets", &subnet, json!({ key: value }), 400, "HTTPBadRequest", &words).await?;
    }
    Ok(())
}

async fn in_use_stay(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    let port = lab.port(&network, json!({})).await?;
    let words = format!("Unable to complete operation on subnet {}", id(&subnet));
    lab.no_delete("subnets", &subnet, 409, "SubnetInUse", &words).await?;
    lab.delete("ports", &port).await?;
    lab.delete("subnets", &subnet).await
}

async fn not_there_are_not_found(lab: &Lab) -> Outcome {
    let path = "subnets/00000000-0000-4000-8000-000000000000";
    let words = "Subnet 00000000-0000-4000-8000-000000000000 could not be found.";
    let body = Some(json!({"subnet": {"name": "x"}}));
    lab.refused(Method::GET, path, None, 404, "SubnetNotFound", words).await?;
    lab.refused(Method::PUT, path, body, 404, "SubnetNotFound", words).await?;
    lab.refused(Method::DELETE, path, None, 404, "SubnetNotFound", words).await
}

async fn of_small_ranges(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet_with(&network, "10.1.0.0/30", json!({"enable_dhcp": false})).await?;
    let pools = json!([{"start": "10.1.0.2", "end": "10.1.0.2"}]);
    lab.same("/30", &subnet, json!({"gateway_ip": "10.1.0.1", "allocation_pools": pools}));
    let subnet = lab.subnet_with(&network, "10.3.0.1/32", json!({"enable_dhcp": false, "gateway_ip": null})).await?;
    lab.same("/32", &subnet, json!({"allocation_pools": [{"start": "10.3.0.1", "end": "10.3.0.1"}]}));
    Ok(())
}

async fn of_two_addresses_want_a_gateway_elsewhere(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let body = json!({"cidr": "10.2.0.0/31", "enable_dhcp": false});
    let words = "Gateway IP 10.2.0.1 cannot be the network or broadcast IP address 10.2.0.0/31";
    lab.no_subnet(&network, body, 409, "IpamValueInvalid", words).await
}

async fn of_ipv6_have_their_first_address_for_gateway(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    for (cidr, gateway, pool) in [
        ("fd00:1::/64", "fd00:1::", json!({"start": "fd00:1::1", "end": "fd00:1::ffff:ffff:ffff:ffff"})),
        ("fd00:2::/127", "fd00:2::", json!({"start": "fd00:2::1", "end": "fd00:2::1"})),
    ] {
        let subnet = lab.subnet_with(&network, cidr, json!({"enable_dhcp": false})).await?;
        lab.same(cidr, &subnet, json!({"gateway_ip": gateway, "allocation_pools": [pool]}));
    }
    Ok(())
}

async fn of_ipv6_take_modes(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let modes = json!({"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"});
    let subnet = lab.subnet_with(&network, "fd00:2::/64", modes.clone()).await?;
    lab.same("subnet", &subnet, modes);
    let base = json!({"network_id": network["id"], "ip_version": 6});
    for (more, error_type) in [
        (
            json!({"cidr": "fd00:3::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"}),
            "InvalidInput",
        ),
        (json!({"cidr": "fd00:3::/96", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}), "InvalidInput"),
        (json!({"cidr": "fd00:3::/64", "ipv6_ra_mode": "nonsense"}), "HTTPBadRequest"),
    ] {
        lab.no_create("subnets", super::fixture::with(base.clone(), more), 400, error_type, "").await?;
    }
    Ok(())
}
