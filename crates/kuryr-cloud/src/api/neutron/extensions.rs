//! The extensions that are implemented, and no others: clients decide by them what they ask for.

use crate::api::{
    answer,
    neutron::{
        Refusal,
        asker::{Asker, PathParts},
    },
    openapi::{Operation, object},
    routes::Routes,
};
use axum::response::Response;
use http::StatusCode;
use kuryr_neutron::{Extension, Fault, FaultKind};
use serde_json::json;

/// Alias, title, description, and the date of Neutron's definition.
const EXTENSIONS: &[(&str, &str, &str, &str)] = &[
    ("address-group", "Address group", "Ranges of addresses that rules name together", "2020-07-15"),
    ("allowed-address-pairs", "Allowed Address Pairs", "Further addresses that a port may send from", "2013-07-23"),
    ("binding", "Port Binding", "Ports are bound to hosts, and tell how to plug them", "2014-02-03"),
    ("empty-string-filtering", "Empty String Filtering", "Lists can be filtered by empty texts", "2018-04-09"),
    (
        "ext-gw-mode",
        "Router Gateway Mode",
        "Source translation of a router's gateway can be switched off",
        "2013-03-28",
    ),
    ("external-net", "External Network", "Networks to which routers have their gateways", "2013-01-14"),
    ("extraroute", "Router Extra Route", "Further routes of routers", "2013-02-01"),
    (
        "expose-port-forwarding-in-fip",
        "Expose Port Forwarding in FIP",
        "Floating IPs tell which of their ports are forwarded",
        "2019-09-24",
    ),
    ("filter-validation", "Filter Validation", "Filters that do not exist are refused", "2018-03-21"),
    ("fip-port-details", "Floating IP Port Details Extension", "Floating IPs tell of their port", "2018-04-09"),
    (
        "floating-ip-port-forwarding",
        "Floating IP Port Forwarding",
        "Single ports of a floating IP lead to ports of interfaces",
        "2018-02-24",
    ),
    (
        "floating-ip-port-forwarding-description",
        "Floating IP Port Forwarding Description",
        "Forwarded ports have a description",
        "2019-11-04",
    ),
    (
        "floating-ip-port-forwarding-detail",
        "Floating IP Port Forwarding internal ip/port detail",
        "Floating IPs tell where their forwarded ports lead",
        "2021-03-03",
    ),
    (
        "floating-ip-port-forwarding-port-ranges",
        "Floating IP Port Forwarding support Port Ranges",
        "Ranges of ports are forwarded together",
        "2021-01-05",
    ),
    ("ip-substring-filtering", "IP Substring Filtering", "Ports can be found by a part of an address", "2017-11-28"),
    ("net-mtu", "Network MTU", "Networks tell their MTU", "2015-03-25"),
    ("net-mtu-writable", "Network MTU (writable)", "The MTU of networks can be set", "2017-07-12"),
    ("pagination", "Pagination", "Lists come in pages", "2016-06-12"),
    ("port-security", "Port Security", "Anti-spoofing and security groups of a port can be switched off", "2012-07-23"),
    (
        "port-security-groups-filtering",
        "Port filtering on security groups",
        "Ports can be found by group",
        "2018-01-09",
    ),
    ("project-id", "project_id field", "Owners are called project_id too", "2016-09-09"),
    ("provider", "Provider Network", "What carries a network", "2012-09-07"),
    ("qos", "Quality of Service", "Policies limit what ports send and receive, and mark packets", "2015-06-08"),
    (
        "qos-bw-limit-direction",
        "Direction for QoS bandwidth limit rule",
        "What ports receive is limited too",
        "2017-04-10",
    ),
    ("qos-default", "QoS default policy", "New networks of a project have its default policy", "2017-04-06"),
    ("qos-port-network-policy", "QoS port network policy ID", "Ports tell the policy of their network", "2019-11-01"),
    ("qos-rule-type-details", "Details of QoS rule types", "Kinds of rules tell what they take", "2017-06-22"),
    (
        "qos-rule-type-filter",
        "Allow to filter the list of QoS rule types",
        "All kinds of rules can be listed",
        "2022-02-02",
    ),
    ("quota-check-limit", "Quota limit check", "What is used can be checked before a quota is set", "2021-09-08"),
    (
        "quota-check-limit-default",
        "Quota limit check by default",
        "A quota is not set below what is used, unless it is forced",
        "2024-08-21",
    ),
    ("quota_details", "Quota details", "Quotas tell what is used", "2017-02-10"),
    ("quotas", "Quotas", "Administrators say how many of each kind a project may have", "2012-07-29"),
    (
        "rbac-address-group",
        "Add address_group type to RBAC",
        "Address groups are shared with single projects",
        "2021-01-20",
    ),
    ("rbac-policies", "RBAC Policies", "Networks are shared with single projects", "2015-06-17"),
    (
        "rbac-security-groups",
        "Add security_group type to network RBAC",
        "Security groups are shared with single projects",
        "2019-02-14",
    ),
    ("rbac-subnetpool", "Add subnetpool type to RBAC", "Subnet pools are shared with single projects", "2020-02-05"),
    ("revision-if-match", "If-Match by revision", "Changes can be bound to a revision number", "2016-12-11"),
    ("router", "Neutron L3 Router", "Routers between networks", "2012-07-20"),
    ("security-group", "security-group", "Groups of rules that ports are members of", "2012-10-05"),
    (
        "security-groups-default-rules",
        "Default rules for security groups",
        "The operator says which rules new groups are born with",
        "2022-12-19",
    ),
    (
        "security-groups-remote-address-group",
        "Remote address group id field for security group rules",
        "Rules name address groups",
        "2020-08-25",
    ),
    ("sorting", "Sorting", "Lists can be sorted", "2016-06-12"),
    ("standard-attr-description", "standard-attr-description", "Resources have a description", "2016-02-10"),
    ("standard-attr-revisions", "Resource revision numbers", "Resources have a revision number", "2016-04-11"),
    ("standard-attr-tag", "Tag support", "Networks, subnets, pools, ports, groups and routers have tags", "2017-01-01"),
    ("standard-attr-timestamp", "Resource timestamps", "Resources tell when they were made and changed", "2016-09-12"),
    ("subnet_allocation", "Subnet Allocation", "Subnets get their range from a pool", "2015-03-30"),
    ("tag-creation", "Tag creation extension", "Several tags can be added at once", "2024-10-01"),
    ("trunk", "Trunk Extension", "Ports carry others, told apart by VLAN", "2016-01-01"),
    ("trunk-details", "Trunk port details", "Parents of trunks tell which ports they carry", "2016-01-01"),
];

