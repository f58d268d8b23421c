//! Options that users give: to networks by `docker network create -o …` and `--ipam-opt …`, to a container's place on a
//! network by `docker network connect --driver-opt …` or `docker run --network name=…,driver-opt=…`.

use super::field::{Field, RequestError};
use kuryr_config::{PublishPorts, nearest};
use kuryr_neutron::{DnsName, Ipv6Mode, NetworkId, PortId, QosPolicyId, SecurityGroupId, SubnetId, SubnetPoolId};
use std::{fmt, net::IpAddr, str::FromStr};

/// What the names of our options begin with.
const PREFIX: &str = "neutron.";
/// `neutron.net.mtu`: the MTU of a new network.
pub const MTU: &str = "neutron.net.mtu";
/// `neutron.net.publish`: how ports are published.
pub const PUBLISH: &str = "neutron.net.publish";
/// `neutron.port.security_groups`: names or UUIDs, with commas between them.
pub const SECURITY_GROUPS: &str = "neutron.port.security_groups";
/// `neutron.port.qos_policy`: a name or UUID.
pub const QOS_POLICY: &str = "neutron.port.qos_policy";
/// `neutron.port.port_security_enabled`.
pub const PORT_SECURITY: &str = "neutron.port.port_security_enabled";
/// `neutron.port.dns_name`.
pub const DNS_NAME: &str = "neutron.port.dns_name";

/// Options of a network.
const OF_NETWORKS: [&str; 22] = [
    "neutron.net.uuid",
    "neutron.net.name",
    "neutron.net.shared",
    MTU,
    PUBLISH,
    "neutron.subnet.uuid",
    "neutron.subnet.name",
    "neutron.subnet.enable_dhcp",
    "neutron.subnet.dns_nameservers",
    "neutron.subnet.v6.uuid",
    "neutron.subnet.v6.name",
    "neutron.subnet.v6.enable_dhcp",
    "neutron.subnet.v6.dns_nameservers",
    "neutron.subnet.v6.ra_mode",
    "neutron.subnet.v6.address_mode",
    "neutron.pool.uuid",
    "neutron.pool.name",
    "neutron.pool.v6.uuid",
    "neutron.pool.v6.name",
    SECURITY_GROUPS,
    QOS_POLICY,
    PORT_SECURITY,
];

/// Options of a container on a network.
const OF_CONTAINERS: [&str; 6] =
    ["neutron.port.uuid", "neutron.port.name", SECURITY_GROUPS, QOS_POLICY, PORT_SECURITY, DNS_NAME];

/// Whose options they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A network's.
    Network,
    /// A container's on a network.
    Container,
}

impl Place {
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Network => &OF_NETWORKS,
            Self::Container => &OF_CONTAINERS,
        }
    }

    /// Refuses options that begin with `neutron.` and are none here: they would have no effect.
    pub fn check_names(self, options: &Field<'_>) -> Result<(), RequestError> {
        let given = options.value().as_object().into_iter().flat_map(|members| members.keys());
        let mut ours = given.filter(|name| name.to_ascii_lowercase().starts_with(PREFIX));
        match ours.find(|name| !self.names().contains(&name.as_str())) {
            Some(wrong) => Err(self.unknown(wrong)),
            None => Ok(()),
        }
    }

    fn unknown(self, wrong: &str) -> RequestError {
        let (whose, elsewhere, way) = match self {
            Self::Network => ("a network", OF_CONTAINERS.as_slice(), "docker network connect --driver-opt"),
            Self::Container => ("a container", OF_NETWORKS.as_slice(), "docker network create -o"),
        };
        // What all begin with says nothing about which one is meant.
        let rest = wrong.get(PREFIX.len()..).unwrap_or_default();
        let near = nearest(rest, self.names().iter().filter_map(|name| name.strip_prefix(PREFIX)));
        let hint = match near {
            _ if elsewhere.contains(&wrong) => format!("give it with `{way}`"),
            Some(right) => format!("did you mean {PREFIX}{right}?"),
            None => format!("there are {}", self.names().join(", ")),
        };
        RequestError::UnknownOption { name: wrong.chars().take(80).collect(), whose, hint }
    }
}

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

impl<Id: FromStr> Choice<Id> {
    /// One text for either: what looks like an id is one.
    fn of(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Id)
    }
}

/// Options about one IP version's addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeOptions {
    /// `neutron.subnet.*`: the subnet to use.
    pub subnet: Option<Choice<SubnetId>>,
    /// `neutron.pool.*`: the subnet pool to use.
    pub pool: Option<Choice<SubnetPoolId>>,
    /// What a new subnet is to be.
    pub settings: SubnetSettings,
}

/// What a subnet is to be; what is `None` is left to the configuration and to the cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubnetSettings {
    /// `…enable_dhcp`.
    pub enable_dhcp: Option<bool>,
    /// `…dns_nameservers`: addresses with commas between them.
    pub dns_nameservers: Option<Vec<IpAddr>>,
    /// `neutron.subnet.v6.ra_mode`.
    pub ra_mode: Option<Ipv6Mode>,
    /// `neutron.subnet.v6.address_mode`.
    pub address_mode: Option<Ipv6Mode>,
}

