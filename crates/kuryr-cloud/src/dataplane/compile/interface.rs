//! Rules of one interface: who it may claim to be, and which groups decide for it. What Neutron grants and forbids to
//! every guarded port is in chains that all of them share ([`guards`]).

use super::quality::quality;
use super::rule::{Action, EtherType, FilterRule, Fragment, MARK_ESTABLISHED, MARK_INVALID, MARK_OURS, Match, Stage};
use crate::dataplane::policy::{Guard, InterfacePolicy, Source};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use kuryr_neutron::{MacAddr, Protocol, SecurityGroupId};
use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr},
};

const MLD_QUERY: u8 = 130;
const MLD_REPORT: u8 = 131;
const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const MLD2_REPORT: u8 = 143;

/// ICMPv6 types that hosts send before they have an address.
const FROM_UNSPECIFIED: [u8; 3] = [MLD_REPORT, NEIGHBOUR_SOLICITATION, MLD2_REPORT];
/// ICMPv6 types that a port may always send.
const ESSENTIAL_OUT: [u8; 6] =
    [MLD_QUERY, MLD_REPORT, ROUTER_SOLICITATION, NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT, MLD2_REPORT];
/// ICMPv6 types that a port always gets.
const ESSENTIAL_IN: [u8; 3] = [MLD_QUERY, NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT];

/// Ports of DHCP: (IP version, server's, client's).
const DHCP: [(EtherType, u16, u16); 2] = [(EtherType::Ipv4, 67, 68), (EtherType::Ipv6, 547, 546)];

/// Comments of rules that drop: why.
pub const DOWN: &str = "down";
/// See [`DOWN`].
pub const NOT_ALLOWED: &str = "no rule allows it";
/// See [`DOWN`].
pub const NOT_ITS_ADDRESS: &str = "not its address";
/// See [`DOWN`].
pub const NOT_ITS_NETWORKS: &str = "of a VLAN of the trunk";
/// See [`DOWN`].
pub const NO_DHCP_SERVER: &str = "no DHCP server";
/// See [`DOWN`].
pub const NO_ROUTER: &str = "no router";
/// See [`DOWN`].
pub const NO_CONNECTION: &str = "of no connection";

pub(super) fn group_chain(group: SecurityGroupId, stage: Stage) -> String {
    format!("{}-group-{group}", stage.name())
}

fn guard_chain(stage: Stage) -> String {
    format!("{}-always", stage.name())
}

/// The fragment of an interface.
pub fn interface(policy: &InterfacePolicy) -> Fragment {
    let name = &policy.interface;
    let mut fragment = quality(name, &policy.quality);
    let mark = FilterRule::new([], Action::SetMark(MARK_OURS | u32::from(policy.zone)));
    let chain = |stage: Stage| format!("{}-{name}", stage.name());
    let mut attach = |stage: Stage, action: Action| {
        fragment.interfaces.insert((stage, name.to_string()), action);
    };
    match &policy.guard {
        Guard::Closed => {
            for stage in [Stage::Source, Stage::Egress, Stage::Ingress] {
                attach(stage, Action::Jump(chain(stage)));
                let drop = FilterRule::new([], Action::Drop).because(DOWN);
                fragment.chains.insert(chain(stage), vec![drop]);
            }
        }
        Guard::Open => {
            attach(Stage::Source, Action::Jump(chain(Stage::Source)));
            attach(Stage::Egress, Action::Accept);
            let tagged = FilterRule::new([Match::EtherType(EtherType::Vlan)], Action::Drop).because(NOT_ITS_NETWORKS);
            let mut from = vec![mark];
            from.extend(questions());
            if policy.carries {
                attach(Stage::Ingress, Action::Jump(chain(Stage::Ingress)));
                let to = vec![tagged.clone(), FilterRule::new([], Action::Accept)];
                fragment.chains.insert(chain(Stage::Ingress), to);
                from.push(tagged);
            } else {
                attach(Stage::Ingress, Action::Accept);
            }
            from.push(FilterRule::new([], Action::Accept));
            fragment.chains.insert(chain(Stage::Source), from);
        }
        Guard::Guarded { sources, groups } => {
            for stage in [Stage::Source, Stage::Egress, Stage::Ingress] {
                attach(stage, Action::Jump(chain(stage)));
            }
            let targets = format!("neighbour-{name}");
            let mut from = vec![mark];
            from.extend(source_rules(sources, &targets));
            fragment.chains.insert(chain(Stage::Source), from);
            fragment.chains.insert(targets, target_rules(sources));
            for stage in [Stage::Egress, Stage::Ingress] {
                let mut rules = vec![FilterRule::new([], Action::Jump(guard_chain(stage)))];
                rules.extend(groups.iter().map(|g| FilterRule::new([], Action::Jump(group_chain(*g, stage)))));
                rules.push(FilterRule::new([], Action::Drop).because(NOT_ALLOWED));
                fragment.chains.insert(chain(stage), rules);
            }
        }
    }
    fragment
}

