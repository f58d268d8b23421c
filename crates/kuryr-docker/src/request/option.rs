//! Options that users give to networks: `docker network create -o …` and `--ipam-opt …`.

use super::field::{Field, RequestError};
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
