//! What a cloud's policy refused, and what its operator can do about it.

use crate::CloudFault;

/// Attributes that Neutron's own policy leaves to administrators and to the role `service`.
const SERVICES: [&str; 3] = ["binding:host_id", "binding:profile", "mac_address"];
/// Attributes that it leaves to administrators alone.
const ADMINISTRATORS: [&str; 8] = [
    "shared",
    "is_default",
    "router:external",
    "provider:network_type",
    "provider:physical_network",
    "provider:segmentation_id",
    "segments",
    "project_id",
];

impl CloudFault {
    /// The rules by which Neutron's policy refused, such as `create_port:binding:host_id`: those about attributes that
    /// not everybody may set, or all that it names. Empty for any other refusal.
    pub fn refused_rules(&self) -> Vec<&str> {
        if self.error_type != "PolicyNotAuthorized" {
            return Vec::new();
        }
        // "((rule:create_port and rule:create_port:mac_address) and rule:…) is disallowed by policy": it tells what was
        // asked, not which part said no.
        let ends = |c: char| c == ')' || c == '(' || c == ',' || c.is_whitespace();
        let all: Vec<&str> = self.message.split(ends).filter_map(|word| word.strip_prefix("rule:")).collect();
        let among = |few: &[&str]| -> Vec<&str> {
            let is_one = |rule: &&str| attribute(rule).is_some_and(|attribute| few.contains(&attribute));
            all.iter().copied().filter(is_one).collect()
        };
        // A member may set the MAC of a new port on its own network: what is surely refused comes first.
        [among(&ADMINISTRATORS), among(&SERVICES[..2]), among(&SERVICES)]
            .into_iter()
            .find(|rules| !rules.is_empty())
            .unwrap_or(all)
    }

    /// What an operator can do about a refusal of Neutron's policy.
    pub fn policy_advice(&self) -> Option<String> {
        let rules = self.refused_rules();
        let rule = rules.first()?;
        let (what, role) = match attribute(rule) {
            Some(attribute) if ADMINISTRATORS.contains(&attribute) => (format!("set {attribute}"), "'admin'"),
            Some(attribute) if SERVICES.contains(&attribute) => {
                (format!("set {attribute}"), "'service' (or 'admin', where the policy is older than that role)")
            }
            Some(attribute) => (format!("set {attribute}"), "that the policy asks for"),
            None => ("do this".to_owned(), "that the policy asks for"),
        };
        let allowed: Vec<String> = rules.iter().map(|rule| format!("\"{rule}\": \"role:kuryr\"")).collect();
        Some(format!(
            "The cloud's policy does not let this account {what} (rule {}). Give the account the role {role} in its \
             project, or a role of its own in Neutron's policy.yaml: {}",
            rules.join(", "),
            allowed.join(", ")
        ))
    }
}

/// What a rule is about: `binding:host_id` of `create_port:binding:host_id`.
fn attribute(rule: &str) -> Option<&str> {
    rule.split_once(':').map(|(_, attribute)| attribute)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fault(error_type: &str, message: &str) -> CloudFault {
        CloudFault {
            status: 403,
            error_type: error_type.to_owned(),
            message: message.to_owned(),
            detail: String::new(),
            is_neutron: true,
            request_id: Some("req-1".to_owned()),
            sent_id: "req-0".to_owned(),
            method: http::Method::POST,
            url: "http://cloud/v2.0/ports".to_owned(),
        }
    }

    #[test]
    fn the_attribute_that_only_few_may_set_is_named() {
        // As Neutron says it to a member.
        let binding = "((((rule:create_port and rule:create_port:mac_address) and (rule:create_port:fixed_ips and \
                       (rule:create_port:fixed_ips:subnet_id))) and rule:create_port:device_owner) and \
                       rule:create_port:binding:host_id) is disallowed by policy";
        for (message, rules, advice) in [
            (binding, &["create_port:binding:host_id"][..], "set binding:host_id"),
            (
                "(rule:create_network and rule:create_network:shared) is disallowed by policy",
                &["create_network:shared"],
                "the role 'admin'",
            ),
            (
                "((rule:update_port and rule:update_port:mac_address) and rule:update_port:device_id) is disallowed by policy",
                &["update_port:mac_address"],
                "'service'",
            ),
            ("rule:create_policy is disallowed by policy", &["create_policy"], "do this"),
            ("rule:create_subnetpool:shared is disallowed by policy", &["create_subnetpool:shared"], "set shared"),
        ] {
            let fault = fault("PolicyNotAuthorized", message);
            assert_eq!(fault.refused_rules(), rules, "{message}");
            let text = fault.policy_advice().unwrap();
            assert!(text.contains(advice) && text.contains(&format!("\"{}\":", rules[0])), "{text}");
        }
    }

    #[test]
    fn other_refusals_get_no_advice() {
        assert_eq!(fault("OverQuota", "rule:create_port is over").policy_advice(), None);
        assert_eq!(fault("PolicyNotAuthorized", "no").policy_advice(), None);
    }

    proptest! {
        #[test]
        fn no_message_panics(message in ".{0,200}|(rule:|\\(|\\)|:|a| ){0,40}") {
            let _ = fault("PolicyNotAuthorized", &message).policy_advice();
        }
    }
}
