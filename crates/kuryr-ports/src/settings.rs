//! What a workload wants of its port beside addresses: security groups, port security, a QoS policy, a name in DNS.

use crate::Error;
use kuryr_neutron::{DnsName, NewPort, Port, PortUpdate, QosPolicyId, SecurityGroupId};

/// Wishes; what is `None` is left as the network and the cloud have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortSettings {
    /// Exactly these groups.
    pub security_groups: Option<Vec<SecurityGroupId>>,
    /// Security groups and anti-spoofing, on or off.
    pub port_security: Option<bool>,
    /// A QoS policy instead of the network's.
    pub qos_policy: Option<QosPolicyId>,
    /// Name in DNS.
    pub dns_name: Option<DnsName>,
}

impl PortSettings {
    /// The groups to ask for, when the port is `secured` or not without them.
    fn groups(&self, secured: bool, default_groups: &[SecurityGroupId]) -> Option<Vec<SecurityGroupId>> {
        match &self.security_groups {
            Some(groups) => Some(groups.clone()),
            // Neutron takes no groups on a port without port security.
            None if !self.port_security.unwrap_or(secured) => Some(Vec::new()),
            None if default_groups.is_empty() => None,
            None => Some(default_groups.to_vec()),
        }
    }

    /// Adds to an update what a port does not have yet.
    pub(crate) fn ask(&self, port: &Port, default_groups: &[SecurityGroupId], update: &mut PortUpdate) {
        let groups = self.groups(port.port_security_enabled, default_groups);
        update.security_groups = groups.filter(|groups| !same(groups, &port.security_groups));
        update.port_security_enabled = self.port_security.filter(|on| *on != port.port_security_enabled);
        update.qos_policy_id = self.qos_policy.filter(|policy| Some(*policy) != port.qos_policy_id).map(Some);
        update.dns_name = self.dns_name.clone().filter(|name| Some(name) != port.dns_name.as_ref());
    }

    /// Adds to a port that will be made, on a network whose ports are `secured` or not.
    pub(crate) fn ask_new(&self, secured: bool, default_groups: &[SecurityGroupId], new: &mut NewPort) {
        new.security_groups = self.groups(secured, default_groups);
        new.port_security_enabled = self.port_security;
        new.qos_policy_id = self.qos_policy;
        new.dns_name = self.dns_name.clone();
    }

    /// Refuses to change a port that somebody prepared: nobody would remember what it was.
    pub(crate) fn require_on(&self, port: &Port) -> Result<(), Error> {
        let differs = [
            ("security_groups", self.security_groups.as_ref().is_some_and(|g| !same(g, &port.security_groups))),
            ("port_security_enabled", self.port_security.is_some_and(|on| on != port.port_security_enabled)),
            ("qos_policy_id", self.qos_policy.is_some_and(|policy| Some(policy) != port.qos_policy_id)),
            ("dns_name", self.dns_name.as_ref().is_some_and(|name| Some(name) != port.dns_name.as_ref())),
        ];
        match differs.iter().find(|(_, differs)| *differs) {
            Some((attribute, _)) => Err(Error::Conflict(format!(
                "Neutron port {} was there before and is used as it is, but its {attribute} is not what is asked for: \
                 change the port in Neutron, or ask for nothing",
                port.id
            ))),
            None => Ok(()),
        }
    }
}

/// The same groups, in whatever order.
fn same(one: &[SecurityGroupId], other: &[SecurityGroupId]) -> bool {
    let sorted = |groups: &[SecurityGroupId]| {
        let mut groups = groups.to_vec();
        groups.sort();
        groups.dedup();
        groups
    };
    sorted(one) == sorted(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn port(groups: &[SecurityGroupId], secured: bool) -> Port {
        serde_json::from_value(serde_json::json!({
            "id": "820b6faa-39d3-44e4-b378-9ea1ba434d05", "network_id": "bc9675d3-e2f3-4a9b-bab8-4bcf62e46d51",
            "mac_address": "02:42:0a:00:00:02", "security_groups": groups, "port_security_enabled": secured,
        }))
        .unwrap()
    }

    fn asked(settings: &PortSettings, port: &Port, defaults: &[SecurityGroupId]) -> PortUpdate {
        let mut update = PortUpdate::default();
        settings.ask(port, defaults, &mut update);
        update
    }

    #[test]
    fn only_what_differs_is_asked_for() {
        let (one, two) = (SecurityGroupId::random(), SecurityGroupId::random());
        let plain = PortSettings::default();
        assert_eq!(asked(&plain, &port(&[one], true), &[]), PortUpdate::default());
        assert_eq!(asked(&plain, &port(&[one], true), &[two]).security_groups, Some(vec![two]));
        assert_eq!(asked(&plain, &port(&[one, two], true), &[two, one]), PortUpdate::default(), "whatever the order");
        assert_eq!(asked(&plain, &port(&[], false), &[two]), PortUpdate::default(), "an insecure port takes no groups");
        let own = PortSettings { security_groups: Some(vec![one]), ..PortSettings::default() };
        assert_eq!(asked(&own, &port(&[], true), &[two]).security_groups, Some(vec![one]), "the workload's own first");
        let off = PortSettings { port_security: Some(false), ..PortSettings::default() };
        let update = asked(&off, &port(&[one], true), &[two]);
        assert_eq!((update.port_security_enabled, update.security_groups), (Some(false), Some(vec![])));
    }

    #[test]
    fn a_prepared_port_is_used_as_it_is_or_not_at_all() {
        let group = SecurityGroupId::random();
        let own = PortSettings { security_groups: Some(vec![group]), ..PortSettings::default() };
        assert!(own.require_on(&port(&[group], true)).is_ok());
        let error = own.require_on(&port(&[], true)).unwrap_err().to_string();
        assert!(error.contains("security_groups") && error.contains("820b6faa"), "{error}");
        let named = PortSettings { dns_name: Some("web".parse().unwrap()), ..PortSettings::default() };
        assert!(named.require_on(&port(&[], true)).unwrap_err().to_string().contains("dns_name"));
    }

    proptest! {
        #[test]
        fn what_was_done_is_not_asked_for_again(
            wanted in prop::option::of(prop::collection::vec(any::<u128>(), 0..3)), secured: Option<bool>,
            before in prop::collection::vec(any::<u128>(), 0..3), was_secured: bool,
            defaults in prop::collection::vec(any::<u128>(), 0..3),
        ) {
            let ids = |ids: Vec<u128>| -> Vec<SecurityGroupId> {
                ids.into_iter().map(|id| SecurityGroupId(uuid::Uuid::from_u128(id))).collect()
            };
            let settings =
                PortSettings { security_groups: wanted.map(ids), port_security: secured, ..PortSettings::default() };
            let (mut port, defaults) = (port(&ids(before), was_secured), ids(defaults));
            let update = asked(&settings, &port, &defaults);
            port.security_groups = update.security_groups.unwrap_or(port.security_groups);
            port.port_security_enabled = update.port_security_enabled.unwrap_or(port.port_security_enabled);
            prop_assert_eq!(asked(&settings, &port, &defaults), PortUpdate::default());
        }
    }
}
