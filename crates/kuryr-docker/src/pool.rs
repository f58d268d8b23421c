//! Subnet pools: `RequestPool` and `ReleasePool`.
//!
//! Docker knows a network's addresses by the id of a pool alone. So that two networks with the same range cannot
//! be confused, each gets a pool of its own: the first one under the name that every Kuryr uses.

use crate::{
    Plugin,
    address::within,
    answer::Error,
    request::{
        ipam::RequestPool,
        network::{CreateNetwork, Range},
        option::Choice,
    },
};
use axum::body::Bytes;
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use kuryr_neutron::{NewSubnetPool, Subnet, SubnetId, SubnetPool, SubnetPoolId};
use kuryr_openstack::Query;
use kuryr_ports::{Author, Rollback, SUBNET_NAME_PREFIX, author, existing_pool_tag, pool_name, pool_tag, pool_tags};
use serde_json::{Value, json};

/// An unused pool younger than this may be another host's, whose Docker is about to create the network.
const JUST_MADE: SignedDuration = SignedDuration::from_secs(60);

impl Plugin {
    pub(crate) async fn request_pool(self, body: Bytes) -> Result<Value, Error> {
        let request = RequestPool::read(&body)?;
        let subnet = match (&request.options.subnet, request.cidr) {
            (Some(choice), Some(cidr)) => Some(self.chosen_subnet(choice, cidr).await?),
            _ => None,
        };
        let making = self.unsettled.make_pool();
        let asked = self.reservations.generation();
        let made = match request.cidr {
            None => self.whole_pool(&request).await,
            Some(cidr) => {
                let pool = self.pool_for(&request, cidr, subnet.as_ref().map(|subnet| subnet.id)).await;
                pool.map(|pool| (pool, cidr))
            }
        };
        drop(making);
        let (pool, cidr) = made.inspect_err(|_| self.unsettled.doubt())?;
        if self.reservations.generation() != asked {
            // Whoever asked is gone, and makes no network of it.
            self.reservations.forget(pool.id);
        }
        if !self.handed.is_made_here(pool.id) {
            // What was known of it was about an earlier Docker network.
            self.handed.forget(pool.id);
        }
        let Some(gateway) = subnet.and_then(|subnet| subnet.gateway_ip) else {
            return Ok(json!({"Pool": cidr, "PoolID": pool.id}));
        };
        // Docker need not ask for it, and gives it back all the same.
        self.handed.gateway(pool.id, gateway);
        let data = json!({"com.docker.network.gateway": within(gateway, cidr)?});
        Ok(json!({"Pool": cidr, "PoolID": pool.id, "Data": data}))
    }

    /// Without a range: all of the chosen pool, or of the default one.
    async fn whole_pool(&self, request: &RequestPool) -> Result<(SubnetPool, IpNet), Error> {
        let pool = match &request.options.pool {
            Some(choice) => self.chosen_pool(choice).await?,
            None => {
                let settings = &self.settings;
                let name = if request.v6 { &settings.default_pool_v6 } else { &settings.default_pool_v4 };
                let query = Query::new().eq("name", name);
                let found = self.ports.one::<SubnetPool>("subnetspool", format!("name={name}"), query).await?;
                found.ok_or_else(|| {
                    Error::refused(format!(
                        "No subnetpools with {{'name': '{name}'}} is found. Give --subnet, or create a subnet pool of \
                         that name"
                    ))
                })?
            }
        };
        let Some(&cidr) = pool.prefixes.iter().find(|prefix| prefix.addr().is_ipv6() == request.v6) else {
            let version = if request.v6 { 6 } else { 4 };
            return Err(Error::refused(format!("Subnet pool {} has no IPv{version} prefix", pool.id)));
        };
        if request.options.pool.is_some() {
            self.mark_existing(&pool).await?;
        }
        self.reservations.hold(&pool, cidr, None, false);
        Ok((pool, cidr))
    }

