//! What options ask of networks and ports, found in Neutron and checked before anything is changed.

use crate::{
    Plugin,
    answer::Error,
    request::{
        endpoint::CreateEndpoint,
        network::CreateNetwork,
        option::{
            Choice, DNS_NAME, MTU, PORT_SECURITY, PUBLISH, PortOptions, QOS_POLICY, SECURITY_GROUPS, SubnetSettings,
        },
    },
};
use futures_util::future::try_join_all;
use kuryr_neutron::{Network, NewNetwork, Port, PortId, QosPolicy, Resource, SecurityGroup, SecurityGroupId, Subnet};
use kuryr_openstack::Query;
use kuryr_ports::PortSettings;
use std::{fmt::Display, net::IpAddr};

/// What a network is to be.
#[derive(Debug, Default)]
pub(crate) struct NetworkWish {
    mtu: Option<u32>,
    /// What its ports are to be. The network itself keeps all of it but the groups, which are in tags.
    ports: PortSettings,
}

impl NetworkWish {
    /// The security groups of its ports.
    pub(crate) fn groups(&self) -> &[SecurityGroupId] {
        self.ports.security_groups.as_deref().unwrap_or_default()
    }

    /// Puts into a new network what it keeps itself.
    pub(crate) fn ask(&self, new: &mut NewNetwork) {
        new.mtu = self.mtu;
        new.port_security_enabled = self.ports.port_security;
        new.qos_policy_id = self.ports.qos_policy;
    }

    /// An existing network is used as it is: others may be on it.
    pub(crate) fn require_on(&self, network: &Network) -> Result<(), Error> {
        let text = |value: Option<&dyn Display>| value.map_or_else(|| "none".to_owned(), |v| v.to_string());
        let (mtu, security, policy) = (network.mtu, network.port_security_enabled, network.qos_policy_id);
        let wished = &self.ports;
        let differing = [
            (self.mtu.is_some_and(|wish| wish != mtu), MTU, text(Some(&mtu))),
            (wished.port_security.is_some_and(|wish| wish != security), PORT_SECURITY, text(Some(&security))),
            (
                wished.qos_policy.is_some_and(|wish| Some(wish) != policy),
                QOS_POLICY,
                text(policy.as_ref().map(|id| id as _)),
            ),
        ];
        if let Some((_, option, now)) = differing.into_iter().find(|(differs, ..)| *differs) {
            return Err(kuryr_ports::Error::Conflict(format!(
                "{option}: network {} exists and has {now}: leave the option out, or change the network in Neutron first",
                network.id
            ))
            .into());
        }
        if !network.port_security_enabled && !self.groups().is_empty() {
            return Err(insecure(network));
        }
        Ok(())
    }
}

/// An existing subnet is used as it is.
pub(crate) fn require_subnet(wish: &SubnetSettings, subnet: &Subnet) -> Result<(), Error> {
    let infix = if subnet.cidr.addr().is_ipv6() { ".v6" } else { "" };
    let differing = [
        (wish.enable_dhcp.is_some_and(|on| on != subnet.enable_dhcp), "enable_dhcp"),
        (wish.dns_nameservers.as_ref().is_some_and(|dns| *dns != subnet.dns_nameservers), "dns_nameservers"),
        (wish.ra_mode.is_some_and(|mode| Some(mode) != subnet.ipv6_ra_mode), "ra_mode"),
        (wish.address_mode.is_some_and(|mode| Some(mode) != subnet.ipv6_address_mode), "address_mode"),
    ];
    match differing.into_iter().find(|(differs, _)| *differs) {
        Some((_, name)) => Err(kuryr_ports::Error::Conflict(format!(
            "neutron.subnet{infix}.{name}: subnet {} ({}) exists and has another: leave the option out, or change the \
             subnet in Neutron first",
            subnet.id, subnet.cidr
        ))
        .into()),
        None => Ok(()),
    }
}

impl Plugin {
    /// What a network's options ask for.
    pub(crate) async fn network_wish(&self, request: &CreateNetwork) -> Result<NetworkWish, Error> {
        if request.mtu.is_some() {
            self.ports.require_extension("net-mtu-writable", MTU).await?;
        }
        let wish = NetworkWish { mtu: request.mtu, ports: self.port_settings(&request.ports).await? };
        let in_tags = [(SECURITY_GROUPS, !wish.groups().is_empty()), (PUBLISH, request.publish.is_some())];
        if let Some((option, _)) = in_tags.iter().find(|(_, is_asked)| *is_asked)
            && !self.ports.tagging().await?.identity
        {
            // Only tags can tell every host, and this one after a restart.
            let (what, extension) = (format!("{option} of a network"), "standard-attr-tag");
            return Err(kuryr_ports::Error::Unsupported { what, extension }.into());
        }
        Ok(wish)
    }

