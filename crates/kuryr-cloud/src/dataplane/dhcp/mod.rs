//! DHCP (RFC 2131), DHCPv6 (RFC 8415) and router advertisements (RFC 4861) for ports that no one configures, such as a
//! virtual machine's.
//!
//! What a client asks a rule sends to all ([`super::compile`]), so it reaches its network's bridge itself, where two sockets,
//! one for each IP version, hear all networks. The answer goes out of the interface of the port whose Ethernet address
//! asked, whoever pretended to have that: nobody can ask for another, and on networks with the same addresses each
//! port gets its own network's. Which bridge it is its alias tells, so nothing has to be kept for this, and a container's
//! start does not know of it.

mod advertisement;
mod answer;
mod answer6;
pub(super) mod frame;
mod frame6;
mod lease;
mod lease6;

pub use advertisement::{Advertisement, asks};
pub use answer::Request;
pub use answer6::Request6;
pub use lease::Lease;
pub use lease6::Lease6;

use crate::engine::{Engine, State};
use kuryr_netlink::{Datagrams, Error, Link, Links, Namespace};
use kuryr_neutron::{MacAddr, NetworkId, PortId};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// Room for a frame with the longest message that clients send.
const LONGEST: usize = 2048;
/// After a failure the server rests.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Routers tell of themselves unasked this often: many times while they are believed in.
const ADVERTISED_EVERY: Duration = Duration::from_secs(200);

/// A server for all networks of a bridges' namespace.
#[derive(Debug)]
pub(super) struct Server {
    of_ipv4: Datagrams,
    of_ipv6: Datagrams,
    desk: Option<Desk>,
    namespace: Namespace,
    engine: Engine,
}

/// What there is to do.
#[derive(Debug)]
enum Task {
    /// Answer what was heard at a bridge, of IPv4.
    Answer4(u32, Vec<u8>),
    /// The same of IPv6.
    Answer6(u32, Vec<u8>),
    /// Tell of all routers.
    Advertise,
}

/// Frames by the interfaces that they go out of.
type Frames = Vec<(u32, Vec<u8>)>;

impl Server {
    /// Without the right to it nobody is answered: that is no reason to do without networks.
    pub(super) fn open(engine: Engine, namespace: &Namespace) -> Option<Self> {
        let open = || {
            let of_ipv4 = Datagrams::open4_in(namespace, answer::SERVER)?;
            let of_ipv6 = Datagrams::open6_in(namespace, answer6::SERVER, advertisement::SOLICITATION)?;
            Ok(Self { of_ipv4, of_ipv6, desk: None, namespace: namespace.try_clone()?, engine })
        };
        let opened: Result<Self, Error> = open();
        let advice = "give Kuryr CAP_NET_RAW, or virtual machines have to be told their addresses another way";
        opened.inspect_err(|error| tracing::warn!(%error, advice, "DHCP will not be answered")).ok()
    }

