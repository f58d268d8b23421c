//! Runs compiled rules on a frame, as the kernel would, and tells which rule decided.

use super::rule::{Action, AddressSet, EtherType, FilterRule, Fragment, MARK_ESTABLISHED, MARK_INVALID, Match, Stage};
use ipnet::IpNet;
use kuryr_neutron::MacAddr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What connection tracking says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It would begin a connection.
    New,
    /// It belongs to one that was allowed.
    Established,
    /// It belongs to none and cannot begin one.
    Invalid,
}

/// A frame, as far as rules look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Source Ethernet address.
    pub mac: MacAddr,
    /// What is in it.
    pub content: Content,
    /// What connection tracking says.
    pub state: State,
}

/// What is in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// ARP, with the sender it names.
    Arp {
        /// Its Ethernet address.
        mac: MacAddr,
        /// Its IP address.
        sender: Ipv4Addr,
    },
    /// IP of either version.
    Ip {
        /// Sender.
        source: IpAddr,
        /// Receiver.
        destination: IpAddr,
        /// Protocol above.
        protocol: u8,
        /// Its beginning.
        above: Above,
    },
    /// Anything else.
    Other,
}

/// What is above IP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Above {
    /// The first four octets.
    pub octets: [u8; 4],
    /// The target of a neighbour advertisement.
    pub target: Option<Ipv6Addr>,
}

impl Above {
    /// Of TCP and its kin.
    pub fn ports(source: u16, destination: u16) -> Self {
        let ([a, b], [c, d]) = (source.to_be_bytes(), destination.to_be_bytes());
        Self { octets: [a, b, c, d], target: None }
    }

    /// Of ICMP and ICMPv6.
    pub fn icmp(kind: u8, code: u8) -> Self {
        Self { octets: [kind, code, 0, 0], target: None }
    }

    /// Source port of TCP and its kin.
    pub fn source_port(&self) -> u16 {
        u16::from_be_bytes([self.octets[0], self.octets[1]])
    }

    /// Destination port of TCP and its kin.
    pub fn destination_port(&self) -> u16 {
        u16::from_be_bytes([self.octets[2], self.octets[3]])
    }
}

/// How one stage decides about a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The stage.
    pub stage: Stage,
    /// The interface whose policy was asked.
    pub interface: String,
    /// It goes on.
    pub passes: bool,
    /// The rule that decided; `None`: the interface's policy as a whole, or that nobody knows the interface.
    pub rule: Option<RulePlace>,
}

/// A rule's place in the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RulePlace {
    /// Its chain.
    pub chain: String,
    /// Its index there.
    pub index: usize,
    /// Its comment.
    pub comment: String,
}

/// The decisions about a frame that is to get from one interface of a bridge to another: all three, or as many as it
/// takes until it is dropped.
pub fn trace(rules: &Fragment, from: &str, to: &str, frame: &Frame) -> Vec<Decision> {
    let mut mark = 0;
    let mut decisions = Vec::new();
    for (stage, interface) in [(Stage::Source, from), (Stage::Egress, from), (Stage::Ingress, to)] {
        if stage == Stage::Egress && matches!(frame.content, Content::Ip { .. }) {
            mark |= match frame.state {
                State::New => 0,
                State::Established => MARK_ESTABLISHED,
                State::Invalid => MARK_INVALID,
            };
        }
        let decision = decide(rules, stage, interface, frame, &mut mark);
        let passes = decision.passes;
        decisions.push(decision);
        if !passes {
            break;
        }
    }
    decisions
}

fn decide(rules: &Fragment, stage: Stage, interface: &str, frame: &Frame, mark: &mut u32) -> Decision {
    let (passes, rule) = match rules.interfaces.get(&(stage, interface.to_owned())) {
        Some(Action::Accept) => (true, None),
        Some(Action::Jump(chain)) => match evaluate(rules, chain, frame, mark) {
            Some((passes, rule)) => (passes, Some(rule)),
            None => (false, None),
        },
        _ => (false, None),
    };
    Decision { stage, interface: interface.to_owned(), passes, rule }
}

