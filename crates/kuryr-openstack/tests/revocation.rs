//! Tokens that are revoked at random points, while every verb of Neutron is used: nobody notices, and nothing is done
//! twice. The cloud is the embedded one, whose Keystone revokes for good.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

use bytes::Bytes;
use http::{Request, Response};
use kuryr_cloud::{Cloud, Options};
use kuryr_neutron::{
    HostId, Network, NetworkUpdate, NewNetwork, NewPort, NewRouter, NewSubnet, Port, PortUpdate, Router,
    RouterInterface, Subnet, Tag,
};
use kuryr_openstack::{
    Auth, Domain, Error, InProcess, Neutron, Project, Query, Scope, Session, SessionOptions, Transport, TransportError,
    User,
};
use proptest::prelude::*;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Revokes the token of chosen calls just before they arrive.
struct Revoking {
    inner: InProcess<axum::Router>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Numbers of the calls, counted without repetitions.
    doomed: BTreeSet<usize>,
    /// Calls seen, by the id that repetitions share.
    seen: BTreeSet<String>,
    refused: usize,
    answered: usize,
}

#[async_trait::async_trait]
impl Transport for Revoking {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        if !request.uri().path().starts_with("/networking/") {
            return self.inner.send(request).await;
        }
        let id = request.headers()["x-openstack-request-id"].to_str().unwrap().to_owned();
        let doomed = {
            let mut state = self.state.lock().unwrap();
            state.seen.insert(id) && state.doomed.contains(&state.seen.len())
        };
        if doomed {
            let token = &request.headers()["x-auth-token"];
            let revoke = Request::delete("http://cloud.test:9696/identity/v3/auth/tokens");
            let revoke = revoke.header("x-auth-token", token).header("x-subject-token", token);
            let answer = self.inner.send(revoke.body(Bytes::new()).unwrap()).await?;
            assert!(matches!(answer.status().as_u16(), 204 | 401), "{answer:?}");
        }
        let answer = self.inner.send(request).await?;
        let mut state = self.state.lock().unwrap();
        if answer.status() == 401 {
            state.refused += 1;
        } else {
            state.answered += 1;
        }
        Ok(answer)
    }
}

struct Rig {
    transport: Arc<Revoking>,
    neutron: Neutron,
    _state: tempfile::TempDir,
    _cloud: Cloud,
}

impl Rig {
    async fn new(token_lifetime: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = "http://cloud.test:9696".parse().unwrap();
        let mut options = Options::new(folder.path().join("state"), HostId("here".to_owned()), url);
        options.dataplane = false;
        options.token_lifetime = token_lifetime;
        let cloud = Cloud::open(options).await.unwrap();
        let known = cloud.credentials();
        let domain = || Domain::Name(known.user_domain_name.clone());
        let auth = Auth::Password {
            user: User::Name { name: known.username.clone(), domain: domain() },
            password: known.password.clone(),
            scope: Scope::Project(Project::Name { name: known.project_name.clone(), domain: domain() }),
        };
        let transport = Arc::new(Revoking { inner: InProcess::new(cloud.router()), state: Mutex::default() });
        let session = Session::new(transport.clone(), known.auth_url.parse().unwrap(), auth, SessionOptions::default());
        Self { transport, neutron: Neutron::new(session), _state: folder, _cloud: cloud }
    }

    fn doom(&self, calls: impl IntoIterator<Item = usize>) {
        let mut state = self.transport.state.lock().unwrap();
        let before = state.seen.len();
        state.doomed = calls.into_iter().map(|call| before + call).collect();
    }

    /// Calls seen, refusals and other answers.
    fn counts(&self) -> (usize, usize, usize) {
        let state = self.transport.state.lock().unwrap();
        (state.seen.len(), state.refused, state.answered)
    }
}

/// Calls of [`every_verb`] that reach Neutron.
const VERBS: usize = 28;