/// Accepts what comes from one of the sources, drops the rest.
fn source_rules(sources: &[Source], targets: &str) -> Vec<FilterRule> {
    use EtherType::{Arp, Ipv4, Ipv6};
    use Match::{ArpSender, ArpSenderMac, EtherType as Type, Source4, Source6, SourceMac};
    let accept = |matches: Vec<Match>| FilterRule::new(matches, Action::Accept);
    let macs: BTreeSet<MacAddr> = sources.iter().map(|s| s.mac).collect();
    let v4 = || sources.iter().filter_map(|s| if let IpNet::V4(net) = s.net { Some((s.mac, net)) } else { None });
    let mut rules = Vec::new();
    rules.extend(v4().map(|(mac, net)| accept(vec![Type(Ipv4), SourceMac(mac), Source4(net)])));
    for &mac in &macs {
        let dhcp = vec![
            Type(Ipv4),
            SourceMac(mac),
            Source4(Ipv4Net::from(Ipv4Addr::UNSPECIFIED)),
            Match::Protocol(Protocol::UDP),
            Match::SourcePort(68),
            Match::DestinationPort(67..=67),
        ];
        rules.push(accept(dhcp).because("asks for an address"));
    }
    let senders = v4().chain(macs.iter().map(|mac| (*mac, Ipv4Net::from(Ipv4Addr::UNSPECIFIED))));
    rules.extend(senders.map(|(mac, net)| accept(vec![Type(Arp), SourceMac(mac), ArpSenderMac(mac), ArpSender(net)])));
    let advertisement = vec![Type(Ipv6), Match::Protocol(58), Match::IcmpType(NEIGHBOUR_ADVERTISEMENT)];
    rules.push(FilterRule::new(advertisement, Action::Jump(targets.to_owned())));
    for source in sources {
        if let IpNet::V6(net) = source.net {
            rules.push(accept(vec![Type(Ipv6), SourceMac(source.mac), Source6(net)]));
        }
    }
    for &mac in &macs {
        for kind in FROM_UNSPECIFIED {
            let from = Source6(Ipv6Net::from(Ipv6Addr::UNSPECIFIED));
            rules.push(accept(vec![Type(Ipv6), SourceMac(mac), from, Match::Protocol(58), Match::IcmpType(kind)]));
        }
    }
    rules.push(FilterRule::new([], Action::Drop).because(NOT_ITS_ADDRESS));
    rules
}

/// Drops advertisements of addresses that the interface does not have.
fn target_rules(sources: &[Source]) -> Vec<FilterRule> {
    let own = sources.iter().filter_map(|source| match source.net {
        IpNet::V6(net) => {
            Some(FilterRule::new([Match::SourceMac(source.mac), Match::NeighbourTarget(net)], Action::Return))
        }
        IpNet::V4(_) => None,
    });
    own.chain([FilterRule::new([], Action::Drop).because(NOT_ITS_ADDRESS)]).collect()
}

fn udp(family: EtherType, from: u16, to: u16, action: Action) -> FilterRule {
    let ports = [Match::SourcePort(from), Match::DestinationPort(to..=to)];
    FilterRule::new([&[Match::EtherType(family), Match::Protocol(Protocol::UDP)], &ports[..]].concat(), action)
}

fn icmp6(kind: u8, action: Action) -> FilterRule {
    let matches = [Match::EtherType(EtherType::Ipv6), Match::Protocol(Protocol::ICMPV6), Match::IcmpType(kind)];
    FilterRule::new(matches, action)
}

/// What hosts ask to be configured. The bridge, where that is answered, always hears what is for all: not what is for one, as
/// the renewal of a lease, which goes to an address that is the gateway's, or nobody's; and what is for a group only where
/// nobody asks who is in it.
fn questions() -> impl Iterator<Item = FilterRule> {
    let dhcp = DHCP.map(|(family, server, client)| udp(family, client, server, Action::SendToAll));
    let all = dhcp.into_iter().chain([icmp6(ROUTER_SOLICITATION, Action::SendToAll)]);
    all.map(|rule| rule.because("asks to be configured"))
}

/// What every guarded interface may and must not do, whatever its groups say.
pub fn guards() -> Fragment {
    let mark = |bit, action| FilterRule::new([Match::Mark(bit)], action);
    let arp = || FilterRule::new([Match::EtherType(EtherType::Arp)], Action::Accept);

    let mut egress: Vec<_> =
        DHCP.map(|(family, server, client)| udp(family, server, client, Action::Drop).because(NO_DHCP_SERVER)).into();
    egress.push(icmp6(ROUTER_ADVERTISEMENT, Action::Drop).because(NO_ROUTER));
    egress.push(mark(MARK_ESTABLISHED, Action::Accept));
    egress.push(arp());
    egress.extend(questions());
    egress.extend(ESSENTIAL_OUT.map(|kind| icmp6(kind, Action::Accept)));
    egress.extend(DHCP.map(|(family, server, client)| udp(family, client, server, Action::Accept)));
    egress.push(mark(MARK_INVALID, Action::Drop).because(NO_CONNECTION));

    let mut ingress = vec![mark(MARK_ESTABLISHED, Action::Accept), arp()];
    ingress.extend(ESSENTIAL_IN.map(|kind| icmp6(kind, Action::Accept)));
    ingress.extend(DHCP.map(|(family, server, client)| udp(family, server, client, Action::Accept)));
    ingress.push(mark(MARK_INVALID, Action::Drop).because(NO_CONNECTION));

    let chains = [(guard_chain(Stage::Egress), egress), (guard_chain(Stage::Ingress), ingress)];
    Fragment { chains: chains.into(), ..Fragment::default() }
}
