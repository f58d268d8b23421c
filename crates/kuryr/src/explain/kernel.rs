//! What this machine's kernel has of a port: its interface, and the embedded cloud's rules with their counters.

use kuryr_cloud::dataplane::{
    InForce, Layout, Rulebook,
    compile::{self, evaluate::RulePlace},
};
use kuryr_netlink::{
    Links, Namespace, Traffic,
    conntrack::{self, Flow},
};
use kuryr_neutron::Port;
use serde::Serialize;

/// Where this machine keeps ports' interfaces, as far as this process may look.
pub struct Kernel {
    /// The namespace of the embedded cloud's bridges.
    cloud: Option<Namespace>,
    /// What could not be seen, and why.
    pub notes: Vec<String>,
}

/// The host's end of a port's interface.
#[derive(Debug, Serialize)]
pub struct Wire {
    pub bridge: Option<String>,
    pub up: bool,
    pub mtu: u32,
    pub sent_packets: u64,
    pub sent_bytes: u64,
    pub received_packets: u64,
    pub received_bytes: u64,
    /// Empty where another cloud enforces the rules.
    pub dropped: Vec<Dropped>,
    /// The rules are the embedded cloud's.
    #[serde(skip)]
    pub in_force: Option<InForce>,
}

/// Packets that a rule dropped.
#[derive(Debug, Serialize)]
pub struct Dropped {
    pub reason: String,
    pub packets: u64,
}

impl Kernel {
    /// Opens what is there.
    pub fn open() -> Self {
        let mut notes = Vec::new();
        let layout = Layout::of_this_host();
        let path = layout.as_ref().map(|layout| layout.namespace.as_path());
        let cloud = path.ok().filter(|path| path.exists()).and_then(|path| {
            let opened = Namespace::open(path).and_then(|namespace| namespace.run(|| ()).map(|()| namespace));
            let unseen = |error: &kuryr_netlink::Error| {
                notes.push(format!("the kernel's rules and counters are not shown ({error}); run as root"));
            };
            opened.inspect_err(unseen).ok()
        });
        Self { cloud, notes }
    }

    /// The host's end of a port's interface, if it is here.
    pub fn wire(&self, port: &Port, rulebook: &Rulebook) -> Option<Wire> {
        let tap = port.id.tap_name();
        let guarded = self.cloud.as_ref().and_then(|namespace| {
            let mut wire = Wire::read(&mut Links::open_in(namespace).ok()?, &tap)?;
            wire.in_force = self.in_force(rulebook, &tap);
            wire.dropped = wire.in_force.as_ref().map(|rules| dropped(rules, &tap)).unwrap_or_default();
            Some(wire)
        });
        guarded.or_else(|| Wire::read(&mut Links::open().ok()?, &tap))
    }

    /// The embedded cloud's rules of an interface; nothing where there are none.
    pub fn in_force(&self, rulebook: &Rulebook, interface: &str) -> Option<InForce> {
        rulebook.in_force(self.cloud.as_ref()?, interface).ok()
    }

    /// The connections that the embedded cloud knows.
    pub fn connections(&self) -> Option<Vec<Flow>> {
        conntrack::entries(self.cloud.as_ref()?, None).ok()
    }
}

impl Wire {
    fn read(links: &mut Links, tap: &str) -> Option<Self> {
        let link = links.get(tap).ok()??;
        let Traffic { received_packets, received_bytes, sent_packets, sent_bytes, .. } = links.traffic(tap).ok()??;
        let bridge = link.controller.and_then(|index| links.by_index(index).ok()?).map(|bridge| bridge.name);
        // What the host's end received is what the container sent.
        Some(Self {
            bridge,
            up: link.up && link.carrier,
            mtu: link.mtu,
            sent_packets: received_packets,
            sent_bytes: received_bytes,
            received_packets: sent_packets,
            received_bytes: sent_bytes,
            dropped: Vec::new(),
            in_force: None,
        })
    }
}

/// What the port's own chains dropped. Chains that all ports share count for all, and say nothing of this one.
fn dropped(rules: &InForce, tap: &str) -> Vec<Dropped> {
    let own = |place: &RulePlace| place.chain.ends_with(tap);
    let mut all: Vec<Dropped> = Vec::new();
    for (place, count) in rules.counts.iter().filter(|(place, _)| own(place)) {
        let reason = reason(place);
        match all.iter_mut().find(|known| known.reason == reason) {
            Some(known) => known.packets += count.packets,
            None => all.push(Dropped { reason, packets: count.packets }),
        }
    }
    all
}

/// Why a rule of a port's chain drops.
fn reason(place: &RulePlace) -> String {
    match (place.comment.as_str(), place.chain.starts_with("ingress")) {
        (compile::NOT_ALLOWED, true) => "no rule lets them in".to_owned(),
        (compile::NOT_ALLOWED, false) => "no rule lets them out".to_owned(),
        (compile::NOT_ITS_ADDRESS, _) => "sent from addresses that are not the port's".to_owned(),
        (compile::DOWN, _) => "administratively down".to_owned(),
        (other, _) => other.to_owned(),
    }
}
