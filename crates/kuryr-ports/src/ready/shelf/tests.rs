//! What holds for a shelf whatever happens.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const LIMITS: Limits = Limits { min: 3, max: 6, batch: 4 };

/// Where addresses of each IP version are from.
const FOUR: SubnetId = SubnetId(uuid::Uuid::nil());
const SIX: SubnetId = SubnetId(uuid::Uuid::max());

fn address(number: u128, subnet: SubnetId) -> IpAddr {
    let number = number % 250;
    let text = if subnet == FOUR { format!("10.0.0.{number}") } else { format!("fd00::{number}") };
    text.parse().unwrap()
}

/// A port with both addresses, or with the IPv4 one.
fn port(number: u128, is_pair: bool) -> Port {
    let subnets = if is_pair { vec![SIX, FOUR] } else { vec![FOUR] };
    let fixed_ip = |subnet: &SubnetId| serde_json::json!({"subnet_id": subnet, "ip_address": address(number, *subnet)});
    serde_json::from_value(serde_json::json!({
        "id": uuid::Uuid::from_u128(number), "network_id": uuid::Uuid::nil(),
        "mac_address": "02:42:0a:00:00:02", "name": "kuryr-ready-port",
        "fixed_ips": subnets.iter().map(fixed_ip).collect::<Vec<_>>(),
    }))
    .unwrap()
}

#[derive(Debug, Clone)]
enum Step {
    Take,
    TakeAddress(u8),
    AskForOther(usize),
    LetGo(usize, bool),
    GiveBack(usize, bool),
    Returned(usize),
    Order,
    Answer(bool),
    Rest(u8),
    Wake,
    Shrink,
    Drain,
    Leave(usize),
    Deleted(usize),
    Gone(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Take),
        2 => (0u8..20).prop_map(Step::TakeAddress),
        4 => any::<usize>().prop_map(Step::AskForOther),
        4 => any::<(usize, bool)>().prop_map(|(n, is_four)| Step::LetGo(n, is_four)),
        4 => (any::<usize>(), prop::bool::weighted(0.8)).prop_map(|(n, as_lent)| Step::GiveBack(n, as_lent)),
        4 => any::<usize>().prop_map(Step::Returned),
        3 => Just(Step::Order),
        3 => prop::bool::weighted(0.7).prop_map(Step::Answer),
        1 => (100u8..110).prop_map(Step::Rest),
        1 => Just(Step::Wake),
        1 => Just(Step::Shrink),
        1 => Just(Step::Drain),
        1 => any::<usize>().prop_map(Step::Leave),
        3 => any::<usize>().prop_map(Step::Deleted),
        1 => any::<usize>().prop_map(Step::Gone),
    ]
}

fn one<T: Copy>(all: &[T], n: usize) -> Option<T> {
    all.get(n.checked_rem(all.len())?).copied()
}

