//! Options that users give to networks: `docker network create -o …` and `--ipam-opt …`.

use super::field::{Field, RequestError};
use kuryr_config::nearest;
use kuryr_neutron::{NetworkId, SubnetId, SubnetPoolId};
use std::{fmt, str::FromStr};

/// An existing resource that the user chose.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Choice<Id> {
    /// By its id; wins over a name.
    Id(Id),
    /// By its name.
    Name(String),
}

impl<Id: fmt::Display> fmt::Display for Choice<Id> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Options about one IP version's addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeOptions {
    /// `neutron.subnet.*`: the subnet to use.
    pub subnet: Option<Choice<SubnetId>>,
    /// `neutron.pool.*`: the subnet pool to use.
    pub pool: Option<Choice<SubnetPoolId>>,
}

impl RangeOptions {
    /// From `neutron.subnet.uuid` … or, for IPv6, `neutron.subnet.v6.uuid` …
    pub fn read(options: &Field<'_>, v6: bool) -> Result<Self, RequestError> {
        let infix = if v6 { ".v6" } else { "" };
        Ok(Self {
            subnet: choice(options, &format!("neutron.subnet{infix}"))?,
            pool: choice(options, &format!("neutron.pool{infix}"))?,
        })
    }
}

/// `neutron.net.uuid` or `neutron.net.name`.
pub fn network(options: &Field<'_>) -> Result<Option<Choice<NetworkId>>, RequestError> {
    choice(options, "neutron.net")
}

/// `neutron.net.shared`.
pub fn shared(options: &Field<'_>) -> Result<bool, RequestError> {
    match options.optional("neutron.net.shared")? {
        Some(field) => field.yes(),
        None => Ok(false),
    }
}

/// Every option there is.
const NAMES: [&str; 11] = [
    "neutron.net.uuid",
    "neutron.net.name",
    "neutron.net.shared",
    "neutron.subnet.uuid",
    "neutron.subnet.name",
    "neutron.subnet.v6.uuid",
    "neutron.subnet.v6.name",
    "neutron.pool.uuid",
    "neutron.pool.name",
    "neutron.pool.v6.uuid",
    "neutron.pool.v6.name",
];

/// An option that looks like ours and is none: it has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// As it was given, shortened.
    pub name: String,
    /// The option that was probably meant.
    pub nearest: Option<&'static str>,
}

/// The options that begin with `neutron.` and are none.
pub fn unknown(options: &Field<'_>) -> Vec<Unknown> {
    let names = options.value().as_object().into_iter().flat_map(|members| members.keys());
    let wrong =
        names.filter(|name| name.to_ascii_lowercase().starts_with("neutron.") && !NAMES.contains(&name.as_str()));
    wrong.map(|name| Unknown { name: name.chars().take(80).collect(), nearest: nearest(name, NAMES) }).collect()
}

/// Tells the log of them; the request is carried out without them, as with kuryr-libnetwork.
pub fn warn_of(unknown: &[Unknown]) {
    for Unknown { name, nearest } in unknown {
        let hint = nearest.map_or_else(|| format!("there are {}", NAMES.join(", ")), |n| format!("did you mean {n}?"));
        tracing::warn!(option = ?name, "an unknown option of a network has no effect: {hint}");
    }
}

fn choice<Id: FromStr>(options: &Field<'_>, key: &str) -> Result<Option<Choice<Id>>, RequestError> {
    if let Some(field) = options.optional(&format!("{key}.uuid"))?
        && let Some(id) = field.parsed("a UUID")?
    {
        return Ok(Some(Choice::Id(id)));
    }
    match options.optional(&format!("{key}.name"))? {
        Some(field) => Ok(field.filled()?.map(|name| Choice::Name(name.to_owned()))),
        None => Ok(None),
    }
}