/// Every verb there is, on every kind of answer.
async fn every_verb(neutron: &Neutron) -> Result<(), Error> {
    let extensions = neutron.extensions().await?;
    assert!(extensions.contains("subnet_allocation"));
    let network = neutron.create::<Network>(&NewNetwork { name: "n".into(), ..NewNetwork::default() }).await?;
    let subnet = NewSubnet { network_id: Some(network.id), ip_version: Some(4), ..NewSubnet::default() };
    let subnet = NewSubnet { cidr: Some("10.0.0.0/24".parse().unwrap()), ..subnet };
    let subnet = neutron.create_many::<Subnet>(&[subnet]).await?.remove(0);
    let new = NewPort { network_id: Some(network.id), name: "p".into(), ..NewPort::default() };
    let port = neutron.create::<Port>(&new).await?;
    let ports = neutron.create_many::<Port>(&vec![new.clone(); 3]).await?;
    assert_eq!(neutron.list::<Port>(&Query::new().eq("network_id", network.id)).await?.len(), 4);
    assert_eq!(neutron.list::<Port>(&Query::new().eq("limit", 3)).await?.len(), 4, "in two pages");
    assert_eq!(neutron.get::<Port>(port.id).await?.name, "p");
    assert_eq!(neutron.find::<Network>(network.id).await?.map(|n| n.name), Some("n".to_owned()));
    let update = PortUpdate { name: Some("q".into()), ..PortUpdate::default() };
    let updated = neutron.update::<Port>(port.id, &update).await?;
    let revision = neutron.get::<Network>(network.id).await?.revision_number;
    let renamed = NetworkUpdate { name: Some("m".into()), ..NetworkUpdate::default() };
    let renamed = neutron.update_if::<Network>(network.id, revision, &renamed).await?;
    assert_eq!((updated.name.as_str(), renamed.name.as_str()), ("q", "m"));
    neutron.set_tags::<Port>(port.id, &["a".parse::<Tag>().unwrap()]).await?;
    neutron.add_tag::<Port>(port.id, &"b".parse().unwrap()).await?;
    neutron.remove_tag::<Port>(port.id, &"a".parse().unwrap()).await?;
    assert_eq!(neutron.get::<Port>(port.id).await?.tags, ["b".parse::<Tag>().unwrap()]);
    let router = neutron.create::<Router>(&NewRouter { name: "r".into(), ..NewRouter::default() }).await?;
    let interface = || RouterInterface { subnet_id: Some(subnet.id), ..RouterInterface::default() };
    neutron.add_router_interface(router.id, interface()).await?;
    neutron.remove_router_interface(router.id, interface()).await?;
    neutron.delete::<Router>(router.id).await?;
    for port in ports {
        neutron.delete::<Port>(port.id).await?;
    }
    assert!(neutron.delete_if_exists::<Port>(port.id).await?);
    assert!(!neutron.delete_if_exists::<Port>(port.id).await?);
    neutron.delete::<Subnet>(subnet.id).await?;
    neutron.delete::<Network>(network.id).await
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// One after the other, with any of the calls meeting a revoked token.
    #[test]
    fn every_verb_outlives_revoked_tokens(doomed in proptest::collection::btree_set(1..=VERBS, 0..=VERBS)) {
        block_on(async {
            let rig = Rig::new(Duration::from_secs(3600)).await;
            rig.doom(doomed.iter().copied());
            every_verb(&rig.neutron).await.unwrap();
            let (calls, refused, answered) = rig.counts();
            assert_eq!((calls, refused, answered), (VERBS, doomed.len(), VERBS), "each call once, each refusal once more");
            assert!(rig.neutron.list::<Network>(&Query::new()).await.unwrap().is_empty());
        });
    }

    /// Many at once, and at some point the token that all of them use is revoked.
    #[test]
    fn creations_at_once_are_made_once(point in 1..=24_usize, again in 1..=24_usize) {
        block_on(async {
            let rig = Rig::new(Duration::from_secs(3600)).await;
            for (wave, doomed) in [point, again].into_iter().enumerate() {
                rig.doom([doomed]);
                let creations = (0..24).map(|number| {
                    let neutron = rig.neutron.clone();
                    let new = NewNetwork { name: format!("{wave}-{number}"), ..NewNetwork::default() };
                    tokio::spawn(async move { neutron.create::<Network>(&new).await })
                });
                for creation in creations.collect::<Vec<_>>() {
                    creation.await.unwrap().unwrap();
                }
            }
            let (_, refused, answered) = rig.counts();
            assert!(refused >= 2, "tokens were refused: {refused}");
            assert_eq!(answered, 48, "each creation was carried out once");
            let networks = rig.neutron.list::<Network>(&Query::new()).await.unwrap();
            let names: BTreeSet<_> = networks.iter().map(|network| network.name.as_str()).collect();
            assert_eq!((networks.len(), names.len()), (48, 48));
        });
    }
}

#[test]
fn tokens_of_a_second_expire_unnoticed() {
    block_on(async {
        let rig = Rig::new(Duration::from_secs(1)).await;
        let end = tokio::time::Instant::now() + Duration::from_secs(4);
        let mut rounds = 0;
        while tokio::time::Instant::now() < end {
            every_verb(&rig.neutron).await.unwrap();
            rounds += 1;
        }
        let (calls, refused, answered) = rig.counts();
        assert_eq!((calls, answered), (rounds * VERBS, rounds * VERBS), "{refused} refused");
    });
}
