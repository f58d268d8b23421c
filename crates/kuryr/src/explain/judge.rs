//! What becomes of a packet: the way it takes, and what the compiled rules decide about it there. Pure.

use super::{
    report::Verdict,
    service::Service,
    way::{By, Way, called},
};
use crate::status::collect::Everything;
use kuryr_cloud::dataplane::{
    Rulebook,
    compile::{
        self, Stage,
        evaluate::{Content, Decision, Frame, RulePlace, State},
    },
};
use kuryr_neutron::{AddressGroup, FloatingIp, Port, PortId, SecurityGroupRuleId, Status};
use std::{collections::HashMap, net::IpAddr};

/// Begins the comments of rules that a security group's rule became.
const RULE: &str = "rule ";
/// Begins the `device_owner` of a cloud's own ports.
const OF_THE_CLOUD: &str = "network:";

/// Knows everything there is to know.
pub struct Judge<'a> {
    pub all: &'a Everything,
    pub rulebook: &'a Rulebook,
    /// Names of the containers that have ports.
    pub names: &'a HashMap<PortId, String>,
    /// None, where the cloud has none.
    pub floating_ips: &'a [FloatingIp],
    /// None, where the cloud has none.
    pub address_groups: &'a [AddressGroup],
}

/// May a port reach an address?
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub from: &'a Port,
    pub source: IpAddr,
    pub destination: IpAddr,
    pub service: &'a Service,
}

/// The answer.
#[derive(Debug)]
pub struct Judgement {
    pub verdict: Verdict,
    pub reason: String,
    pub steps: Vec<Decided>,
    pub remedies: Vec<String>,
}

/// One thing that was decided.
#[derive(Debug)]
pub struct Decided {
    pub text: String,
    pub passes: bool,
    pub rule: Option<SecurityGroupRuleId>,
    /// The compiled rule, and the interface for which it was asked.
    pub place: Option<(String, RulePlace)>,
}

