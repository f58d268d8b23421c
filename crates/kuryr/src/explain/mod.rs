//! `kuryr explain`: a container's port, and why its packets are allowed or dropped.

mod judge;
mod kernel;
mod report;
mod rule;
mod sandbox;
mod service;
mod subject;
mod text;
mod way;

pub use service::Service;

use crate::{
    cli::Explain,
    configuration::Given,
    failure::Failure,
    output, process,
    status::{collect, collect::Everything, connection::Connection, report::Named},
};
use anyhow::Context;
use judge::{Judge, Judgement, Question};
use kernel::Kernel;
use kuryr_cloud::dataplane::Rulebook;
use kuryr_netlink::conntrack::{Flow, FlowKey};
use kuryr_neutron::{AddressGroup, FloatingIp, Port};
use kuryr_openstack::Query;
use report::{
    AddressReport, ContainerReport, GroupReport, PathReport, PortReport, ProblemReport, Report, RuleReport, Step,
    Verdict,
};
use std::net::IpAddr;
use subject::{Mine, Subject};

/// Tells it as text or as JSON.
pub fn run(explain: &Explain, given: Given) -> Result<(), Failure> {
    let settings = given.with_place(&explain.place).settings()?;
    let connection = Connection::to(&settings)?;
    let (all, subject, floating_ips, address_groups) = process::runtime()?.block_on(async {
        let all = collect::everything(&connection.neutron);
        let all = all.await.with_context(|| format!("cannot ask {}", connection.source))?;
        let subject = Subject::find(&explain.subject, &settings.docker.docker_socket, &all).await?;
        // A cloud without them does not know the path.
        let floating_ips = connection.neutron.list::<FloatingIp>(&Query::new()).await.unwrap_or_default();
        let address_groups = connection.neutron.list::<AddressGroup>(&Query::new()).await.unwrap_or_default();
        anyhow::Ok((all, subject, floating_ips, address_groups))
    })?;
    let rulebook = Rulebook::new(&all.networks, &all.ports, &all.security_groups, &address_groups);
    let judge = Judge {
        all: &all,
        rulebook: &rulebook,
        names: &subject.names,
        floating_ips: &floating_ips,
        address_groups: &address_groups,
    };
    let mut kernel = Kernel::open();
    kernel.notes.extend(subject.notes.iter().cloned());
    let explained = Explained { all: &all, subject: &subject, judge, kernel };
    let report = explained.report(explain.address.zip(explain.service.as_ref()));
    let text = if explain.json {
        format!("{}\n", serde_json::to_string_pretty(&report).context("cannot write JSON")?)
    } else {
        text::render(&report)
    };
    output::write(text.as_bytes())?;
    match report.paths.first() {
        Some(path) if path.verdict != Verdict::Allowed => Err(Failure::OutOfStep),
        _ => Ok(()),
    }
}

struct Explained<'a> {
    all: &'a Everything,
    subject: &'a Subject,
    judge: Judge<'a>,
    kernel: Kernel,
}

