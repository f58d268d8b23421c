//! The embedded cloud, opened and served.

use crate::{
    listen,
    plugin::{self, Service},
    state_lock::StateLock,
};
use anyhow::Context;
use kuryr_cloud::{Cloud, Options};
use kuryr_config::{Auth, Domain, EmbeddedSettings, Project, Scope, User};
use kuryr_http::{Limits, Listener, Server};
use kuryr_metrics::Metrics;
use kuryr_openstack::{InProcess, Session, SessionOptions};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};
use tokio_util::sync::CancellationToken;
use url::Url;

/// The embedded cloud with its API listening.
pub struct Embedded {
    cloud: Cloud,
    api: Server,
    _lock: StateLock,
}

impl Embedded {
    /// Listens, then opens the cloud in the state folder that is held: in this order, so that whatever fails leaves
    /// nothing behind.
    pub async fn open(lock: StateLock, settings: &EmbeddedSettings) -> anyhow::Result<Self> {
        let tcp = Listener::tcp(&settings.api_listen.to_string()).await?;
        let address = tcp.local_addr().unwrap_or(settings.api_listen);
        if !address.ip().is_loopback() {
            tracing::warn!(
                %address,
                "other machines can reach the API, and it has no TLS: whoever is on the way reads passwords and tokens (listen \
                 on 127.0.0.1, or put a proxy with TLS before it)"
            );
        }
        let unix = listen::unix(&settings.api_socket)?;
        let mut options = Options::new(settings.state_dir.clone(), plugin::host(), public_url(address)?);
        options.mtu = settings.mtu;
        options.region = settings.region.clone();
        let cloud = Cloud::open(options).await?;
        let mut api = Server::new(cloud.router(), Limits::default());
        for listener in [unix, tcp] {
            tracing::info!(socket = %listener, "Keystone and Neutron API listens");
            api = api.listen(listener);
        }
        Ok(Self { cloud, api, _lock: lock })
    }

    /// A session of the administrator's, without a socket in between.
    pub fn session(&self, metrics: &Metrics) -> anyhow::Result<Session> {
        let known = self.cloud.credentials();
        let auth_url = Url::parse(&known.auth_url).with_context(|| format!("'{}' is no URL", known.auth_url))?;
        let user = User::Name { name: known.username.clone(), domain: Domain::Name(known.user_domain_name.clone()) };
        let domain = Domain::Name(known.project_domain_name.clone());
        let scope = Scope::Project(Project::Name { name: known.project_name.clone(), domain });
        let auth = Auth::Password { user, password: known.password.clone(), scope };
        let options = SessionOptions {
            region: Some(known.region_name.clone()),
            source: "embedded cloud".to_owned(),
            takes_turns: false,
            ..SessionOptions::default()
        };
        let transport = metrics.time_calls(Arc::new(InProcess::new(self.cloud.router())));
        Ok(Session::new(transport, auth_url, auth, options))
    }

    /// Serves the API, and `beside` with it, until told to stop. What is running then may finish, and only after
    /// that the kernel is minded no longer: what it has stays in force.
    ///
    /// # Errors
    /// The data plane ended by itself: then all of it ends, for a supervisor to start it anew.
    pub async fn run(self, beside: Option<Service>, stop: CancellationToken) -> anyhow::Result<()> {
        let idle = CancellationToken::new();
        let serving = async {
            let beside = async {
                if let Some(service) = beside {
                    service.run(stop.clone()).await;
                }
            };
            tokio::join!(self.api.run(stop.clone()), beside);
            idle.cancel();
        };
        let minding = async {
            let outcome = self.cloud.run(idle.clone()).await;
            stop.cancel();
            outcome
        };
        let (outcome, ()) = tokio::join!(minding, serving);
        Ok(outcome?)
    }
}

/// Where clients on this machine reach an address that is listened on.
fn public_url(address: SocketAddr) -> anyhow::Result<Url> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let url = format!("http://{}", SocketAddr::new(ip, address.port()));
    Url::parse(&url).with_context(|| format!("'{url}' is no URL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_has_addresses_that_can_be_reached() {
        for (listen, url) in [
            ("127.0.0.1:9696", "http://127.0.0.1:9696/"),
            ("0.0.0.0:80", "http://127.0.0.1/"),
            ("[::]:9696", "http://[::1]:9696/"),
        ] {
            assert_eq!(public_url(listen.parse().unwrap()).unwrap().as_str(), url);
        }
    }
}
