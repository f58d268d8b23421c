//! Security of ports: groups, further addresses, and none of it.

use serde_json::json;

use crate::lab::{Lab, Outcome};
use crate::matching::ANYTHING;

crate::cases!["port security":
    ports_take_address_pairs,
    ports_switch_it_off,
    ports_may_be_without_groups,
    ports_follow_their_network,
];

async fn ports_take_address_pairs(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    lab.subnet(&network, "10.1.0.0/24").await?;
    let pairs =
        json!([{"ip_address": "10.1.0.0/25"}, {"ip_address": "10.1.0.200", "mac_address": "02:42:0a:01:00:07"}]);
    let port = lab.port(&network, json!({"allowed_address_pairs": pairs})).await?;
    let found = port["allowed_address_pairs"].as_array().cloned().unwrap_or_default();
    let pair = found.iter().find(|pair| pair["ip_address"] == "10.1.0.0/25").cloned().unwrap_or_default();
    lab.same("its own MAC", &pair["mac_address"], port["mac_address"].clone());
    lab.check(found.len() == 2, || format!("{found:?}"));
    lab.same(
        "none",
        &lab.update("ports", &port, json!({"allowed_address_pairs": []})).await?,
        json!({"allowed_address_pairs": []}),
    );
    let twice = json!([{"ip_address": "10.1.0.9"}, {"ip_address": "10.1.0.9"}]);
    lab.no_port(&network, json!({"allowed_address_pairs": twice}), 400, "DuplicateAddressPairInRequest", "").await?;
    let body = json!({"port_security_enabled": false, "allowed_address_pairs": [{"ip_address": "10.1.0.9"}]});
    lab.no_port(&network, body, 409, "AddressPairAndPortSecurityRequired", "").await
}

async fn ports_switch_it_off(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let off = json!({"port_security_enabled": false, "security_groups": []});
    let group = lab.group().await?;
    let port = lab.port(&network, json!({"port_security_enabled": false})).await?;
    lab.same("port", &port, off.clone());
    let other = lab.port(&network, json!({})).await?;
    let words = "Port has security group associated. Cannot disable port security or IP address until security group is removed";
    lab.no_update(
        "ports",
        &other,
        json!({"port_security_enabled": false}),
        409,
        "PortSecurityPortHasSecurityGroup",
        words,
    )
    .await?;
    lab.same("switched off", &lab.update("ports", &other, off.clone()).await?, off);
    let body = json!({"security_groups": [group["id"]]});
    lab.no_update("ports", &other, body.clone(), 400, "PortSecurityAndIPRequiredForSecurityGroups", "").await?;
    let on = json!({"port_security_enabled": true, "security_groups": [group["id"]]});
    lab.same("switched on", &lab.update("ports", &other, on.clone()).await?, on);
    Ok(())
}

async fn ports_may_be_without_groups(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let group = lab.group().await?;
    let port = lab.port(&network, json!({"security_groups": []})).await?;
    lab.same("port", &port, json!({"security_groups": [], "port_security_enabled": true}));
    let one = json!({"security_groups": [group["id"]]});
    lab.same("one", &lab.update("ports", &port, one.clone()).await?, one);
    lab.same(
        "none",
        &lab.update("ports", &port, json!({"security_groups": []})).await?,
        json!({"security_groups": []}),
    );
    Ok(())
}

async fn ports_follow_their_network(lab: &Lab) -> Outcome {
    let network = lab.create("networks", json!({"name": lab.name(), "port_security_enabled": false})).await?;
    let port = lab.port(&network, json!({})).await?;
    lab.same("port", &port, json!({"port_security_enabled": false, "security_groups": []}));
    let on = lab.port(&network, json!({"port_security_enabled": true})).await?;
    lab.same("on", &on, json!({"port_security_enabled": true, "security_groups": [ANYTHING]}));
    Ok(())
}
