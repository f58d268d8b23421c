//! Lists: filters, fields, order, pages and their links.

use http::Method;
use serde_json::{Value, json};

use crate::lab::{Lab, Outcome, id};

use super::fixture::each;

crate::cases!["lists":
    are_filtered_by_one_and_by_several_values,
    are_filtered_by_every_attribute_that_clients_use,
    of_ports_are_filtered_by_address,
    of_ports_are_filtered_by_group,
    of_ports_are_filtered_by_part_of_an_address,
    refuse_filters_that_do_not_exist,
    show_only_the_fields_asked_for,
    are_sorted,
    refuse_bad_orders,
    come_in_pages_with_links,
    go_back_in_pages,
    refuse_bad_pages,
    with_filters_that_find_nothing_are_empty,
    show_the_owner_under_both_names,
];

/// Networks whose descriptions are the mark and whose names are `{mark}-{letter}`.
async fn three(lab: &Lab) -> anyhow::Result<(String, Vec<Value>)> {
    let mark = lab.name();
    let mut made = Vec::new();
    for letter in ["b", "a", "c"] {
        made.push(lab.create("networks", json!({"name": format!("{mark}-{letter}"), "description": mark})).await?);
    }
    Ok((mark, made))
}

async fn names(lab: &Lab, path: &str) -> anyhow::Result<String> {
    Ok(letters(&lab.list(path).await?))
}

fn letters(list: &[Value]) -> String {
    each(list, "name").iter().filter_map(|name| name.chars().next_back()).collect()
}

async fn are_filtered_by_one_and_by_several_values(lab: &Lab) -> Outcome {
    let (mark, made) = three(lab).await?;
    for (query, wanted) in [
        (format!("name={mark}-a"), "a"),
        (format!("name={mark}-a&name={mark}-b"), "ab"),
        (format!("id={}&id={}", id(&made[0]), id(&made[2])), "bc"),
        (format!("name={mark}-a&description={mark}"), "a"),
        (format!("name={mark}-a&description=other"), ""),
        (format!("description={mark}"), "abc"),
    ] {
        let found = names(lab, &format!("networks?sort_key=name&sort_dir=asc&{query}")).await?;
        lab.check(found == wanted, || format!("{query} finds '{found}', wanted '{wanted}'"));
    }
    Ok(())
}

async fn are_filtered_by_every_attribute_that_clients_use(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let subnet = lab.subnet_with(&network, "10.1.0.0/24", json!({"enable_dhcp": false})).await?;
    let port = lab.port(&network, json!({"device_owner": "compute:x", "device_id": lab.name()})).await?;
    let (network_id, mac) = (id(&network), port["mac_address"].as_str().unwrap_or_default());
    for (query, count) in [
        (format!("networks?id={network_id}&admin_state_up=True"), 1),
        (format!("networks?id={network_id}&admin_state_up=false"), 0),
        (format!("networks?id={network_id}&shared=False"), 1),
        (format!("networks?id={network_id}&status=ACTIVE"), 1),
        (format!("networks?id={network_id}&project_id={}", lab.project()), 1),
        (format!("networks?id={network_id}&tenant_id={}", lab.project()), 1),
        (format!("networks?id={network_id}&mtu={}", network["mtu"]), 1),
        (format!("networks?id={network_id}&router:external=false"), 1),
        (format!("networks?id={network_id}&name="), 0),
        (format!("subnets?network_id={network_id}"), 1),
        (format!("subnets?network_id={network_id}&cidr=10.1.0.0/24"), 1),
        (format!("subnets?network_id={network_id}&cidr=10.2.0.0/24"), 0),
        (format!("subnets?network_id={network_id}&ip_version=4"), 1),
        (format!("subnets?network_id={network_id}&ip_version=6"), 0),
        (format!("subnets?network_id={network_id}&gateway_ip=10.1.0.1"), 1),
        (format!("subnets?network_id={network_id}&enable_dhcp=False"), 1),
        (format!("subnets?id={}&name={}", id(&subnet), subnet["name"].as_str().unwrap_or_default()), 1),
        (format!("ports?network_id={network_id}&mac_address={mac}"), 1),
        (format!("ports?network_id={network_id}&mac_address={}", mac.to_uppercase()), 1),
        (format!("ports?network_id={network_id}&device_owner=compute:x"), 1),
        (format!("ports?network_id={network_id}&device_owner=compute:y"), 0),
        (format!("ports?network_id={network_id}&status=DOWN"), 1),
        (format!("ports?id={}&admin_state_up=true", id(&port)), 1),
    ] {
        let found = lab.list(&query).await?;
        lab.check(found.len() == count, || format!("{query} finds {}, wanted {count}", found.len()));
    }
    Ok(())
}

