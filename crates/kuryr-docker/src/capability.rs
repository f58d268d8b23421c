//! What the plugin is and needs.

use crate::{
    Plugin,
    answer::Error,
    request::{network::read_gateway_check, option::Choice},
};
use axum::body::Bytes;
use kuryr_neutron::SubnetId;
use serde_json::{Value, json};

impl Plugin {
    pub(crate) async fn activate(self, _: Bytes) -> Result<Value, Error> {
        Ok(json!({"Implements": ["NetworkDriver", "IpamDriver"]}))
    }

    pub(crate) async fn network_capabilities(self, _: Bytes) -> Result<Value, Error> {
        Ok(json!({"Scope": self.settings.capability_scope.as_str(), "GwAllocChecker": true}))
    }

    /// Docker since 28.0 asks before it asks for a gateway: a chosen subnet may have none. Older ones do not ask, and are
    /// told `0.0.0.0/0`.
    pub(crate) async fn gateway_check(self, body: Bytes) -> Result<Value, Error> {
        let [v4, v6] = read_gateway_check(&body)?;
        let has_none = async |choice: Option<Choice<SubnetId>>| {
            Ok::<_, Error>(match choice {
                Some(choice) => self.named_subnet(&choice).await?.gateway_ip.is_none(),
                None => false,
            })
        };
        Ok(json!({"SkipIPv4": has_none(v4).await?, "SkipIPv6": has_none(v6).await?}))
    }

    /// With the MAC in `RequestAddress`, both addresses of an endpoint find the same port. A ready port has a MAC already,
    /// which the endpoint is told.
    ///
    /// A Docker that asks has just started: the pools that an earlier one was given and made no network of are nobody's.
    pub(crate) async fn ipam_capabilities(self, _: Bytes) -> Result<Value, Error> {
        self.reservations.forget_all();
        Ok(json!({"RequiresMACAddress": !self.ports.keeps_ready()}))
    }

    pub(crate) async fn default_address_spaces(self, _: Bytes) -> Result<Value, Error> {
        Ok(json!({
            "GlobalDefaultAddressSpace": self.settings.global_address_space,
            "LocalDefaultAddressSpace": self.settings.local_address_space,
        }))
    }

    /// `DiscoverNew` and `DiscoverDelete`: other hosts are the cloud's business.
    pub(crate) async fn discover(self, _: Bytes) -> Result<Value, Error> {
        Ok(json!({}))
    }
}