    /// What a container's options ask for. No call to Neutron where there are none.
    pub(crate) async fn container_wish(
        &self,
        request: &CreateEndpoint,
        network: &Network,
        addresses: &[IpAddr],
    ) -> Result<PortSettings, Error> {
        let options = &request.options;
        if let Some(choice) = &options.port {
            self.check_chosen_port(choice, network, addresses).await?;
        }
        if options.dns_name.is_some() {
            self.ports.require_extension("dns-integration", DNS_NAME).await?;
        }
        let mut settings = self.port_settings(&options.settings).await?;
        match (settings.port_security, network.port_security_enabled, &settings.security_groups) {
            (None, false, Some(_)) => return Err(insecure(network)),
            (Some(true), false, None) => {
                // Neutron would give it no group at all, which lets nothing through.
                settings.security_groups = Some(self.default_groups_for(&settings).await?);
            }
            _ => {}
        }
        Ok(PortSettings { dns_name: options.dns_name.clone(), ..settings })
    }

    /// The groups that Neutron gives a port by itself.
    pub(crate) async fn default_groups_for(&self, settings: &PortSettings) -> Result<Vec<SecurityGroupId>, Error> {
        if settings.port_security == Some(false) {
            return Ok(Vec::new());
        }
        let default = Choice::<SecurityGroupId>::Name("default".to_owned());
        Ok(vec![self.chosen::<SecurityGroup>(&default, SECURITY_GROUPS).await?])
    }

    async fn port_settings(&self, options: &PortOptions) -> Result<PortSettings, Error> {
        if options.port_security.is_some() {
            self.ports.require_extension("port-security", PORT_SECURITY).await?;
        }
        let mut settings = PortSettings { port_security: options.port_security, ..PortSettings::default() };
        if let Some(choice) = &options.qos_policy {
            self.ports.require_extension("qos", QOS_POLICY).await?;
            settings.qos_policy = Some(self.chosen::<QosPolicy>(choice, QOS_POLICY).await?);
        }
        if let Some(choices) = &options.security_groups {
            self.ports.require_extension("security-group", SECURITY_GROUPS).await?;
            let groups = choices.iter().map(|choice| self.chosen::<SecurityGroup>(choice, SECURITY_GROUPS));
            settings.security_groups = Some(try_join_all(groups).await?);
        }
        Ok(settings)
    }

    /// The one that an option names. Administrators see every project's; their own comes first then.
    async fn chosen<R: Resource>(&self, choice: &Choice<R::Id>, option: &str) -> Result<R::Id, Error> {
        let neutron = self.ports.neutron();
        let found = match choice {
            Choice::Id(id) => neutron.find::<R>(*id).await?.map(|found| found.id()),
            Choice::Name(name) => {
                let query = || Query::new().eq("name", name);
                let mut found: Vec<R> = neutron.list(&query()).await?;
                if found.len() > 1
                    && let Some(project) = neutron.session().project_id().await?
                {
                    found = neutron.list(&query().eq("project_id", project)).await?;
                }
                if found.len() > 1 {
                    let ids: Vec<String> = found.iter().map(|one| one.id().to_string()).collect();
                    let text = format!("{option}: {} are called '{name}': give the UUID of one", ids.join(" and "));
                    return Err(kuryr_ports::Error::Conflict(text).into());
                }
                found.pop().map(|found| found.id())
            }
        };
        let kind = R::MEMBER.replace('_', " ");
        found.ok_or_else(|| {
            Error::refused(format!(
                "{option}: there is no {kind} '{choice}' in Neutron, or this account may not see it"
            ))
        })
    }

    /// Docker has chosen the addresses before it tells the container's options: the port must have exactly these.
    async fn check_chosen_port(
        &self,
        choice: &Choice<PortId>,
        network: &Network,
        addresses: &[IpAddr],
    ) -> Result<(), Error> {
        let neutron = self.ports.neutron();
        let found = match choice {
            Choice::Id(id) => neutron.find::<Port>(*id).await?,
            Choice::Name(name) => {
                let query = Query::new().eq("network_id", network.id).eq("name", name);
                self.ports.one("ports", format!("network_id={} name={name}", network.id), query).await?
            }
        };
        let port = found.filter(|port| port.network_id == network.id).ok_or_else(|| {
            Error::refused(format!("neutron.port: there is no port '{choice}' on network {}", network.id))
        })?;
        if addresses.iter().all(|address| port.fixed_ips.iter().any(|ip| ip.ip_address == *address)) {
            return Ok(());
        }
        let wanted = port.fixed_ips.iter().map(|ip| match ip.ip_address {
            IpAddr::V4(address) => format!("--ip {address}"),
            IpAddr::V6(address) => format!("--ip6 {address}"),
        });
        let wanted: Vec<String> = wanted.collect();
        let text = format!(
            "neutron.port: Docker chooses addresses before it tells which port is wanted: give {} along, which port {} has",
            wanted.join(" and "),
            port.id
        );
        Err(kuryr_ports::Error::Conflict(text).into())
    }
}

fn insecure(network: &Network) -> Error {
    let text = format!(
        "{SECURITY_GROUPS}: network {} has port security switched off, so that its ports take no groups: give \
         {PORT_SECURITY}=true to a container, or switch it on in Neutron",
        network.id
    );
    kuryr_ports::Error::Conflict(text).into()
}
