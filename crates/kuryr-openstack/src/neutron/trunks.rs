//! Subports of trunks.

use super::{Neutron, done, encode, member_path};
use crate::{Error, session::Repeat};
use http::Method;
use kuryr_neutron::{PortId, SubPort, Trunk, TrunkId};
use serde::Serialize;

const SUB_PORTS: &str = "sub_ports";

#[derive(Serialize)]
struct Carried {
    port_id: PortId,
}

impl Neutron {
    /// Lets a trunk carry a port. A VLAN id that another subport has is refused ([`Error::is_conflict`]).
    pub async fn add_subport(&self, trunk: TrunkId, port: &SubPort) -> Result<(), Error> {
        self.change_subports(trunk, "add_subports", &[port]).await
    }

    /// Lets a trunk carry a port no more. A port that it does not carry is an error ([`Error::is_not_found`]).
    pub async fn remove_subport(&self, trunk: TrunkId, port: PortId) -> Result<(), Error> {
        self.change_subports(trunk, "remove_subports", &[Carried { port_id: port }]).await
    }

    async fn change_subports<T: Serialize>(&self, trunk: TrunkId, action: &str, ports: &[T]) -> Result<(), Error> {
        let path = format!("{}/{action}", member_path::<Trunk>(trunk));
        // A second one is refused, so a lost answer must be looked into by the caller.
        done(&self.call(Method::PUT, path, Some(encode(SUB_PORTS, ports)?), Repeat::Unsent).await.result?)
    }
}
