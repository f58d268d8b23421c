//! The newest picture, for all who look at once. Who does not look costs the cloud nothing.

use crate::{
    Error,
    topology::{Cloud, Seen, Topology},
};
use bytes::Bytes;
use http::HeaderValue;
use kuryr_neutron::{FloatingIp, Resource, Router};
use kuryr_openstack::{Neutron, Query, within};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until, timeout_at},
};

/// Shortest time from one look to the next.
const PAUSE: Duration = Duration::from_secs(1);
/// A cloud that takes long to answer is asked less often: it works for the picture one fifth of the time at most.
const REST: u32 = 4;
/// A cloud that has not answered within this does not.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was to be seen at one time.
#[derive(Debug)]
pub struct Picture {
    number: u64,
    /// The topology as JSON.
    pub json: Bytes,
}

impl Picture {
    /// Its entity tag: another one, when anything changed.
    pub fn etag(&self) -> HeaderValue {
        HeaderValue::try_from(format!("\"{}\"", self.number)).unwrap_or(HeaderValue::from_static("\"\""))
    }
}

/// A cloud and this machine's Docker, who are asked what there is.
pub struct Source {
    neutron: Neutron,
    cloud: Cloud,
    docker_socket: PathBuf,
    newest: Mutex<Option<Look>>,
}

struct Look {
    picture: Arc<Picture>,
    /// When to look again.
    next: Instant,
}

impl Source {
    /// Nobody is asked yet.
    pub fn new(neutron: Neutron, cloud: Cloud, docker_socket: PathBuf) -> Self {
        Self { neutron, cloud, docker_socket, newest: Mutex::new(None) }
    }

    /// What there is.
    ///
    /// # Errors
    /// The cloud cannot be asked. That Docker cannot be is part of the picture.
    pub async fn picture(&self) -> Result<Arc<Picture>, Error> {
        self.look().await.map(|(picture, _)| picture)
    }

    /// What there is, as soon as it is another picture than the one with this entity tag; nothing, if it is not until
    /// the deadline.
    ///
    /// # Errors
    /// As [`Source::picture`].
    pub async fn other_than(&self, etag: &HeaderValue, deadline: Instant) -> Result<Option<Arc<Picture>>, Error> {
        let changed = async {
            loop {
                let (picture, next) = self.look().await?;
                if picture.etag() != etag {
                    return Ok(picture);
                }
                sleep_until(next).await;
            }
        };
        // The first look is waited for: without it there is nothing to say.
        let (picture, _) = self.look().await?;
        if picture.etag() != etag {
            return Ok(Some(picture));
        }
        timeout_at(deadline, changed).await.ok().transpose()
    }

    /// The newest picture, and when there may be a newer one. All who ask meanwhile wait for the same look.
    async fn look(&self) -> Result<(Arc<Picture>, Instant), Error> {
        let mut newest = self.newest.lock().await;
        if let Some(look) = newest.as_ref().filter(|look| Instant::now() < look.next) {
            return Ok((Arc::clone(&look.picture), look.next));
        }
        let begun = Instant::now();
        let json = self.ask().await?;
        let picture = match newest.take() {
            Some(look) if look.picture.json == json => look.picture,
            before => Arc::new(Picture { number: before.map_or(1, |look| look.picture.number + 1), json }),
        };
        let next = Instant::now() + PAUSE.max(begun.elapsed() * REST);
        *newest = Some(Look { picture: Arc::clone(&picture), next });
        Ok((picture, next))
    }

    async fn ask(&self) -> Result<Bytes, Error> {
        let (seen, docker) =
            tokio::join!(within(PATIENCE, Seen::ask(&self.neutron)), kuryr_docker::inventory::ask(&self.docker_socket));
        let (seen, docker) = (seen?, docker.map_err(|error| error.to_string()));
        Ok(Bytes::from(serde_json::to_vec(&Topology::new(&self.cloud, &seen, &docker))?))
    }
}

impl Seen {
    /// Asks Neutron for all of it at once.
    async fn ask(neutron: &Neutron) -> Result<Self, kuryr_openstack::Error> {
        let query = Query::new();
        let (networks, subnets, routers, ports, security_groups, floating_ips) = tokio::try_join!(
            neutron.list(&query),
            neutron.list(&query),
            if_offered::<Router>(neutron),
            neutron.list(&query),
            neutron.list(&query),
            if_offered::<FloatingIp>(neutron),
        )?;
        Ok(Self { networks, subnets, routers, ports, security_groups, floating_ips })
    }
}

/// A cloud need not have routers and floating IPs: then the path is unknown to it.
async fn if_offered<R: Resource>(neutron: &Neutron) -> Result<Vec<R>, kuryr_openstack::Error> {
    match neutron.list::<R>(&Query::new()).await {
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        other => other,
    }
}
