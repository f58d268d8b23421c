//! The cloud as its clients see it, without `async`: a test waits for each call.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use kuryr_neutron::{
    Network, Port, PortId, PortUpdate, ProjectId, Resource, Router, RouterId, RouterInterface, SecurityGroup,
    SecurityGroupId, SecurityGroupRule, Subnet, SubnetId, SubnetPool,
};
use kuryr_openstack::{
    Auth, Domain, Error, Neutron, Project, Query, Scope, Session, SessionOptions, Transport, Unix, User,
};
use serde_json::{Value, json};

use crate::world;

/// A Neutron client with a runtime of its own.
pub struct Cloud {
    runtime: tokio::runtime::Runtime,
    neutron: Neutron,
    place: Option<Place>,
}

/// A cloud that others use too, in another network namespace.
struct Place {
    namespace: File,
    project: ProjectId,
}

impl Cloud {
    /// Connect through this unix socket, with the credentials of a clouds.yaml whose cloud is called `kuryr`.
    pub fn connect(socket: &Path, clouds: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let session = session(Arc::new(Unix::new(socket)?), clouds)?;
        Ok(Self { runtime, neutron: Neutron::new(session), place: None })
    }

    /// A project of the cloud that this session leads to, seen from this network namespace: what belongs to others is
    /// not shown.
    pub fn of_project(session: Session, project: ProjectId, namespace: File) -> Result<Self> {
        let inside = namespace.try_clone()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            // Connections are made by threads of both kinds. One that stays outside fails its first connection.
            .on_thread_start(move || drop(world::enter(&inside)))
            .build()?;
        Ok(Self { runtime, neutron: Neutron::new(session), place: Some(Place { namespace, project }) })
    }

    /// Run calls that this facade has no method for.
    pub fn call<T: Send>(&self, work: impl AsyncFnOnce(&Neutron) -> Result<T, Error> + Send) -> Result<T> {
        let run = || Ok(self.runtime.block_on(work(&self.neutron))?);
        match &self.place {
            Some(place) => world::run_in(&place.namespace, run),
            None => run(),
        }
    }

    /// All resources of a kind.
    pub fn all<R: Resource>(&self) -> Result<Vec<R>> {
        self.list(&Query::new())
    }

    /// Those that match.
    pub fn list<R: Resource>(&self, query: &Query) -> Result<Vec<R>> {
        let query = match &self.place {
            Some(place) => &query.clone().eq("project_id", &place.project),
            None => query,
        };
        self.call(async |neutron| neutron.list(query).await)
    }

    /// The only one that matches.
    pub fn one<R: Resource>(&self, query: &Query) -> Result<R> {
        let mut found = self.list::<R>(query)?;
        anyhow::ensure!(found.len() == 1, "{} {} match {query:?}, not one", found.len(), R::COLLECTION);
        found.pop().context("there is one")
    }

    /// Create one.
    pub fn create<R: Resource>(&self, new: &R::New) -> Result<R> {
        self.call(async |neutron| neutron.create(new).await)
    }

    /// Create one from JSON, as a script would.
    pub fn make<R: Resource>(&self, new: Value) -> Result<R> {
        let new: R::New = serde_json::from_value(new).context("not what the resource is made of")?;
        self.create::<R>(&new)
    }

    /// Create many with one call.
    pub fn make_many<R: Resource>(&self, new: impl Iterator<Item = Value>) -> Result<Vec<R>> {
        let new: Vec<R::New> = new.map(serde_json::from_value).collect::<serde_json::Result<_>>()?;
        self.call(async |neutron| neutron.create_many::<R>(&new).await)
    }

    /// Change one.
    pub fn update<R: Resource>(&self, id: R::Id, update: &R::Update) -> Result<R> {
        self.call(async |neutron| neutron.update(id, update).await)
    }

    /// Delete one.
    pub fn delete<R: Resource>(&self, id: R::Id) -> Result<()> {
        self.call(async |neutron| neutron.delete::<R>(id).await)
    }

    /// The port that has this MAC address.
    pub fn port_by_mac(&self, mac: &str) -> Result<Port> {
        self.one(&Query::new().eq("mac_address", mac))
    }

    /// The subnet with this CIDR.
    pub fn subnet(&self, cidr: &str) -> Result<Subnet> {
        self.one(&Query::new().eq("cidr", cidr))
    }

    /// A new security group, which lets everything out and nothing in.
    pub fn group(&self, name: &str) -> Result<SecurityGroup> {
        self.make(json!({ "name": name }))
    }

    /// Let TCP connections to this port into the group's ports.
    pub fn open(&self, group: SecurityGroupId, family: &str, port: u16) -> Result<SecurityGroupRule> {
        self.make(json!({
            "security_group_id": group, "direction": "ingress", "ethertype": family,
            "protocol": "tcp", "port_range_min": port, "port_range_max": port,
        }))
    }

    /// Put a port into these groups and no other.
    pub fn put_into(&self, port: PortId, groups: &[SecurityGroupId]) -> Result<Port> {
        self.update::<Port>(port, &PortUpdate { security_groups: Some(groups.to_vec()), ..Default::default() })
    }

    /// A router to the outside: an external network, a router with its gateway there, and an interface on each subnet.
    pub fn router(&self, subnets: &[SubnetId]) -> Result<Edge> {
        let network: Network = self.make(json!({ "name": "public", "router:external": true }))?;
        let subnet: Subnet = self.make(json!({
            "name": "public", "network_id": network.id, "ip_version": 4, "cidr": Edge::CIDR, "enable_dhcp": false,
        }))?;
        let router: Router =
            self.make(json!({ "name": "edge", "external_gateway_info": { "network_id": network.id } }))?;
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

    /// Delete all ports, networks, subnet pools and groups.
    pub fn clear(&self) -> Result<()> {
        self.all::<Port>()?.iter().try_for_each(|it| self.delete::<Port>(it.id))?;
        self.all::<Network>()?.iter().try_for_each(|it| self.delete::<Network>(it.id))?;
        self.all::<SubnetPool>()?.iter().try_for_each(|it| self.delete::<SubnetPool>(it.id))?;
        let groups = self.all::<SecurityGroup>()?;
        groups.iter().filter(|it| it.name != "default").try_for_each(|it| self.delete::<SecurityGroup>(it.id))
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

/// A session with the cloud `kuryr` of a clouds.yaml.
pub fn session(transport: Arc<dyn Transport>, clouds: &Path) -> Result<Session> {
    let text = fs::read_to_string(clouds).with_context(|| format!("cannot read {}", clouds.display()))?;
    let all: Value = serde_norway::from_str(&text).context("clouds.yaml is not YAML")?;
    let auth = &all["clouds"]["kuryr"]["auth"];
    let word = |key: &str| -> Result<String> {
        Ok(auth[key].as_str().with_context(|| format!("clouds.yaml has no clouds.kuryr.auth.{key}"))?.to_owned())
    };
    let domain = |name: &str| Domain::Name(word(name).unwrap_or_else(|_| "Default".to_owned()));
    let user = User::Name { name: word("username")?, domain: domain("user_domain_name") };
    let project = Project::Name { name: word("project_name")?, domain: domain("project_domain_name") };
    let auth = Auth::Password { user, password: word("password")?.into(), scope: Scope::Project(project) };
    let url = word("auth_url")?.parse().context("auth_url is no URL")?;
    Ok(Session::new(transport, url, auth, SessionOptions::default()))
}
