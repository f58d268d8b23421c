//! Lists: filters, fields, order, pages.

use crate::client::{Client, URL, ids, neutron};
use serde_json::{Value, json};

async fn list(client: &Client, query: &str) -> Value {
    client.get(&neutron(&format!("ports?{query}"))).await.expect(200).body["ports"].clone()
}

/// Ports `p0` … `p4` at 10.0.0.10 … 14, `p0` and `p1` tagged.
async fn five_ports() -> (Client, String, Vec<String>) {
    let client = Client::new().await;
    let (network, subnet) = client.network().await;
    let port = |n: usize| {
        json!({"network_id": network, "name": format!("p{n}"), "admin_state_up": n != 4, "device_id": if n == 3 { "d" } else { "" },
        "fixed_ips": [{"subnet_id": subnet, "ip_address": format!("10.0.0.1{n}")}]})
    };
    let body = json!({"ports": (0..5).map(port).collect::<Vec<_>>()});
    let made = client.post(&neutron("ports"), body).await.expect(201);
    let made = ids(&made.body["ports"]);
    client.put(&neutron(&format!("ports/{}/tags", made[0])), json!({"tags": ["a", "b"]})).await.expect(200);
    client.put(&neutron(&format!("ports/{}/tags", made[1])), json!({"tags": ["a"]})).await.expect(200);
    (client, subnet, made)
}

fn names(list: &Value) -> Vec<&str> {
    let mut names: Vec<_> = list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn filters_find_what_they_say() {
    let (client, subnet, made) = five_ports().await;
    let cases = [
        (format!("id={}&id={}", made[0], made[3]), vec!["p0", "p3"]),
        (format!("id={}&name=p1", made[0]), vec![]),
        ("id=hostile".to_owned(), vec![]),
        ("name=p1&name=p2".to_owned(), vec!["p1", "p2"]),
        ("admin_state_up=FALSE".to_owned(), vec!["p4"]),
        ("device_id=d".to_owned(), vec!["p3"]),
        ("device_id=&name=p3&name=p4".to_owned(), vec!["p4"]),
        ("mac_address=&name=p0".to_owned(), vec!["p0"]),
        ("mac_address=None".to_owned(), vec![]),
        (format!("fixed_ips=subnet_id%3D{subnet}&fixed_ips=ip_address%3D10.0.0.12"), vec!["p2"]),
        ("fixed_ips=ip_address%3D10.0.0.12&fixed_ips=ip_address%3D10.0.0.13".to_owned(), vec!["p2", "p3"]),
        ("fixed_ips=ip_address_substr%3D0.14".to_owned(), vec!["p4"]),
        ("fixed_ips=ip_address%3Dhostile".to_owned(), vec![]),
        ("tags=a".to_owned(), vec!["p0", "p1"]),
        ("tags=a,b".to_owned(), vec!["p0"]),
        ("tags=a%2Cb".to_owned(), vec!["p0"]),
        ("tags-any=b,c".to_owned(), vec!["p0"]),
        ("not-tags=a,b".to_owned(), vec!["p1", "p2", "p3", "p4"]),
        ("not-tags-any=a,b".to_owned(), vec!["p2", "p3", "p4"]),
        ("changed_since=2999-01-01T00:00:00Z".to_owned(), vec![]),
        ("binding%3Avif_type=unbound&name=p0".to_owned(), vec!["p0"]),
    ];
    for (query, expected) in cases {
        assert_eq!(names(&list(&client, &query).await), expected, "{query}");
    }
}

#[tokio::test]
async fn a_filter_that_is_none_is_refused_by_name() {
    let client = Client::new().await;
    for (query, field) in [
        ("colour=red", "colour"),
        ("admin_state_up=maybe", "admin_state_up"),
        ("fixed_ips=x", "fixed_ips"),
        ("sort_key=colour&sort_dir=asc", "colour"),
        ("changed_since=never", "changed_since"),
    ] {
        let refused = client.get(&neutron(&format!("ports?{query}"))).await.expect(400);
        assert!(refused.message().contains(field), "{query}: {}", refused.message());
    }
    let refused = client.get(&neutron("ports?colour=red")).await;
    assert_eq!(refused.message(), "['colour'] is invalid attribute for filtering");
}

#[tokio::test]
async fn order_and_fields() {
    let (client, ..) = five_ports().await;
    let found = list(&client, "sort_key=admin_state_up&sort_dir=asc&sort_key=name&sort_dir=desc&fields=name").await;
    assert_eq!(found, json!([{"name": "p4"}, {"name": "p3"}, {"name": "p2"}, {"name": "p1"}, {"name": "p0"}]));
}

#[tokio::test]
async fn pages_are_followed_forth_and_back() {
    let (client, ..) = five_ports().await;
    for sort in ["", "&sort_key=name&sort_dir=desc", "&sort_key=status&sort_dir=asc"] {
        let expected = ids(&list(&client, sort).await);
        let (mut seen, mut path) = (Vec::new(), neutron(&format!("ports?limit=2{sort}")));
        loop {
            let page = client.get(&path).await.expect(200).body;
            seen.extend(ids(&page["ports"]));
            let link = |relation: &str| {
                let links = page["ports_links"].as_array().into_iter().flatten();
                links
                    .into_iter()
                    .find(|link| link["rel"] == relation)
                    .map(|link| link["href"].as_str().unwrap().to_owned())
            };
            assert_eq!(link("previous").is_some(), seen.len() > 2, "{page}");
            match link("next") {
                Some(href) => path = href.strip_prefix(URL).unwrap().to_owned(),
                None => {
                    let back = link("previous").unwrap();
                    let page = client.get(back.strip_prefix(URL).unwrap()).await.expect(200).body;
                    assert_eq!(ids(&page["ports"]), expected[2..4], "{back}");
                    break;
                }
            }
        }
        assert_eq!(seen, expected, "{sort}");
    }
    assert_eq!(
        client
            .get(&neutron("ports?limit=1&marker=00000000-0000-4000-8000-000000000000"))
            .await
            .expect(404)
            .error_type(),
        "PortNotFound"
    );
    assert!(client.get(&neutron("ports")).await.body.get("ports_links").is_none());
}
