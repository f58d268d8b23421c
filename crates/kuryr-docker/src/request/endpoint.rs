//! Requests of the network driver about endpoints.

use super::{
    field::{Field, RequestError, Version, parse_body},
    option::ContainerOptions,
};
use ipnet::IpNet;
use kuryr_neutron::MacAddr;
use kuryr_ports::{DockerId, ExposedPort};

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

    /// `Join`: the sandbox's path is checked to be a text, and not used: Docker moves the interface itself.
    pub fn read_join(body: &[u8]) -> Result<Self, RequestError> {
        let json = parse_body(body)?;
        let root = Field::root(&json);
        let request = Self::of(&root)?;
        let key = root.required("SandboxKey")?;
        if key.filled()?.is_none_or(|path| path.contains('\0')) {
            return Err(key.wrong("the path of a network namespace"));
        }
        if let Some(options) = root.optional("Options")? {
            options.object_or_null()?;
        }
        Ok(request)
    }

    fn of(root: &Field<'_>) -> Result<Self, RequestError> {
        let network = root.required("NetworkID")?.docker_id()?;
        Ok(Self { network, endpoint: root.required("EndpointID")?.docker_id()? })
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
}

impl ProgramExternalConnectivity {
    /// Reads and checks the body.
    pub fn read(body: &[u8]) -> Result<Self, RequestError> {
        let json = parse_body(body)?;
        let root = Field::root(&json);
        let ids = EndpointRequest::of(&root)?;
        let mut exposed = Vec::new();
        if let Some(options) = root.optional("Options")?
            && let Some(ports) = options.optional("com.docker.network.endpoint.exposedports")?
        {
            for item in ports.items()? {
                exposed.push(ExposedPort {
                    protocol: item.required("Proto")?.number("an IP protocol number from 0 to 255")?,
                    port: item.required("Port")?.number("a port from 0 to 65535")?,
                });
            }
        }
        Ok(Self { ids, exposed })
    }
}
