//! From policies to rules: [`interface`], [`group`] and [`members`] give [`Fragment`]s of typed matches, [`lower`] writes
//! them as nftables.
//!
//! ```text
//! bridge kuryr   prerouting -300  source   iifname → source-tap…   mark := zone; is the sender who it says it is?
//! inet kuryr     prerouting -300  zone     the mark's zone becomes the connection's
//! inet kuryr     prerouting -150  state    mark |= established, or invalid
//! bridge kuryr   prerouting   10  egress   iifname → egress-tap…   may the sender send this?
//! bridge kuryr   forward      10  ingress  oifname → ingress-tap…  may the receiver get this?
//! bridge kuryr   prerouting   20  egress-qos   iifname → egress-qos-tap…   is the sender too fast? its mark
//! bridge kuryr   forward      20  ingress-qos  oifname → ingress-qos-tap…  does the receiver get too much?
//! ```
//!
//! A bridge has no connection tracking of its own everywhere; `br_netfilter` lends it that of IP. An interface's chains
//! jump to its groups' chains, so a group's change touches two chains, however many ports are in it. What none of
//! the first three maps names is dropped. What is dropped counts for no limit.

pub mod evaluate;
mod group;
mod interface;
mod lower;
mod quality;
mod rule;

#[cfg(test)]
mod tests;

use super::desired::Desired;

pub use group::{group, members};
pub use interface::{DOWN, NO_CONNECTION, NO_DHCP_SERVER, NO_ROUTER, NOT_ALLOWED, NOT_ITS_ADDRESS, guards, interface};
pub use lower::{bridge_base, inet_base, lower, lower_chain};
pub use quality::TOO_FAST;
pub use rule::{
    Action, AddressSet, EtherType, FilterRule, Fragment, MARK_ESTABLISHED, MARK_INVALID, MARK_OURS, MARK_ZONE, Match,
    Stage,
};

/// All of what a host should have, as one fragment.
pub fn whole(desired: &Desired) -> Fragment {
    let mut rules = guards();
    for policy in desired.interfaces.values() {
        rules.merge(interface(policy));
    }
    for (id, policy) in &desired.groups {
        let has_nets = |group, version| desired.members.get(&group).is_some_and(|m| m.has_nets(version));
        rules.merge(group(*id, policy, has_nets));
    }
    for (id, of_group) in &desired.members {
        rules.merge(members(*id, of_group));
    }
    rules
}
