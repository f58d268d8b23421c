//! Networks: `CreateNetwork` and `DeleteNetwork`.

use crate::{
    Plugin,
    answer::Error,
    network_tags::membership_tags,
    removal::is_named_ours,
    request::{
        network::{CreateNetwork, Range, read_delete},
        option::Choice,
    },
    wish::{NetworkWish, require_subnet},
};
use axum::body::Bytes;
use kuryr_neutron::{Network, NewNetwork, NewSubnet, Subnet, SubnetPool, Tag};
use kuryr_openstack::{Query, if_there};
use kuryr_ports::{DockerId, Rollback, pool_tag, pool_tags, subnet_name};
use serde_json::{Value, json};

/// One range of the request with what it stands for in Neutron.
struct Resolved<'a> {
    range: &'a Range,
    /// The subnet that the user chose.
    chosen: Option<Subnet>,
    pool: SubnetPool,
}

impl Plugin {
    pub(crate) async fn create_network(self, body: Bytes) -> Result<Value, Error> {
        self.create(CreateNetwork::read(&body)?).await
    }

    pub(crate) async fn create(self, request: CreateNetwork) -> Result<Value, Error> {
        let _network = self.networks.lock(request.id.clone()).await;
        if self.is_local() {
            self.attempt(&request).await?
        } else {
            self.attempt_with_others(&request).await?
        }
        Ok(json!({}))
    }

    /// Creates a network, or leaves nothing.
    pub(crate) async fn attempt(&self, request: &CreateNetwork) -> Result<(), Error> {
        let mut rollback = Rollback::new();
        let result = self.create_network_steps(request, &mut rollback).await;
        rollback.unless_ok(result).await.inspect_err(|_| {
            self.forget_network(&request.id);
            self.unsettled.end_network(&request.id);
        })
    }

    async fn create_network_steps(&self, request: &CreateNetwork, rollback: &mut Rollback) -> Result<(), Error> {
        let known = if self.is_new(request) { None } else { self.ports.network_of(&request.id).await? };
        self.forget_network(&request.id);
        self.attempts.put(request.id.clone(), ());
        self.unsettled.make_network(&request.id);
        let known = match known {
            Some(network) => self.join_known(network, request).await?,
            None => None,
        };
        if let Some(network) = &known
            && self.is_complete(network, request).await?
        {
            return Ok(());
        }
        let wish = self.network_wish(request).await?;
        let mut ranges = Vec::new();
        for range in &request.ranges {
            let chosen = match &request.options_of(range).subnet {
                Some(choice) => Some(self.chosen_subnet(choice, range.cidr).await?),
                None => None,
            };
            let pool = self.pool_of(request, range, chosen.as_ref().map(|s| s.id)).await?;
            ranges.push(Resolved { range, chosen, pool });
        }
        let (network, new_tags) = match known {
            Some(network) => (network, Vec::new()),
            None => self.network_for(request, &wish, &ranges, rollback).await?,
        };
        let subnets: Vec<Subnet> = if new_tags.is_empty() {
            self.ports.neutron().list(&Query::new().eq("network_id", network.id)).await?
        } else {
            Vec::new()
        };
        let tagged_behind = !new_tags.is_empty() && self.may_tag_behind(request);
        if !new_tags.is_empty() && !tagged_behind {
            // Not beside its subnets: both are parts of one revision of the network, and would hold each other up.
            if self.is_local() {
                self.ports.neutron().set_first_tags::<Network>(network.id, &new_tags).await?;
            } else {
                // Another host may have found it by its name, and marked it.
                self.ports.neutron().add_tags::<Network>(network.id, &new_tags).await?;
            }
        }
        let mut made = Vec::new();
        for resolved in &ranges {
            made.push(self.subnet_for_range(&network, request, resolved, &subnets, rollback).await?);
        }
        if tagged_behind {
            self.mark_behind(request, network.id, new_tags.clone(), &made);
        }
        let mut on_it = network.subnets.clone();
        on_it.extend(made.iter().map(|subnet| subnet.id).filter(|id| !network.subnets.contains(id)));
        let mut six = made.iter().filter(|subnet| subnet.cidr.addr().is_ipv6()).map(|subnet| subnet.id);
        if let (six, None) = (six.next(), six.next()) {
            self.known_beside.put(request.id.clone(), six);
        }
        for (resolved, subnet) in ranges.iter().zip(made) {
            self.reservations.forget(resolved.pool.id);
            self.handed.used(resolved.pool.id, &request.id);
            if self.handed.is_made_here(resolved.pool.id) {
                self.known_subnets.put(resolved.pool.id, subnet);
            }
        }
        let tags = if new_tags.is_empty() { network.tags.clone() } else { new_tags };
        self.known_networks.put(request.id.clone(), Network { tags, subnets: on_it, ..network.clone() });
        tracing::info!(docker_network = %request.id, network = %network.id, "created");
        Ok(())
    }

