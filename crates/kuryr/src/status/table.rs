//! The report as tables, for people.

use super::report::{Named, PortReport, Report};
use comfy_table::{ContentArrangement, Table, presets};
use std::{collections::BTreeSet, fmt::Display};

/// All tables, each under its title.
pub fn render(report: &Report) -> String {
    let mut text = format!("Cloud: {} ({})\n", clean(&report.cloud.auth_url), clean(&report.cloud.source));
    let networks = report.networks.iter().map(|network| {
        vec![
            or_dash(&network.name),
            network.id.to_string(),
            lines(network.subnets.iter().map(|subnet| &subnet.cidr)),
            lines(network.subnets.iter().map(|s| s.gateway_ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string()))),
            network.router.as_ref().map_or_else(|| "-".to_owned(), name_or_id),
            state(network.status.to_string(), network.admin_state_up),
        ]
    });
    let ports = report.ports.iter().map(|port| {
        vec![
            port.id.short(),
            holder(port),
            name_or_id(&port.network),
            lines(&port.addresses),
            port.mac_address.to_string(),
            port.status.to_string(),
            lines(port.security_groups.iter().map(name_or_id)),
            or_dash(&port.host),
        ]
    });
    let groups = report
        .security_groups
        .iter()
        .map(|group| vec![or_dash(&group.name), group.id.to_string(), group.rules.to_string()]);
    let routers = report.routers.iter().map(|router| {
        vec![
            or_dash(&router.name),
            router.id.to_string(),
            lines(router.networks.iter().map(name_or_id)),
            router.external_network.as_ref().map_or_else(|| "-".to_owned(), name_or_id),
            router.status.to_string(),
        ]
    });
    let network_titles = ["NAME", "ID", "SUBNETS", "GATEWAY", "ROUTER", "STATUS"];
    let port_titles = ["PORT", "CONTAINER", "NETWORK", "ADDRESSES", "MAC", "STATUS", "SECURITY GROUPS", "HOST"];
    section(&mut text, "Networks", &network_titles, networks);
    section(&mut text, "Ports", &port_titles, ports);
    section(&mut text, "Security groups", &["NAME", "ID", "RULES"], groups);
    section(&mut text, "Routers", &["NAME", "ID", "NETWORKS", "OUTSIDE", "STATUS"], routers);
    text
}

fn section(text: &mut String, title: &str, titles: &[&str], rows: impl ExactSizeIterator<Item = Vec<String>>) {
    text.push_str(&format!("\n{title} ({})\n", rows.len()));
    if rows.len() == 0 {
        return;
    }
    let mut table = Table::new();
    // Plain columns, never cut or folded: ids and addresses are for copying.
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(titles.to_vec());
    table.add_rows(rows);
    text.push_str(&table.to_string());
    text.push('\n');
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

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { clean(text) }
}

/// Each different item on a line of its own.
fn lines(items: impl IntoIterator<Item = impl Display>) -> String {
    let mut seen = BTreeSet::new();
    let lines: Vec<_> =
        items.into_iter().map(|item| item.to_string()).filter(|item| seen.insert(item.clone())).collect();
    if lines.is_empty() { "-".to_owned() } else { lines.join("\n") }
}

/// Names come from whoever may write to the cloud: nothing in them reaches the terminal's controls.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::report::{CloudReport, NetworkReport};
    use kuryr_neutron::{MacAddr, NetworkId, PortId, Status};
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
            }],
            ports: vec![port],
            security_groups: Vec::new(),
            routers: Vec::new(),
        }
    }

    #[test]
    fn people_see_what_there_is() {
        let text = render(&report());
        for part in
            ["Networks (1)", "ACTIVE, set down", "web", "10.0.0.2", "fd00::2", "fa:16:3e:00:00:01", "Routers (0)"]
        {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
    }

    #[test]
    fn names_cannot_control_the_terminal() {
        assert!(!render(&report()).contains('\u{1b}'));
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