    async fn pool_for(
        &self,
        request: &RequestPool,
        cidr: IpNet,
        subnet: Option<SubnetId>,
    ) -> Result<SubnetPool, Error> {
        if let Some(choice) = &request.options.pool {
            let pool = self.chosen_pool(choice).await?;
            if pool.prefixes.iter().any(|prefix| prefix.contains(&cidr)) {
                if pool.shared != request.shared {
                    let shared = if pool.shared { "True" } else { "False" };
                    return Err(Error::refused(format!(
                        "There is already existing subnet pool with {cidr} but with shared = {shared}"
                    )));
                }
                self.refuse_second_range(&pool, cidr).await?;
                self.mark_existing(&pool).await?;
                self.reservations.hold(&pool, cidr, subnet, false);
                return Ok(pool);
            }
        }
        let free = self.free_pools(cidr, subnet).await?;
        let now = Timestamp::now();
        let is_left = |pool: &SubnetPool| pool.created_at.is_none_or(|born| now.duration_since(born) >= JUST_MADE);
        // One that another Kuryr made may be on its way to a network there.
        let ours = |pool: &SubnetPool| is_left(pool) && (!self.is_local() || self.is_mine(pool));
        let mut unused = free.unused.into_iter();
        if let Some(pool) = unused.find(|pool| ours(pool) && !self.reservations.holds(pool.id)) {
            self.reservations.hold(&pool, cidr, subnet, true);
            return Ok(pool);
        }
        let mut name = pool_name(&self.settings.pool_prefix, cidr);
        if free.name_taken {
            name = format!("{name}-{}", SubnetPoolId::random().short());
        }
        self.create_pool(name, cidr, subnet, request.shared).await
    }

    /// The pool that Docker was given for a range.
    pub(crate) async fn pool_of(
        &self,
        request: &CreateNetwork,
        range: &Range,
        subnet: Option<SubnetId>,
    ) -> Result<SubnetPool, Error> {
        let chosen = match &request.options_of(range).pool {
            Some(choice) => Some(self.chosen_pool(choice).await.map_err(|error| missing_pool(error, choice))?),
            None => None,
        };
        match self.reservations.find(range.cidr, subnet) {
            Ok(Some(pool)) => return Ok(pool),
            Ok(None) => {}
            Err(_) => {
                return Err(Error::refused(format!(
                    "Several networks with the range {} are being created at once, and Docker does not say which is \
                     which: create them one after the other",
                    range.cidr
                )));
            }
        }
        if let Some(pool) = chosen
            && pool.prefixes.iter().any(|prefix| prefix.contains(&range.cidr))
        {
            return Ok(pool);
        }
        // Not handed out by this process: a restart, or another host of a Swarm.
        let found = self.free_pools(range.cidr, subnet).await?;
        if let Some(pool) = found.unused.into_iter().find(|pool| !self.is_anothers(pool)) {
            return Ok(pool);
        }
        let name = pool_name(&self.settings.pool_prefix, range.cidr);
        for pool in self.ports.neutron().list::<SubnetPool>(&Query::new()).await? {
            let default = pool.name == self.settings.default_pool_v4 || pool.name == self.settings.default_pool_v6;
            let further = pool.name.strip_prefix(&name).is_some_and(|rest| rest.starts_with('-'));
            let fits = pool.prefixes.iter().any(|prefix| prefix.contains(&range.cidr));
            if fits && (default || (further && !self.is_anothers(&pool) && !self.is_used(pool.id).await?)) {
                return Ok(pool);
            }
        }
        Err(Error::refused(if found.name_taken {
            format!("Subnet pool {name} is used by another network: create this Docker network again")
        } else {
            format!(
                "Specified pool name({name}) does not exist. Docker did not ask Kuryr for this range: create the network \
                 with --ipam-driver kuryr too"
            )
        }))
    }