async fn of_ports_are_filtered_by_address(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let four = lab.subnet(&network, "10.1.0.0/24").await?;
    let six = lab.subnet(&network, "fd00:1::/64").await?;
    let addresses = json!([{"ip_address": "10.1.0.50"}, {"ip_address": "fd00:1::50"}]);
    let port = lab.port(&network, json!({"fixed_ips": addresses})).await?;
    let other = lab.port(&network, json!({"fixed_ips": [{"ip_address": "10.1.0.51"}]})).await?;
    let (four, six) = (id(&four), id(&six));
    for (query, wanted) in [
        ("fixed_ips=ip_address%3D10.1.0.50".to_owned(), vec![id(&port)]),
        ("fixed_ips=ip_address=10.1.0.50".to_owned(), vec![id(&port)]),
        (format!("fixed_ips=subnet_id%3D{six}"), vec![id(&port)]),
        (format!("fixed_ips=subnet_id%3D{four}&fixed_ips=ip_address%3D10.1.0.50"), vec![id(&port)]),
        (format!("fixed_ips=subnet_id%3D{six}&fixed_ips=ip_address%3D10.1.0.51"), vec![]),
        ("fixed_ips=ip_address%3D10.1.0.50&fixed_ips=ip_address%3D10.1.0.51".to_owned(), vec![id(&port), id(&other)]),
        ("fixed_ips=ip_address%3D10.1.0.99".to_owned(), vec![]),
        ("fixed_ips=ip_address%3Dfd00:1::50".to_owned(), vec![id(&port)]),
    ] {
        let found = lab.list(&format!("ports?network_id={}&{query}", id(&network))).await?;
        let (mut found, mut wanted) = (each(&found, "id"), wanted);
        found.sort_unstable();
        wanted.sort_unstable();
        lab.check(found == wanted, || format!("{query} finds {found:?}, wanted {wanted:?}"));
    }
    Ok(())
}

async fn of_ports_are_filtered_by_group(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let group = lab.group().await?;
    let port = lab.port(&network, json!({"security_groups": [group["id"]]})).await?;
    lab.port(&network, json!({})).await?;
    let found = lab.list(&format!("ports?security_groups={}", id(&group))).await?;
    lab.check(each(&found, "id") == [id(&port)], || format!("{} found", found.len()));
    Ok(())
}

async fn of_ports_are_filtered_by_part_of_an_address(lab: &Lab) -> Outcome {
    if !lab.offers("ip-substring-filtering").await? {
        return lab.skip("no ip-substring-filtering");
    }
    let network = lab.network().await?;
    lab.subnet(&network, "10.1.0.0/24").await?;
    let port = lab.port(&network, json!({"fixed_ips": [{"ip_address": "10.1.0.123"}]})).await?;
    lab.port(&network, json!({"fixed_ips": [{"ip_address": "10.1.0.45"}]})).await?;
    let query = format!("ports?network_id={}&fixed_ips=ip_address_substr%3D.123", id(&network));
    let found = lab.list(&query).await?;
    lab.check(each(&found, "id") == [id(&port)], || format!("{} found", found.len()));
    Ok(())
}

async fn refuse_filters_that_do_not_exist(lab: &Lab) -> Outcome {
    for collection in
        ["networks", "subnets", "ports", "subnetpools", "routers", "security-groups", "security-group-rules"]
    {
        let path = format!("{collection}?nonsense=1");
        lab.refused(Method::GET, &path, None, 400, "HTTPBadRequest", "['nonsense'] is invalid attribute for filtering")
            .await?;
    }
    lab.refused(
        Method::GET,
        "networks?admin_state_up=perhaps",
        None,
        400,
        "InvalidInput",
        "'perhaps' cannot be converted to boolean",
    )
    .await
}

async fn show_only_the_fields_asked_for(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    for (query, keys) in [
        ("fields=id", vec!["id"]),
        ("fields=id&fields=name", vec!["id", "name"]),
        ("fields=id&fields=nonsense", vec!["id"]),
    ] {
        let found = lab.list(&format!("networks?id={}&{query}", id(&network))).await?;
        let shown: Vec<&str> =
            found.iter().filter_map(Value::as_object).flatten().map(|(key, _)| key.as_str()).collect();
        lab.check(shown == keys, || format!("{query} shows {shown:?}"));
    }
    Ok(())
}

async fn are_sorted(lab: &Lab) -> Outcome {
    let (mark, _) = three(lab).await?;
    for (order, wanted) in [
        ("sort_key=name&sort_dir=asc", "abc"),
        ("sort_key=name&sort_dir=desc", "cba"),
        ("sort_key=admin_state_up&sort_dir=asc&sort_key=name&sort_dir=desc", "cba"),
    ] {
        let found = names(lab, &format!("networks?description={mark}&{order}")).await?;
        lab.check(found == wanted, || format!("{order} gives '{found}', wanted '{wanted}'"));
    }
    Ok(())
}

