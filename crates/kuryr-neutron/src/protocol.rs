//! IP protocols of security-group rules, by name or number.

use crate::schema::text_schema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// A protocol as its writer spelled it: a name Neutron knows, or a number from 0 to 255.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Protocol {
    text: String,
    number: u8,
}

/// A text is neither a known name nor a number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a protocol name such as tcp, udp, icmp, sctp, nor a number from 0 to 255")]
pub struct ProtocolError(pub String);

/// Names Neutron takes (neutron-lib `constants.IP_PROTOCOL_MAP`), with IANA's numbers.
const NAMES: &[(&str, u8)] = &[
    ("ah", 51),
    ("dccp", 33),
    ("egp", 8),
    ("esp", 50),
    ("gre", 47),
    ("hopopt", 0),
    ("icmp", 1),
    ("icmpv6", 58),
    ("igmp", 2),
    ("ip", 0),
    ("ipip", 4),
    ("ipv6-encap", 41),
    ("ipv6-frag", 44),
    ("ipv6-icmp", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("ipv6-route", 43),
    ("ospf", 89),
    ("pgm", 113),
    ("rsvp", 46),
    ("sctp", 132),
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
    ("vrrp", 112),
];

impl Protocol {
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;

    /// IANA's number.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// True for protocols whose `port_range_*` are ports.
    pub fn has_ports(&self) -> bool {
        matches!(self.number, 6 | 17 | 33 | 132 | 136)
    }

    /// True for ICMP of either IP version: `port_range_*` are type and code.
    pub fn is_icmp(&self) -> bool {
        matches!(self.number, Self::ICMP | Self::ICMPV6)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<u8> for Protocol {
    /// With its usual name where it has one.
    fn from(number: u8) -> Self {
        let text = match number {
            1 => "icmp".to_owned(),
            6 => "tcp".to_owned(),
            17 => "udp".to_owned(),
            58 => "ipv6-icmp".to_owned(),
            132 => "sctp".to_owned(),
            n => n.to_string(),
        };
        Self { text, number }
    }
}

impl FromStr for Protocol {
    type Err = ProtocolError;
    fn from_str(s: &str) -> Result<Self, ProtocolError> {
        let text = s.to_ascii_lowercase();
        let known = NAMES.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
        let plain = text.bytes().all(|b| b.is_ascii_digit());
        let number = known.or_else(|| if plain { text.parse().ok() } else { None });
        number.map(|number| Self { text, number }).ok_or_else(|| ProtocolError(s.to_owned()))
    }
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u8),
            Text(String),
        }
        match Either::deserialize(d)? {
            Either::Number(n) => n.to_string().parse(),
            Either::Text(t) => t.parse(),
        }
        .map_err(serde::de::Error::custom)
    }
}

text_schema!(
    Protocol,
    "An IP protocol, by the name that Neutron knows or by its number.",
    "^([a-z][a-z0-9-]+|[0-9]{1,3})$",
    "tcp"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!("TCP".parse::<Protocol>().unwrap().number(), 6);
        assert_eq!("47".parse::<Protocol>().unwrap().to_string(), "47");
        for wrong in ["256", "-1", "tcpp", "", "+6"] {
            assert!(wrong.parse::<Protocol>().is_err(), "{wrong}");
        }
    }
}
