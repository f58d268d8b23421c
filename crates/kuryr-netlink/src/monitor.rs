//! Events of links, as they happen.

use crate::{
    error::{Cause, During, Error},
    link::{Link, RTM_DELLINK, RTM_NEWLINK},
    message::Messages,
    namespace::Namespace,
    socket::Socket,
};
use std::collections::VecDeque;
use tokio::io::{Interest, unix::AsyncFd};

const RTNLGRP_LINK: u32 = 1;
/// Room for some ten thousand events while the reader is busy.
const RECEIVE_BUFFER: usize = 8 << 20;

/// What happened to a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// It appeared, or changed.
    Added(Link),
    /// It went, or moved to another namespace.
    Removed {
        /// Its index.
        index: u32,
        /// Its last name.
        name: String,
    },
    /// Events were lost: read the list of links again.
    Resync,
}

/// Listens to the links of a namespace.
#[derive(Debug)]
pub struct LinkMonitor {
    socket: AsyncFd<Socket>,
    pending: VecDeque<LinkEvent>,
}

impl LinkMonitor {
    /// Starts to listen; must be called within a tokio runtime. Events from before are not seen: list the links after
    /// this call.
    pub fn open_in(namespace: &Namespace) -> Result<Self, Error> {
        Self::with_buffer(namespace, RECEIVE_BUFFER)
    }

    fn with_buffer(namespace: &Namespace, bytes: usize) -> Result<Self, Error> {
        let mut socket = Socket::open_in(namespace, libc::NETLINK_ROUTE)?;
        socket.set_receive_buffer(bytes)?;
        socket.set_nonblocking()?;
        socket.join(RTNLGRP_LINK)?;
        // SAFETY: the socket owns its descriptor, always returns the same one, and closes it when it is dropped, which
        // `AsyncFd` does after it has deregistered it.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
        let socket = socket.map_err(std::io::Error::from).during("monitor links", "")?;
        Ok(Self { socket, pending: VecDeque::new() })
    }

    /// Waits for the next event. Safe to cancel.
    pub async fn next(&mut self) -> Result<LinkEvent, Error> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(event);
            }
            let mut ready = self.socket.readable_mut().await.during("monitor links", "")?;
            match ready.get_inner_mut().receive(false) {
                Ok(Some(datagram)) => self.pending.extend(events(&datagram)),
                Ok(None) => ready.clear_ready(),
                Err(Cause::Overrun) => return Ok(LinkEvent::Resync),
                Err(cause) => return Err(cause.during("monitor links", "")),
            }
        }
    }
}

pub(crate) fn events(datagram: &[u8]) -> impl Iterator<Item = LinkEvent> {
    Messages::new(datagram).filter_map(|message| match message.kind {
        RTM_NEWLINK => Link::parse(message.payload).map(LinkEvent::Added),
        RTM_DELLINK => {
            Link::parse(message.payload).map(|link| LinkEvent::Removed { index: link.index, name: link.name })
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BridgeSpec, LinkChange, Links, PeerSpec, VethSpec};
    use proptest::prelude::*;
    use std::time::Duration;

    async fn next(monitor: &mut LinkMonitor) -> LinkEvent {
        tokio::time::timeout(Duration::from_secs(60), monitor.next()).await.expect("an event").unwrap()
    }

    async fn wait_for(monitor: &mut LinkMonitor, wanted: impl Fn(&LinkEvent) -> bool) -> LinkEvent {
        loop {
            let event = next(monitor).await;
            if wanted(&event) {
                return event;
            }
        }
    }

    fn bridge(name: &str) -> BridgeSpec<'_> {
        BridgeSpec { name, mtu: 1500, ..BridgeSpec::default() }
    }

    #[tokio::test]
    async fn links_are_heard_coming_changing_leaving_a_bridge_and_going() {
        let namespace = Namespace::anonymous().unwrap();
        let mut monitor = LinkMonitor::open_in(&namespace).unwrap();
        let mut links = Links::open_in(&namespace).unwrap();
        links.create_bridge(&bridge("br0")).unwrap();
        let added = wait_for(&mut monitor, |event| matches!(event, LinkEvent::Added(link) if link.name == "br0")).await;
        let LinkEvent::Added(br0) = added else { unreachable!() };

        let peer = PeerSpec { name: "peer", mtu: 1500, ..PeerSpec::default() };
        let spec = VethSpec { name: "tap", mtu: 1500, controller: Some(br0.index), peer, ..VethSpec::default() };
        links.create_veth(&spec).unwrap();
        wait_for(
            &mut monitor,
            |event| matches!(event, LinkEvent::Added(link) if link.name == "tap" && link.controller == Some(br0.index)),
        )
        .await;

        // Leaving the bridge sends RTM_DELLINK of family AF_BRIDGE, which is no removal.
        let tap = links.get("tap").unwrap().unwrap();
        links.set(tap.index, &LinkChange { controller: Some(None), ..LinkChange::default() }).unwrap();
        links.set(tap.index, &LinkChange { mtu: Some(1400), ..LinkChange::default() }).unwrap();
        let changed = wait_for(&mut monitor, |event| match event {
            LinkEvent::Added(link) => link.name == "tap" && link.mtu == 1400,
            other => panic!("{other:?}"),
        })
        .await;
        assert!(matches!(changed, LinkEvent::Added(link) if link.controller.is_none()));

        links.delete(tap.index).unwrap();
        let gone = LinkEvent::Removed { index: tap.index, name: "tap".to_owned() };
        wait_for(&mut monitor, |event| *event == gone).await;
    }

    #[tokio::test]
    async fn lost_events_ask_for_a_resync_and_later_ones_are_heard() {
        let namespace = Namespace::anonymous().unwrap();
        let mut monitor = LinkMonitor::with_buffer(&namespace, 16 << 10).unwrap();
        let mut links = Links::open_in(&namespace).unwrap();
        for n in 0..50 {
            links.create_bridge(&bridge(&format!("br{n}"))).unwrap();
        }
        wait_for(&mut monitor, |event| *event == LinkEvent::Resync).await;
        // What was queued before the loss is still there; it is read first.
        while let Ok(event) = tokio::time::timeout(Duration::ZERO, monitor.next()).await {
            event.unwrap();
        }
        links.delete_by_name("br0").unwrap();
        wait_for(&mut monitor, |event| matches!(event, LinkEvent::Removed { name, .. } if name == "br0")).await;
    }

    proptest! {
        #[test]
        fn any_datagram_gives_events_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(events(&bytes).count() <= bytes.len());
        }
    }
}
