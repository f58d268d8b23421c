//! A security group's rule in words.

use kuryr_neutron::{AddressGroup, Direction, SecurityGroup, SecurityGroupRule};

/// Such as `in, IPv4 tcp 80 from 10.0.0.0/24`.
pub fn text(rule: &SecurityGroupRule, groups: &[SecurityGroup], address_groups: &[AddressGroup]) -> String {
    let (way, preposition, anywhere) = match rule.direction {
        Direction::Ingress => ("in", "from", "anywhere"),
        Direction::Egress => ("out", "to", "anywhere"),
    };
    let service = match (&rule.protocol, rule.port_range_min, rule.port_range_max) {
        (None, ..) => "all".to_owned(),
        (Some(protocol), None, None) => protocol.to_string(),
        (Some(protocol), Some(kind), code) if protocol.is_icmp() => {
            code.map_or_else(|| format!("{protocol} type {kind}"), |code| format!("{protocol} type {kind} code {code}"))
        }
        (Some(protocol), min, max) => {
            let (min, max) = (min.unwrap_or_default(), max.or(min).unwrap_or(u16::MAX));
            if min == max { format!("{protocol} {min}") } else { format!("{protocol} {min}-{max}") }
        }
    };
    let remote = match (rule.remote_group_id, rule.remote_address_group_id, rule.remote_ip_prefix) {
        (Some(id), ..) => {
            let name = groups.iter().find(|group| group.id == id).map_or("", |group| &group.name);
            format!("group {}", super::way::called(name, id))
        }
        (None, Some(id), _) => {
            let name = address_groups.iter().find(|group| group.id == id).map_or("", |group| &group.name);
            format!("address group {}", super::way::called(name, id))
        }
        (None, None, Some(net)) => net.to_string(),
        (None, None, None) => anywhere.to_owned(),
    };
    format!("{way}, {:?} {service} {preposition} {remote}", rule.ethertype)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rules_are_told_in_words() {
        let id = "6ad718ba-7418-4c27-8a1e-3f0d1c0a51b2";
        let groups: Vec<SecurityGroup> = serde_json::from_value(json!([{"id": id, "name": "web"}])).unwrap();
        let offices: Vec<AddressGroup> = serde_json::from_value(json!([{"id": id, "name": "offices"}])).unwrap();
        for (more, words) in [
            (json!({"direction": "egress"}), "out, IPv4 all to anywhere"),
            (json!({"direction": "egress", "remote_address_group_id": id}), "out, IPv4 all to address group offices"),
            (
                json!({"direction": "ingress", "protocol": "tcp", "port_range_min": 80, "port_range_max": 80}),
                "in, IPv4 tcp 80 from anywhere",
            ),
            (
                json!({"direction": "ingress", "protocol": "udp", "port_range_min": 1, "port_range_max": 9,
                    "remote_group_id": id}),
                "in, IPv4 udp 1-9 from group web",
            ),
            (
                json!({"direction": "ingress", "ethertype": "IPv6", "protocol": "ipv6-icmp", "port_range_min": 128,
                    "remote_ip_prefix": "fd00::/8"}),
                "in, IPv6 ipv6-icmp type 128 from fd00::/8",
            ),
        ] {
            let mut rule = json!({"id": id, "security_group_id": id});
            rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert_eq!(text(&serde_json::from_value(rule).unwrap(), &groups, &offices), words);
        }
    }
}
