//! Address groups, and rules that name them.

use http::Method;
use serde_json::json;

use super::fixture::each;
use crate::lab::{Lab, Outcome, id};
use crate::matching::ANYTHING;

crate::cases!["address groups":
    have_defaults,
    have_ranges_of_both_versions,
    change,
    gain_and_lose_addresses,
    refuse_bad_addresses,
    are_named_by_rules,
    in_use_stay,
    refuse_bad_input,
    not_there_are_not_found,
];

const MISSING: &str = "00000000-0000-4000-8000-000000000000";

async fn have_defaults(lab: &Lab) -> Outcome {
    let made = lab.create("address-groups", json!({})).await?;
    let wanted = json!({
        "id": ANYTHING, "name": "", "description": "", "addresses": [], "project_id": lab.project(),
        "tenant_id": lab.project(), "revision_number": 0, "created_at": ANYTHING, "updated_at": ANYTHING,
    });
    lab.same("created", &made, wanted.clone());
    lab.same("shown", &lab.show("address-groups", &made).await?, wanted);
    Ok(())
}

async fn have_ranges_of_both_versions(lab: &Lab) -> Outcome {
    let name = lab.name();
    let addresses = json!(["10.0.1.9/24", "10.0.9.5/32", "fd00::/64"]);
    let made = lab.create("address-groups", json!({"name": name, "addresses": addresses})).await?;
    let wanted = json!(["10.0.1.0/24", "10.0.9.5/32", "fd00::/64"]);
    lab.same("created", &made, json!({"name": name, "addresses": wanted}));
    let found = lab.list(&format!("address-groups?name={name}")).await?;
    lab.check(each(&found, "id") == [id(&made)], || format!("{found:?}"));
    Ok(())
}

async fn change(lab: &Lab) -> Outcome {
    let made = lab.create("address-groups", json!({"addresses": ["10.0.0.0/24"]})).await?;
    let texts = json!({"name": lab.name(), "description": "a text"});
    lab.same("changed", &lab.update("address-groups", &made, texts.clone()).await?, texts);
    let words = "Cannot update read-only attribute addresses";
    let body = json!({"addresses": ["10.0.1.0/24"]});
    lab.no_update("address-groups", &made, body, 400, "HTTPBadRequest", words).await
}

