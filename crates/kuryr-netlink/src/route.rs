//! Routes of the main table.

use crate::{
    error::{During, Error},
    link::{
        Links,
        address::{family, octets, read_ip},
    },
    message::{Attributes, Message, Received, read_u32},
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rustix::io::Errno;
use std::net::IpAddr;

const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_CREATE: u16 = 0x400;
const RTMSG_LEN: usize = 12;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_TABLE: u16 = 15;
const RTA_MULTIPATH: u16 = 9;
const RTN_UNICAST: u8 = 1;
const RTPROT_STATIC: u8 = 4;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
const RT_SCOPE_NOWHERE: u8 = 255;
const RTM_F_CLONED: u32 = 0x200;
const MAIN_TABLE: u8 = 254;

/// A unicast route of the main table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route {
    /// Where to; `0.0.0.0/0` or `::/0` is the default route.
    pub destination: IpNet,
    /// By which router; absent: directly on the link.
    pub gateway: Option<IpAddr>,
    /// Out of which link. At least one of gateway and link is given.
    pub index: Option<u32>,
}

impl Links {
    /// The unicast routes of the main table, both families. Routes of several next hops are left out.
    pub fn routes(&mut self) -> Result<Vec<Route>, Error> {
        let mut routes = Vec::new();
        for family in [libc::AF_INET, libc::AF_INET6] {
            let header = rtmsg(family.to_le_bytes()[0], 0, 0, 0);
            let message = Message::new(RTM_GETROUTE, 0).fixed(&header).u32(RTA_TABLE, MAIN_TABLE.into());
            match self.socket.dump(&message, read_route) {
                Ok(list) => routes.extend(list),
                // The table is not there before its first route.
                Err(cause) if cause.errno() == Some(Errno::NOENT) => {}
                Err(cause) => return Err(cause.during("list routes", "")),
            }
        }
        Ok(routes)
    }

    /// Adds a route, or replaces the one with the same destination.
    pub fn replace_route(&mut self, route: &Route) -> Result<(), Error> {
        let scope = if route.gateway.is_some() || route.destination.addr().is_ipv6() {
            RT_SCOPE_UNIVERSE
        } else {
            RT_SCOPE_LINK
        };
        let message = of_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route, scope);
        self.socket.request(message).during("replace route", &route.to_string())
    }

    /// Deletes a route. One that is not there counts as deleted.
    pub fn delete_route(&mut self, route: &Route) -> Result<(), Error> {
        match self.socket.request(of_route(RTM_DELROUTE, 0, route, RT_SCOPE_NOWHERE)) {
            Err(cause) if cause.errno() == Some(Errno::SRCH) => Ok(()),
            done => done.during("delete route", &route.to_string()),
        }
    }
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.destination)?;
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(index) = self.index {
            write!(f, " out of link {index}")?;
        }
        Ok(())
    }
}

fn of_route(kind: u16, flags: u16, route: &Route, scope: u8) -> Message {
    let destination = route.destination.trunc();
    let (protocol, route_type) = if kind == RTM_DELROUTE { (0, 0) } else { (RTPROT_STATIC, RTN_UNICAST) };
    let mut header = rtmsg(family(destination.addr()), destination.prefix_len(), protocol, scope);
    header[4] = MAIN_TABLE;
    header[7] = route_type;
    let mut message = Message::new(kind, flags).fixed(&header);
    if destination.prefix_len() > 0 {
        message = message.bytes(RTA_DST, &octets(destination.addr()));
    }
    if let Some(gateway) = route.gateway {
        message = message.bytes(RTA_GATEWAY, &octets(gateway));
    }
    if let Some(index) = route.index {
        message = message.u32(RTA_OIF, index);
    }
    message
}

/// `struct rtmsg` of `linux/rtnetlink.h`: family, lengths, tos, table, protocol, scope, type, flags.
fn rtmsg(family: u8, prefix: u8, protocol: u8, scope: u8) -> [u8; RTMSG_LEN] {
    [family, prefix, 0, 0, 0, protocol, scope, 0, 0, 0, 0, 0]
}

pub(crate) fn read_route(message: Received<'_>) -> Option<Route> {
    let header = message.payload.get(..RTMSG_LEN)?;
    let attributes = message.payload.get(RTMSG_LEN..)?;
    let table = Attributes::find(attributes, RTA_TABLE).and_then(|v| read_u32(v, 0));
    let unicast = message.kind == RTM_NEWROUTE && header[7] == RTN_UNICAST;
    let cached = read_u32(header, 8)? & RTM_F_CLONED != 0;
    if !unicast || cached || table.unwrap_or(header[4].into()) != u32::from(MAIN_TABLE) {
        return None;
    }
    if Attributes::find(attributes, RTA_MULTIPATH).is_some() {
        return None;
    }
    let destination = match Attributes::find(attributes, RTA_DST) {
        Some(bytes) => IpNet::new(read_ip(bytes)?, header[1]).ok()?,
        None if i32::from(header[0]) == libc::AF_INET => Ipv4Net::default().into(),
        None => Ipv6Net::default().into(),
    };
    Some(Route {
        destination,
        gateway: Attributes::find(attributes, RTA_GATEWAY).and_then(read_ip),
        index: Attributes::find(attributes, RTA_OIF).and_then(|v| read_u32(v, 0)),
    })
}
