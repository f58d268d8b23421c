//! Rules of security groups.

use http::Method;
use serde_json::{Value, json};

use crate::lab::{Lab, Outcome, id};
use crate::matching::ANYTHING;

use super::fixture::with;

crate::cases!["security group rules":
    have_defaults,
    take_ports_and_ranges,
    take_protocols_by_name_and_number,
    of_icmp_take_types_and_codes,
    name_their_remote_side,
    exist_once,
    refuse_bad_input,
    refuse_groups_that_are_not_there,
    of_ipv6_fit_ipv6,
    go_with_their_group,
    can_be_filtered,
    not_there_are_not_found,
];

async fn have_defaults(lab: &Lab) -> Outcome {
    let group = lab.group().await?;
    let rule = lab.rule(&group, json!({})).await?;
    let wanted = json!({
        "id": ANYTHING, "security_group_id": group["id"], "direction": "ingress", "ethertype": "IPv4",
        "protocol": null, "port_range_min": null, "port_range_max": null, "remote_ip_prefix": null,
        "remote_group_id": null, "description": "", "project_id": lab.project(), "tenant_id": lab.project(),
        "revision_number": 0, "created_at": ANYTHING, "updated_at": ANYTHING,
    });
    lab.same("rule", &rule, wanted);
    let shown = lab.show("security-group-rules", &rule).await?;
    lab.same("shown", &shown, rule.clone());
    let group = lab.show("security-groups", &group).await?;
    let rules = group["security_group_rules"].as_array().cloned().unwrap_or_default();
    lab.check(rules.iter().any(|one| one["id"] == rule["id"]), || "its group does not show it".to_owned());
    Ok(())
}

async fn take_ports_and_ranges(lab: &Lab) -> Outcome {
    let group = lab.group().await?;
    for protocol in ["tcp", "udp", "sctp"] {
        for (low, high) in [(80, 80), (2, 65535), (8000, 8010)] {
            let given = json!({"protocol": protocol, "port_range_min": low, "port_range_max": high});
            lab.same(protocol, &lab.rule(&group, given.clone()).await?, given);
        }
    }
    let all = lab.rule(&group, json!({"protocol": "tcp", "port_range_min": 1, "port_range_max": 65535})).await?;
    lab.same("all ports", &all, json!({"port_range_min": null, "port_range_max": null}));
    let texts = json!({"protocol": "tcp", "port_range_min": "90", "port_range_max": "91"});
    let rule = lab.rule(&group, texts).await?;
    lab.same("numbers as texts", &rule, json!({"port_range_min": 90, "port_range_max": 91}));
    let one = lab.rule(&group, json!({"protocol": "tcp", "port_range_max": 95, "port_range_min": 95})).await?;
    lab.same("one port", &one, json!({"port_range_min": 95, "port_range_max": 95}));
    Ok(())
}

async fn take_protocols_by_name_and_number(lab: &Lab) -> Outcome {
    let group = lab.group().await?;
    for (asked, wanted) in [
        (json!("TCP"), json!("tcp")),
        (json!("17"), json!("17")),
        (json!(132), json!("132")),
        (json!("any"), Value::Null),
        (json!("50"), json!("50")),
        (json!("vrrp"), json!("vrrp")),
    ] {
        let rule = lab.rule(&group, json!({"protocol": asked})).await?;
        lab.same("protocol", &json!({"is": rule["protocol"], "of": asked}), json!({"is": wanted, "of": asked}));
    }
    let body = json!({"security_group_id": group["id"], "direction": "ingress", "protocol": "nonsense"});
    lab.no_create(
        "security-group-rules",
        body,
        400,
        "SecurityGroupRuleInvalidProtocol",
        "Security group rule protocol nonsense not supported",
    )
    .await?;
    let body = json!({"security_group_id": group["id"], "direction": "ingress", "protocol": 256});
    lab.no_create("security-group-rules", body, 400, "SecurityGroupRuleInvalidProtocol", "256").await
}

