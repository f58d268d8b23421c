//! Requests of the network driver about networks.

use super::{
    field::{Field, RequestError, Version, parse_body},
    option::{self, Choice, Place, PortOptions, RangeOptions, SubnetSettings},
};
use ipnet::IpNet;
use kuryr_config::PublishPorts;
use kuryr_neutron::{NetworkId, SubnetId};
use kuryr_ports::DockerId;
use serde_json::{Value, json};
use std::net::IpAddr;

/// `NetworkDriver.CreateNetwork`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateNetwork {
    /// The Docker network.
    pub id: DockerId,
    /// Its ranges, IPv4 first.
    pub ranges: Vec<Range>,
    /// `neutron.net.uuid` or `.name`: the network to use; none: create one.
    pub network: Option<Choice<NetworkId>>,
    /// `neutron.net.shared`.
    pub shared: bool,
    /// Options about IPv4.
    pub v4: RangeOptions,
    /// Options about IPv6.
    pub v6: RangeOptions,
    /// `docker network create --internal`.
    pub internal: bool,
    /// `neutron.net.mtu`.
    pub mtu: Option<u32>,
    /// `neutron.net.publish`.
    pub publish: Option<PublishPorts>,
    /// What its ports are to be.
    pub ports: PortOptions,
}

/// A range of a Docker network.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    /// As Docker wrote it: part of the subnet's name.
    pub text: String,
    /// The range, host bits zero.
    pub cidr: IpNet,
    /// The gateway, if Docker has one.
    pub gateway: Option<IpAddr>,
    /// `--aux-address`: addresses that no container may get.
    pub auxiliary: Vec<IpAddr>,
}

impl CreateNetwork {
    /// Reads and checks the body.
    pub fn read(body: &[u8]) -> Result<Self, RequestError> {
        let json = parse_body(body)?;
        let root = Field::root(&json);
        let id = root.required("NetworkID")?.docker_id()?;
        let mut ranges = ranges(&root.required("IPv4Data")?, Version::V4)?;
        ranges.extend(self::ranges(&root.required("IPv6Data")?, Version::V6)?);
        let empty = Value::Object(serde_json::Map::new());
        let options = root.optional("Options")?.unwrap_or(Field::root(&empty));
        let internal = match options.optional("com.docker.network.internal")? {
            Some(field) => field.yes()?,
            None => false,
        };
        let generic = options.optional("com.docker.network.generic")?.unwrap_or(Field::root(&empty));
        Place::Network.check_names(&generic)?;
        let has = |v6: bool| ranges.iter().any(|range: &Range| range.cidr.addr().is_ipv6() == v6);
        let (v4, v6) = (RangeOptions::read(&generic, false)?, RangeOptions::read(&generic, true)?);
        for (options, version) in [(&v4, false), (&v6, true)] {
            if options.settings != SubnetSettings::default() && !has(version) {
                let (name, digit) = if version { ("neutron.subnet.v6", 6) } else { ("neutron.subnet", 4) };
                return Err(generic.wrong(format!("without {name} options, as there is no IPv{digit} range")));
            }
        }
        let mtu = option::mtu(&generic, has(true))?;
        Ok(Self {
            id,
            ranges,
            network: option::network(&generic)?,
            shared: option::shared(&generic)?,
            v4,
            v6,
            internal,
            mtu,
            publish: option::publish(&generic)?,
            ports: PortOptions::read(&generic)?,
        })
    }

    /// The options that go with a range.
    pub fn options_of(&self, range: &Range) -> &RangeOptions {
        if range.cidr.addr().is_ipv4() { &self.v4 } else { &self.v6 }
    }
}

fn ranges(data: &Field<'_>, version: Version) -> Result<Vec<Range>, RequestError> {
    let mut ranges = Vec::new();
    for item in data.items()? {
        item.required("AddressSpace")?.text()?;
        let pool = item.required("Pool")?;
        let gateway = match item.optional("Gateway")? {
            Some(field) => field.address(version)?,
            None => None,
        };
        let mut auxiliary = Vec::new();
        if let Some(addresses) = item.optional("AuxAddresses")? {
            for field in addresses.members()? {
                auxiliary.extend(field.address(version)?);
            }
        }
        // A range without a pool has nothing to make a subnet of.
        let Some(cidr) = pool.range(version)? else { continue };
        if let Some(outside) = auxiliary.iter().find(|address| !cidr.contains(*address)) {
            return Err(item.wrong(format!("a range with {outside} in it")));
        }
        // `0.0.0.0/0` is how a subnet without gateway was announced.
        let gateway = gateway.filter(|address| !address.is_unspecified());
        ranges.push(Range { text: pool.text()?.to_owned(), cidr: cidr.trunc(), gateway, auxiliary });
    }
    Ok(ranges)
}

/// `NetworkDriver.DeleteNetwork`: the Docker network.
pub fn read_delete(body: &[u8]) -> Result<DockerId, RequestError> {
    let json = parse_body(body)?;
    Field::root(&json).required("NetworkID")?.docker_id()
}

/// `NetworkDriver.GwAllocCheck`: the IPv4 and the IPv6 subnet that the user chose. Its options are those of
/// `CreateNetwork`, which checks the rest of them.
pub fn read_gateway_check(body: &[u8]) -> Result<[Option<Choice<SubnetId>>; 2], RequestError> {
    let json = parse_body(body)?;
    let root = Field::root(&json);
    let empty = Value::Object(serde_json::Map::new());
    let options = root.optional("Options")?.unwrap_or(Field::root(&empty));
    let generic = options.optional("com.docker.network.generic")?.unwrap_or(Field::root(&empty));
    Ok([RangeOptions::read(&generic, false)?.subnet, RangeOptions::read(&generic, true)?.subnet])
}

/// `NetworkDriver.AllocateNetwork`.
pub struct Allocation;

impl Allocation {
    /// The options, to be given back as they are, and the network to make, where one `is_made`: what Docker asks for is
    /// what it asks of `CreateNetwork`, but that the options of the driver are all there are.
    pub fn read(body: &[u8], is_made: bool) -> Result<(Value, Option<CreateNetwork>), RequestError> {
        let json = parse_body(body)?;
        let root = Field::root(&json);
        let options = root.optional("Options")?.map_or(Value::Null, |options| options.value().clone());
        if !is_made {
            return Ok((options, None));
        }
        let part = |key: &str| json.get(key).filter(|part| !part.is_null()).cloned().unwrap_or_else(|| json!([]));
        let network = json!({
            "NetworkID": json.get("NetworkID"),
            "IPv4Data": part("IPv4Data"),
            "IPv6Data": part("IPv6Data"),
            "Options": { "com.docker.network.generic": options },
        });
        Ok((options, Some(CreateNetwork::read(network.to_string().as_bytes())?)))
    }
}

/// `NetworkDriver.FreeNetwork`: the Docker network, where it `was_made`.
pub fn read_free(body: &[u8], was_made: bool) -> Result<Option<DockerId>, RequestError> {
    let json = parse_body(body)?;
    if was_made { Field::root(&json).required("NetworkID")?.docker_id().map(Some) } else { Ok(None) }
}