    /// True when no network can be this one yet: Docker makes up such an id for one creation, asked this process for
    /// its pools just before, and never for this network before. Otherwise Neutron is asked.
    fn is_new(&self, request: &CreateNetwork) -> bool {
        self.is_local()
            && request.id.as_str().len() == 64
            && self.attempts.get(&request.id).is_none()
            && !request.ranges.is_empty()
            && request.ranges.iter().all(|range| self.reservations.is_being_made(range.cidr))
    }

    /// True when a new network can be found without its tags: nobody but this host looks for it, by its name if need be,
    /// and its tags tell nothing that its containers depend on.
    fn may_tag_behind(&self, request: &CreateNetwork) -> bool {
        self.is_local() && !request.internal && request.publish.is_none() && request.ports.security_groups.is_none()
    }

    /// True when the network has a subnet for each range already: the request is a repetition.
    async fn is_complete(&self, network: &Network, request: &CreateNetwork) -> Result<bool, Error> {
        let query = Query::new().eq("network_id", network.id);
        let subnets: Vec<Subnet> = self.ports.neutron().list(&query).await?;
        for range in &request.ranges {
            let Some(subnet) = subnets.iter().find(|subnet| subnet.cidr.trunc() == range.cidr) else {
                return Ok(false);
            };
            let pool = self.reservations.find(range.cidr, None).ok().flatten();
            if pool.is_some_and(|pool| !subnet.tags.contains(&pool_tag(pool.id))) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A network that the user chose, or a new one with the tags it is yet to get.
    async fn network_for(
        &self,
        request: &CreateNetwork,
        wish: &NetworkWish,
        ranges: &[Resolved<'_>],
        rollback: &mut Rollback,
    ) -> Result<(Network, Vec<Tag>), Error> {
        let chosen_by_subnet = ranges.iter().find_map(|r| r.chosen.as_ref()).map(|s| Choice::Id(s.network_id));
        let mut choice = request.network.clone().or(chosen_by_subnet);
        if choice.is_none() {
            choice = self.ports.default_network().await?.map(Choice::Id);
        }
        match choice {
            Some(choice) => Ok((self.join_existing(request, wish, &choice, rollback).await?, Vec::new())),
            None => self.new_network(request, wish, rollback).await,
        }
    }

    async fn new_network(
        &self,
        request: &CreateNetwork,
        wish: &NetworkWish,
        rollback: &mut Rollback,
    ) -> Result<(Network, Vec<Tag>), Error> {
        let tagged = self.ports.tagging().await?.identity;
        let mut new = NewNetwork {
            name: if tagged { request.id.network_name() } else { request.id.to_string() },
            admin_state_up: Some(true),
            shared: Some(request.shared),
            ..NewNetwork::default()
        };
        wish.ask(&mut new);
        let network = self.ports.neutron().create::<Network>(&new).await?;
        let (neutron, id) = (self.ports.neutron().clone(), network.id);
        let (undo, is_local, docker_network) = (self.clone(), self.is_local(), request.id.clone());
        rollback.push(format!("delete network {id}"), async move {
            if is_local {
                return neutron.delete_if_exists::<Network>(id).await.map(drop);
            }
            undo.undo_shared(id, &docker_network).await
        });
        let plane = &self.settings.control_plane;
        Ok((network, if tagged { membership_tags(request, wish, plane, false) } else { Vec::new() }))
    }

    async fn subnet_for_range(
        &self,
        network: &Network,
        request: &CreateNetwork,
        resolved: &Resolved<'_>,
        subnets: &[Subnet],
        rollback: &mut Rollback,
    ) -> Result<Subnet, Error> {
        let (range, pool) = (resolved.range, &resolved.pool);
        if let Some(chosen) = &resolved.chosen
            && chosen.network_id != network.id
        {
            return Err(Error::refused(format!("Subnet {} is not on network {}", chosen.id, network.id)));
        }
        let found = subnets.iter().find(|subnet| subnet.cidr.trunc() == range.cidr).cloned();
        let joined = match found {
            Some(subnet) => {
                require_subnet(&request.options_of(range).settings, &subnet)?;
                self.join_subnet(subnet, pool, rollback).await?
            }
            None => None,
        };
        let subnet = match joined {
            Some(subnet) => subnet,
            None => {
                self.make_subnet(self.new_subnet(network, request, resolved, subnets).await?, pool, rollback).await?
            }
        };
        for address in range.auxiliary.iter().filter(|address| Some(**address) != subnet.gateway_ip) {
            self.ports.reserve(&subnet, Some(*address)).await?;
            let (ports, subnet, address) = (self.ports.clone(), subnet.clone(), *address);
            rollback.push(format!("release {address}"), async move { ports.release(&subnet, address).await });
        }
        Ok(subnet)
    }

    /// Creates a subnet for a pool.
    async fn make_subnet(&self, new: NewSubnet, pool: &SubnetPool, rollback: &mut Rollback) -> Result<Subnet, Error> {
        let neutron = self.ports.neutron();
        let subnet = neutron.create::<Subnet>(&new).await?;
        let (client, id) = (neutron.clone(), subnet.id);
        rollback
            .push(format!("delete subnet {id}"), async move { client.delete_if_exists::<Subnet>(id).await.map(drop) });
        if self.ports.tagging().await?.resources {
            if self.handed.is_made_here(pool.id) && subnet.subnetpool_id == Some(pool.id) {
                // That it is from this pool, which no other subnet goes by, says the same.
                self.tag_behind(&subnet, pool_tag(pool.id));
            } else {
                neutron.add_tag::<Subnet>(subnet.id, &pool_tag(pool.id)).await?;
            }
        }
        Ok(subnet)
    }

    /// Uses a subnet that is there already. `None`: its last user took it along at this moment.
    async fn join_subnet(
        &self,
        subnet: Subnet,
        pool: &SubnetPool,
        rollback: &mut Rollback,
    ) -> Result<Option<Subnet>, Error> {
        if !self.ports.tagging().await?.resources {
            return Ok(Some(subnet));
        }
        self.ports.behind().flush(subnet.id).await;
        let mut tags = Vec::from_iter((!subnet.tags.contains(&pool_tag(pool.id))).then(|| pool_tag(pool.id)));
        if let Some(source) = subnet.subnetpool_id
            && source != pool.id
            && is_named_ours(&subnet)
            && pool_tags(&subnet.tags).next().is_none()
        {
            // Whoever made it is about to say so, or was stopped before. Without it, our leaving would delete it.
            tags.push(pool_tag(source));
        }
        let neutron = self.ports.neutron();
        let (client, id, undo) = (neutron.clone(), subnet.id, pool_tag(pool.id));
        rollback.push(format!("remove the pool's tag from subnet {id}"), async move {
            client.remove_tag::<Subnet>(id, &undo).await
        });
        for tag in &tags {
            match neutron.add_tag::<Subnet>(subnet.id, tag).await {
                Err(error) if error.is_not_found() => return Ok(None),
                result => result?,
            }
        }
        Ok(Some(subnet))
    }

    /// Marks a new subnet with its pool, a moment later.
    fn tag_behind(&self, subnet: &Subnet, tag: Tag) {
        let (neutron, id) = (self.ports.neutron().clone(), subnet.id);
        self.ports.behind().schedule(id, "tag of a subnet", move || {
            let (neutron, tag) = (neutron.clone(), tag.clone());
            async move {
                match neutron.add_tag::<Subnet>(id, &tag).await {
                    Err(error) if error.is_not_found() => Ok(()),
                    result => result,
                }
            }
        });
    }

    async fn new_subnet(
        &self,
        network: &Network,
        request: &CreateNetwork,
        resolved: &Resolved<'_>,
        subnets: &[Subnet],
    ) -> Result<NewSubnet, Error> {
        let range = resolved.range;
        // Neutron wants all subnets of one IP version on a network to be of one pool, or of none. On a network that
        // others use too, that is theirs to say; the tag is what tells Docker's pool.
        let neighbour = subnets.iter().find(|s| s.cidr.addr().is_ipv4() == range.cidr.addr().is_ipv4());
        let ours = !network.tags.contains(&request.id.existing_network_tag());
        let source = match neighbour {
            Some(neighbour) => neighbour.subnetpool_id,
            None if ours || self.is_kept(&resolved.pool) => Some(resolved.pool.id),
            None => None,
        };
        // Without tags, this is the only place that remembers that there is no way out.
        let no_gateway = request.internal && !self.ports.tagging().await?.identity;
        let wish = &request.options_of(range).settings;
        Ok(NewSubnet {
            network_id: Some(network.id),
            name: subnet_name(&range.text),
            ip_version: Some(if range.cidr.addr().is_ipv4() { 4 } else { 6 }),
            cidr: Some(range.cidr),
            subnetpool_id: source.map(Some),
            gateway_ip: if no_gateway { Some(None) } else { range.gateway.map(Some) },
            enable_dhcp: Some(wish.enable_dhcp.unwrap_or(self.settings.enable_dhcp)),
            dns_nameservers: wish.dns_nameservers.clone(),
            ipv6_ra_mode: wish.ra_mode.map(Some),
            ipv6_address_mode: wish.address_mode.map(Some),
            ..NewSubnet::default()
        })
    }

    pub(crate) async fn delete_network(self, body: Bytes) -> Result<Value, Error> {
        self.remove(read_delete(&body)?).await
    }

    pub(crate) async fn remove(self, id: DockerId) -> Result<Value, Error> {
        // Goes last: who compares steps aside while the network is locked.
        let _doubt = self.unsettled.doubt_to_the_end();
        let _network = self.networks.lock(id.clone()).await;
        self.unsettled.end_network(&id);
        if_there(self.end_network(id)).await
    }

    async fn end_network(&self, id: DockerId) -> Result<Value, Error> {
        if let Some(network) = self.known_networks.get(&id) {
            self.ports.behind().flush(network.id).await;
        }
        let result = match self.delete_untouched(&id).await {
            Ok(false) => match self.ports.network_of(&id).await? {
                Some(network) => {
                    self.ports.drain_network(network.id).await?;
                    self.delete_or_leave(network, &id).await
                }
                None => {
                    tracing::info!(docker_network = %id, "has no network, nothing to delete");
                    self.release_pools_of(&id, None).await
                }
            },
            result => result.map(drop),
        };
        self.forget_network(&id);
        result.inspect_err(|_| self.handed.tried(&id))?;
        Ok(json!({}))
    }
}