async fn of_icmp_take_types_and_codes(lab: &Lab) -> Outcome {
    let group = lab.group().await?;
    for given in [
        json!({"protocol": "icmp"}),
        json!({"protocol": "icmp", "port_range_min": 8}),
        json!({"protocol": "icmp", "port_range_min": 3, "port_range_max": 4}),
        json!({"protocol": "icmp", "port_range_min": 0, "port_range_max": 0}),
    ] {
        lab.same("rule", &lab.rule(&group, given.clone()).await?, given);
    }
    for (more, error_type) in [
        (json!({"protocol": "icmp", "port_range_min": 256}), "SecurityGroupInvalidIcmpValue"),
        (json!({"protocol": "icmp", "port_range_max": 4}), "SecurityGroupMissingIcmpType"),
    ] {
        let base = json!({"security_group_id": group["id"], "direction": "ingress"});
        lab.no_create("security-group-rules", with(base, more), 400, error_type, "").await?;
    }
    Ok(())
}

async fn name_their_remote_side(lab: &Lab) -> Outcome {
    let group = lab.group().await?;
    let other = lab.group().await?;
    for (given, wanted) in [
        (json!({"remote_ip_prefix": "10.0.0.0/8"}), json!({"remote_ip_prefix": "10.0.0.0/8"})),
        (json!({"remote_ip_prefix": "10.0.0.7"}), json!({"remote_ip_prefix": "10.0.0.7/32"})),
        (json!({"remote_ip_prefix": "10.1.2.3/16"}), json!({"remote_ip_prefix": "10.1.2.3/16"})),
        (json!({"remote_ip_prefix": "0.0.0.0/0"}), json!({"remote_ip_prefix": "0.0.0.0/0"})),
        (json!({"remote_group_id": other["id"]}), json!({"remote_group_id": other["id"], "remote_ip_prefix": null})),
    ] {
        lab.same("rule", &lab.rule(&group, given).await?, wanted);
    }
    let base = json!({"security_group_id": group["id"], "direction": "ingress"});
    let both = with(base, json!({"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": other["id"]}));
    lab.no_create(
        "security-group-rules",
        both,
        400,
        "SecurityGroupMultipleRemoteEntites",
        "Only one of remote_ip_prefix or remote_group_id",
    )
    .await
}

async fn exist_once(lab: &Lab) -> Outcome {
    let group = lab.group().await?;
    let given = json!({"protocol": "tcp", "port_range_min": 80, "port_range_max": 80});
    let rule = lab.rule(&group, given.clone()).await?;
    let again = with(json!({"security_group_id": group["id"], "direction": "ingress"}), given);
    let words = format!("Security group rule already exists. Rule id is {}.", id(&rule));
    lab.no_create("security-group-rules", again.clone(), 409, "SecurityGroupRuleExists", &words).await?;
    lab.delete("security-group-rules", &rule).await?;
    lab.create("security-group-rules", again).await.map(drop)
}

async fn refuse_bad_input(lab: &Lab) -> Outcome {
    let group = lab.group().await?;
    let base = json!({"security_group_id": group["id"], "direction": "ingress"});
    for (more, error_type, words) in [
        (json!({"direction": "x"}), "HTTPBadRequest", "Invalid input for direction. Reason: x is not in valid_values"),
        (json!({"direction": null}), "HTTPBadRequest", "Invalid input for direction"),
        (
            json!({"ethertype": "x"}),
            "SecurityGroupRuleInvalidEtherType",
            "Security group rule for ethertype 'x' not supported.",
        ),
        (json!({"remote_ip_prefix": "x"}), "InvalidCIDR", "Invalid CIDR x given as IP prefix."),
        (json!({"protocol": "tcp", "port_range_min": "x", "port_range_max": 1}), "SecurityGroupInvalidPortValue", ""),
        (json!({"protocol": "tcp", "port_range_min": 0, "port_range_max": 65536}), "SecurityGroupInvalidPortValue", ""),
        (json!({"protocol": "tcp", "port_range_min": 90, "port_range_max": 80}), "SecurityGroupInvalidPortRange", ""),
        (json!({"protocol": "tcp", "port_range_min": 90}), "SecurityGroupInvalidPortRange", ""),
        (json!({"port_range_min": 90, "port_range_max": 90}), "SecurityGroupProtocolRequiredWithPorts", ""),
        (
            json!({"protocol": "50", "port_range_min": 90, "port_range_max": 90}),
            "SecurityGroupInvalidProtocolForPort",
            "",
        ),
        (json!({"nonsense": 1}), "HTTPBadRequest", "Unrecognized attribute(s) 'nonsense'"),
    ] {
        lab.no_create("security-group-rules", with(base.clone(), more), 400, error_type, words).await?;
    }
    for (body, name) in [
        (json!({"direction": "ingress"}), "security_group_id"),
        (json!({"security_group_id": group["id"]}), "direction"),
    ] {
        let words = format!("Required attribute '{name}' not specified");
        lab.no_create("security-group-rules", body, 400, "HTTPBadRequest", &words).await?;
    }
    Ok(())
}

