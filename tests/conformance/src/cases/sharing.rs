//! What RBAC policies share: what each project sees, and what it may do with it.

use anyhow::Result;
use http::Method;
use serde_json::{Value, json};

use crate::cases::fixture::with;
use crate::cases::rbac::{Cast, DENIED, IN_USE, body, cast, shared};
use crate::lab::{Lab, Outcome, id, member};
use crate::matching::ANYTHING;

crate::cases!["sharing":
    networks_with_one_project,
    networks_as_external_ones,
    external_networks_with_all,
    security_groups,
    address_groups,
    subnet_pools,
];

impl Lab {
    /// The owner shares something with the guest: each sees what concerns them, and nobody gains more than that.
    async fn shared_with(&self, cast: &Cast, kind: &str, collection: &str, thing: &Value) -> Result<Value> {
        let Cast { owner, guest, stranger } = cast;
        let path = format!("{collection}/{}", id(thing));
        self.same("before", &self.seen_as(guest, collection, thing, "id").await?, Value::Null);
        let policy = self.policy_as(owner, shared(kind, thing, &guest.project)).await?;
        self.no_policy_as(owner, shared(kind, thing, &guest.project), 409, "DuplicateRbacPolicy").await?;
        for other in [guest, stranger] {
            self.no_policy_as(other, shared(kind, thing, &stranger.project), 400, "InvalidInput").await?;
        }
        self.no_policy_as(owner, shared(kind, thing, "*"), 403, DENIED).await?;
        for (who, sees) in [(owner, thing["id"].clone()), (guest, thing["id"].clone()), (stranger, Value::Null)] {
            self.same("seen", &self.seen_as(who, collection, thing, "id").await?, sees);
        }
        if kind != "address_group" {
            self.same("to the owner", &self.seen_as(owner, collection, thing, "shared").await?, json!(false));
            self.same("to the guest", &self.seen_as(guest, collection, thing, "shared").await?, json!(true));
            let of_one = |shared: bool| format!("{collection}?id={}&shared={shared}", id(thing));
            for (who, is_shared) in [(owner, false), (guest, true)] {
                self.same("found", &json!(self.found_as(who, &of_one(is_shared)).await?), json!(1));
                self.same("not found", &json!(self.found_as(who, &of_one(!is_shared)).await?), json!(0));
            }
            let rename = json!({member(collection): {"name": "x"}});
            self.refused_to(guest, Method::PUT, &path, rename, 403, DENIED).await?;
        }
        self.refused_to(guest, Method::DELETE, &path, Value::Null, 403, DENIED).await?;
        Ok(policy)
    }
}

