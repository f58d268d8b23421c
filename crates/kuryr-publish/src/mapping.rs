//! What is to be published, and what was.

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// How bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// By its IANA protocol number.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            _ => None,
        }
    }

    /// Its IANA protocol number.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// Which of the host's ports may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostPorts {
    /// Any that is free.
    Any,
    /// The first free one from the first to the last of these; none of them is 0.
    Range(u16, u16),
}

impl fmt::Display for HostPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any port"),
            Self::Range(first, last) if first == last => write!(f, "port {first}"),
            Self::Range(first, last) => write!(f, "ports {first}-{last}"),
        }
    }
}

/// One port of a container that is to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// TCP or UDP.
    pub transport: Transport,
    /// The container's port.
    pub port: u16,
    /// The host's address; `None`: all of them.
    pub host: Option<IpAddr>,
    /// The host's port.
    pub host_ports: HostPorts,
}

/// One port of a container that is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Published {
    /// TCP or UDP.
    pub transport: Transport,
    /// The container's port.
    pub port: u16,
    /// The address that is listened on; `::` stands for all, IPv4 too, unless `v6_only`.
    pub host: IpAddr,
    /// The port that is listened on.
    pub host_port: u16,
    /// IPv4 does not arrive at `::`.
    #[serde(default)]
    pub v6_only: bool,
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", SocketAddr::new(self.host, self.host_port), self.transport)
    }
}

/// An address to listen on, as the kernel wants to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Face {
    pub(crate) address: IpAddr,
    pub(crate) v6_only: bool,
}

impl Face {
    pub(crate) const ALL: Self = Self { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), v6_only: false };
    pub(crate) const ALL_V4: Self = Self { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), v6_only: false };
    pub(crate) const ALL_V6: Self = Self { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), v6_only: true };

    /// Exactly this address.
    pub(crate) fn of(address: IpAddr) -> Self {
        Self { address, v6_only: address.is_ipv6() }
    }
}

impl Published {
    pub(crate) fn face(&self) -> Face {
        Face { address: self.host, v6_only: self.v6_only }
    }
}
