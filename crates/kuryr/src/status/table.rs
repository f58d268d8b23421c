//! The report as tables, for people.

use super::report::{Named, PortReport, Report};
use crate::table::{clean, fits, or_dash, section};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

/// All tables, each under its title, in this many columns if that can be.
pub fn render(report: &Report, width: Option<u16>) -> String {
    let whole = tables(report, None, false);
    match width {
        Some(width) if !fits(&whole, width) => tables(report, Some(width), true),
        _ => whole,
    }
}

fn tables(report: &Report, width: Option<u16>, short_ids: bool) -> String {
    let mut text = format!("Cloud: {} ({})\n", clean(&report.cloud.auth_url), clean(&report.cloud.source));
    let networks = report.networks.iter().map(|network| {
        vec![
            or_dash(&network.name),
            lines(network.docker_networks.iter().map(name_or_id)),
            if short_ids { network.id.short() } else { network.id.to_string() },
            lines(network.subnets.iter().map(|subnet| &subnet.cidr)),
            lines(network.subnets.iter().map(|s| s.gateway_ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string()))),
            network.router.as_ref().map_or_else(|| "-".to_owned(), name_or_id),
            state(network.status.to_string(), network.admin_state_up),
        ]
    });
    // People know a network by what they called it; shared by several, it has only Neutron's name.
    let docker_names: BTreeMap<_, _> = report
        .networks
        .iter()
        .filter_map(|network| match network.docker_networks.as_slice() {
            [only] => Some((network.id, name_or_id(only))),
            _ => None,
        })
        .collect();
    let ports = report.ports.iter().map(|port| {
        vec![
            port.id.short(),
            holder(port),
            docker_names.get(&port.network.id).cloned().unwrap_or_else(|| name_or_id(&port.network)),
            lines(&port.addresses),
            port.mac_address.to_string(),
            port.status.to_string(),
            first_and_more(&port.security_groups),
            or_dash(&port.host),
        ]
    });
    let groups = report.security_groups.iter().map(|group| {
        vec![
            or_dash(&group.name),
            if short_ids { group.id.short() } else { group.id.to_string() },
            group.rules.to_string(),
        ]
    });
    let routers = report.routers.iter().map(|router| {
        vec![
            or_dash(&router.name),
            if short_ids { router.id.short() } else { router.id.to_string() },
            lines(router.networks.iter().map(name_or_id)),
            router.external_network.as_ref().map_or_else(|| "-".to_owned(), name_or_id),
            router.status.to_string(),
        ]
    });
    let network_titles = ["NAME", "DOCKER", "ID", "SUBNETS", "GATEWAY", "ROUTER", "STATUS"];
    let port_titles = ["PORT", "CONTAINER", "NETWORK", "ADDRESSES", "MAC", "STATUS", "GROUPS", "HOST"];
    let mut section = |title: &str, titles: &[&str], rows| section(&mut text, title, titles, rows, width);
    section("Networks", &network_titles, networks.collect());
    section("Ports", &port_titles, ports.collect());
    section("Security groups", &["NAME", "ID", "RULES"], groups.collect());
    section("Routers", &["NAME", "ID", "NETWORKS", "OUTSIDE", "STATUS"], routers.collect());
    text
}

/// The container, or what else has the port.
fn holder(port: &PortReport) -> String {
    match &port.container {
        Some(container) => clean(&container.name),
        None if port.device_owner.starts_with("network:") => format!("({})", clean(&port.device_owner)),
        None if port.device_id.is_empty() => "-".to_owned(),
        None => format!("({})", clean(&port.device_id.chars().take(12).collect::<String>())),
    }
}

fn state(status: String, is_up: bool) -> String {
    if is_up { status } else { format!("{status}, set down") }
}

fn name_or_id<I: Display>(named: &Named<I>) -> String {
    if named.name.is_empty() { named.id.to_string() } else { clean(&named.name) }
}

/// The first name, and how many there are beyond it.
fn first_and_more<I: Display>(items: &[Named<I>]) -> String {
    match items {
        [] => "-".to_owned(),
        [only] => name_or_id(only),
        [first, more @ ..] => format!("{}, +{}", name_or_id(first), more.len()),
    }
}

