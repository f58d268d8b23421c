//! Requests of the network driver about endpoints.

use super::{
    field::{Field, RequestError, Version, parse_body},
    option::ContainerOptions,
};
use ipnet::IpNet;
use kuryr_neutron::MacAddr;
use kuryr_ports::{DockerId, ExposedPort};
use kuryr_publish::HostPorts;
use std::{net::IpAddr, path::PathBuf};

/// An endpoint and its network: all that most requests say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRequest {
    /// The Docker network.
    pub network: DockerId,
    /// The endpoint.
    pub endpoint: DockerId,
}

impl EndpointRequest {
    /// `DeleteEndpoint`, `EndpointOperInfo`, `Leave`, `RevokeExternalConnectivity`.
    pub fn read(body: &[u8]) -> Result<Self, RequestError> {
        Self::of(&Field::root(&parse_body(body)?))
    }

    fn of(root: &Field<'_>) -> Result<Self, RequestError> {
        let network = root.required("NetworkID")?.docker_id()?;
        Ok(Self { network, endpoint: root.required("EndpointID")?.docker_id()? })
    }
}

/// `NetworkDriver.Join`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Network and endpoint.
    pub ids: EndpointRequest,
    /// The container's network namespace. Docker moves the interface there itself, and makes the file later.
    pub sandbox: PathBuf,
}

impl Join {
    /// Reads and checks the body.
    pub fn read(body: &[u8]) -> Result<Self, RequestError> {
        let json = parse_body(body)?;
        let root = Field::root(&json);
        let ids = EndpointRequest::of(&root)?;
        let key = root.required("SandboxKey")?;
        let path = key.filled()?.filter(|path| !path.contains('\0'));
        let sandbox = path.map(PathBuf::from).ok_or_else(|| key.wrong("the path of a network namespace"))?;
        if let Some(options) = root.optional("Options")? {
            options.object_or_null()?;
        }
        Ok(Self { ids, sandbox })
    }
}

/// `NetworkDriver.CreateEndpoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateEndpoint {
    /// Network and endpoint.
    pub ids: EndpointRequest,
    /// IPv4 address and prefix length.
    pub v4: Option<IpNet>,
    /// IPv6 address and prefix length.
    pub v6: Option<IpNet>,
    /// The MAC that Docker has set.
    pub mac: Option<MacAddr>,
    /// What the user wants of the port.
    pub options: ContainerOptions,
}

impl CreateEndpoint {
    /// Reads and checks the body.
    pub fn read(body: &[u8]) -> Result<Self, RequestError> {
        let json = parse_body(body)?;
        let root = Field::root(&json);
        let ids = EndpointRequest::of(&root)?;
        let options = root.required("Options")?;
        options.object_or_null()?;
        let options = if options.is_null() { ContainerOptions::default() } else { ContainerOptions::read(&options)? };
        let interface = root.required("Interface")?;
        interface.object_or_null()?;
        if interface.is_null() {
            return Ok(Self { ids, v4: None, v6: None, mac: None, options });
        }
        if let Some(id) = interface.optional("ID")?
            && !id.value().is_number()
        {
            return Err(id.wrong("a number"));
        }
        let range = |name, version| match interface.optional(name)? {
            Some(field) => field.range(version),
            None => Ok(None),
        };
        let mac = match interface.optional("MacAddress")? {
            Some(field) => field.mac()?,
            None => None,
        };
        Ok(Self { ids, v4: range("Address", Version::V4)?, v6: range("AddressIPv6", Version::V6)?, mac, options })
    }
}

/// `NetworkDriver.ProgramExternalConnectivity`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramExternalConnectivity {
    /// Network and endpoint.
    pub ids: EndpointRequest,
    /// `--expose` and the image's EXPOSE.
    pub exposed: Vec<ExposedPort>,
    /// `-p`, `-P` and their kin.
    pub published: Vec<PortMap>,
    /// Another endpoint of the container publishes on the host's IPv6 addresses.
    pub v4_alone: bool,
}

/// One port to publish, as Docker asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortMap {
    /// The container's port.
    pub port: ExposedPort,
    /// The host's address, if one was chosen.
    pub host: Option<IpAddr>,
    /// The host's port.
    pub host_ports: HostPorts,
}

impl PortMap {
    fn read(item: &Field<'_>) -> Result<Self, RequestError> {
        const EXPECTED: &str = "a port from 0 to 65535";
        let port = exposed(item)?;
        let host = match item.optional("HostIP")? {
            Some(field) => field.address(Version::Any)?,
            None => None,
        };
        let number = |name| match item.optional(name)? {
            Some(field) => field.number::<u16>(EXPECTED),
            None => Ok(0),
        };
        let (first, last) = (number("HostPort")?, number("HostPortEnd")?);
        let host_ports = match (first, last) {
            (0, 0) => HostPorts::Any,
            (first, 0) => HostPorts::Range(first, first),
            (first, last) if first <= last && first > 0 => HostPorts::Range(first, last),
            _ => return Err(item.wrong("a port of a container with a range of the host's that begins before it ends")),
        };
        Ok(Self { port, host, host_ports })
    }
}

fn exposed(item: &Field<'_>) -> Result<ExposedPort, RequestError> {
    Ok(ExposedPort {
        protocol: item.required("Proto")?.number("an IP protocol number from 0 to 255")?,
        port: item.required("Port")?.number("a port from 0 to 65535")?,
    })
}

const EXPOSED: &str = "com.docker.network.endpoint.exposedports";
const PUBLISHED: &str = "com.docker.network.portmap";
/// Newer engines say so where a container has its IPv6 gateway on another network.
const V4_ALONE: &str = "com.docker.network.driver.private.no_proxy_6to4";

impl ProgramExternalConnectivity {
    /// Reads and checks the body.
    pub fn read(body: &[u8]) -> Result<Self, RequestError> {
        let json = parse_body(body)?;
        let root = Field::root(&json);
        let ids = EndpointRequest::of(&root)?;
        let mut request = Self { ids, exposed: Vec::new(), published: Vec::new(), v4_alone: false };
        let Some(options) = root.optional("Options")? else { return Ok(request) };
        if let Some(ports) = options.optional(EXPOSED)? {
            request.exposed = ports.items()?.iter().map(exposed).collect::<Result<_, _>>()?;
        }
        if let Some(ports) = options.optional(PUBLISHED)? {
            request.published = ports.items()?.iter().map(PortMap::read).collect::<Result<_, _>>()?;
        }
        if let Some(alone) = options.optional(V4_ALONE)? {
            request.v4_alone = alone.yes()?;
        }
        Ok(request)
    }
}
