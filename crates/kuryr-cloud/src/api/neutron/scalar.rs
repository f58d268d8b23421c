//! Single values of resources, by which lists are filtered and sorted without being serialised.

use crate::api::neutron::value::{Reason, boolean_word};
use ipnet::IpNet;
use jiff::Timestamp;
use kuryr_neutron::{Fault, MacAddr, Protocol};
use std::net::IpAddr;
use uuid::Uuid;

/// A single value. `Null` sorts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scalar<'a> {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(i64),
    /// A text.
    Text(&'a str),
    /// An identifier.
    Id(Uuid),
    /// An address.
    Ip(IpAddr),
    /// A range.
    Net(IpNet),
    /// An Ethernet address.
    Mac(MacAddr),
    /// An instant.
    Time(Timestamp),
}

/// How a filter's text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As it is; an empty text is a value too.
    Text,
    /// In Neutron's words for true and false.
    Bool,
    /// Digits.
    Number,
    /// A UUID.
    Id,
    /// An address.
    Ip,
    /// A range.
    Net,
    /// An Ethernet address.
    Mac,
    /// RFC 3339.
    Time,
    /// An IP protocol, by name or number.
    Protocol,
}

fn unconvertible(name: &str, reason: String) -> Fault {
    Reason::Unconvertible(reason.chars().take(200).collect()).fault(name)
}

impl Kind {
    /// Reads a filter's text. `None`: no resource can have this value (Neutron compares texts, and finds none).
    pub fn read<'a>(self, name: &str, text: &'a str) -> Result<Option<Scalar<'a>>, Fault> {
        if text == "None" && self != Self::Text && self != Self::Bool {
            return Ok(Some(Scalar::Null));
        }
        Ok(match self {
            Self::Text => Some(Scalar::Text(text)),
            Self::Bool => {
                let truth = boolean_word(text).map(Scalar::Bool);
                return truth
                    .map(Some)
                    .ok_or_else(|| unconvertible(name, format!("'{text}' cannot be converted to boolean")));
            }
            Self::Number => text.parse().ok().map(Scalar::Number),
            Self::Id => Uuid::try_parse(text).ok().map(Scalar::Id),
            Self::Ip => text.parse().ok().map(Scalar::Ip),
            Self::Net => match text.parse::<IpNet>() {
                Ok(net) => Some(Scalar::Net(net)),
                Err(_) if name == "cidr" => return Err(unconvertible(name, format!("{text} is not in a CIDR format"))),
                Err(_) => None,
            },
            Self::Mac => text.parse().ok().map(Scalar::Mac),
            Self::Time => text.parse().ok().map(Scalar::Time),
            Self::Protocol => text.parse().ok().map(|protocol: Protocol| Scalar::Number(protocol.number().into())),
        })
    }
}

/// An attribute by which lists can be filtered and sorted.
pub struct Attribute<R> {
    /// Its name on the wire.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its value.
    pub get: for<'a> fn(&'a R) -> Scalar<'a>,
}

impl<'a, T> From<Option<T>> for Scalar<'a>
where
    Scalar<'a>: From<T>,
{
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Scalar::from)
    }
}

macro_rules! scalars {
    ($($from:ty => $variant:ident),+ $(,)?) => {$(
        impl<'a> From<$from> for Scalar<'a> {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )+};
}

scalars! {
    bool => Bool,
    u8 => Number,
    u16 => Number,
    u32 => Number,
    &'a str => Text,
    Uuid => Id,
    IpAddr => Ip,
    IpNet => Net,
    MacAddr => Mac,
    Timestamp => Time,
}

impl<'a> From<&'a String> for Scalar<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value)
    }
}

impl From<u64> for Scalar<'_> {
    fn from(value: u64) -> Self {
        Self::Number(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

/// `attributes!(Port { "name": Text = |p| &p.name, … })`: the table of a resource.
macro_rules! attributes {
    ($resource:ty { $($name:literal: $kind:ident = |$it:ident| $get:expr),+ $(,)? }) => {
        &[$($crate::api::neutron::scalar::Attribute::<$resource> {
            name: $name,
            kind: $crate::api::neutron::scalar::Kind::$kind,
            get: {
                fn get($it: &$resource) -> $crate::api::neutron::scalar::Scalar<'_> {
                    $crate::api::neutron::scalar::Scalar::from($get)
                }
                get
            },
        }),+]
    };
}
pub(crate) use attributes;