impl Judge<'_> {
    /// Follows the packet.
    pub fn judge(&self, question: Question<'_>) -> Judgement {
        let Question { from, source, destination, .. } = question;
        let mut told =
            Judgement { verdict: Verdict::Allowed, reason: String::new(), steps: Vec::new(), remedies: Vec::new() };
        let network = self.all.named(from.network_id);
        match self.all.way(from, source, destination) {
            Way::Nowhere { reason, remedy } => told.no_way(reason, Some(remedy)),
            Way::Direct { to } => {
                if !self.cross(question, State::New, from, to, &mut told) {
                    return told;
                }
                let Some(to) = to else {
                    return told.no_way(format!("no port of network {network} has {destination}"), None);
                };
                self.arrive(question, to, told)
            }
            Way::Routed { router, near, far, to } => {
                if !self.cross(question, State::New, from, Some(near), &mut told) {
                    return told;
                }
                let (name, beyond) = (called(&router.name, router.id), self.all.named(far.network_id));
                told.step(format!("router {name} leads from network {network} to network {beyond}"));
                let Some(to) = to else {
                    return told.no_way(format!("no port of network {beyond} has {destination}"), None);
                };
                if !self.cross(question, State::New, far, Some(to), &mut told) {
                    return told;
                }
                self.arrive(question, to, told)
            }
            Way::Outside { router, near, by } => {
                if !self.cross(question, State::New, from, Some(near), &mut told) {
                    return told;
                }
                let name = called(&router.name, router.id);
                match by {
                    By::Hop(hop) => told.step(format!("router {name} sends it to {hop}, by a route of its own")),
                    By::External { network, port, translated } => {
                        let address = port.and_then(|port| port.fixed_ips.first()).map(|ip| ip.ip_address.to_string());
                        let network = self.all.named(network);
                        let how = match address.filter(|_| translated) {
                            Some(address) => format!(", from its own address {address}"),
                            None => String::new(),
                        };
                        told.step(format!("router {name} sends it out by external network {network}{how}"));
                    }
                }
                told.reason = "no rule stands in its way out; what is beyond the router is not Neutron's".to_owned();
                told
            }
        }
    }

    /// Something outside begins a connection to a port: by its floating IP, or where the router does not translate.
    pub fn judge_outside(&self, question: Question<'_>, port: &Port) -> Option<Judgement> {
        let Way::Outside { router, near, by } = self.all.way(port, question.destination, question.source) else {
            return None;
        };
        let mut told = Judgement::new();
        let name = called(&router.name, router.id);
        match self.floating_ips.iter().find(|floating| floating.port_id == Some(port.id)) {
            Some(floating) => {
                told.step(format!("router {name} translates floating IP {} to it", floating.floating_ip_address));
            }
            None => match by {
                By::External { network, translated: true, .. } => {
                    let reason = "nothing outside can begin it: the port has no floating IP".to_owned();
                    let remedy = format!(
                        "openstack floating ip create --port {} {network}, or docker run -p, which publishes a port at the host",
                        port.id
                    );
                    return Some(told.no_way(reason, Some(remedy)));
                }
                _ => told.step(format!("router {name} leads to it, if those outside know the way")),
            },
        }
        if self.cross(question, State::New, near, Some(port), &mut told) {
            told.conclude();
        }
        Some(told)
    }

    /// At its end: is anybody there, and do answers come back?
    fn arrive(&self, question: Question<'_>, to: &Port, mut told: Judgement) -> Judgement {
        let who = self.who(to);
        if to.status == Status::Down && !to.device_owner.starts_with(OF_THE_CLOUD) {
            return told.no_way(format!("{who} is not there: its port {} is DOWN", to.id), None);
        }
        let Question { from, source, destination, service } = question;
        let back = Question { from: to, source: destination, destination: source, service };
        match self.all.way(to, destination, source) {
            // An address that is the port's by a pair alone: Neutron does not know its subnet.
            _ if !to.fixed_ips.iter().any(|fixed| fixed.ip_address == destination) => {}
            Way::Nowhere { reason, remedy } => {
                return told.no_way(format!("answers find no way back: {reason}"), Some(remedy));
            }
            Way::Direct { .. } => {
                if !self.cross(back, State::Established, to, Some(from), &mut told) {
                    return told;
                }
            }
            Way::Routed { near, far, .. } => {
                let returns = self.cross(back, State::Established, to, Some(near), &mut told)
                    && self.cross(back, State::Established, far, Some(from), &mut told);
                if !returns {
                    return told;
                }
            }
            Way::Outside { .. } => {}
        }
        told.step("answers pass: they belong to the connection, whatever the rules say of new ones".to_owned());
        told.reason = told
            .steps
            .iter()
            .rev()
            .find(|step| step.rule.is_some())
            .map_or_else(|| "no rule stands in its way".to_owned(), |step| step.text.clone());
        told
    }

    /// Over one bridge; false if it is dropped there. Nobody at the other end: only the sender's rules are asked.
    fn cross(
        &self,
        question: Question<'_>,
        state: State,
        from: &Port,
        to: Option<&Port>,
        told: &mut Judgement,
    ) -> bool {
        let v6 = question.destination.is_ipv6();
        let above = match state {
            State::New => question.service.request(v6),
            _ => question.service.answer(v6),
        };
        let (source, destination) = (question.source, question.destination);
        let content = Content::Ip { source, destination, protocol: question.service.number(v6), above };
        let frame = Frame { mac: from.mac_address, content, state };
        let tap = to.map(|to| to.id.tap_name()).unwrap_or_default();
        for decision in self.rulebook.trace(&from.id.tap_name(), &tap, &frame) {
            let port = if decision.stage == Stage::Ingress { to } else { Some(from) };
            let Some(port) = port else { continue };
            if decision.passes && (state != State::New || decision.stage == Stage::Source || is_silent(port, &decision))
            {
                continue;
            }
            let passes = decision.passes;
            let step = self.decided(question, port, decision);
            if !passes {
                told.verdict = Verdict::Dropped;
                told.reason = step.text.clone();
                told.remedies.extend(self.remedy(question, port, &step));
            }
            told.steps.push(step);
            if !passes {
                return false;
            }
        }
        true
    }

    fn decided(&self, question: Question<'_>, port: &Port, decision: Decision) -> Decided {
        let who = self.who(port);
        let does = if decision.stage == Stage::Ingress { "get" } else { "send" };
        let comment = decision.rule.as_ref().map_or("", |rule| rule.comment.as_str());
        let rule: Option<SecurityGroupRuleId> = comment.strip_prefix(RULE).and_then(|id| id.parse().ok());
        let text = match (rule, comment, decision.passes) {
            (Some(id), ..) => format!("{who} may {does} it: {}", self.rule(id)),
            (_, _, true) if !port.port_security_enabled => format!("{who} may {does} it: its port security is off"),
            (_, _, true) => format!("{who} may {does} it, as every port may"),
            (_, compile::DOWN, _) => {
                format!("{who} may not {does} anything: its port or its network is administratively down")
            }
            (_, compile::NOT_ALLOWED, _) if port.security_groups.is_empty() => {
                format!("{who} may not {does} it: its port is in no security group")
            }
            (_, compile::NOT_ALLOWED, _) => {
                format!("{who} may not {does} it: no rule of {} allows it", self.groups(port))
            }
            (_, compile::NOT_ITS_ADDRESS, _) => {
                format!("{who} may not send from {}, which is not its port's address", question.source)
            }
            (_, compile::NO_DHCP_SERVER, _) => format!("{who} may not play DHCP server"),
            (_, compile::NO_ROUTER, _) => format!("{who} may not play router"),
            (_, "", _) => format!("{who} may not {does} it"),
            (_, other, _) => format!("{who} may not {does} it: {other}"),
        };
        let place = decision.rule.map(|rule| (decision.interface, rule));
        Decided { text, passes: decision.passes, rule, place }
    }

    fn remedy(&self, question: Question<'_>, port: &Port, step: &Decided) -> Option<String> {
        let (_, place) = step.place.as_ref()?;
        let is_ingress = place.chain.starts_with(Stage::Ingress.name());
        Some(match place.comment.as_str() {
            compile::DOWN if !port.admin_state_up => format!("openstack port set --enable {}", port.id),
            compile::DOWN => format!("openstack network set --enable {}", port.network_id),
            compile::NOT_ITS_ADDRESS => {
                format!("openstack port set --allowed-address ip-address={} {}", question.source, port.id)
            }
            compile::NOT_ALLOWED => {
                let Some(group) = port.security_groups.first() else {
                    return Some(format!("openstack port set --security-group GROUP {}", port.id));
                };
                let remote = if is_ingress { question.source } else { question.destination };
                let (version, bits) = if remote.is_ipv6() { ("IPv6", 128) } else { ("IPv4", 32) };
                let way = if is_ingress { "--ingress" } else { "--egress" };
                let port = question.service.port.map(|port| format!(" --dst-port {port}")).unwrap_or_default();
                let protocol = match question.service.number(remote.is_ipv6()) {
                    kuryr_neutron::Protocol::ICMPV6 => "ipv6-icmp".to_owned(),
                    kuryr_neutron::Protocol::ICMP => "icmp".to_owned(),
                    _ => question.service.protocol.to_string(),
                };
                format!(
                    "openstack security group rule create {way} --ethertype {version} --protocol {protocol}{port} \
                     --remote-ip {remote}/{bits} {group}"
                )
            }
            _ => return None,
        })
    }

    fn rule(&self, id: SecurityGroupRuleId) -> String {
        let mut all = self
            .all
            .security_groups
            .iter()
            .flat_map(|group| group.security_group_rules.iter().map(move |rule| (group, rule)));
        let Some((group, rule)) = all.find(|(_, rule)| rule.id == id) else { return format!("rule {id}") };
        format!(
            "rule {id} of group {} ({})",
            called(&group.name, group.id),
            super::rule::text(rule, &self.all.security_groups, self.address_groups)
        )
    }

    fn groups(&self, port: &Port) -> String {
        let name = |id| {
            let group = self.all.security_groups.iter().find(|group| group.id == id);
            called(group.map_or("", |group| &group.name), id)
        };
        let names: Vec<String> = port.security_groups.iter().map(|id| name(*id)).collect();
        format!("{} {}", if names.len() == 1 { "group" } else { "groups" }, names.join(", "))
    }

    /// A port's container, or what else tells people which it is.
    pub fn who(&self, port: &Port) -> String {
        if let Some(name) = self.names.get(&port.id) {
            return name.clone();
        }
        if port.device_owner.starts_with(crate::status::collect::ROUTER_INTERFACE) {
            return "the router".to_owned();
        }
        port.fixed_ips.first().map_or_else(|| port.id.to_string(), |fixed| fixed.ip_address.to_string())
    }
}