async fn refuse_groups_that_are_not_there(lab: &Lab) -> Outcome {
    let group = lab.group().await?;
    let missing = "00000000-0000-4000-8000-000000000000";
    for body in [
        json!({"security_group_id": missing, "direction": "ingress"}),
        json!({"security_group_id": "x", "direction": "ingress"}),
        json!({"security_group_id": group["id"], "direction": "ingress", "remote_group_id": missing}),
    ] {
        lab.no_create("security-group-rules", body, 404, "SecurityGroupNotFound", "does not exist").await?;
    }
    Ok(())
}

async fn of_ipv6_fit_ipv6(lab: &Lab) -> Outcome {
    let group = lab.group().await?;
    let given = json!({"ethertype": "IPv6", "remote_ip_prefix": "fd00::/64", "protocol": "icmpv6"});
    let rule = lab.rule(&group, given).await?;
    lab.same("rule", &rule, json!({"ethertype": "IPv6", "remote_ip_prefix": "fd00::/64"}));
    for (more, error_type) in [
        (json!({"ethertype": "IPv4", "remote_ip_prefix": "fd00::/64"}), "SecurityGroupRuleParameterConflict"),
        (json!({"ethertype": "IPv6", "remote_ip_prefix": "10.0.0.0/8"}), "SecurityGroupRuleParameterConflict"),
        (json!({"ethertype": "IPv4", "protocol": "icmpv6"}), "SecurityGroupEthertypeConflictWithProtocol"),
    ] {
        let base = json!({"security_group_id": group["id"], "direction": "ingress"});
        lab.no_create("security-group-rules", with(base, more), 400, error_type, "").await?;
    }
    Ok(())
}

async fn go_with_their_group(lab: &Lab) -> Outcome {
    let group = lab.group().await?;
    let rule = lab.rule(&group, json!({})).await?;
    lab.delete("security-groups", &group).await?;
    let path = format!("security-group-rules/{}", id(&rule));
    lab.refused(Method::GET, &path, None, 404, "SecurityGroupRuleNotFound", id(&rule)).await
}

async fn can_be_filtered(lab: &Lab) -> Outcome {
    let group = lab.group().await?;
    let rule = lab.rule(&group, json!({"protocol": "tcp", "port_range_min": 80, "port_range_max": 80})).await?;
    let of = format!("security-group-rules?security_group_id={}", id(&group));
    for (more, count) in
        [("", 3), ("&direction=ingress", 1), ("&protocol=tcp", 1), ("&ethertype=IPv6", 1), ("&port_range_min=80", 1)]
    {
        let found = lab.list(&format!("{of}{more}")).await?;
        lab.check(found.len() == count, || format!("'{more}' finds {}, wanted {count}", found.len()));
    }
    let found = lab.list(&format!("security-group-rules?id={}", id(&rule))).await?;
    lab.check(found.len() == 1, || format!("{} by id", found.len()));
    Ok(())
}

async fn not_there_are_not_found(lab: &Lab) -> Outcome {
    let missing = "00000000-0000-4000-8000-000000000000";
    let path = format!("security-group-rules/{missing}");
    let words = format!("Security group rule {missing} does not exist");
    lab.refused(Method::GET, &path, None, 404, "SecurityGroupRuleNotFound", &words).await?;
    lab.refused(Method::DELETE, &path, None, 404, "SecurityGroupRuleNotFound", &words).await
}