async fn networks_with_one_project(lab: &Lab) -> Outcome {
    let cast = cast(lab).await?;
    let Cast { owner, guest, stranger } = &cast;
    let network = lab.made_as(owner, "networks", json!({"name": lab.name()})).await?;
    let of_network = json!({"network_id": network["id"]});
    let range = |cidr: &str| with(of_network.clone(), json!({"ip_version": 4, "cidr": cidr}));
    let subnet = lab.made_as(owner, "subnets", range("10.1.0.0/24")).await?;
    let revision = lab.show("networks", &network).await?["revision_number"].as_u64();
    let policy = lab.shared_with(&cast, "network", "networks", &network).await?;
    let wanted = json!({
        "id": ANYTHING, "project_id": owner.project, "tenant_id": owner.project, "object_type": "network",
        "object_id": network["id"], "action": "access_as_shared", "target_tenant": guest.project,
    });
    lab.same("policy", &policy, wanted.clone());
    lab.same("shown", &lab.show("rbac-policies", &policy).await?, wanted);
    let after = lab.show("networks", &network).await?["revision_number"].as_u64();
    lab.check(after > revision, || format!("revision {revision:?}, then {after:?}"));
    lab.same("the guest's subnet", &lab.seen_as(guest, "subnets", &subnet, "id").await?, subnet["id"].clone());
    lab.same("the stranger's", &lab.seen_as(stranger, "subnets", &subnet, "id").await?, Value::Null);
    let another = json!({"subnet": range("10.2.0.0/24")});
    lab.refused_to(guest, Method::POST, "subnets", another, 403, DENIED).await?;
    let port = lab.made_as(guest, "ports", of_network.clone()).await?;
    lab.same("the guest's port", &port["project_id"], json!(guest.project));
    lab.same("seen by the owner", &lab.seen_as(owner, "ports", &port, "id").await?, port["id"].clone());
    lab.refused_to(stranger, Method::POST, "ports", json!({"port": of_network}), 404, "NetworkNotFound").await?;
    let chosen = json!({"port": {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.1.0.77"}]}});
    lab.refused_to(guest, Method::POST, "ports", chosen, 403, DENIED).await
}

async fn networks_as_external_ones(lab: &Lab) -> Outcome {
    let cast = cast(lab).await?;
    let Cast { owner, guest, stranger } = &cast;
    let network = lab.made_as(owner, "networks", json!({"name": lab.name()})).await?;
    let range = json!({"network_id": network["id"], "ip_version": 4, "cidr": "172.31.1.0/24", "enable_dhcp": false});
    let subnet = lab.made_as(owner, "subnets", range).await?;
    let external = |target: &str| body("network", &network, target, "access_as_external");
    let policy = lab.policy_as(owner, external(&guest.project)).await?;
    for who in [owner, guest] {
        lab.same("external", &lab.seen_as(who, "networks", &network, "router:external").await?, json!(true));
        lab.same("shared", &lab.seen_as(who, "networks", &network, "shared").await?, json!(false));
        lab.same("subnet", &lab.seen_as(who, "subnets", &subnet, "id").await?, subnet["id"].clone());
    }
    lab.same("unseen", &lab.seen_as(stranger, "networks", &network, "id").await?, Value::Null);
    lab.same("unseen", &lab.seen_as(stranger, "subnets", &subnet, "id").await?, Value::Null);
    let of_network = json!({"port": {"network_id": network["id"]}});
    lab.refused_to(guest, Method::POST, "ports", of_network, 403, DENIED).await?;
    let gateway = json!({"external_gateway_info": {"network_id": network["id"]}});
    let floating = json!({"floating_network_id": network["id"]});
    for (collection, new) in [("routers", &gateway), ("floatingips", &floating)] {
        let new = json!({ member(collection): new });
        lab.refused_to(stranger, Method::POST, collection, new, 404, "NetworkNotFound").await?;
    }
    let router = lab.made_as(guest, "routers", gateway).await?;
    let floating = lab.made_as(guest, "floatingips", floating).await?;
    lab.needed(&cast, &policy).await?;
    let words = "There are routers attached to this network that depend on this policy for access.";
    lab.no_delete("rbac-policies", &policy, 409, IN_USE, words).await?;
    let all = lab.create("rbac-policies", external("*")["rbac_policy"].clone()).await?;
    lab.delete("rbac-policies", &policy).await?;
    lab.no_delete("rbac-policies", &all, 409, IN_USE, words).await?;
    lab.taken_as(guest, "routers", &router).await?;
    lab.taken_as(guest, "floatingips", &floating).await?;
    lab.delete("rbac-policies", &all).await?;
    lab.same("no more", &lab.show("networks", &network).await?["router:external"], json!(false));
    Ok(())
}

async fn external_networks_with_all(lab: &Lab) -> Outcome {
    let Cast { owner, guest, stranger } = cast(lab).await?;
    let project = json!({"name": lab.name(), "project_id": owner.project});
    let network = lab.create("networks", with(project, json!({"router:external": true}))).await?;
    let of_network = format!("rbac-policies?object_id={}", id(&network));
    let wanted = json!({"project_id": owner.project, "target_tenant": "*", "action": "access_as_external"});
    lab.same("policies", &json!(lab.list(&of_network).await?), json!([wanted]));
    lab.same("a stranger's", &lab.seen_as(&stranger, "networks", &network, "shared").await?, json!(false));
    lab.policy_as(&owner, body("network", &network, &guest.project, "access_as_external")).await?;
    lab.update("networks", &network, json!({"router:external": false})).await?;
    lab.same("no policies", &json!(lab.list(&of_network).await?), json!([]));
    lab.same("a guest's", &lab.seen_as(&guest, "networks", &network, "id").await?, Value::Null);
    lab.update("networks", &network, json!({"router:external": true})).await?;
    lab.same("policies", &json!(lab.list(&of_network).await?), json!([wanted]));
    Ok(())
}

async fn security_groups(lab: &Lab) -> Outcome {
    let cast = cast(lab).await?;
    let Cast { owner, guest, stranger } = &cast;
    let group = lab.made_as(owner, "security-groups", json!({"name": lab.name()})).await?;
    let policy = lab.shared_with(&cast, "security_group", "security-groups", &group).await?;
    let external = body("security_group", &group, &guest.project, "access_as_external");
    lab.no_policy_as(owner, external, 400, "InvalidActionForType").await?;
    let rules = lab.seen_as(guest, "security-groups", &group, "security_group_rules").await?;
    lab.same("rules in the group", &json!(rules.as_array().map(Vec::len)), json!(2));
    let of_group = format!("security-group-rules?security_group_id={}", id(&group));
    lab.same("rules by themselves", &json!(lab.found_as(guest, &of_group).await?), json!(0));
    let rule = json!({"security_group_rule": {"security_group_id": group["id"], "direction": "ingress"}});
    lab.refused_to(guest, Method::POST, "security-group-rules", rule, 403, DENIED).await?;
    for (who, error) in [(guest, None), (stranger, Some("SecurityGroupNotFound"))] {
        let own = lab.made_as(who, "security-groups", json!({"name": lab.name()})).await?;
        let network = lab.made_as(who, "networks", json!({"name": lab.name()})).await?;
        let remote = json!({"security_group_id": own["id"], "direction": "ingress", "remote_group_id": group["id"]});
        let port = json!({"network_id": network["id"], "security_groups": [group["id"]]});
        for (collection, new) in [("security-group-rules", remote), ("ports", port)] {
            match error {
                Some(error) => {
                    let new = json!({ member(collection): new });
                    lab.refused_to(who, Method::POST, collection, new, 404, error).await?;
                }
                None => drop(lab.made_as(who, collection, new).await?),
            }
        }
    }
    lab.needed(&cast, &policy).await?;
    let path = format!("security-groups/{}", id(&group));
    lab.refused_to(owner, Method::DELETE, &path, Value::Null, 409, "SecurityGroupInUse").await
}

async fn address_groups(lab: &Lab) -> Outcome {
    let cast = cast(lab).await?;
    let Cast { owner, guest, stranger } = &cast;
    let addresses = lab.made_as(owner, "address-groups", json!({"addresses": ["10.0.0.0/24"]})).await?;
    let policy = lab.shared_with(&cast, "address_group", "address-groups", &addresses).await?;
    let more = format!("address-groups/{}/add_addresses", id(&addresses));
    lab.refused_to(guest, Method::PUT, &more, json!({"addresses": ["10.1.0.0/24"]}), 403, DENIED).await?;
    let rule = |group: &Value| json!({"security_group_id": group["id"], "direction": "ingress", "remote_address_group_id": addresses["id"]});
    let own = lab.made_as(stranger, "security-groups", json!({"name": lab.name()})).await?;
    let foreign = json!({"security_group_rule": rule(&own)});
    lab.refused_to(stranger, Method::POST, "security-group-rules", foreign, 404, "AddressGroupNotFound").await?;
    let own = lab.made_as(guest, "security-groups", json!({"name": lab.name()})).await?;
    lab.made_as(guest, "security-group-rules", rule(&own)).await?;
    lab.needed(&cast, &policy).await?;
    lab.no_update(
        "address-groups",
        &addresses,
        json!({"shared": true}),
        400,
        "HTTPBadRequest",
        "Cannot update read-only attribute shared",
    )
    .await?;
    lab.no_create(
        "address-groups",
        json!({"shared": true}),
        400,
        "HTTPBadRequest",
        "Attribute 'shared' not allowed in POST",
    )
    .await
}

async fn subnet_pools(lab: &Lab) -> Outcome {
    let cast = cast(lab).await?;
    let Cast { owner, guest, stranger } = &cast;
    let new = json!({"name": lab.name(), "prefixes": ["10.0.0.0/16"], "default_prefixlen": 24});
    let pool = lab.made_as(owner, "subnetpools", new).await?;
    let policy = lab.shared_with(&cast, "subnetpool", "subnetpools", &pool).await?;
    let from = |network: &Value| json!({"network_id": network["id"], "ip_version": 4, "subnetpool_id": pool["id"]});
    let own = lab.made_as(stranger, "networks", json!({"name": lab.name()})).await?;
    let foreign = json!({ "subnet": from(&own) });
    lab.refused_to(stranger, Method::POST, "subnets", foreign, 404, "SubnetPoolNotFound").await?;
    let own = lab.made_as(guest, "networks", json!({"name": lab.name()})).await?;
    let subnet = lab.made_as(guest, "subnets", from(&own)).await?;
    lab.same("the pool", &subnet["subnetpool_id"], pool["id"].clone());
    lab.needed(&cast, &policy).await?;
    let all = json!({"name": lab.name(), "prefixes": ["10.9.0.0/16"], "shared": true, "project_id": owner.project});
    let all = lab.create("subnetpools", all).await?;
    let policies = lab.list(&format!("rbac-policies?object_id={}", id(&all))).await?;
    lab.same(
        "policies",
        &json!(policies),
        json!([{"target_tenant": "*", "project_id": owner.project, "object_type": "subnetpool"}]),
    );
    lab.same("the stranger's", &lab.seen_as(stranger, "subnetpools", &all, "shared").await?, json!(true));
    lab.taken_as(owner, "rbac-policies", policies.first().unwrap_or(&Value::Null)).await?;
    lab.same("no longer", &lab.seen_as(stranger, "subnetpools", &all, "id").await?, Value::Null);
    Ok(())
}
