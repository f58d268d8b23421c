//! Rules that limit and mark what an interface sends and gets, after it was found that it may.

use super::rule::{Action, EtherType, FilterRule, Fragment, Match, Stage};
use crate::dataplane::quality::{Limit, Quality};

/// Comment of rules that drop what comes too fast.
pub const TOO_FAST: &str = "faster than its QoS policy allows";

/// The fragment of an interface's quality.
pub(super) fn quality(interface: &str, quality: &Quality) -> Fragment {
    let mut fragment = Fragment::default();
    let over = |limit: Limit| FilterRule::new([Match::Faster(limit)], Action::Drop).because(TOO_FAST);
    let mut sent: Vec<FilterRule> = quality.egress.map(over).into_iter().collect();
    if let Some(dscp) = quality.dscp {
        sent.extend([EtherType::Ipv4, EtherType::Ipv6].map(|version| {
            FilterRule::new([Match::EtherType(version)], Action::SetDscp(version, dscp))
                .because("its QoS policy's mark")
        }));
    }
    let got = quality.ingress.map(over).into_iter().collect();
    for (stage, rules) in [(Stage::EgressQuality, sent), (Stage::IngressQuality, got)] {
        if !rules.is_empty() {
            let chain = format!("{}-{interface}", stage.name());
            fragment.interfaces.insert((stage, interface.to_owned()), Action::Jump(chain.clone()));
            fragment.chains.insert(chain, rules);
        }
    }
    fragment
}
