//! Reading one field of a request, with an error that names field, value and expectation.

use ipnet::IpNet;
use kuryr_neutron::MacAddr;
use kuryr_ports::DockerId;
use serde_json::{Map, Value};
use std::{fmt, net::IpAddr, str::FromStr};

/// A request is not what the protocol says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The body is not JSON.
    #[error("{BAD_REQUEST}\nThe body is not JSON: {0}")]
    NotJson(String),
    /// A field is absent.
    #[error("'{0}' is a required property")]
    Missing(String),
    /// An option begins as ours do and is none.
    #[error("there is no option {name:?} of {whose}: {hint}")]
    UnknownOption {
        /// As it was given, shortened.
        name: String,
        /// What it was given to.
        whose: &'static str,
        /// What was probably meant.
        hint: String,
    },
    /// A field has a wrong value.
    #[error("{field}: {value} is not {expected}")]
    Invalid {
        /// Path of the field, such as `IPv4Data[0].Pool`.
        field: String,
        /// What was given, shortened.
        value: String,
        /// What would have been right.
        expected: String,
    },
}

/// What the reference plugin answers to a body that is not JSON.
const BAD_REQUEST: &str =
    "400 Bad Request: The browser (or proxy) sent a request that this server could not understand.";

/// The body as JSON.
pub fn parse_body(body: &[u8]) -> Result<Value, RequestError> {
    serde_json::from_slice(body).map_err(|e| RequestError::NotJson(e.to_string()))
}

