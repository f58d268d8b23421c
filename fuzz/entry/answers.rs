//! Answers of Neutron and Keystone.

use bytes::Bytes;
use http::{Request, Response};
use kuryr_neutron::{Network, NewNetwork, NewPort, Port, SecurityGroup, Subnet, SubnetPool, Tag};
use kuryr_openstack::{
    Auth, Error, IdentityVersion, Neutron, Query, Scope, Session, SessionOptions, Transport, TransportError, User,
};
use std::{sync::Arc, time::Duration};

/// A cloud that answers everything, or everything of Neutron's, with the same.
struct Always {
    status: u16,
    body: Bytes,
}

#[async_trait::async_trait]
impl Transport for Always {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let answer = Response::builder().status(self.status).header("x-subject-token", "token");
        answer.body(self.body.clone()).map_err(|error| TransportError::Request { reason: error.to_string() })
    }
}

/// The first byte chooses the status, the rest is the body.
fn cloud(data: &[u8]) -> Arc<Always> {
    const STATUS: [u16; 12] = [200, 201, 204, 300, 302, 400, 401, 404, 409, 412, 500, 503];
    let (first, body) = data.split_first().unwrap_or((&0, &[]));
    Arc::new(Always { status: STATUS[usize::from(*first) % STATUS.len()], body: Bytes::copy_from_slice(body) })
}

fn options() -> SessionOptions {
    SessionOptions {
        timeout: Duration::from_secs(5),
        retries: 0,
        network_endpoint: "http://cloud.test".parse().ok(),
        ..SessionOptions::default()
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { panic!("no runtime") };
    runtime.block_on(future)
}

/// An error is one that people can read.
fn readable<T>(result: Result<T, Error>) {
    if let Err(error) = result {
        let text = format!("{error} {}", error.neutron_error_text().unwrap_or_default());
        assert!(!text.trim().is_empty() && text.len() < 32 * 1024, "{} bytes of error", text.len());
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    }
}

/// Neutron's answers to every verb.
pub fn neutron_answers(data: &[u8]) {
    run(async {
        let Ok(url) = "http://cloud.test".parse() else { return };
        let neutron = Neutron::new(Session::new(cloud(data), url, Auth::Nobody, options()));
        let Ok(id) = "0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9".parse() else { return };
        let Ok(tag) = "t".parse::<Tag>() else { return };
        readable(neutron.extensions().await);
        readable(neutron.list::<Network>(&Query::new()).await);
        readable(neutron.list::<Subnet>(&Query::new().eq("name", "n")).await);
        readable(neutron.list::<SubnetPool>(&Query::new().tags(std::slice::from_ref(&tag))).await);
        readable(neutron.list::<SecurityGroup>(&Query::new()).await);
        readable(neutron.list::<Port>(&Query::new()).await);
        readable(neutron.find::<Network>(id).await);
        readable(neutron.create::<Network>(&NewNetwork::default()).await);
        readable(neutron.create_many::<Port>(&[NewPort::default(), NewPort::default()]).await);
        readable(neutron.set_tags::<Network>(id, std::slice::from_ref(&tag)).await);
        readable(neutron.remove_tag::<Network>(id, &tag).await);
        readable(neutron.delete::<Network>(id).await);
    });
}

/// Keystone's answers: discovery, tokens of both versions, catalogs.
pub fn keystone_answers(data: &[u8]) {
    run(async {
        for (url, identity_version) in [
            ("http://cloud.test/identity", IdentityVersion::Any),
            ("http://cloud.test/v3", IdentityVersion::V3),
            ("http://cloud.test/v2.0", IdentityVersion::V2),
        ] {
            let Ok(url) = url.parse() else { return };
            let user = User::Id("u".to_owned());
            let auth = Auth::Password { user, password: "secret-password".into(), scope: Scope::Unscoped };
            let options = SessionOptions { identity_version, network_endpoint: None, ..options() };
            let session = Session::new(cloud(data), url, auth, options);
            readable(session.authenticate().await);
            readable(session.network_endpoint().await);
        }
    });
}
