//! Where a database server listens, in Open vSwitch's own notation.

use crate::Error;
use std::{fmt, path::PathBuf, str::FromStr};

/// Where a database server listens: `unix:/path`, a bare absolute path, or `tcp:host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A unix socket.
    Unix(PathBuf),
    /// A TCP port; the host is a name, an IPv4 address, or an IPv6 address in brackets.
    Tcp(String),
}

impl Address {
    /// The local server of a usual installation.
    pub const DEFAULT: &str = "/var/run/openvswitch/db.sock";
}

impl Default for Address {
    fn default() -> Self {
        Self::Unix(PathBuf::from(Self::DEFAULT))
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Address { text: text.to_owned() };
        let socket = |path: &str| {
            let usable = path.starts_with('/') && !path.ends_with('/') && !path.contains('\0');
            if usable { Ok(Self::Unix(PathBuf::from(path))) } else { Err(wrong()) }
        };
        match text.split_once(':') {
            Some(("unix", path)) => socket(path),
            Some(("tcp", place)) => {
                let (host, port) = place.rsplit_once(':').ok_or_else(wrong)?;
                let plain = !host.is_empty() && (!host.contains(':') || host.starts_with('[') && host.ends_with(']'));
                let port = port.parse::<u16>().ok().filter(|port| *port != 0);
                if plain && port.is_some() { Ok(Self::Tcp(place.to_owned())) } else { Err(wrong()) }
            }
            _ => socket(text),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(place) => write!(f, "tcp:{place}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_open_vswitch_writes_them() {
        let unix = Address::Unix("/run/db.sock".into());
        assert_eq!("unix:/run/db.sock".parse::<Address>().unwrap(), unix);
        assert_eq!("/run/db.sock".parse::<Address>().unwrap(), unix);
        for place in ["127.0.0.1:6640", "[::1]:6640", "ovs.example:1"] {
            let address = format!("tcp:{place}").parse::<Address>().unwrap();
            assert_eq!(address, Address::Tcp(place.to_owned()));
            assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
        assert_eq!(Address::default().to_string(), "unix:/var/run/openvswitch/db.sock");
    }

    #[test]
    fn other_texts_are_refused_with_what_is_expected() {
        for text in ["", "db.sock", "unix:", "unix:rel", "unix:/dir/", "tcp:", "tcp:host", "tcp:host:0", "tcp:::1:6640"]
        {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")) && error.contains("tcp:host:port"), "{error}");
        }
        assert!("ssl:10.0.0.1:6640".parse::<Address>().is_err());
    }
}
