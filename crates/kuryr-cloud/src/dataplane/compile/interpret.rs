//! Runs compiled rules on a frame, as the kernel would.

use super::rule::{Action, AddressSet, EtherType, FilterRule, Fragment, MARK_ESTABLISHED, MARK_INVALID, Match, Stage};
use ipnet::IpNet;
use kuryr_neutron::MacAddr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What connection tracking says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    New,
    Established,
    Invalid,
}

/// A frame, as far as rules look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub mac: MacAddr,
    pub content: Content,
    pub state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Arp { mac: MacAddr, sender: Ipv4Addr },
    Ip { source: IpAddr, destination: IpAddr, protocol: u8, above: Above },
    Other,
}

/// What is above IP: the first four octets, and the target of a neighbour advertisement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Above {
    pub octets: [u8; 4],
    pub target: Option<Ipv6Addr>,
}

impl Above {
    pub fn source_port(&self) -> u16 {
        u16::from_be_bytes([self.octets[0], self.octets[1]])
    }
    pub fn destination_port(&self) -> u16 {
        u16::from_be_bytes([self.octets[2], self.octets[3]])
    }
}

/// True if a frame gets from one interface to another.
pub fn passes(rules: &Fragment, from: &str, to: &str, frame: &Frame) -> bool {
    let mut mark = 0;
    decide(rules, Stage::Source, from, frame, &mut mark) && {
        if matches!(frame.content, Content::Ip { .. }) {
            mark |= match frame.state {
                State::New => 0,
                State::Established => MARK_ESTABLISHED,
                State::Invalid => MARK_INVALID,
            };
        }
        decide(rules, Stage::Egress, from, frame, &mut mark) && decide(rules, Stage::Ingress, to, frame, &mut mark)
    }
}

fn decide(rules: &Fragment, stage: Stage, interface: &str, frame: &Frame, mark: &mut u32) -> bool {
    match rules.interfaces.get(&(stage, interface.to_owned())) {
        Some(Action::Accept) => true,
        Some(Action::Jump(chain)) => evaluate(rules, chain, frame, mark).unwrap_or(false),
        _ => false,
    }
}

fn evaluate(rules: &Fragment, chain: &str, frame: &Frame, mark: &mut u32) -> Option<bool> {
    for rule in &rules.chains[chain] {
        if !holds_all(rules, rule, frame, *mark) {
            continue;
        }
        match &rule.action {
            Action::SetMark(value) => *mark = *value,
            Action::Accept => return Some(true),
            Action::Drop => return Some(false),
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
    }
}

fn in_set(rules: &Fragment, set: &AddressSet, address: IpAddr) -> bool {
    let elements = &rules.addresses[set];
    address.is_ipv6() == set.v6 && elements.iter().any(|(first, last)| (*first..=*last).contains(&address))
}
