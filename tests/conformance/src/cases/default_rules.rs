//! Rules that new security groups are born with. The cases change none that a group gets, for others make groups
//! meanwhile.

use anyhow::Result;
use http::Method;
use serde_json::{Value, json};

use super::fixture::{each, with};
use crate::lab::{Lab, Outcome, id};
use crate::matching::{ABSENT, ANYTHING};

crate::cases!["default rules":
    are_neutrons_until_somebody_changes_them,
    have_defaults,
    are_found,
    stay_as_they_are,
    refuse_bad_input,
    not_there_are_not_found,
];

const PATH: &str = "default-security-group-rules";

/// One that no group gets.
fn unused(more: Value) -> Value {
    with(json!({"direction": "ingress", "used_in_default_sg": false, "used_in_non_default_sg": false}), more)
}

async fn make(lab: &Lab, more: Value) -> Result<Value> {
    lab.create(PATH, unused(more)).await
}

async fn are_neutrons_until_somebody_changes_them(lab: &Lab) -> Outcome {
    let all = lab.list(PATH).await?;
    for (direction, remote, elsewhere) in [("egress", Value::Null, true), ("ingress", json!("PARENT"), false)] {
        for ethertype in ["IPv4", "IPv6"] {
            let wanted = json!({
                "direction": direction, "ethertype": ethertype, "protocol": null, "port_range_min": null,
                "port_range_max": null, "remote_ip_prefix": null, "remote_group_id": remote,
                "remote_address_group_id": null, "used_in_default_sg": true, "used_in_non_default_sg": elsewhere,
            });
            let found = all.iter().any(|rule| crate::matching::difference(&wanted, rule).is_none());
            lab.check(found, || format!("{wanted} is not there"));
        }
    }
    Ok(())
}

async fn have_defaults(lab: &Lab) -> Outcome {
    let made = make(lab, json!({})).await?;
    let wanted = json!({
        "id": ANYTHING, "direction": "ingress", "ethertype": "IPv4", "protocol": null, "port_range_min": null,
        "port_range_max": null, "remote_ip_prefix": null, "remote_group_id": null, "remote_address_group_id": null,
        "description": "", "used_in_default_sg": false, "used_in_non_default_sg": false, "project_id": ABSENT,
        "tenant_id": ABSENT, "revision_number": ABSENT,
    });
    lab.same("created", &made, wanted.clone());
    lab.same("shown", &lab.show(PATH, &made).await?, wanted);
    let parent = json!({"protocol": "udp", "remote_group_id": "PARENT"});
    lab.same("parent", &make(lab, parent.clone()).await?, parent);
    // Twice the same is no mistake here.
    let ssh = json!({"protocol": "tcp", "port_range_min": 22, "port_range_max": 22});
    for _ in 0..2 {
        lab.same("ssh", &make(lab, ssh.clone()).await?, ssh.clone());
    }
    Ok(())
}

async fn are_found(lab: &Lab) -> Outcome {
    let name = lab.name();
    let made = make(lab, json!({"description": name, "protocol": "sctp"})).await?;
    for query in
        [format!("description={name}"), format!("id={}", id(&made)), format!("description={name}&protocol=sctp")]
    {
        let found = lab.list(&format!("{PATH}?{query}")).await?;
        lab.check(each(&found, "id") == [id(&made)], || format!("{query}: {found:?}"));
    }
    let words = "['nonsense'] is invalid attribute for filtering";
    lab.refused(Method::GET, &format!("{PATH}?nonsense=1"), None, 400, "HTTPBadRequest", words).await
}

async fn stay_as_they_are(lab: &Lab) -> Outcome {
    let made = make(lab, json!({})).await?;
    let words = "Cannot update read-only attribute description";
    lab.no_update(PATH, &made, json!({"description": "x"}), 400, "HTTPBadRequest", words).await
}

async fn refuse_bad_input(lab: &Lab) -> Outcome {
    let required = "Failed to parse request. Required attribute";
    for (body, status, error_type, words) in [
        (json!({}), 400, "HTTPBadRequest", format!("{required} 'direction' not specified")),
        (
            json!({"direction": "ingress"}),
            400,
            "HTTPBadRequest",
            format!("{required} 'used_in_default_sg' not specified"),
        ),
        (
            unused(json!({"direction": "x"})),
            400,
            "HTTPBadRequest",
            "Invalid input for direction. Reason: x is".to_owned(),
        ),
        (
            unused(json!({"remote_group_id": "PARENT", "remote_ip_prefix": "10.0.0.0/8"})),
            400,
            "SecurityGroupMultipleRemoteEntites",
            "Only one of remote_ip_prefix or remote_group_id".to_owned(),
        ),
        (
            unused(json!({"remote_ip_prefix": "fd00::/8"})),
            400,
            "SecurityGroupRuleParameterConflict",
            "Conflicting value ethertype IPv4 for CIDR fd00::/8".to_owned(),
        ),
        (
            unused(json!({"port_range_min": 5, "port_range_max": 5})),
            400,
            "SecurityGroupProtocolRequiredWithPorts",
            "Must also specify protocol if port range is given.".to_owned(),
        ),
        (
            unused(json!({"protocol": "tcp", "port_range_min": 9, "port_range_max": 5})),
            400,
            "SecurityGroupInvalidPortRange",
            "port_range_min must be <= port_range_max".to_owned(),
        ),
        (
            unused(json!({"protocol": "xx"})),
            400,
            "SecurityGroupRuleInvalidProtocol",
            "protocol xx not supported".to_owned(),
        ),
        (unused(json!({"nonsense": 1})), 400, "HTTPBadRequest", "Unrecognized attribute(s) 'nonsense'".to_owned()),
    ] {
        lab.no_create(PATH, body, status, error_type, &words).await?;
    }
    Ok(())
}

async fn not_there_are_not_found(lab: &Lab) -> Outcome {
    for missing in ["00000000-0000-4000-8000-000000000000", "x"] {
        let words = format!("Default Security Group rule {missing} does not exist");
        let path = format!("{PATH}/{missing}");
        let error_type = "DefaultSecurityGroupRuleNotFound";
        lab.refused(Method::GET, &path, None, 404, error_type, &words).await?;
        lab.refused(Method::DELETE, &path, None, 404, error_type, &words).await?;
    }
    Ok(())
}