impl RangeOptions {
    /// From `neutron.subnet.uuid` … or, for IPv6, `neutron.subnet.v6.uuid` …
    pub fn read(options: &Field<'_>, v6: bool) -> Result<Self, RequestError> {
        let infix = if v6 { ".v6" } else { "" };
        let mode = |key| -> Result<Option<Ipv6Mode>, RequestError> {
            let field = if v6 { options.optional(key)? } else { None };
            field.map_or(Ok(None), |f| f.parsed("slaac, dhcpv6-stateful or dhcpv6-stateless"))
        };
        Ok(Self {
            subnet: choice(options, &format!("neutron.subnet{infix}"))?,
            pool: choice(options, &format!("neutron.pool{infix}"))?,
            settings: SubnetSettings {
                enable_dhcp: flag(options, &format!("neutron.subnet{infix}.enable_dhcp"))?,
                dns_nameservers: nameservers(options, &format!("neutron.subnet{infix}.dns_nameservers"))?,
                ra_mode: mode("neutron.subnet.v6.ra_mode")?,
                address_mode: mode("neutron.subnet.v6.address_mode")?,
            },
        })
    }
}

/// What ports are to be: a network's default, or one container's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortOptions {
    /// `neutron.port.security_groups`.
    pub security_groups: Option<Vec<Choice<SecurityGroupId>>>,
    /// `neutron.port.qos_policy`.
    pub qos_policy: Option<Choice<QosPolicyId>>,
    /// `neutron.port.port_security_enabled`.
    pub port_security: Option<bool>,
}

impl PortOptions {
    /// From `neutron.port.*`.
    pub fn read(options: &Field<'_>) -> Result<Self, RequestError> {
        let groups = listed(options, SECURITY_GROUPS)?.map(|groups| groups.into_iter().map(Choice::of).collect());
        let security = flag(options, PORT_SECURITY)?;
        if let (Some(false), Some(_), Some(field)) = (security, &groups, options.optional(SECURITY_GROUPS)?) {
            return Err(field.wrong(format!("possible together with {PORT_SECURITY}=false: leave one of them out")));
        }
        let policy = match options.optional(QOS_POLICY)? {
            Some(field) => field.filled()?.map(Choice::of),
            None => None,
        };
        Ok(Self { security_groups: groups, qos_policy: policy, port_security: security })
    }
}

/// Options of a container on a network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerOptions {
    /// `neutron.port.uuid` or `neutron.port.name`: the port it must get.
    pub port: Option<Choice<PortId>>,
    /// What its port is to be.
    pub settings: PortOptions,
    /// `neutron.port.dns_name`.
    pub dns_name: Option<DnsName>,
}

impl ContainerOptions {
    /// From the options of `CreateEndpoint`, beside which Docker puts its own.
    pub fn read(options: &Field<'_>) -> Result<Self, RequestError> {
        Place::Container.check_names(options)?;
        let dns_name = match options.optional(DNS_NAME)? {
            Some(field) => field.parsed("a name of letters, digits and hyphens, such as web or web.example.org")?,
            None => None,
        };
        Ok(Self { port: choice(options, "neutron.port")?, settings: PortOptions::read(options)?, dns_name })
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

/// `neutron.net.mtu`; with IPv6 on the network (`v6`) no smaller than it needs.
pub fn mtu(options: &Field<'_>, v6: bool) -> Result<Option<u32>, RequestError> {
    // RFC 791 and RFC 8200: the smallest that hosts must take.
    let (smallest, expected) = match v6 {
        true => (1280, "an MTU from 1280, as IPv6 needs, to 65535"),
        false => (68, "an MTU from 68 to 65535"),
    };
    let Some(field) = options.optional(MTU)? else { return Ok(None) };
    match field.parsed::<u32>(expected)? {
        Some(mtu) if !(smallest..=65535).contains(&mtu) => Err(field.wrong(expected)),
        mtu => Ok(mtu),
    }
}

/// `neutron.net.publish`.
pub fn publish(options: &Field<'_>) -> Result<Option<PublishPorts>, RequestError> {
    match options.optional(PUBLISH)? {
        Some(field) => field.parsed("host, floating_ip or none"),
        None => Ok(None),
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

/// Yes or no, and nothing else; `None` when it is absent or empty.
fn flag(options: &Field<'_>, key: &str) -> Result<Option<bool>, RequestError> {
    let Some(field) = options.optional(key)? else { return Ok(None) };
    if let Some(yes) = field.value().as_bool() {
        return Ok(Some(yes));
    }
    match field.text()?.to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "1" | "t" | "true" | "on" | "y" | "yes" => Ok(Some(true)),
        "0" | "f" | "false" | "off" | "n" | "no" => Ok(Some(false)),
        _ => Err(field.wrong("true or false")),
    }
}

/// Texts with commas between them; `None` when there is none.
fn listed<'a>(options: &Field<'a>, key: &str) -> Result<Option<Vec<&'a str>>, RequestError> {
    let Some(field) = options.optional(key)? else { return Ok(None) };
    let Some(text) = field.filled()? else { return Ok(None) };
    let texts: Vec<&str> = text.split(',').map(str::trim).collect();
    if texts.contains(&"") { Err(field.wrong("a list with commas between its texts")) } else { Ok(Some(texts)) }
}

fn nameservers(options: &Field<'_>, key: &str) -> Result<Option<Vec<IpAddr>>, RequestError> {
    let Some(texts) = listed(options, key)? else { return Ok(None) };
    let addresses: Result<Vec<IpAddr>, _> = texts.iter().map(|text| text.parse()).collect();
    match (addresses, options.optional(key)?) {
        (Err(_), Some(field)) => Err(field.wrong("a list of IP addresses with commas between them")),
        (addresses, _) => Ok(addresses.ok()),
    }
}
