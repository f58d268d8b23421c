//! Interfaces of routers.

use super::{Neutron, done, member_path};
use crate::{Error, session::Repeat};
use bytes::Bytes;
use http::Method;
use kuryr_neutron::{Router, RouterId, RouterInterface};

impl Neutron {
    /// Gives a router an interface, by subnet or by port.
    pub async fn add_router_interface(&self, router: RouterId, interface: RouterInterface) -> Result<(), Error> {
        self.router_interface(router, "add_router_interface", interface).await
    }

    /// Takes an interface from a router, by subnet or by port.
    pub async fn remove_router_interface(&self, router: RouterId, interface: RouterInterface) -> Result<(), Error> {
        self.router_interface(router, "remove_router_interface", interface).await
    }

    async fn router_interface(&self, router: RouterId, action: &str, interface: RouterInterface) -> Result<(), Error> {
        let path = format!("{}/{action}", member_path::<Router>(router));
        let body = serde_json::to_vec(&interface).map_err(|error| Error::Invalid {
            field: "router interface",
            value: router.to_string(),
            expected: format!("something that JSON can say ({error})"),
        })?;
        // A second one is refused, so a lost answer must be looked into by the caller.
        done(&self.call(Method::PUT, path, Some(Bytes::from(body)), Repeat::Unsent).await.result?)
    }
}
