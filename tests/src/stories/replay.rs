//! The calls of other engines, made by hand: an older one takes a network down in another order, and any may repeat
//! what it did not hear an answer to.

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{Network, Port, Subnet, SubnetPool};
use kuryr_openstack::Query;
use serde_json::{Value, json};

use crate::{Paths, Rig, request, until};

/// One container on one network, as the plugin sees it.
struct Life<'a> {
    rig: &'a Rig,
    /// How often each call is made that may be repeated.
    times: usize,
    network: String,
    endpoint: String,
}

impl<'a> Life<'a> {
    const POOL: &'static str = "10.66.0.0/24";
    const GATEWAY: &'static str = "10.66.0.1";

    fn new(rig: &'a Rig, times: usize) -> Self {
        Self { rig, times, network: id(), endpoint: id() }
    }

    fn once(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = request(&self.rig.host.path(Paths::PLUGIN), path, body.to_string().as_bytes())?;
        ensure!(answer.status == 200 && answer.err().is_empty(), "{path} {body}: {} {}", answer.status, answer.body);
        answer.json()
    }

    /// A call that may come again; each must be answered as the first.
    fn call(&self, path: &str, body: &Value) -> Result<Value> {
        let first = self.once(path, body)?;
        for _ in 1..self.times {
            let again = self.once(path, body)?;
            ensure!(again == first, "{path}: {first}, and then {again}");
        }
        Ok(first)
    }

    fn endpoint(&self, call: &str, more: &[(&str, Value)]) -> Result<Value> {
        let mut body = json!({ "NetworkID": self.network, "EndpointID": self.endpoint });
        for (key, value) in more {
            body[*key] = value.clone();
        }
        self.call(&format!("/NetworkDriver.{call}"), &body)
    }

    fn create(&self) -> Result<Value> {
        let space = "local_scope";
        let body = json!({ "AddressSpace": space, "Pool": Self::POOL, "SubPool": "", "Options": {}, "V6": false });
        // Not repeated: each request is another network's.
        let pool = self.once("/IpamDriver.RequestPool", &body)?["PoolID"].take();
        let options = json!({ "RequestAddressType": "com.docker.network.gateway" });
        let body = json!({ "PoolID": pool, "Address": Self::GATEWAY, "Options": options });
        self.call("/IpamDriver.RequestAddress", &body)?;
        let data = json!({ "Pool": Self::POOL, "Gateway": format!("{}/24", Self::GATEWAY), "AddressSpace": space });
        let options = json!({ "com.docker.network.enable_ipv6": false, "com.docker.network.generic": {} });
        let body = json!({ "NetworkID": self.network, "IPv4Data": [data], "IPv6Data": [], "Options": options });
        self.call("/NetworkDriver.CreateNetwork", &body)?;
        Ok(pool)
    }

    fn start(&self, pool: &Value) -> Result<String> {
        let mac = format!("02:42:{}:{}:{}:02", &self.network[..2], &self.network[2..4], &self.network[4..6]);
        let options = json!({ "com.docker.network.endpoint.macaddress": mac });
        let body = json!({ "PoolID": pool, "Address": "", "Options": options });
        let address = self.once("/IpamDriver.RequestAddress", &body)?["Address"].take();
        let interface = json!({ "Address": address, "AddressIPv6": "", "MacAddress": mac });
        let ports = json!({ "com.docker.network.endpoint.exposedports": [{ "Proto": 6, "Port": 80 }] });
        self.endpoint("CreateEndpoint", &[("Interface", interface), ("Options", ports.clone())])?;
        let sandbox = json!(format!("/var/run/docker/netns/{:.12}", self.endpoint));
        let joined = self.endpoint("Join", &[("SandboxKey", sandbox), ("Options", json!({}))])?;
        ensure!(joined["Gateway"] == Self::GATEWAY, "{joined}");
        self.endpoint("ProgramExternalConnectivity", &[("Options", ports)])?;
        let source = joined["InterfaceName"]["SrcName"].as_str().context("no SrcName")?;
        ensure!(self.rig.links(None)?.iter().any(|link| link == source), "there is no {source}");
        until("the port to be told its endpoint", || {
            let ports: Vec<Port> = self.rig.cloud.list(&Query::new().eq("device_owner", "compute:kuryr"))?;
            ensure!(ports.len() == 1 && ports[0].device_id == self.endpoint, "{ports:?}");
            Ok(())
        })?;
        ensure!(self.rig.cloud.all::<Network>()?.len() == 1 && self.rig.cloud.all::<Subnet>()?.len() == 1);
        ensure!(self.rig.cloud.all::<SubnetPool>()?.len() == 1);
        Ok(address.as_str().and_then(|text| text.split('/').next()).context("no address")?.to_owned())
    }

    fn stop(&self, pool: &Value, address: &str) -> Result<()> {
        for call in ["RevokeExternalConnectivity", "Leave", "DeleteEndpoint"] {
            self.endpoint(call, &[])?;
        }
        self.release(pool, address)
    }

    fn release(&self, pool: &Value, address: &str) -> Result<()> {
        self.call("/IpamDriver.ReleaseAddress", &json!({ "PoolID": pool, "Address": address })).map(drop)
    }

    fn remove(&self, pool: &Value, network_first: bool) -> Result<()> {
        let network = || self.call("/NetworkDriver.DeleteNetwork", &json!({ "NetworkID": self.network }));
        if network_first {
            network()?;
        }
        self.release(pool, Self::GATEWAY)?;
        self.call("/IpamDriver.ReleasePool", &json!({ "PoolID": pool }))?;
        if !network_first {
            network()?;
        }
        Ok(())
    }

    fn whole(&self, network_first: bool) -> Result<()> {
        let before = self.rig.cloud.inventory()?;
        let pool = self.create()?;
        let address = self.start(&pool)?;
        self.stop(&pool, &address)?;
        self.remove(&pool, network_first)?;
        let after = self.rig.cloud.inventory()?;
        ensure!(after == before, "before: {before:?}; after: {after:?}");
        self.rig.is_clean()
    }
}

/// An older engine deletes a network before it gives its addresses back.
pub fn network_first(rig: &mut Rig) -> Result<()> {
    Life::new(rig, 1).whole(true)
}

/// Every call that may be repeated is, in both orders of the end.
pub fn twice(rig: &mut Rig) -> Result<()> {
    [true, false].into_iter().try_for_each(|network_first| Life::new(rig, 2).whole(network_first))
}

/// An id as Docker makes them.
pub(super) fn id() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}
