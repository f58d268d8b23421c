//! Subnet pools, and subnets out of them.

use http::Method;
use serde_json::{Value, json};

use crate::lab::{Lab, Outcome, id};
use crate::matching::ANYTHING;

use super::fixture::with;

crate::cases!["subnet pools":
    have_defaults,
    of_ipv6_have_defaults,
    take_lengths_given,
    give_the_next_range,
    give_the_range_asked_for,
    never_give_a_range_twice,
    refuse_what_does_not_fit,
    end_when_empty,
    take_ranges_back,
    grow_and_never_shrink,
    change,
    in_use_stay,
    refuse_bad_input,
    not_there_are_not_found,
    one_of_a_family_for_a_network,
    that_cannot_give_a_range_answer_as_if_the_server_had_failed,
];

async fn pool(lab: &Lab, prefixes: Value, more: Value) -> anyhow::Result<Value> {
    lab.create("subnetpools", with(json!({"name": lab.name(), "prefixes": prefixes}), more)).await
}

async fn have_defaults(lab: &Lab) -> Outcome {
    let name = lab.name();
    let pool = lab.create("subnetpools", json!({"name": name, "prefixes": ["10.10.0.0/16"]})).await?;
    let wanted = json!({
        "id": ANYTHING, "name": name, "description": "", "prefixes": ["10.10.0.0/16"], "ip_version": 4,
        "default_prefixlen": "8", "min_prefixlen": "8", "max_prefixlen": "32", "default_quota": null,
        "shared": false, "is_default": false, "address_scope_id": null, "tags": [], "revision_number": 0,
        "project_id": lab.project(), "tenant_id": lab.project(), "created_at": ANYTHING, "updated_at": ANYTHING,
    });
    lab.same("pool", &pool, wanted);
    lab.same("shown", &lab.show("subnetpools", &pool).await?, pool.clone());
    Ok(())
}

async fn of_ipv6_have_defaults(lab: &Lab) -> Outcome {
    let pool = pool(lab, json!(["fd00:10::/48"]), json!({})).await?;
    let wanted = json!({"ip_version": 6, "default_prefixlen": "64", "min_prefixlen": "64", "max_prefixlen": "128"});
    lab.same("pool", &pool, wanted);
    Ok(())
}

async fn take_lengths_given(lab: &Lab) -> Outcome {
    let more = json!({"default_prefixlen": 26, "min_prefixlen": 24, "max_prefixlen": 28});
    let pool = pool(lab, json!(["10.10.0.0/16"]), more).await?;
    lab.same("pool", &pool, json!({"default_prefixlen": "26", "min_prefixlen": "24", "max_prefixlen": "28"}));
    let network = lab.network().await?;
    let of = json!({"network_id": network["id"], "ip_version": 4, "subnetpool_id": pool["id"]});
    let subnet = lab.create("subnets", of.clone()).await?;
    lab.same(
        "subnet",
        &subnet,
        json!({"cidr": "10.10.0.0/26", "subnetpool_id": pool["id"], "gateway_ip": "10.10.0.1"}),
    );
    for (length, error_type) in [(23, "MinPrefixSubnetAllocationError"), (29, "MaxPrefixSubnetAllocationError")] {
        lab.no_create("subnets", with(of.clone(), json!({"prefixlen": length})), 400, error_type, "").await?;
    }
    Ok(())
}

async fn give_the_next_range(lab: &Lab) -> Outcome {
    let pool = pool(lab, json!(["10.10.0.0/16"]), json!({"default_prefixlen": 24})).await?;
    let network = lab.network().await?;
    for cidr in ["10.10.0.0/24", "10.10.1.0/24"] {
        let of = json!({"network_id": network["id"], "ip_version": 4, "subnetpool_id": pool["id"]});
        lab.same("subnet", &lab.create("subnets", of).await?, json!({"cidr": cidr}));
    }
    Ok(())
}

async fn give_the_range_asked_for(lab: &Lab) -> Outcome {
    let pool = pool(lab, json!(["10.10.0.0/16"]), json!({})).await?;
    let network = lab.network().await?;
    let of = json!({"subnetpool_id": pool["id"]});
    let subnet = lab.subnet_with(&network, "10.10.7.0/24", of).await?;
    lab.same("subnet", &subnet, json!({"cidr": "10.10.7.0/24", "subnetpool_id": pool["id"]}));
    let found = lab.list(&format!("subnets?subnetpool_id={}", id(&pool))).await?;
    lab.check(found.len() == 1, || format!("{} by pool", found.len()));
    Ok(())
}