proptest! {
    /// Whatever happens, each port that exists is at one place, none is used twice, none is forgotten, none that leaves
    /// is lent again, and there are never more than there may be.
    #[test]
    fn no_port_is_lost_or_used_twice(steps in prop::collection::vec(step(), 0..120), is_pair: bool) {
        let mut now = Instant::now();
        let port = |number| port(number, is_pair);
        let mut shelf = Shelf::new(NetworkId(uuid::Uuid::nil()), now);
        // What Neutron has, and who uses it.
        let mut exists: BTreeSet<PortId> = BTreeSet::new();
        let mut used: Vec<PortId> = Vec::new();
        // The addresses that Docker has.
        let mut has: BTreeSet<(PortId, IpAddr)> = BTreeSet::new();
        let mut next = 1;
        for step in steps {
            match step {
                Step::Take | Step::TakeAddress(_) => {
                    let address = match step {
                        Step::TakeAddress(n) => Some(address(n.into(), FOUR)),
                        _ => None,
                    };
                    let leaving: Vec<PortId> = shelf.leaving.keys().copied().collect();
                    if let Some(port) = shelf.take(FOUR, address, now) {
                        prop_assert!(exists.contains(&port.id) && !used.contains(&port.id));
                        prop_assert!(!leaving.contains(&port.id), "it is being deleted");
                        let four = port.fixed_ips.iter().find(|ip| ip.subnet_id == FOUR).unwrap().ip_address;
                        prop_assert!(address.is_none_or(|address| four == address));
                        used.push(port.id);
                        has.insert((port.id, four));
                    }
                }
                Step::AskForOther(n) => {
                    if let Some(id) = one(&used, n).filter(|_| is_pair) {
                        let six = address(id.0.as_u128(), SIX);
                        shelf.held(id).unwrap().insert(six);
                        has.insert((id, six));
                    }
                }
                Step::LetGo(n, is_four) => {
                    if let Some(id) = one(&used, n) {
                        let address = address(id.0.as_u128(), if is_four { FOUR } else { SIX });
                        shelf.held(id).unwrap().remove(&address);
                        has.remove(&(id, address));
                    }
                }
                // Once Docker has none of its addresses.
                Step::GiveBack(n, is_as_lent) => {
                    let free: Vec<PortId> =
                        used.iter().copied().filter(|id| has.iter().all(|(other, _)| other != id)).collect();
                    if let Some(id) = one(&free, n) {
                        used.retain(|other| *other != id);
                        let now = port(id.0.as_u128());
                        let is_wanted = shelf.give_back(&now, is_as_lent, LIMITS);
                        prop_assert!(is_as_lent || !is_wanted, "another's changes");
                        prop_assert!(!shelf.give_back(&now, true, LIMITS), "twice is once");
                    }
                }
                Step::Returned(n) => {
                    let returning: Vec<PortId> = shelf.returning.keys().copied().collect();
                    one(&returning, n).into_iter().for_each(|id| shelf.returned(id));
                }
                // One at a time, and other things happen between question and answer.
                Step::Order if shelf.coming == 0 => {
                    let before = shelf.all().count();
                    prop_assert!(before + shelf.order(LIMITS, now) <= before.max(LIMITS.max));
                }
                Step::Answer(true) if shelf.coming > 0 => {
                    let made: Vec<Port> = (0..shelf.coming).map(|_| { next += 1; port(next) }).collect();
                    exists.extend(made.iter().map(|port| port.id));
                    shelf.add(made);
                }
                Step::Answer(false) if shelf.coming > 0 => {
                    shelf.refused(now);
                    prop_assert_eq!(shelf.missing(LIMITS, now), 0, "it rests");
                    now = shelf.rests_until.unwrap();
                }
                Step::Order | Step::Answer(_) => {}
                Step::Rest(n) => {
                    let left = port(1_000_000 + u128::from(n));
                    if shelf.all().count() + shelf.coming < LIMITS.max {
                        exists.insert(left.id);
                        shelf.rest(left);
                    }
                }
                Step::Wake => shelf.wake(),
                Step::Shrink => {
                    shelf.shrink(LIMITS, Duration::ZERO, now);
                    prop_assert!(shelf.ready.len() <= LIMITS.min);
                }
                Step::Drain => {
                    shelf.drain();
                    prop_assert!(shelf.usable().next().is_none() && shelf.missing(LIMITS, now) == 0);
                }
                Step::Leave(n) => {
                    let here: Vec<PortId> = shelf.usable().map(|port| port.id).collect();
                    one(&here, n).into_iter().for_each(|id| shelf.leave(id));
                }
                Step::Deleted(n) => {
                    let leaving: Vec<PortId> = shelf.leaving.keys().copied().collect();
                    if let Some(id) = one(&leaving, n) {
                        exists.remove(&id);
                        shelf.forget(id);
                    }
                }
                Step::Gone(n) => {
                    if let Some(id) = one(&used, n) {
                        used.retain(|other| *other != id);
                        has.retain(|(other, _)| *other != id);
                        shelf.forget(id);
                        exists.remove(&id);
                    }
                }
            }
            let here: Vec<PortId> = shelf.all().map(|port| port.id).collect();
            let mut all: BTreeSet<PortId> = here.iter().copied().collect();
            prop_assert_eq!(all.len(), here.len(), "at one place");
            prop_assert!(used.iter().all(|id| all.insert(*id)), "in use or here");
            for id in &used {
                let of_it: BTreeSet<IpAddr> = has.iter().filter(|(of, _)| of == id).map(|(_, ip)| *ip).collect();
                prop_assert_eq!(shelf.held(*id), Some(&mut of_it.clone()), "what Docker has of a port");
            }
            for id in &here {
                prop_assert!(shelf.held(*id).is_none(), "nobody has anything of it");
            }
            prop_assert_eq!(&all, &exists, "none is forgotten");
            let usable = shelf.usable().count();
            prop_assert!(usable <= LIMITS.max);
        }
    }
}
