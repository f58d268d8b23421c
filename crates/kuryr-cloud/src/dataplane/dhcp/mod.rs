//! DHCP (RFC 2131) for ports that no one configures, such as a virtual machine's.
//!
//! What a client sends to all reaches its network's bridge itself, where one socket hears all networks; what it sends to
//! its server alone a rule sends to all as well ([`super::compile`]). The answer goes out of the interface of the port whose
//! Ethernet address asked, whoever pretended to have that: nobody can ask for another, and on networks with
//! the same addresses each port gets its own network's. Which bridge it is its alias tells, so nothing has to be
//! kept for this, and a container's start does not know of it.

mod answer;
pub(super) mod frame;
mod lease;

pub use answer::Request;
pub use lease::Lease;

use crate::engine::Engine;
use kuryr_netlink::{Datagrams, Error, Links, Namespace};
use kuryr_neutron::MacAddr;
use std::time::Duration;

/// Room for a frame with the longest message that clients send.
const LONGEST: usize = 2048;
/// After a failure the server rests.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A server for all networks of a bridges' namespace.
#[derive(Debug)]
pub(super) struct Server {
    datagrams: Datagrams,
    desk: Option<Desk>,
    namespace: Namespace,
    engine: Engine,
}

impl Server {
    /// Without the right to it nobody is answered: that is no reason to do without networks.
    pub(super) fn open(engine: Engine, namespace: &Namespace) -> Option<Self> {
        let open = || {
            let namespace = namespace.try_clone()?;
            Ok(Self { datagrams: Datagrams::open_in(&namespace, answer::SERVER)?, desk: None, namespace, engine })
        };
        let opened: Result<Self, Error> = open();
        let advice = "give Kuryr CAP_NET_RAW, or virtual machines have to be told their addresses another way";
        opened.inspect_err(|error| tracing::warn!(%error, advice, "DHCP will not be answered")).ok()
    }

    /// Answers until it is dropped.
    pub(super) async fn run(mut self) {
        let mut buffer = [0; LONGEST];
        loop {
            let answered = match self.datagrams.next(&mut buffer).await {
                Ok((bridge, length)) => match Request::read(&buffer[..length]) {
                    Some(request) => self.answer(bridge, request).await,
                    None => Ok(()),
                },
                Err(error) => Err(error),
            };
            if let Err(error) = answered {
                tracing::warn!(%error, "DHCP was not answered");
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }

    async fn answer(&mut self, bridge: u32, request: Request) -> Result<(), Error> {
        let desk = match self.desk.take() {
            Some(desk) => desk,
            None => Desk { engine: self.engine.clone(), links: Links::open_in(&self.namespace)? },
        };
        let work = tokio::task::spawn_blocking(move || desk.answer(bridge, &request));
        // A thread that ended took its desk along; the next request gets another.
        let Ok((desk, answer)) = work.await else { return Ok(()) };
        self.desk = Some(desk);
        if let Some((interface, frame)) = answer? {
            // An interface that leaves at this moment needs no answer.
            if let Err(error) = self.datagrams.send(interface, &frame) {
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

/// The interface that an answer goes out of, and its frame.
type Answer = Option<(u32, Vec<u8>)>;

impl Desk {
    fn answer(mut self, bridge: u32, request: &Request) -> (Self, Result<Answer, Error>) {
        let answer = self.look_up(bridge, request);
        (self, answer)
    }

    fn look_up(&mut self, bridge: u32, request: &Request) -> Result<Answer, Error> {
        let Some(bridge) = self.links.by_index(bridge)? else { return Ok(None) };
        let network = bridge.alias.as_deref().and_then(|alias| alias.parse().ok());
        let host = &self.engine.options().host;
        let found = self.engine.read(|state| {
            let (port, lease) = Lease::find(state, host, network?, request.mac)?;
            Some((port.id, lease))
        });
        let (Some((port, lease)), Some(mac)) = (found, bridge.mac) else { return Ok(None) };
        if request.declines() {
            tracing::warn!(%port, address = %lease.address.addr(), "another on its network has this port's address, says its client");
        }
        let Some(frame) = request.answer(&lease, MacAddr(mac)) else { return Ok(None) };
        let tap = self.links.get(&port.tap_name())?.filter(|tap| tap.controller == Some(bridge.index));
        tracing::debug!(%port, address = %lease.address.addr(), "DHCP");
        Ok(tap.map(|tap| (tap.index, frame)))
    }
}