    /// Answers until it is dropped.
    pub(super) async fn run(mut self) {
        let (mut four, mut six) = ([0; LONGEST], [0; LONGEST]);
        let mut advertise = Instant::now() + ADVERTISED_EVERY;
        loop {
            let task = tokio::select! {
                heard = self.of_ipv4.next(&mut four) => heard.map(|(at, length)| Task::Answer4(at, four[..length].to_vec())),
                heard = self.of_ipv6.next(&mut six) => heard.map(|(at, length)| Task::Answer6(at, six[..length].to_vec())),
                () = tokio::time::sleep_until(advertise) => {
                    advertise = Instant::now() + ADVERTISED_EVERY;
                    Ok(Task::Advertise)
                }
            };
            let done = match task {
                Ok(task) => self.work(task).await,
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                tracing::warn!(%error, "DHCP was not answered");
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }

    async fn work(&mut self, task: Task) -> Result<(), Error> {
        let mut desk = match self.desk.take() {
            Some(desk) => desk,
            None => Desk { engine: self.engine.clone(), links: Links::open_in(&self.namespace)? },
        };
        let work = tokio::task::spawn_blocking(move || {
            let frames = desk.work(&task);
            (desk, frames)
        });
        // A thread that ended took its desk along; the next task gets another.
        let Ok((desk, frames)) = work.await else { return Ok(()) };
        self.desk = Some(desk);
        for (interface, frame) in frames? {
            // An interface that leaves at this moment needs no answer.
            if let Err(error) = self.of_ipv4.send(interface, &frame) {
                tracing::debug!(%error, interface, "DHCP was answered to nobody");
            }
        }
        Ok(())
    }
}

/// Who looks up what an answer needs; it may block.
#[derive(Debug)]
struct Desk {
    engine: Engine,
    links: Links,
}

impl Desk {
    fn work(&mut self, task: &Task) -> Result<Frames, Error> {
        match task {
            Task::Answer4(bridge, frame) => {
                let Some(request) = Request::read(frame) else { return Ok(Frames::new()) };
                self.answer(*bridge, request.mac, |state, network, server| {
                    let (port, lease) = Lease::find(state, network, request.mac)?;
                    report(port.id, request.declines());
                    Some((port.id, vec![request.answer(&lease, server)?]))
                })
            }
            Task::Answer6(bridge, frame) => {
                if let Some(mac) = asks(frame) {
                    return self.answer(*bridge, mac, |state, network, _| {
                        let port = lease::served(state, network, mac)?.id;
                        let told = Advertisement::of_network(state, network);
                        Some((port, told.iter().filter_map(Advertisement::frame).collect()))
                    });
                }
                let Some(request) = Request6::read(frame) else { return Ok(Frames::new()) };
                self.answer(*bridge, request.mac, |state, network, server| {
                    let (port, lease) = Lease6::find(state, network, request.mac)?;
                    report(port.id, request.declines());
                    Some((port.id, vec![request.answer(&lease, server)?]))
                })
            }
            Task::Advertise => self.advertise(),
        }
    }

    /// Finds the network of a bridge, has its port answered, by the server's Ethernet address, and finds the port's interface.
    fn answer(
        &mut self,
        bridge: u32,
        mac: MacAddr,
        answer: impl FnOnce(&State, NetworkId, MacAddr) -> Option<(PortId, Vec<Vec<u8>>)>,
    ) -> Result<Frames, Error> {
        let Some(bridge) = self.links.by_index(bridge)? else { return Ok(Frames::new()) };
        let network = bridge.alias.as_deref().and_then(|alias| alias.parse().ok());
        let (Some(network), Some(server)) = (network, bridge.mac.map(MacAddr)) else { return Ok(Frames::new()) };
        let Some((port, frames)) = self.engine.read(|state| answer(state, network, server)) else {
            return Ok(Frames::new());
        };
        let tap = self.links.get(&port.tap_name())?.filter(|tap| tap.controller == Some(bridge.index));
        tracing::debug!(%port, %mac, answers = frames.len(), "asked to be configured");
        Ok(tap.map(|tap| frames.into_iter().map(|frame| (tap.index, frame)).collect()).unwrap_or_default())
    }

    /// What all routers tell all hosts here.
    fn advertise(&mut self) -> Result<Frames, Error> {
        let mut told: Vec<(PortId, Vec<u8>)> = Vec::new();
        self.engine.read(|state| {
            for network in state.networks.keys() {
                let routers = Advertisement::of_network(state, *network);
                let frames: Vec<_> = routers.iter().filter_map(Advertisement::frame).collect();
                let ports = state.ports_of_network(*network).filter(|_| !frames.is_empty());
                for port in ports.filter_map(|port| lease::served(state, *network, port.mac_address)) {
                    told.extend(frames.iter().map(|frame| (port.id, frame.clone())));
                }
            }
        });
        if told.is_empty() {
            return Ok(Frames::new());
        }
        let links: BTreeMap<String, Link> =
            self.links.list()?.into_iter().map(|link| (link.name.clone(), link)).collect();
        let sent = told.into_iter().filter_map(|(port, frame)| {
            let tap = links.get(&port.tap_name()).filter(|tap| tap.controller.is_some() && tap.carrier)?;
            Some((tap.index, frame))
        });
        Ok(sent.collect())
    }
}

fn report(port: PortId, declined: bool) {
    if declined {
        tracing::warn!(%port, "another on its network has this port's address, says its client");
    }
}