async fn gain_and_lose_addresses(lab: &Lab) -> Outcome {
    let made = lab.create("address-groups", json!({"addresses": ["10.0.0.0/24"]})).await?;
    let path = |verb: &str| format!("address-groups/{}/{verb}_addresses", id(&made));
    let more = lab.put(&path("add"), json!({"addresses": ["10.0.1.7/24", "10.0.2.1/32"]})).await?;
    let wanted =
        json!({"address_group": {"id": made["id"], "addresses": ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.1/32"]}});
    lab.same("more", &more, wanted);
    let less = lab.put(&path("remove"), json!({"addresses": ["10.0.0.0/24", "10.0.1.0/24"]})).await?;
    lab.same("less", &less, json!({"address_group": {"addresses": ["10.0.2.1/32"]}}));
    lab.same("none", &lab.put(&path("add"), json!({"addresses": []})).await?, json!({"address_group": {}}));
    lab.same("shown", &lab.show("address-groups", &made).await?, json!({"addresses": ["10.0.2.1/32"]}));
    Ok(())
}

async fn refuse_bad_addresses(lab: &Lab) -> Outcome {
    let made = lab.create("address-groups", json!({"addresses": ["10.0.0.0/24"]})).await?;
    let path = |verb: &str| format!("address-groups/{}/{verb}_addresses", id(&made));
    let (there, other) = (json!({"addresses": ["10.0.0.0/24", "10.0.1.0/24"]}), json!({"addresses": ["10.0.1.0/24"]}));
    let words = format!("Addresses ['10.0.0.0/24'] already exist in the address group {}.", id(&made));
    lab.refused(Method::PUT, &path("add"), Some(there), 400, "AddressesAlreadyExist", &words).await?;
    let words = format!("Addresses ['10.0.1.0/24'] not found in the address group {}.", id(&made));
    lab.refused(Method::PUT, &path("remove"), Some(other), 404, "AddressesNotFound", &words).await?;
    let body = Some(json!({"addresses": ["x"]}));
    lab.refused(Method::PUT, &path("add"), body, 400, "AddrFormatError", "invalid IPNetwork x").await?;
    lab.same("unchanged", &lab.show("address-groups", &made).await?, json!({"addresses": ["10.0.0.0/24"]}));
    Ok(())
}

async fn are_named_by_rules(lab: &Lab) -> Outcome {
    let addresses = lab.create("address-groups", json!({"addresses": ["10.0.0.0/24"]})).await?;
    let group = lab.group().await?;
    let plain = lab.rule(&group, json!({"protocol": "tcp"})).await?;
    lab.same("plain", &plain, json!({"remote_address_group_id": null}));
    let rule = lab.rule(&group, json!({"remote_address_group_id": addresses["id"]})).await?;
    let wanted = json!({"remote_address_group_id": addresses["id"], "remote_ip_prefix": null, "remote_group_id": null});
    lab.same("rule", &rule, wanted);
    let found = lab.list(&format!("security-group-rules?remote_address_group_id={}", id(&addresses))).await?;
    lab.check(each(&found, "id") == [id(&rule)], || format!("{found:?}"));
    let body = |more: serde_json::Value| {
        let base = json!({"security_group_id": group["id"], "direction": "ingress"});
        super::fixture::with(base, more)
    };
    let path = "security-group-rules";
    let again = body(json!({"remote_address_group_id": addresses["id"]}));
    lab.no_create(path, again, 409, "SecurityGroupRuleExists", id(&rule)).await?;
    let words = "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.";
    for other in [json!({"remote_ip_prefix": "10.0.0.0/8"}), json!({"remote_group_id": group["id"]})] {
        let both = super::fixture::with(body(json!({"remote_address_group_id": addresses["id"]})), other);
        lab.no_create(path, both, 400, "SecurityGroupMultipleRemoteEntites", words).await?;
    }
    for missing in [MISSING, "x"] {
        let body = body(json!({"remote_address_group_id": missing}));
        let words = format!("Address group {missing} could not be found.");
        lab.no_create(path, body, 404, "AddressGroupNotFound", &words).await?;
    }
    Ok(())
}

async fn in_use_stay(lab: &Lab) -> Outcome {
    let addresses = lab.create("address-groups", json!({})).await?;
    let rule = lab.rule(&lab.group().await?, json!({"remote_address_group_id": addresses["id"]})).await?;
    let words = format!("Address group {} is in use on one or more security group rules.", id(&addresses));
    lab.no_delete("address-groups", &addresses, 409, "AddressGroupInUse", &words).await?;
    lab.delete("security-group-rules", &rule).await?;
    lab.delete("address-groups", &addresses).await
}

async fn refuse_bad_input(lab: &Lab) -> Outcome {
    for (body, words) in [
        (json!({"name": 7}), "Invalid input for name"),
        (json!({"addresses": "x"}), "Invalid input for addresses. Reason: 'x' is not a list."),
        (json!({"addresses": ["x"]}), "Invalid input for addresses. Reason: 'x' is not a valid IP subnet."),
        (
            json!({"addresses": ["10.0.0.1"]}),
            "Invalid input for addresses. Reason: '10.0.0.1' is not a valid IP subnet.",
        ),
        (
            json!({"addresses": ["10.0.0.0/24", "10.0.0.0/24"]}),
            "Invalid input for addresses. Reason: Duplicate items in the list: '10.0.0.0/24'.",
        ),
        (json!({"nonsense": 1}), "Unrecognized attribute(s) 'nonsense'"),
    ] {
        lab.no_create("address-groups", body, 400, "HTTPBadRequest", words).await?;
    }
    Ok(())
}

async fn not_there_are_not_found(lab: &Lab) -> Outcome {
    let words = format!("Address group {MISSING} could not be found.");
    let path = format!("address-groups/{MISSING}");
    let body = Some(json!({"address_group": {"name": "x"}}));
    lab.refused(Method::GET, &path, None, 404, "AddressGroupNotFound", &words).await?;
    lab.refused(Method::PUT, &path, body, 404, "AddressGroupNotFound", &words).await?;
    lab.refused(Method::DELETE, &path, None, 404, "AddressGroupNotFound", &words).await?;
    let path = format!("{path}/add_addresses");
    let body = Some(json!({"addresses": ["10.0.0.0/24"]}));
    lab.refused(Method::PUT, &path, body, 404, "AddressGroupNotFound", &words).await
}