/// A router's port takes and gives what it is given: not worth a line.
fn is_silent(port: &Port, decision: &Decision) -> bool {
    decision.passes && port.device_owner.starts_with(OF_THE_CLOUD)
}

impl Judgement {
    /// Nothing is known yet that keeps it from arriving.
    fn new() -> Self {
        Self { verdict: Verdict::Allowed, reason: String::new(), steps: Vec::new(), remedies: Vec::new() }
    }

    /// It stays within the container.
    pub fn within(address: IpAddr) -> Self {
        let mut told = Self::new();
        told.reason = format!("{address} is the container's own: such packets do not leave it");
        told.step(told.reason.clone());
        told
    }

    /// It arrives: the last rule that let it is the reason.
    fn conclude(&mut self) {
        let last = self.steps.iter().rev().find(|step| step.rule.is_some());
        self.reason = last.map_or_else(|| "no rule stands in its way".to_owned(), |step| step.text.clone());
    }

    /// It finds no way from the first.
    pub fn nowhere(reason: String, remedy: String) -> Self {
        Self::new().no_way(reason, Some(remedy))
    }

    fn step(&mut self, text: String) {
        self.steps.push(Decided { text, passes: true, rule: None, place: None });
    }

    fn no_way(mut self, reason: String, remedy: Option<String>) -> Self {
        self.steps.push(Decided { text: reason.clone(), passes: false, rule: None, place: None });
        self.remedies.extend(remedy);
        Self { verdict: Verdict::NoWay, reason, ..self }
    }
}

#[cfg(test)]
mod tests;