fn evaluate(rules: &Fragment, chain: &str, frame: &Frame, mark: &mut u32) -> Option<(bool, RulePlace)> {
    for (index, rule) in rules.chains.get(chain)?.iter().enumerate() {
        if !holds_all(rules, rule, frame, *mark) {
            continue;
        }
        let place = || RulePlace { chain: chain.to_owned(), index, comment: rule.comment.clone() };
        match &rule.action {
            Action::SetMark(value) => *mark = *value,
            Action::SetDscp(..) | Action::SendToAll => {}
            Action::Accept => return Some((true, place())),
            Action::Drop => return Some((false, place())),
            Action::Return => return None,
            Action::Jump(next) => {
                if let Some(decision) = evaluate(rules, next, frame, mark) {
                    return Some(decision);
                }
            }
        }
    }
    None
}

fn holds_all(rules: &Fragment, rule: &FilterRule, frame: &Frame, mark: u32) -> bool {
    rule.matches.iter().all(|wanted| holds(rules, wanted, frame, mark))
}

fn holds(rules: &Fragment, wanted: &Match, frame: &Frame, mark: u32) -> bool {
    let ip = if let Content::Ip { source, destination, protocol, above } = &frame.content {
        Some((*source, *destination, *protocol, *above))
    } else {
        None
    };
    let arp = if let Content::Arp { mac, sender } = &frame.content { Some((*mac, *sender)) } else { None };
    let source_in = |net: IpNet| ip.is_some_and(|(source, ..)| net.contains(&source));
    let destination_in = |net: IpNet| ip.is_some_and(|(_, destination, ..)| net.contains(&destination));
    let above = |check: &dyn Fn(Above) -> bool| ip.is_some_and(|(.., above)| check(above));
    match wanted {
        Match::EtherType(EtherType::Arp) => arp.is_some(),
        Match::EtherType(EtherType::Ipv4) => ip.is_some_and(|(source, ..)| source.is_ipv4()),
        Match::EtherType(EtherType::Ipv6) => ip.is_some_and(|(source, ..)| source.is_ipv6()),
        Match::SourceMac(mac) => frame.mac == *mac,
        Match::ArpSenderMac(mac) => arp.is_some_and(|(sender, _)| sender == *mac),
        Match::ArpSender(net) => arp.is_some_and(|(_, sender)| net.contains(&sender)),
        Match::NeighbourTarget(net) => above(&|a| a.target.is_some_and(|target| net.contains(&target))),
        Match::Source4(net) => source_in(IpNet::V4(*net)),
        Match::Destination4(net) => destination_in(IpNet::V4(*net)),
        Match::Source6(net) => source_in(IpNet::V6(*net)),
        Match::Destination6(net) => destination_in(IpNet::V6(*net)),
        Match::SourceIn(set) => ip.is_some_and(|(source, ..)| in_set(rules, set, source)),
        Match::DestinationIn(set) => ip.is_some_and(|(_, destination, ..)| in_set(rules, set, destination)),
        Match::Protocol(number) => ip.is_some_and(|(_, _, protocol, _)| protocol == *number),
        Match::SourcePort(port) => above(&|a| a.source_port() == *port),
        Match::DestinationPort(ports) => above(&|a| ports.contains(&a.destination_port())),
        Match::IcmpType(kind) => above(&|a| a.octets[0] == *kind),
        Match::IcmpCode(code) => above(&|a| a.octets[1] == *code),
        Match::Mark(bit) => mark & bit != 0,
        // One frame alone is not fast, and frames here have no tags.
        Match::Faster(_) | Match::EtherType(EtherType::Vlan) => false,
    }
}

fn in_set(rules: &Fragment, set: &AddressSet, address: IpAddr) -> bool {
    let elements = rules.addresses.get(set);
    address.is_ipv6() == set.v6
        && elements.into_iter().flatten().any(|(first, last)| (*first..=*last).contains(&address))
}