/// `/extensions` and `/extensions/{alias}`.
pub fn routes(base: &str) -> Routes {
    let listed = Operation::neutron("List extensions: what this cloud offers").answers(200, |schemas| {
        let extension = schemas.written::<Extension>();
        object([("extensions", json!({"type": "array", "items": extension}))])
    });
    let shown = Operation::neutron("Show an extension")
        .answers(200, |schemas| object([("extension", schemas.written::<Extension>())]))
        .refuses(&[404]);
    Routes::default().get(&format!("{base}/extensions"), list, listed).get(
        &format!("{base}/extensions/{{alias}}"),
        show,
        shown,
    )
}

fn extension(&(alias, name, description, updated): &(&str, &str, &str, &str)) -> Extension {
    Extension {
        alias: alias.to_owned(),
        name: name.to_owned(),
        description: description.to_owned(),
        updated: format!("{updated}T00:00:00-00:00"),
        links: Vec::new(),
    }
}

async fn list(_: Asker) -> Response {
    let extensions: Vec<_> = EXTENSIONS.iter().map(extension).collect();
    answer::json(StatusCode::OK, &json!({ "extensions": extensions }))
}

async fn show(_: Asker, PathParts(alias): PathParts<String>) -> Result<Response, Refusal> {
    let found = EXTENSIONS.iter().find(|(known, ..)| *known == alias).map(extension);
    let found = found.ok_or_else(|| {
        let shown: String = alias.chars().take(100).collect();
        Fault::new(FaultKind::NotFound, "HTTPNotFound", format!("Extension with alias {shown} does not exist"))
    })?;
    Ok(answer::json(StatusCode::OK, &json!({ "extension": found })))
}
