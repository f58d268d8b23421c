//! How fast an interface's packets may come, and how they are marked: what a QoS policy means, without any kernel in it.

use crate::engine::State;
use kuryr_neutron::{BandwidthLimitRule, Direction, Network, Port, QosPolicyId};

/// Begins the `device_owner` of the ports that a cloud has for itself: a network's policy is not for them.
const OF_THE_CLOUD: &str = "network:";
/// Bytes of a kilobit.
const BYTES_OF_KBIT: u64 = 125;
/// Of one packet as the kernel hands it around, before it is cut to the MTU. A smaller burst would never let it pass.
const LARGEST_PACKET: u64 = 64 * 1024;
/// No bridge is faster, and the kernel's arithmetic ends not far above.
const FASTEST: u64 = 10_000_000_000;

/// What is done with an interface's packets beside letting them pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quality {
    /// Of what it sends.
    pub egress: Option<Limit>,
    /// Of what it gets.
    pub ingress: Option<Limit>,
    /// The code point that what it sends gets (RFC 2474).
    pub dscp: Option<u8>,
}

/// A limit: what comes faster is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limit {
    /// Bytes in a second, from the IP header on.
    pub rate: u64,
    /// Bytes that may come at once after a pause, beside those of one second.
    pub burst: u32,
}

impl Quality {
    /// The quality of a port: by its own policy, or else by its network's.
    pub fn of_port(state: &State, port: &Port, network: &Network) -> Self {
        let of_network = network.qos_policy_id.filter(|_| !port.device_owner.starts_with(OF_THE_CLOUD));
        port.qos_policy_id.or(of_network).map(|policy| Self::of_policy(state, policy)).unwrap_or_default()
    }

    fn of_policy(state: &State, policy: QosPolicyId) -> Self {
        let limit = |direction| {
            let mut rules = state.limits_of(policy).map(|record| &record.rule);
            rules.find(|rule| rule.direction == direction).and_then(Limit::new)
        };
        let dscp = state.markings_of(policy).next().map(|record| record.rule.dscp_mark);
        Self { egress: limit(Direction::Egress), ingress: limit(Direction::Ingress), dscp }
    }
}

impl Limit {
    /// The meaning of a rule; `None` if it limits nothing.
    fn new(rule: &BandwidthLimitRule) -> Option<Self> {
        let rate = u64::from(rule.max_kbps) * BYTES_OF_KBIT;
        let at_once = (u64::from(rule.max_burst_kbps) * BYTES_OF_KBIT).max(LARGEST_PACKET);
        let burst = u32::try_from(at_once.saturating_sub(rate)).unwrap_or(u32::MAX);
        (1..FASTEST).contains(&rate).then_some(Self { rate, burst })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kuryr_neutron::QosRuleId;

    fn limit(max_kbps: u32, max_burst_kbps: u32) -> Option<Limit> {
        Limit::new(&BandwidthLimitRule {
            id: QosRuleId::random(),
            max_kbps,
            max_burst_kbps,
            direction: Direction::Egress,
        })
    }

    #[test]
    fn a_burst_is_a_seconds_traffic_or_what_the_rule_says_or_one_large_packet() {
        assert_eq!(limit(8000, 0), Some(Limit { rate: 1_000_000, burst: 0 }));
        assert_eq!(limit(8000, 800), Some(Limit { rate: 1_000_000, burst: 0 }));
        assert_eq!(limit(8000, 24_000), Some(Limit { rate: 1_000_000, burst: 2_000_000 }));
        assert_eq!(limit(8, 0), Some(Limit { rate: 1000, burst: 64_536 }));
        assert_eq!(limit(1, u32::MAX >> 1), Some(Limit { rate: 125, burst: u32::MAX }));
    }

    #[test]
    fn no_bandwidth_and_more_than_there_is_are_no_limits() {
        assert_eq!(limit(0, 100), None);
        assert_eq!(limit(u32::MAX >> 1, 0), None);
    }
}