async fn never_give_a_range_twice(lab: &Lab) -> Outcome {
    let pool = pool(lab, json!(["10.10.0.0/16"]), json!({})).await?;
    let of = json!({"subnetpool_id": pool["id"]});
    lab.subnet_with(&lab.network().await?, "10.10.7.0/24", of.clone()).await?;
    let network = lab.network().await?;
    let body = with(of, json!({"cidr": "10.10.7.128/25"}));
    no_range(lab, with(body, json!({"network_id": network["id"], "ip_version": 4})), "Failed to allocate subnet")
        .await
        .map(drop)
}

/// A subnet that the pool cannot give; answers the status.
async fn no_range(lab: &Lab, attributes: Value, words: &str) -> anyhow::Result<u16> {
    let answer = lab.call(Method::POST, "subnets", Some(json!({"subnet": attributes}))).await?;
    let right = answer.error_type() == "SubnetAllocationError" && answer.message().contains(words);
    lab.check(right, || format!("{attributes}: {} {}", answer.status, answer.body));
    Ok(answer.status)
}

async fn that_cannot_give_a_range_answer_as_if_the_server_had_failed(lab: &Lab) -> Outcome {
    const NOT_FREE: &str = "Cannot allocate requested subnet from the available set of prefixes";
    const EMPTY: &str = "Insufficient prefix space to allocate subnet size /24";
    let pool = pool(lab, json!(["10.10.0.0/24"]), json!({"default_prefixlen": 24})).await?;
    let network = lab.network().await?;
    let of = json!({"network_id": network["id"], "ip_version": 4, "subnetpool_id": pool["id"]});
    lab.create("subnets", of.clone()).await?;
    let (outside, taken) = (json!({"cidr": "10.11.0.0/24"}), json!({"cidr": "10.10.0.0/24"}));
    for (wish, words) in [(outside, NOT_FREE), (taken, NOT_FREE), (json!({}), EMPTY)] {
        let status = no_range(lab, with(of.clone(), wish), words).await?;
        lab.same("status", &json!(status), json!(500));
    }
    Ok(())
}

async fn refuse_what_does_not_fit(lab: &Lab) -> Outcome {
    let pool = pool(lab, json!(["10.10.0.0/16"]), json!({})).await?;
    let network = lab.network().await?;
    let missing = "00000000-0000-4000-8000-000000000000";
    for (body, status, error_type) in [
        (json!({"subnetpool_id": pool["id"], "cidr": "10.10.0.0/24", "prefixlen": 24}), 400, "BadRequest"),
        (json!({"subnetpool_id": pool["id"], "ip_version": 6}), 400, "BadRequest"),
        (json!({"subnetpool_id": missing}), 404, "SubnetPoolNotFound"),
        (json!({"subnetpool_id": "x"}), 400, "HTTPBadRequest"),
        (json!({"subnetpool_id": pool["id"], "prefixlen": "x"}), 400, "InvalidInput"),
    ] {
        lab.no_subnet(&network, body, status, error_type, "").await?;
    }
    Ok(())
}

async fn end_when_empty(lab: &Lab) -> Outcome {
    let pool = pool(lab, json!(["10.10.0.0/24"]), json!({"default_prefixlen": 25, "min_prefixlen": 25})).await?;
    let network = lab.network().await?;
    let of = json!({"network_id": network["id"], "ip_version": 4, "subnetpool_id": pool["id"]});
    lab.create("subnets", of.clone()).await?;
    lab.create("subnets", of.clone()).await?;
    no_range(lab, of, "Insufficient prefix space to allocate subnet size /25").await.map(drop)
}

async fn take_ranges_back(lab: &Lab) -> Outcome {
    let pool = pool(lab, json!(["10.10.0.0/24"]), json!({"default_prefixlen": 24})).await?;
    let network = lab.network().await?;
    for _ in 0..2 {
        let of = json!({"network_id": network["id"], "ip_version": 4, "subnetpool_id": pool["id"]});
        let subnet = lab.create("subnets", of).await?;
        lab.delete("subnets", &subnet).await?;
    }
    Ok(())
}

async fn grow_and_never_shrink(lab: &Lab) -> Outcome {
    let pool = pool(lab, json!(["10.10.0.0/24"]), json!({})).await?;
    let grown = lab.update("subnetpools", &pool, json!({"prefixes": ["10.10.0.0/24", "10.10.1.0/24"]})).await?;
    lab.same("grown", &grown["prefixes"], json!(["10.10.0.0/23"]));
    let body = json!({"prefixes": ["10.10.0.0/24"]});
    lab.no_update("subnetpools", &pool, body, 400, "IllegalSubnetPoolPrefixUpdate", "").await?;
    let merged = lab
        .create(
            "subnetpools",
            json!({"name": lab.name(), "prefixes": ["10.20.1.0/24", "10.20.0.0/24", "10.30.0.0/16"]}),
        )
        .await?;
    lab.same("merged", &merged["prefixes"], json!(["10.20.0.0/23", "10.30.0.0/16"]));
    Ok(())
}