impl Explained<'_> {
    fn report(&self, asked: Option<(IpAddr, &Service)>) -> Report {
        let ports: Vec<PortReport> = self.subject.ports.iter().map(|mine| self.port(mine)).collect();
        let mut notes = self.kernel.notes.clone();
        if ports.iter().any(|port| port.kernel.as_ref().is_some_and(|wire| wire.in_force.is_none())) {
            notes.push(
                "another cloud enforces the rules: what they mean is told, what they dropped only it counts".to_owned(),
            );
        }
        let container = self.subject.container.as_ref().map(|container| ContainerReport {
            id: container.id.clone(),
            name: container.name.clone(),
            running: container.pid.is_some(),
        });
        let paths = asked.map(|(address, service)| self.paths(address, service)).unwrap_or_default();
        Report { container, ports, paths, notes }
    }

    fn port(&self, mine: &Mine) -> PortReport {
        let port = &mine.port;
        let network = self.all.networks.iter().find(|network| network.id == port.network_id);
        let mtu = network.map_or(0, |network| network.mtu);
        let kernel = self.kernel.wire(port, self.judge.rulebook);
        let counts = kernel.as_ref().and_then(|wire| wire.in_force.as_ref());
        let counted = |id| {
            let comment = format!("rule {id}");
            let found = counts?.counts.iter().filter(|(place, _)| place.comment == comment);
            found.map(|(_, count)| count.packets).reduce(|a, b| a + b)
        };
        let groups = self.all.security_groups.iter().filter(|group| port.security_groups.contains(&group.id));
        let security_groups = groups.map(|group| {
            let mut rules: Vec<_> = group.security_group_rules.iter().collect();
            rules.sort_by_key(|rule| (rule.direction, rule.id));
            let rules = rules.into_iter().map(|rule| RuleReport {
                id: rule.id,
                direction: rule.direction,
                text: rule::text(rule, &self.all.security_groups, self.judge.address_groups),
                packets: counted(rule.id),
            });
            GroupReport { id: group.id, name: group.name.clone(), rules: rules.collect() }
        });
        let addresses = port.fixed_ips.iter().map(|fixed| {
            let subnet = self.all.subnet_of(port, fixed.ip_address);
            AddressReport {
                address: fixed.ip_address,
                subnet: Named { id: fixed.subnet_id, name: subnet.map(|s| s.name.clone()).unwrap_or_default() },
                cidr: subnet.map(|subnet| subnet.cidr),
                gateway_ip: subnet.and_then(|subnet| subnet.gateway_ip),
            }
        });
        PortReport {
            id: port.id,
            name: port.name.clone(),
            status: port.status,
            admin_state_up: port.admin_state_up,
            mac_address: port.mac_address,
            docker_network: mine.network.clone(),
            network: Named { id: port.network_id, name: network.map(|n| n.name.clone()).unwrap_or_default() },
            mtu,
            addresses: addresses.collect(),
            host: port.binding_host_id.0.clone(),
            vif_type: port.binding_vif_type.clone(),
            interface: port.id.tap_name(),
            port_security_enabled: port.port_security_enabled,
            allowed_address_pairs: port.allowed_address_pairs.clone(),
            security_groups: security_groups.collect(),
            problems: self.problems(port, mtu, kernel.as_ref()),
            kernel,
        }
    }

    fn problems(&self, port: &Port, mtu: u32, wire: Option<&kernel::Wire>) -> Vec<ProblemReport> {
        let mut found = Vec::new();
        if !port.admin_state_up {
            found.push((
                "the port is administratively down".to_owned(),
                format!("openstack port set --enable {}", port.id),
            ));
        }
        if port.binding_vif_type == kuryr_neutron::VIF_TYPE_BINDING_FAILED {
            let remedy =
                "look into the log of the cloud's agent on that host, then start the container anew".to_owned();
            found.push((format!("the cloud could not bind the port on host {}", port.binding_host_id.0), remedy));
        }
        if let Some(wire) = wire {
            if !wire.up {
                let remedy = "start the container anew".to_owned();
                found.push((format!("interface {} is down, or has no other side", port.id.tap_name()), remedy));
            }
            if let Some(rules) = wire.in_force.as_ref().filter(|rules| !rules.differs.is_empty()) {
                let chains: Vec<&str> = rules.differs.iter().map(String::as_str).collect();
                let text = format!("the kernel's rules are not what Neutron has: {}", chains.join(", "));
                found.push((text, "see that Kuryr runs, which puts them right: systemctl status kuryr".to_owned()));
            }
        }
        if let Some(sandbox) = &self.subject.sandbox {
            found.extend(sandbox.problems(port, mtu));
        }
        found.into_iter().map(|(problem, remedy)| ProblemReport { problem, remedy }).collect()
    }

    /// There, and if somebody of the cloud is there, back.
    fn paths(&self, address: IpAddr, service: &Service) -> Vec<PathReport> {
        let name = self.subject.name();
        let mut own = self.subject.ports.iter().flat_map(|mine| &mine.port.fixed_ips);
        if address.is_loopback() || own.any(|fixed| fixed.ip_address == address) {
            return vec![self.path(name, address.to_string(), None, service, Judgement::within(address))];
        }
        let (port, source) = match self.subject.sender(self.all, address) {
            Ok(found) => found,
            Err((reason, remedy)) => {
                let judgement = Judgement::nowhere(reason, remedy);
                return vec![self.path(name, address.to_string(), None, service, judgement)];
            }
        };
        let question = Question { from: port, source, destination: address, service };
        let there =
            self.path(name.clone(), address.to_string(), Some((source, address)), service, self.judge.judge(question));
        let mut paths = vec![there];
        let back = |from| Question { from, source: address, destination: source, service };
        let judgement = match self.all.other_end(port, source, address) {
            Some(other) => Some(self.judge.judge(back(other))),
            None => self.judge.judge_outside(back(port), port),
        };
        if let Some(judgement) = judgement {
            paths.push(self.path(address.to_string(), name, Some((address, source)), service, judgement));
        }
        paths
    }

    fn path(
        &self,
        from: String,
        to: String,
        ends: Option<(IpAddr, IpAddr)>,
        service: &Service,
        judgement: Judgement,
    ) -> PathReport {
        let steps = judgement.steps.into_iter().map(|step| {
            let counts = step.place.as_ref().and_then(|(interface, place)| {
                self.kernel.in_force(self.judge.rulebook, interface)?.counts.get(place).copied()
            });
            Step { text: step.text, passes: step.passes, rule: step.rule, packets: counts.map(|count| count.packets) }
        });
        let is_this = |flow: &&Flow| {
            let port = match flow.key {
                FlowKey::Ports { destination, .. } => Some(destination),
                FlowKey::Icmp { .. } | FlowKey::None => None,
            };
            ends == Some((flow.source, flow.destination))
                && flow.protocol == service.number(flow.destination.is_ipv6())
                && (service.port.is_none() || service.port == port)
        };
        let known = ends.and_then(|_| self.kernel.connections());
        PathReport {
            from,
            to,
            protocol: service.protocol.to_string(),
            port: service.port,
            verdict: judgement.verdict,
            reason: judgement.reason,
            steps: steps.collect(),
            remedies: judgement.remedies,
            open_connections: known.map(|flows| flows.iter().filter(is_this).count()),
        }
    }
}
