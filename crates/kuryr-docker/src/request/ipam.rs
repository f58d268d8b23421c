//! Requests of the IPAM driver.

use super::{
    field::{Field, RequestError, Version, parse_body},
    option::{self, Place, PortOptions, RangeOptions},
};
use ipnet::IpNet;
use kuryr_neutron::{MacAddr, SubnetPoolId};
use serde_json::Value;
use std::net::IpAddr;

/// `IpamDriver.RequestPool`.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestPool {
    /// The range; none: the default pool's.
    pub cidr: Option<IpNet>,
    /// IPv6.
    pub v6: bool,
    /// `neutron.net.shared`.
    pub shared: bool,
    /// Options about this IP version.
    pub options: RangeOptions,
}

impl RequestPool {
    /// Reads and checks the body.
    pub fn read(body: &[u8]) -> Result<Self, RequestError> {
        let json = parse_body(body)?;
        let root = Field::root(&json);
        root.required("AddressSpace")?.text()?;
        let v6 = root.required("V6")?.boolean()?;
        let version = if v6 { Version::V6 } else { Version::V4 };
        let (pool_field, sub_field) = (root.required("Pool")?, root.required("SubPool")?);
        let (pool, sub) = (pool_field.range(version)?, sub_field.range(version)?);
        for (field, range) in [(&pool_field, pool), (&sub_field, sub)] {
            if let Some(range) = range
                && range != range.trunc()
            {
                return Err(field.wrong(format!("a range whose host bits are zero, such as {}", range.trunc())));
            }
        }
        if let (Some(pool), Some(sub)) = (pool, sub)
            && !pool.contains(&sub)
        {
            return Err(sub_field.wrong(format!("a part of the pool {pool}")));
        }
        let empty = Value::Object(serde_json::Map::new());
        let options = root.optional("Options")?.unwrap_or(Field::root(&empty));
        // What only `CreateNetwork` uses is checked all the same: it is given on both sides.
        Place::Network.check_names(&options)?;
        PortOptions::read(&options)?;
        option::mtu(&options, v6)?;
        Ok(Self {
            cidr: sub.or(pool),
            v6,
            shared: option::shared(&options)?,
            options: RangeOptions::read(&options, v6)?,
        })
    }
}

/// What an address is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The network's gateway.
    Gateway,
    /// An endpoint with this MAC.
    Endpoint(MacAddr),
    /// Something without an interface of ours: `--aux-address`, a service's virtual address.
    Reservation,
}

/// `IpamDriver.RequestAddress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestAddress {
    /// The pool.
    pub pool: SubnetPoolId,
    /// Exactly this one; none: any.
    pub address: Option<IpAddr>,
    /// What for.
    pub purpose: Purpose,
}

impl RequestAddress {
    /// Reads and checks the body.
    pub fn read(body: &[u8]) -> Result<Self, RequestError> {
        let json = parse_body(body)?;
        let root = Field::root(&json);
        let pool = pool_id(&root)?;
        let address = root.required("Address")?.address(Version::Any)?;
        let options = root.required("Options")?;
        options.object_or_null()?;
        let purpose = if options.is_null() { Purpose::Reservation } else { purpose(&options)? };
        Ok(Self { pool, address, purpose })
    }
}

fn purpose(options: &Field<'_>) -> Result<Purpose, RequestError> {
    if let Some(kind) = options.optional("RequestAddressType")?
        && kind.text()? == "com.docker.network.gateway"
    {
        return Ok(Purpose::Gateway);
    }
    let mac = match options.optional("com.docker.network.endpoint.macaddress")? {
        Some(field) => field.mac()?,
        None => None,
    };
    Ok(mac.map_or(Purpose::Reservation, Purpose::Endpoint))
}

/// `IpamDriver.ReleaseAddress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseAddress {
    /// The pool.
    pub pool: SubnetPoolId,
    /// The address.
    pub address: IpAddr,
}

impl ReleaseAddress {
    /// Reads and checks the body.
    pub fn read(body: &[u8]) -> Result<Self, RequestError> {
        let json = parse_body(body)?;
        let root = Field::root(&json);
        let pool = pool_id(&root)?;
        let field = root.required("Address")?;
        let address = field.address(Version::Any)?.ok_or_else(|| field.wrong("an IP address"))?;
        Ok(Self { pool, address })
    }
}

/// `IpamDriver.ReleasePool`: the pool.
pub fn read_release_pool(body: &[u8]) -> Result<SubnetPoolId, RequestError> {
    pool_id(&Field::root(&parse_body(body)?))
}

/// A pool's id. An empty one is refused: as a filter it would mean every pool of the cloud.
fn pool_id(root: &Field<'_>) -> Result<SubnetPoolId, RequestError> {
    const EXPECTED: &str = "the UUID of a subnet pool, as RequestPool answered it";
    let field = root.required("PoolID")?;
    field.parsed(EXPECTED)?.ok_or_else(|| field.wrong(EXPECTED))
}
