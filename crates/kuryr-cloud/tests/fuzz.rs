//! The fuzz targets of the embedded cloud, API and DHCP, without a fuzzer: their corpus and a bounded number of
//! mutations of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

#[path = "../../../fuzz/entry/api.rs"]
mod api;
#[path = "../../../fuzz/entry/bounded.rs"]
mod bounded;
#[path = "../../../fuzz/entry/dhcp.rs"]
mod dhcp;

use serde_json::Value;

#[test]
fn api_json() {
    bounded::run("api_json", 3000, api::api_json);
}

#[test]
fn api_filters() {
    bounded::run("api_filters", 500, api::api_filters);
}

#[test]
fn dhcp_requests() {
    bounded::run("dhcp_requests", 10_000, dhcp::dhcp_requests);
}

#[test]
fn every_request_that_takes_a_body_is_in_the_corpus() {
    let lines: Vec<String> = bounded::corpus("api_json")
        .into_iter()
        .filter_map(|input| String::from_utf8(input).unwrap().lines().next().map(str::to_owned))
        .collect();
    let leads = |line: &str, method: &str, template: &str| {
        let Some((given, path)) = line.split_once(' ') else { return false };
        let parts = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
        let (path, template) = (parts(path), parts(template));
        let fits = |(part, wanted): (&String, &String)| wanted.starts_with('{') || part == wanted;
        given == method && path.len() == template.len() && path.iter().zip(&template).all(fits)
    };
    let document: Value = serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap();
    let mut bodies = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if operation.get("requestBody").is_some() {
                let method = method.to_uppercase();
                assert!(
                    lines.iter().any(|line| leads(line, &method, path)),
                    "{method} {path} is not in fuzz/corpus/api_json"
                );
                bodies += 1;
            }
        }
    }
    assert!(bodies > 50, "{bodies}");
}
