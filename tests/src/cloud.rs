//! The cloud as its clients see it, without `async`: a test waits for each call.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use kuryr_neutron::{
    Network, NewNetwork, NewRouter, NewSubnet, Port, Resource, Router, RouterId, RouterInterface, SecurityGroup,
    Subnet, SubnetId, SubnetPool,
};
use kuryr_openstack::{Auth, DomainRef, Identity, Neutron, ProjectRef, Query, Scope, Session, SessionOptions, UserRef};
use kuryr_openstack::{Error, Unix};
use serde_json::{Value, json};

/// A Neutron client with a runtime of its own.
pub struct Cloud {
    runtime: tokio::runtime::Runtime,
    neutron: Neutron,
}

impl Cloud {
    /// Connect through this unix socket, with the credentials of a clouds.yaml whose cloud is called `kuryr`.
    pub fn connect(socket: &Path, clouds: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let session = Session::new(Arc::new(Unix::new(socket)?), auth(clouds)?, SessionOptions::default());
        Ok(Self { runtime, neutron: Neutron::new(session) })
    }

    /// Run calls that this facade has no method for.
    pub fn call<T>(&self, work: impl AsyncFnOnce(&Neutron) -> Result<T, Error>) -> Result<T, Error> {
        self.runtime.block_on(work(&self.neutron))
    }

    /// All resources of a kind.
    pub fn all<R: Resource>(&self) -> Result<Vec<R>> {
        self.list(&Query::new())
    }

    /// Those that match.
    pub fn list<R: Resource>(&self, query: &Query) -> Result<Vec<R>> {
        Ok(self.call(async |neutron| neutron.list(query).await)?)
    }

    /// The only one that matches.
    pub fn one<R: Resource>(&self, query: &Query) -> Result<R> {
        let mut found = self.list::<R>(query)?;
        anyhow::ensure!(found.len() == 1, "{} {} match {query:?}, not one", found.len(), R::COLLECTION);
        found.pop().context("there is one")
    }

    /// Create one.
    pub fn create<R: Resource>(&self, new: &R::New) -> Result<R> {
        Ok(self.call(async |neutron| neutron.create(new).await)?)
    }

    /// Change one.
    pub fn update<R: Resource>(&self, id: R::Id, update: &R::Update) -> Result<R> {
        Ok(self.call(async |neutron| neutron.update(id, update).await)?)
    }

    /// Delete one.
    pub fn delete<R: Resource>(&self, id: R::Id) -> Result<()> {
        Ok(self.call(async |neutron| neutron.delete::<R>(id).await)?)
    }

    /// The port that has this MAC address.
    pub fn port_by_mac(&self, mac: &str) -> Result<Port> {
        self.one(&Query::new().eq("mac_address", mac))
    }

    /// The subnet with this CIDR.
    pub fn subnet(&self, cidr: &str) -> Result<Subnet> {
        self.one(&Query::new().eq("cidr", cidr))
    }

    /// A router to the outside: an external network, a router with its gateway there, and an interface on each subnet.
    pub fn router(&self, subnets: &[SubnetId]) -> Result<Edge> {
        let new = NewNetwork { name: "public".to_owned(), router_external: Some(true), ..Default::default() };
        let network: Network = self.create(&new)?;
        let new: NewSubnet = serde_json::from_value(json!({
            "name": "public", "network_id": network.id, "ip_version": 4, "cidr": Edge::CIDR, "enable_dhcp": false,
        }))?;
        let subnet: Subnet = self.create(&new)?;
        let new: NewRouter = serde_json::from_value(json!({
            "name": "edge", "external_gateway_info": { "network_id": network.id },
        }))?;
        let router: Router = self.create(&new)?;
        let edge = Edge { network: network.id, subnet: subnet.id, router: router.id };
        for subnet in subnets {
            let interface = RouterInterface { subnet_id: Some(*subnet), ..Default::default() };
            self.call(async |neutron| neutron.add_router_interface(router.id, interface).await)?;
        }
        Ok(edge)
    }

    /// Remove what [`Cloud::router`] made.
    pub fn remove_router(&self, edge: &Edge, subnets: &[SubnetId]) -> Result<()> {
        for subnet in subnets {
            let interface = RouterInterface { subnet_id: Some(*subnet), ..Default::default() };
            self.call(async |neutron| neutron.remove_router_interface(edge.router, interface).await)?;
        }
        self.delete::<Router>(edge.router)?;
        self.delete::<Subnet>(edge.subnet)?;
        self.delete::<Network>(edge.network)
    }

    /// Everything there is, as `kind name`, but not the default security groups.
    pub fn inventory(&self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        all.extend(self.all::<Network>()?.iter().map(|it| format!("network {}", it.name)));
        all.extend(self.all::<Subnet>()?.iter().map(|it| format!("subnet {}", it.name)));
        all.extend(self.all::<SubnetPool>()?.iter().map(|it| format!("subnetpool {}", it.name)));
        all.extend(self.all::<Port>()?.iter().map(|it| format!("port {} {}", it.name, it.mac_address)));
        all.extend(self.all::<Router>()?.iter().map(|it| format!("router {}", it.name)));
        let groups = self.all::<SecurityGroup>()?;
        all.extend(groups.iter().filter(|it| it.name != "default").map(|it| format!("security_group {}", it.name)));
        all.sort();
        Ok(all)
    }
}

/// What [`Cloud::router`] made.
pub struct Edge {
    /// The external network.
    pub network: kuryr_neutron::NetworkId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// The router.
    pub router: RouterId,
}

impl Edge {
    /// Addresses of the external network.
    pub const CIDR: &'static str = "172.24.4.0/24";
}

/// Credentials of the cloud `kuryr` in a clouds.yaml.
fn auth(clouds: &Path) -> Result<Auth> {
    let text = fs::read_to_string(clouds).with_context(|| format!("cannot read {}", clouds.display()))?;
    let all: Value = serde_norway::from_str(&text).context("clouds.yaml is not YAML")?;
    let auth = &all["clouds"]["kuryr"]["auth"];
    let word = |key: &str| -> Result<String> {
        Ok(auth[key].as_str().with_context(|| format!("clouds.yaml has no clouds.kuryr.auth.{key}"))?.to_owned())
    };
    let domain = |name: &str| DomainRef::Name(word(name).unwrap_or_else(|_| "Default".to_owned()));
    let user = UserRef::Name { name: word("username")?, domain: domain("user_domain_name") };
    let project = ProjectRef::Name { name: word("project_name")?, domain: domain("project_domain_name") };
    Ok(Auth {
        url: word("auth_url")?.parse().context("auth_url is no URL")?,
        identity: Identity::Password { user, password: word("password")?.into() },
        scope: Scope::Project(project),
    })
}