/// Each different item on a line of its own.
fn lines(items: impl IntoIterator<Item = impl Display>) -> String {
    let mut seen = BTreeSet::new();
    let lines: Vec<_> =
        items.into_iter().map(|item| item.to_string()).filter(|item| seen.insert(item.clone())).collect();
    if lines.is_empty() { "-".to_owned() } else { lines.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::report::{CloudReport, NetworkReport, SubnetReport};
    use kuryr_neutron::{MacAddr, NetworkId, PortId, SecurityGroupId, Status, SubnetId};
    use uuid::Uuid;

    fn report() -> Report {
        let network = Named { id: NetworkId(Uuid::nil()), name: "blue\u{1b}[31m".to_owned() };
        let port = PortReport {
            id: PortId(Uuid::nil()),
            name: String::new(),
            network: network.clone(),
            addresses: vec!["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()],
            mac_address: "fa:16:3e:00:00:01".parse::<MacAddr>().unwrap(),
            status: Status::Active,
            container: Some(Named { id: "c".to_owned(), name: "web".to_owned() }),
            device_owner: "compute:kuryr".to_owned(),
            device_id: "1".repeat(64),
            security_groups: Vec::new(),
            host: "host".to_owned(),
            interface: None,
        };
        Report {
            cloud: CloudReport { source: "embedded cloud".to_owned(), auth_url: "http://127.0.0.1:9696/".to_owned() },
            networks: vec![NetworkReport {
                id: network.id,
                name: network.name,
                status: Status::Active,
                admin_state_up: false,
                mtu: 1500,
                subnets: Vec::new(),
                router: None,
                docker_networks: Vec::new(),
            }],
            ports: vec![port],
            security_groups: Vec::new(),
            routers: Vec::new(),
        }
    }

    #[test]
    fn people_see_what_there_is() {
        let text = render(&report(), None);
        for part in
            ["Networks (1)", "ACTIVE, set down", "web", "10.0.0.2", "fd00::2", "fa:16:3e:00:00:01", "Routers (0)"]
        {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
    }

    #[test]
    fn names_cannot_control_the_terminal() {
        assert!(!render(&report(), None).contains('\u{1b}'));
    }

    /// As on a host with some containers: names as Kuryr makes them.
    fn usual() -> Report {
        let mut report = report();
        let named = |name: &str| Named { id: SecurityGroupId(Uuid::nil()), name: name.to_owned() };
        let network = &mut report.networks[0];
        network.name = "kuryr-net-aaaaaaaa".to_owned();
        network.docker_networks = vec![Named { id: "a".repeat(64), name: "blue".to_owned() }];
        network.subnets = vec![SubnetReport {
            id: SubnetId(Uuid::nil()),
            name: "kuryr-subnet-10.10.0.0/24".to_owned(),
            cidr: "10.10.0.0/24".to_owned(),
            gateway_ip: Some("10.10.0.1".parse().unwrap()),
        }];
        let port = &mut report.ports[0];
        port.network.name = network.name.clone();
        port.host = "compute-17.rack-4.example.org".to_owned();
        port.container.as_mut().unwrap().name = "shop-frontend-production-web-1".to_owned();
        port.security_groups = vec![named("default"), named("expose-1"), named("expose-2")];
        report
    }

    #[test]
    fn a_terminal_of_100_columns_is_enough() {
        let text = render(&usual(), Some(100));
        assert!(fits(&text, 100), "{text}");
        let whole = ["kuryr-net-aaaaaaaa", "blue", "10.10.0.0/24", "10.10.0.1", "fa:16:3e:00:00:01", "default, +2"];
        for part in whole.iter().chain(&["00000000-00", "10.0.0.2", "fd00::2", "ACTIVE"]) {
            assert!(text.contains(part), "{part} is missing or folded:\n{text}");
        }
        assert!(!text.contains("expose-1"), "{text}");
    }

    #[test]
    fn what_is_no_terminal_and_what_is_wide_gets_all_of_it() {
        let text = render(&usual(), None);
        let id = Uuid::nil().to_string();
        for part in ["compute-17.rack-4.example.org", "shop-frontend-production-web-1", &id] {
            assert!(text.contains(part), "{part} is missing or folded:\n{text}");
        }
        assert_eq!(render(&usual(), Some(300)), text);
    }

    #[test]
    fn a_port_shows_the_name_that_docker_has_for_its_network() {
        let ports = |report: &Report| render(report, None).split("\nPorts").nth(1).unwrap().to_owned();
        let mut report = usual();
        assert!(ports(&report).contains("blue"));
        report.networks[0].docker_networks.push(Named { id: "b".repeat(64), name: "green".to_owned() });
        assert!(ports(&report).contains("kuryr-net-aaaaaaaa"), "two Docker networks: neither's");
    }

    #[test]
    fn keys_of_json_stay() {
        let json = serde_json::to_value(report()).unwrap();
        let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let mut top = keys(&json);
        top.sort();
        assert_eq!(top, ["cloud", "networks", "ports", "routers", "security_groups"]);
        let mut port = keys(&json["ports"][0]);
        port.sort();
        let expected = [
            "addresses",
            "container",
            "device_id",
            "device_owner",
            "host",
            "id",
            "interface",
            "mac_address",
            "name",
            "network",
            "security_groups",
            "status",
        ];
        assert_eq!(port, expected);
        assert_eq!(json["ports"][0]["status"], "ACTIVE");
    }
}
