//! Whether the kernel can do what Kuryr asks of it: tried out, in a namespace that ends with the attempt.

use super::finding::Finding;
use kuryr_cloud::dataplane::compile;
use kuryr_config::{BindingDriver, Settings};
use kuryr_netlink::{
    BridgeSpec, Links, Namespace, PeerSpec, Stacked, StackedSpec, VethSpec, conntrack,
    nftables::{Base, Chain, ChainKind, Delta, Expression, Family, Hook, Rule, Session, Shape, Table, Verdict},
    sysctl,
};
use std::{path::Path, process::Command};

/// Package of the modules that a small kernel may lack.
const MODULES: &str = "install the modules of the running kernel (Debian: linux-image-$(uname -r)), then sudo modprobe";
const MTU: u32 = 1400;

/// All of them, as far as this process may.
pub fn checks(settings: &Settings) -> Vec<Finding> {
    let namespace = match Namespace::anonymous() {
        Ok(namespace) => namespace,
        Err(error) if error.is_permission() => {
            return vec![Finding::unseen("kernel", "making a network namespace takes CAP_SYS_ADMIN")];
        }
        Err(error) => {
            let remedy = "use a kernel with CONFIG_NET_NS, or let this container make namespaces (--privileged)";
            return vec![Finding::failure("kernel: namespaces", error.to_string(), remedy)];
        }
    };
    let mut findings = vec![tell("kernel: veth", "veth", veth(&namespace))];
    match settings.binding.driver {
        BindingDriver::Veth => {}
        BindingDriver::Macvlan => {
            findings.push(tell("kernel: macvlan", "macvlan", stacked(&namespace, Stacked::Macvlan)))
        }
        BindingDriver::Ipvlan => findings.push(tell("kernel: ipvlan", "ipvlan", stacked(&namespace, Stacked::Ipvlan))),
        BindingDriver::Vlan => findings.push(tell("kernel: vlan", "8021q", stacked(&namespace, Stacked::Vlan(1)))),
    }
    if settings.cloud.is_none() {
        findings.push(bridge_netfilter());
        findings.push(tell("kernel: bridge", "bridge", bridge(&namespace)));
        findings.push(tell("kernel: nftables", "nf_tables nft_ct nft_limit", rules(&namespace)));
        findings.push(tell("kernel: address translation", "nft_masq nft_nat", translation(&namespace)));
        findings.push(tell("kernel: connection tracking", "nf_conntrack nf_conntrack_netlink", tracking(&namespace)));
    }
    findings
}

fn tell(check: &'static str, modules: &str, tried: Result<(), String>) -> Finding {
    match tried {
        Ok(()) => Finding::fine(check, "works (tried in a namespace of its own)"),
        Err(error) => Finding::failure(check, error, format!("{MODULES} --all {modules}")),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn veth(namespace: &Namespace) -> Result<(), String> {
    let mut links = Links::open_in(namespace).map_err(text)?;
    let peer = PeerSpec { name: "there", mtu: MTU, ..PeerSpec::default() };
    links.create_veth(&VethSpec { name: "here", mtu: MTU, peer, ..VethSpec::default() }).map_err(text)
}

fn stacked(namespace: &Namespace, kind: Stacked) -> Result<(), String> {
    let mut links = Links::open_in(namespace).map_err(text)?;
    let parent = links.get("here").map_err(text)?.ok_or("no interface to put it on")?.index;
    links.create_stacked(&StackedSpec { name: "upon", parent, kind, mtu: None, mac: None }).map_err(text)
}

fn bridge(namespace: &Namespace) -> Result<(), String> {
    let mut links = Links::open_in(namespace).map_err(text)?;
    let calls = Path::new("/proc/sys/net/bridge").exists();
    let spec = BridgeSpec {
        name: "bridge",
        mtu: MTU,
        nf_call_iptables: calls,
        nf_call_ip6tables: calls,
        ..BridgeSpec::default()
    };
    links.create_bridge(&spec).map_err(text)
}

/// The very tables that the embedded cloud installs, and a limit as QoS policies have.
fn rules(namespace: &Namespace) -> Result<(), String> {
    let mut bridge = compile::bridge_base();
    let limit = [Expression::Faster { rate: 1, burst: 0 }, Expression::Verdict(Verdict::Drop)];
    bridge.chains.insert("limit".to_owned(), Chain { base: None, rules: vec![Rule::new(limit, "")] });
    commit(namespace, &[(Family::Bridge, bridge), (Family::Inet, compile::inet_base())])
}

fn translation(namespace: &Namespace) -> Result<(), String> {
    let base = Some(Base { kind: ChainKind::Nat, hook: Hook::Postrouting, priority: 100 });
    let chain = Chain { base, rules: vec![Rule::new([Expression::Masquerade], "")] };
    let table = Table { chains: [("source".to_owned(), chain)].into(), ..Table::default() };
    commit(namespace, &[(Family::Ipv4, table.clone()), (Family::Ipv6, table)])
}

fn commit(namespace: &Namespace, tables: &[(Family, Table)]) -> Result<(), String> {
    let deltas: Vec<Delta> = tables
        .iter()
        .map(|(family, table)| {
            let mut delta = Delta::new(*family, "kuryr-check");
            delta.create_table();
            delta.replace(&Shape::default(), table);
            delta
        })
        .collect();
    Session::open_in(namespace).map_err(text)?.commit(&deltas, None).map_err(text)
}

/// After the rules, which need it: its settings are there only then.
fn tracking(namespace: &Namespace) -> Result<(), String> {
    sysctl::write(namespace, "net.netfilter.nf_conntrack_tcp_loose", "0").map_err(text)?;
    conntrack::entries(namespace, None).map(drop).map_err(text)
}

/// The one module that does not load by itself. Kuryr loads it; whether it could is asked of modprobe, which does not.
fn bridge_netfilter() -> Finding {
    const CHECK: &str = "kernel: br_netfilter";
    if Path::new("/proc/sys/net/bridge").exists() {
        return Finding::fine(CHECK, "is loaded");
    }
    let output = Command::new("modprobe").args(["--dry-run", "br_netfilter"]).output();
    let remedy = format!("{MODULES} br_netfilter");
    match output {
        Ok(output) if output.status.success() => Finding::fine(CHECK, "is there; Kuryr loads it at its start"),
        Ok(output) => Finding::failure(CHECK, String::from_utf8_lossy(&output.stderr).trim(), remedy),
        Err(error) => Finding::failure(CHECK, format!("is not loaded, and modprobe cannot be run: {error}"), remedy),
    }
}
