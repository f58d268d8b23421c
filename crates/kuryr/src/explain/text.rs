//! The explanation for people.

use super::{
    report::{PathReport, PortReport, Report, Verdict},
    way::called,
};
use crate::table::clean;
use std::fmt::Write;

/// All of it.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_report(&mut text, report);
    text
}

fn write_report(out: &mut String, report: &Report) -> std::fmt::Result {
    if let Some(container) = &report.container {
        writeln!(out, "Container {} ({})", clean(&container.name), container.id.chars().take(12).collect::<String>())?;
    }
    for port in &report.ports {
        writeln!(out)?;
        write_port(out, port)?;
    }
    for path in &report.paths {
        writeln!(out)?;
        write_path(out, path)?;
    }
    for note in &report.notes {
        writeln!(out, "\nnote: {note}")?;
    }
    Ok(())
}

fn write_port(out: &mut String, port: &PortReport) -> std::fmt::Result {
    let on = port.docker_network.as_ref().map(|name| format!(" on {}", clean(name))).unwrap_or_default();
    writeln!(out, "Port {}{on}: {}", port.id, port.status)?;
    for address in &port.addresses {
        let gateway = address.gateway_ip.map_or_else(|| "no gateway".to_owned(), |ip| format!("gateway {ip}"));
        let cidr = address.cidr.map(|cidr| format!("{cidr}, ")).unwrap_or_default();
        let subnet = called(&address.subnet.name, address.subnet.id);
        writeln!(out, "  address    {} in {cidr}{gateway} (subnet {subnet})", address.address)?;
    }
    writeln!(out, "  MAC        {}", port.mac_address)?;
    for pair in &port.allowed_address_pairs {
        let mac = pair.mac_address.filter(|mac| *mac != port.mac_address);
        let with = mac.map(|mac| format!(" with MAC {mac}")).unwrap_or_default();
        writeln!(out, "  may use    {}{with}", pair.ip_address.net())?;
    }
    writeln!(out, "  network    {}, MTU {}", called(&port.network.name, port.network.id), port.mtu)?;
    let host = if port.host.is_empty() { "no host" } else { &port.host };
    let vif_type = if port.vif_type.is_empty() { "-" } else { &port.vif_type };
    match &port.kernel {
        Some(wire) => {
            let bridge = wire.bridge.as_deref().map(|name| format!(" in {name}")).unwrap_or_default();
            let state = if wire.up { "up" } else { "DOWN" };
            writeln!(out, "  binding    {} on {}: {}{bridge}, {state}", clean(vif_type), clean(host), port.interface)?;
            let packets = |n: u64, bytes: u64| format!("{n} packet{} ({bytes} bytes)", plural(n));
            writeln!(
                out,
                "  traffic    sent {}, received {}",
                packets(wire.sent_packets, wire.sent_bytes),
                packets(wire.received_packets, wire.received_bytes)
            )?;
            let dropped = || wire.dropped.iter().filter(|dropped| dropped.packets > 0);
            for dropped in dropped() {
                writeln!(
                    out,
                    "  dropped    {} packet{}: {}",
                    dropped.packets,
                    plural(dropped.packets),
                    dropped.reason
                )?;
            }
            if wire.in_force.is_some() && dropped().next().is_none() {
                writeln!(out, "  dropped    nothing")?;
            }
        }
        None => writeln!(out, "  binding    {} on {}", clean(vif_type), clean(host))?,
    }
    if !port.port_security_enabled {
        writeln!(out, "  security   off: everything passes, from any address")?;
    } else if port.security_groups.is_empty() {
        writeln!(out, "  security   in no group: nothing passes but answers")?;
    }
    for group in &port.security_groups {
        writeln!(out, "  group      {} ({})", called(&group.name, group.id), group.id)?;
        for rule in &group.rules {
            let counted = rule.packets.map(|n| format!("   {n} packet{}", plural(n))).unwrap_or_default();
            writeln!(out, "    {}{counted}", rule.text)?;
        }
    }
    for problem in &port.problems {
        writeln!(out, "  ✗ {}\n      {}", problem.problem, problem.remedy)?;
    }
    Ok(())
}

fn write_path(out: &mut String, path: &PathReport) -> std::fmt::Result {
    let verdict = match path.verdict {
        Verdict::Allowed => "✓ allowed",
        Verdict::Dropped => "✗ dropped",
        Verdict::NoWay => "✗ no way",
    };
    let port = path.port.map(|port| format!(" {port}")).unwrap_or_default();
    writeln!(out, "{} → {}, {}{port}: {verdict}", clean(&path.from), clean(&path.to), path.protocol)?;
    for step in &path.steps {
        let mark = if step.passes { ' ' } else { '✗' };
        let counted = step.packets.map(|n| format!("   {n} packet{} so far", plural(n))).unwrap_or_default();
        writeln!(out, "{mark} {}{counted}", clean(&step.text))?;
    }
    if let Some(open) = path.open_connections.filter(|open| *open > 0) {
        writeln!(out, "  {open} such connection{} known now", if open == 1 { " is" } else { "s are" })?;
    }
    for remedy in &path.remedies {
        writeln!(out, "    {remedy}")?;
    }
    Ok(())
}

fn plural(n: u64) -> &'static str {
    if n == 1 { "" } else { "s" }
}