/// One value and the path that leads to it.
#[derive(Debug, Clone)]
pub struct Field<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Field<'a> {
    /// The whole body.
    pub fn root(value: &'a Value) -> Self {
        Self { path: String::new(), value }
    }

    /// An error about this field.
    pub fn wrong(&self, expected: impl fmt::Display) -> RequestError {
        let path = if self.path.is_empty() { "body" } else { &self.path };
        let text = self.value.to_string();
        let mut value: String = text.chars().take(120).collect();
        if value.len() < text.len() {
            value.push('…');
        }
        // Keys are the caller's too.
        let field = path.chars().take(200).collect();
        RequestError::Invalid { field, value, expected: expected.to_string() }
    }

    /// True for JSON's `null`.
    pub fn is_null(&self) -> bool {
        self.value.is_null()
    }

    /// The value as it is.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    fn object(&self) -> Result<&'a Map<String, Value>, RequestError> {
        self.value.as_object().ok_or_else(|| self.wrong("an object"))
    }

    /// A member that may be absent; `null` counts as absent.
    pub fn optional(&self, name: &str) -> Result<Option<Field<'a>>, RequestError> {
        Ok(self.object()?.get(name).map(|value| self.child(name, value)).filter(|field| !field.is_null()))
    }

    /// A member that must be there, though it may be `null`.
    pub fn required(&self, name: &str) -> Result<Field<'a>, RequestError> {
        let value = self.object()?.get(name).ok_or_else(|| RequestError::Missing(self.name(name)))?;
        Ok(self.child(name, value))
    }

    /// All members of an object.
    pub fn members(&self) -> Result<Vec<Field<'a>>, RequestError> {
        Ok(self.object()?.iter().map(|(name, value)| self.child(name, value)).collect())
    }

    /// The elements of an array; `null` is an empty one, as Go writes it.
    pub fn items(&self) -> Result<Vec<Field<'a>>, RequestError> {
        if self.is_null() {
            return Ok(Vec::new());
        }
        let items = self.value.as_array().ok_or_else(|| self.wrong("an array"))?;
        let path = |index| format!("{}[{index}]", self.path);
        Ok(items.iter().enumerate().map(|(index, value)| Field { path: path(index), value }).collect())
    }

    /// Refuses what is neither an object nor `null`.
    pub fn object_or_null(&self) -> Result<(), RequestError> {
        if self.value.is_null() || self.value.is_object() { Ok(()) } else { Err(self.wrong("an object or null")) }
    }

    /// A text.
    pub fn text(&self) -> Result<&'a str, RequestError> {
        self.value.as_str().ok_or_else(|| self.wrong("a string"))
    }

    /// A text, `None` when it is empty.
    pub fn filled(&self) -> Result<Option<&'a str>, RequestError> {
        self.text().map(|text| if text.is_empty() { None } else { Some(text) })
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Result<bool, RequestError> {
        self.value.as_bool().ok_or_else(|| self.wrong("true or false"))
    }

    /// A whole number that fits.
    pub fn number<T: TryFrom<u64>>(&self, expected: &str) -> Result<T, RequestError> {
        self.value.as_u64().and_then(|n| T::try_from(n).ok()).ok_or_else(|| self.wrong(expected))
    }

    /// A text of a form; `None` when it is empty.
    pub fn parsed<T: FromStr>(&self, expected: &str) -> Result<Option<T>, RequestError> {
        match self.filled()? {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| self.wrong(expected)),
        }
    }

    /// A network's or an endpoint's identity.
    pub fn docker_id(&self) -> Result<DockerId, RequestError> {
        const EXPECTED: &str = "an id of 64 hexadecimal digits or of 25 lower-case letters and digits";
        self.parsed(EXPECTED)?.ok_or_else(|| self.wrong(EXPECTED))
    }

    /// A range of one IP version or of either, with a prefix length that fits; `None` when it is empty.
    pub fn range(&self, version: Version) -> Result<Option<IpNet>, RequestError> {
        let range = self.parsed::<IpNet>(version.range())?;
        match range {
            Some(range) if !version.has(range.addr()) => Err(self.wrong(version.range())),
            _ => Ok(range),
        }
    }

    /// An address, or a range of which only the address counts; `None` when it is empty.
    pub fn address(&self, version: Version) -> Result<Option<IpAddr>, RequestError> {
        let Some(text) = self.filled()? else { return Ok(None) };
        let address = match text.contains('/') {
            true => text.parse::<IpNet>().map(|range| range.addr()).ok(),
            false => text.parse().ok(),
        };
        address.filter(|a| version.has(*a)).map(Some).ok_or_else(|| self.wrong(version.address()))
    }

    /// An Ethernet address of one interface; `None` when it is empty.
    pub fn mac(&self) -> Result<Option<MacAddr>, RequestError> {
        const EXPECTED: &str = "a MAC address of one interface, such as 02:42:0a:00:00:02";
        match self.parsed::<MacAddr>(EXPECTED)? {
            Some(mac) if mac.is_multicast() => Err(self.wrong(EXPECTED)),
            mac => Ok(mac),
        }
    }

    /// Text of an option of `-o` or `--ipam-opt` that says yes.
    pub fn yes(&self) -> Result<bool, RequestError> {
        if let Some(yes) = self.value.as_bool() {
            return Ok(yes);
        }
        let text = self.text()?.to_ascii_lowercase();
        Ok(matches!(text.as_str(), "1" | "t" | "true" | "on" | "y" | "yes"))
    }

    fn name(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn child(&self, name: &str, value: &'a Value) -> Field<'a> {
        Field { path: self.name(name), value }
    }
}

/// Which IP versions a field may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
    /// Either.
    Any,
}

impl Version {
    fn has(self, address: IpAddr) -> bool {
        match self {
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
            Self::Any => true,
        }
    }

    fn range(self) -> &'static str {
        match self {
            Self::V4 => "an IPv4 range such as 10.0.0.0/24, with a prefix length from 0 to 32",
            Self::V6 => "an IPv6 range such as 2001:db8::/64, with a prefix length from 0 to 128",
            Self::Any => "a range such as 10.0.0.0/24 or 2001:db8::/64",
        }
    }

    fn address(self) -> &'static str {
        match self {
            Self::V4 => "an IPv4 address, alone or with a prefix length",
            Self::V6 => "an IPv6 address, alone or with a prefix length",
            Self::Any => "an IP address, alone or with a prefix length",
        }
    }
}