async fn refuse_bad_orders(lab: &Lab) -> Outcome {
    for (query, words) in [
        ("sort_key=nonsense&sort_dir=asc", "['nonsense'] is invalid attribute for sort_keys"),
        ("sort_key=name&sort_dir=up", "['up'] is invalid value for sort_dirs"),
        ("sort_key=name", "The number of sort_keys and sort_dirs must be same"),
        ("sort_key=name&sort_key=id&sort_dir=asc", "The number of sort_keys and sort_dirs must be same"),
    ] {
        lab.refused(Method::GET, &format!("networks?{query}"), None, 400, "HTTPBadRequest", words).await?;
    }
    Ok(())
}

fn link<'a>(body: &'a Value, relation: &str) -> Option<&'a str> {
    let links = body["networks_links"].as_array()?;
    links.iter().find(|link| link["rel"] == relation)?["href"].as_str()
}

async fn come_in_pages_with_links(lab: &Lab) -> Outcome {
    let (mark, made) = three(lab).await?;
    let base = format!("networks?description={mark}&sort_key=name&sort_dir=asc");
    let first = lab.get(&format!("{base}&limit=2")).await?;
    let shown = letters(first["networks"].as_array().map(Vec::as_slice).unwrap_or_default());
    lab.check(shown == "ab", || format!("the first page is '{shown}'"));
    let Some(next) = link(&first, "next") else {
        lab.check(false, || format!("no link to the next page: {first}"));
        return Ok(());
    };
    lab.check(next.contains("limit=2") && next.contains(&format!("marker={}", id(&made[0]))), || next.to_owned());
    lab.check(next.starts_with(&lab.client.network), || format!("{next} does not begin with {}", lab.client.network));
    let rest = next.split_once("/v2.0/").map_or(next, |(_, rest)| rest);
    let second = lab.get(rest).await?;
    let shown = letters(second["networks"].as_array().map(Vec::as_slice).unwrap_or_default());
    lab.check(shown == "c", || format!("the second page is '{shown}'"));
    lab.check(link(&second, "next").is_none(), || format!("the last page has a next: {second}"));
    lab.check(link(&second, "previous").is_some_and(|link| link.contains("page_reverse=True")), || format!("{second}"));
    let all = lab.get(&format!("{base}&limit=0")).await?;
    lab.check(all["networks"].as_array().is_some_and(|list| list.len() == 3), || "limit=0 is not all".to_owned());
    let marked = names(lab, &format!("{base}&marker={}", id(&made[1]))).await?;
    lab.check(marked == "abc", || format!("a marker without limit gives '{marked}'"));
    Ok(())
}

async fn go_back_in_pages(lab: &Lab) -> Outcome {
    let (mark, made) = three(lab).await?;
    let base = format!("networks?description={mark}&sort_key=name&sort_dir=asc");
    let found = names(lab, &format!("{base}&limit=2&marker={}&page_reverse=True", id(&made[2]))).await?;
    lab.check(found == "ab", || format!("'{found}'"));
    let found = names(lab, &format!("{base}&limit=1&marker={}&page_reverse=True", id(&made[2]))).await?;
    lab.check(found == "b", || format!("'{found}'"));
    Ok(())
}

async fn refuse_bad_pages(lab: &Lab) -> Outcome {
    for limit in ["-1", "x", "1.5"] {
        let words = format!("Limit must be an integer 0 or greater and not '{limit}'");
        lab.refused(Method::GET, &format!("networks?limit={limit}"), None, 400, "BadRequest", &words).await?;
    }
    let missing = "00000000-0000-4000-8000-000000000000";
    lab.refused(Method::GET, &format!("networks?limit=1&marker={missing}"), None, 404, "NetworkNotFound", missing).await
}

async fn with_filters_that_find_nothing_are_empty(lab: &Lab) -> Outcome {
    let name = lab.name();
    for collection in ["networks", "subnets", "ports", "subnetpools", "routers", "security-groups"] {
        let body = lab.get(&format!("{collection}?name={name}")).await?;
        lab.same(collection, &body, json!({ collection.replace('-', "_"): [] }));
    }
    for query in ["networks?id=nonsense", "ports?network_id=nonsense", "ports?mac_address=nonsense"] {
        let found = lab.list(query).await?;
        lab.check(found.is_empty(), || format!("{query} finds {}", found.len()));
    }
    let words = "Invalid input for operation: nonsense is not in a CIDR format.";
    lab.refused(Method::GET, "subnets?cidr=nonsense", None, 400, "InvalidInput", words).await
}

async fn show_the_owner_under_both_names(lab: &Lab) -> Outcome {
    let network = lab.network().await?;
    let found = lab.list(&format!("networks?id={}&fields=tenant_id&fields=project_id", id(&network))).await?;
    lab.same("owner", &json!(found), json!([{"tenant_id": lab.project(), "project_id": lab.project()}]));
    Ok(())
}