async fn change(lab: &Lab) -> Outcome {
    let pool = pool(lab, json!(["10.10.0.0/16"]), json!({})).await?;
    let given = json!({"name": "n", "description": "d", "default_prefixlen": 20});
    let changed = lab.update("subnetpools", &pool, given).await?;
    // Numbers here, texts everywhere else.
    let lengths = json!({"default_prefixlen": 20, "min_prefixlen": 8, "max_prefixlen": 32});
    lab.same("changed", &changed, with(json!({"name": "n", "description": "d"}), lengths));
    lab.same("shown", &lab.show("subnetpools", &pool).await?, json!({"default_prefixlen": "20"}));
    Ok(())
}

async fn in_use_stay(lab: &Lab) -> Outcome {
    let pool = pool(lab, json!(["10.10.0.0/16"]), json!({})).await?;
    let subnet = lab.subnet_with(&lab.network().await?, "10.10.7.0/24", json!({"subnetpool_id": pool["id"]})).await?;
    lab.no_delete("subnetpools", &pool, 400, "SubnetPoolDeleteError", "Subnet pool has existing allocations").await?;
    lab.delete("subnets", &subnet).await?;
    lab.delete("subnetpools", &pool).await
}

async fn refuse_bad_input(lab: &Lab) -> Outcome {
    for (body, error_type, words) in [
        (json!({}), "HTTPBadRequest", "Failed to parse request. Required attribute"),
        (json!({"name": "x"}), "HTTPBadRequest", "Required attribute 'prefixes' not specified"),
        (json!({"prefixes": ["10.0.0.0/8"]}), "HTTPBadRequest", "Required attribute 'name' not specified"),
        (json!({"name": "x", "prefixes": []}), "EmptySubnetPoolPrefixList", ""),
        (json!({"name": "x", "prefixes": ["x"]}), "HTTPBadRequest", "Invalid input for prefixes"),
        (json!({"name": "x", "prefixes": "10.0.0.0/8"}), "HTTPBadRequest", "Invalid input for prefixes"),
        (json!({"name": "x", "prefixes": ["10.0.0.0/8", "fd00::/48"]}), "PrefixVersionMismatch", ""),
        (
            json!({"name": "x", "prefixes": ["10.0.0.0/8"], "default_prefixlen": 33}),
            "IllegalSubnetPoolPrefixBounds",
            "",
        ),
        (
            json!({"name": "x", "prefixes": ["10.0.0.0/8"], "min_prefixlen": 24, "max_prefixlen": 20}),
            "IllegalSubnetPoolPrefixBounds",
            "",
        ),
        (
            json!({"name": "x", "prefixes": ["10.0.0.0/8"], "default_prefixlen": 20, "min_prefixlen": 24}),
            "IllegalSubnetPoolPrefixBounds",
            "",
        ),
        (json!({"name": "x", "prefixes": ["10.0.0.0/8"], "min_prefixlen": -1}), "HTTPBadRequest", ""),
        (
            json!({"name": "x", "prefixes": ["10.0.0.0/8"], "nonsense": 1}),
            "HTTPBadRequest",
            "Unrecognized attribute(s)",
        ),
    ] {
        lab.no_create("subnetpools", body, 400, error_type, words).await?;
    }
    Ok(())
}

async fn not_there_are_not_found(lab: &Lab) -> Outcome {
    let missing = "00000000-0000-4000-8000-000000000000";
    let words = format!("Subnet pool {missing} could not be found.");
    let path = format!("subnetpools/{missing}");
    let body = Some(json!({"subnetpool": {"name": "x"}}));
    lab.refused(Method::GET, &path, None, 404, "SubnetPoolNotFound", &words).await?;
    lab.refused(Method::PUT, &path, body, 404, "SubnetPoolNotFound", &words).await?;
    lab.refused(Method::DELETE, &path, None, 404, "SubnetPoolNotFound", &words).await
}

async fn one_of_a_family_for_a_network(lab: &Lab) -> Outcome {
    let one = pool(lab, json!(["10.10.0.0/16"]), json!({})).await?;
    let two = pool(lab, json!(["10.20.0.0/16"]), json!({})).await?;
    let network = lab.network().await?;
    lab.subnet_with(&network, "10.10.0.0/24", json!({"subnetpool_id": one["id"]})).await?;
    for body in [json!({"cidr": "10.20.0.0/24", "subnetpool_id": two["id"]}), json!({"cidr": "10.30.0.0/24"})] {
        lab.no_subnet(&network, body, 400, "NetworkSubnetPoolAffinityError", "").await?;
    }
    Ok(())
}