    async fn create_pool(
        &self,
        name: String,
        cidr: IpNet,
        subnet: Option<SubnetId>,
        shared: bool,
    ) -> Result<SubnetPool, Error> {
        let neutron = self.ports.neutron();
        // Neutron's smallest default is 8, or 64 for IPv6; a range may be larger.
        let smallest = if cidr.addr().is_ipv4() { 8 } else { 64 };
        let new = NewSubnetPool {
            name,
            prefixes: vec![cidr],
            default_prefixlen: Some(cidr.prefix_len()),
            min_prefixlen: (cidr.prefix_len() < smallest).then_some(cidr.prefix_len()),
            shared: Some(shared),
            ..NewSubnetPool::default()
        };
        let pool = neutron.create::<SubnetPool>(&new).await?;
        if let Some(subnet) = subnet {
            let mut rollback = Rollback::new();
            let (client, id) = (neutron.clone(), pool.id);
            rollback.push(format!("delete subnet pool {id}"), async move {
                client.delete_if_exists::<SubnetPool>(id).await.map(drop)
            });
            let tag = subnet.to_string().parse().map_err(|e| Error::refused(format!("subnet {subnet}: {e}")))?;
            rollback.unless_ok(neutron.add_tag::<SubnetPool>(pool.id, &tag).await).await?;
        }
        self.reservations.hold(&pool, cidr, subnet, true);
        self.handed.made(pool.id);
        Ok(pool)
    }

    /// The pool an option names.
    pub(crate) async fn chosen_pool(&self, choice: &Choice<SubnetPoolId>) -> Result<SubnetPool, Error> {
        let found = match choice {
            Choice::Id(id) => self.ports.neutron().find::<SubnetPool>(*id).await?,
            Choice::Name(name) => {
                self.ports.one("subnetspool", format!("name={name}"), Query::new().eq("name", name)).await?
            }
        };
        found.ok_or_else(|| Error::refused(format!("Specified subnetpool id/name({choice}) does not exist.")))
    }

    /// The subnet an option names, checked to have Docker's range.
    pub(crate) async fn chosen_subnet(&self, choice: &Choice<SubnetId>, cidr: IpNet) -> Result<Subnet, Error> {
        let subnet = self.named_subnet(choice).await?;
        self.ports.require_tags(&format!("subnet {}", subnet.id)).await?;
        if subnet.cidr.trunc() != cidr {
            let text = format!("Subnet {choice} has the range {}, not {cidr}: give --subnet {0}", subnet.cidr);
            return Err(Error::refused(text));
        }
        Ok(subnet)
    }

    /// The subnet an option names.
    pub(crate) async fn named_subnet(&self, choice: &Choice<SubnetId>) -> Result<Subnet, Error> {
        let found = match choice {
            Choice::Id(id) => self.ports.neutron().find::<Subnet>(*id).await?,
            Choice::Name(name) => {
                let mut found = self.ports.neutron().list::<Subnet>(&Query::new().eq("name", name)).await?;
                if found.len() > 1 {
                    return Err(Error::refused(format!("Multiple Neutron subnets exist for name {name}")));
                }
                found.pop()
            }
        };
        let kind = if matches!(choice, Choice::Id(_)) { "id" } else { "name" };
        found.ok_or_else(|| Error::refused(format!("The subnet doesn't exist for the {kind} {choice}")))
    }

    async fn mark_existing(&self, pool: &SubnetPool) -> Result<(), Error> {
        let own = pool.name == self.settings.default_pool_v4 || pool.name == self.settings.default_pool_v6;
        if !own && self.ports.tagging().await?.resources && !pool.tags.contains(&existing_pool_tag()) {
            self.ports.neutron().add_tag::<SubnetPool>(pool.id, &existing_pool_tag()).await?;
        }
        Ok(())
    }

    /// One pool's id cannot stand for two ranges: `RequestAddress` says nothing else.
    async fn refuse_second_range(&self, pool: &SubnetPool, cidr: IpNet) -> Result<(), Error> {
        match self.subnets_served(pool.id).await?.into_iter().find(|subnet| subnet.cidr.trunc() != cidr) {
            Some(other) => Err(Error::refused(format!(
                "Subnet pool {} serves subnet {} ({}) of another Docker network already, and Docker tells addresses \
                 apart by their pool alone: use another pool, or no neutron.pool option",
                pool.id, other.id, other.cidr
            ))),
            None => Ok(()),
        }
    }

