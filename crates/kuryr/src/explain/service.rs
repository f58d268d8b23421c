//! What is asked for at an address: `80`, `53/udp`, `icmp`.

use kuryr_cloud::dataplane::compile::evaluate::Above;
use kuryr_neutron::Protocol;
use std::{fmt, str::FromStr};

/// The source port of connections that are only thought of: any that the kernel might choose.
const SOURCE_PORT: u16 = 50_000;
/// Types of ICMP's and ICMPv6's echo requests and replies.
const ECHO: [(u8, u8); 2] = [(8, 0), (128, 129)];

/// A protocol, and a port where it has such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// As it was written.
    pub protocol: Protocol,
    /// The destination port.
    pub port: Option<u16>,
}

impl Service {
    /// IANA's number with this IP version.
    pub fn number(&self, v6: bool) -> u8 {
        match self.protocol.number() {
            Protocol::ICMP if v6 => Protocol::ICMPV6,
            Protocol::ICMPV6 if !v6 => Protocol::ICMP,
            number => number,
        }
    }

    /// What its request begins with.
    pub fn request(&self, v6: bool) -> Above {
        self.above(v6, ECHO[usize::from(v6)].0, SOURCE_PORT, self.port.unwrap_or_default())
    }

    /// What the answer begins with.
    pub fn answer(&self, v6: bool) -> Above {
        self.above(v6, ECHO[usize::from(v6)].1, self.port.unwrap_or_default(), SOURCE_PORT)
    }

    fn above(&self, v6: bool, kind: u8, source: u16, destination: u16) -> Above {
        match self.number(v6) {
            Protocol::ICMP | Protocol::ICMPV6 => Above::icmp(kind, 0),
            _ => Above::ports(source, destination),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{port}/{}", self.protocol),
            None => self.protocol.fmt(f),
        }
    }
}

impl FromStr for Service {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (port, protocol) = match text.split_once('/') {
            Some((port, protocol)) => (Some(port), protocol),
            None if text.starts_with(|c: char| c.is_ascii_digit()) => (Some(text), "tcp"),
            None => (None, text),
        };
        let protocol: Protocol = protocol.to_ascii_lowercase().parse().map_err(|e| format!("{e}"))?;
        let wrong = |port: &str| format!("'{port}' is not a port from 1 to 65535");
        let number = |port: &str| port.parse().ok().filter(|port| *port != 0).ok_or_else(|| wrong(port));
        let port = port.map(number).transpose()?;
        match port {
            None if protocol.has_ports() => Err(format!("{protocol} has ports: say which, as in 80/{protocol}")),
            Some(_) if !protocol.has_ports() => Err(format!("{protocol} has no ports: say '{protocol}' alone")),
            port => Ok(Self { protocol, port }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_ports_with_a_protocol() {
        for (text, shown, number) in [
            ("80", "80/tcp", 6),
            ("53/udp", "53/udp", 17),
            ("icmp", "icmp", 1),
            ("gre", "gre", 47),
            ("9/SCTP", "9/sctp", 132),
        ] {
            let service: Service = text.parse().unwrap();
            assert_eq!((service.to_string().as_str(), service.number(false)), (shown, number));
        }
        assert_eq!("icmp".parse::<Service>().unwrap().number(true), 58);
        for (text, part) in
            [("0", "port"), ("70000/tcp", "port"), ("tcp", "80/tcp"), ("8/icmp", "alone"), ("80/x", "x"), ("", "''")]
        {
            let error = text.parse::<Service>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