    /// Kuryr's pools for a range which no subnet uses.
    pub(crate) async fn free_pools(&self, cidr: IpNet, subnet: Option<SubnetId>) -> Result<FreePools, Error> {
        let name = pool_name(&self.settings.pool_prefix, cidr);
        let neutron = self.ports.neutron();
        let named: Vec<SubnetPool> = neutron.list(&Query::new().eq("name", &name)).await?;
        let mut pools = Vec::new();
        for pool in named {
            // A pool that is tagged with a subnet is for that subnet alone.
            let mut subnets = pool.tags.iter().filter_map(|tag| tag.as_str().parse::<SubnetId>().ok()).peekable();
            let fits = match subnet {
                Some(wanted) => subnets.any(|id| id == wanted),
                None => subnets.peek().is_none(),
            };
            if fits {
                pools.push(pool);
            }
        }
        let name_taken = !pools.is_empty();
        let mut unused = Vec::new();
        for pool in pools {
            if !self.is_used(pool.id).await? {
                unused.push(pool);
            }
        }
        Ok(FreePools { unused, name_taken })
    }

    /// True for a pool that this Kuryr made.
    pub(crate) fn is_mine(&self, pool: &SubnetPool) -> bool {
        author(&pool.description) == Author::Kuryr(self.settings.control_plane.clone())
    }

    /// True for a pool that another Kuryr made, which is for a network of its host alone.
    pub(crate) fn is_anothers(&self, pool: &SubnetPool) -> bool {
        self.is_local() && !self.is_mine(pool) && matches!(author(&pool.description), Author::Kuryr(_))
    }

    pub(crate) async fn is_used(&self, pool: SubnetPoolId) -> Result<bool, Error> {
        let neutron = self.ports.neutron();
        let query = Query::new().eq("subnetpool_id", pool);
        let (allocated, served) = tokio::join!(neutron.list::<Subnet>(&query), self.subnets_served(pool));
        Ok(!allocated?.is_empty() || !served?.is_empty())
    }

    /// The subnets that Docker knows by this pool: they carry its tag; without tags, they are allocated from it.
    pub(crate) async fn subnets_served(&self, pool: SubnetPoolId) -> Result<Vec<Subnet>, Error> {
        let neutron = self.ports.neutron();
        if self.ports.tagging().await?.resources {
            let tagged: Vec<Subnet> = neutron.list(&Query::new().tags(&[pool_tag(pool)])).await?;
            if !tagged.is_empty() {
                return Ok(tagged);
            }
        }
        let mut allocated: Vec<Subnet> = neutron.list(&Query::new().eq("subnetpool_id", pool)).await?;
        // One with the tag of another pool is that one's; this pool's may have been written since the first look.
        let is_its = |s: &Subnet| pool_tags(&s.tags).next().is_none() || s.tags.contains(&pool_tag(pool));
        allocated.retain(|s| s.name.starts_with(SUBNET_NAME_PREFIX) && is_its(s));
        Ok(allocated)
    }
}

/// `CreateNetwork` has its own words for a pool that is not there.
fn missing_pool(error: Error, choice: &Choice<SubnetPoolId>) -> Error {
    match (error, choice) {
        (Error::Refused(_), Choice::Id(id)) => Error::refused(format!("Specified pool id({id}) does not exist.")),
        (Error::Refused(_), Choice::Name(name)) => {
            Error::refused(format!("Specified pool name({name}) does not exist."))
        }
        (error, _) => error,
    }
}

/// What [`Plugin::free_pools`] finds.
pub(crate) struct FreePools {
    /// Pools that no subnet uses.
    pub(crate) unused: Vec<SubnetPool>,
    /// The usual name is taken, by used pools or unused ones.
    pub(crate) name_taken: bool,
}
