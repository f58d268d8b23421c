//! A Docker network with one container on it, as a plugin sees it: exactly the calls that dockerd makes.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::plugin::Plugin;

/// What a user asks Docker for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `docker network create`
    Create,
    /// `docker start`
    Start,
    /// `docker stop`
    Stop,
    /// `docker network rm`
    Remove,
}

impl Operation {
    /// In the order of a life.
    pub const ALL: [Self; 4] = [Self::Create, Self::Start, Self::Stop, Self::Remove];

    /// As the report names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "network create",
            Self::Start => "endpoint start",
            Self::Stop => "endpoint stop",
            Self::Remove => "network rm",
        }
    }
}

/// One network and its one endpoint.
pub struct Container {
    network: String,
    endpoint: String,
    subnet: String,
    gateway: String,
    /// Empty: the plugin says it.
    mac: String,
    pool: Value,
    address: String,
}

/// An id as Docker makes them.
fn id() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

impl Container {
    /// The one of this number, never used before; `side` keeps those of two plugins apart.
    pub fn new(side: u8, number: u8) -> Self {
        Self {
            network: id(),
            endpoint: id(),
            subnet: format!("10.{side}.{number}.0/24"),
            gateway: format!("10.{side}.{number}.1"),
            mac: format!("02:42:0a:{side:02x}:{number:02x}:02"),
            pool: Value::Null,
            address: String::new(),
        }
    }

    /// One without a MAC, which Docker leaves to a plugin that wants it so.
    pub fn without_mac(self) -> Self {
        Self { mac: String::new(), ..self }
    }

    /// Another one on the same network.
    pub fn neighbour(&self) -> Self {
        Self {
            network: self.network.clone(),
            endpoint: id(),
            subnet: self.subnet.clone(),
            gateway: self.gateway.clone(),
            mac: self.mac.clone(),
            pool: self.pool.clone(),
            address: String::new(),
        }
    }

    /// Make the calls of one operation, one after the other.
    pub fn run(&mut self, plugin: &Plugin, operation: Operation) -> Result<()> {
        match operation {
            Operation::Create => self.create(plugin),
            Operation::Start => self.start(plugin),
            Operation::Stop => self.stop(plugin),
            Operation::Remove => self.remove(plugin),
        }
    }

    fn create(&mut self, plugin: &Plugin) -> Result<()> {
        let space = "no_address_space";
        let body = json!({ "AddressSpace": space, "Pool": self.subnet, "SubPool": "", "Options": {}, "V6": false });
        let mut answer = plugin.call("/IpamDriver.RequestPool", &body)?;
        ensure!(answer["Pool"] == self.subnet.as_str(), "{}: another pool: {answer}", plugin.name);
        self.pool = answer["PoolID"].take();
        let options = json!({ "RequestAddressType": "com.docker.network.gateway" });
        let body = json!({ "PoolID": self.pool, "Address": self.gateway, "Options": options });
        plugin.call("/IpamDriver.RequestAddress", &body)?;
        let data = json!({ "Pool": self.subnet, "Gateway": format!("{}/24", self.gateway), "AddressSpace": space });
        let options = json!({ "com.docker.network.enable_ipv6": false, "com.docker.network.generic": {} });
        let body = json!({ "NetworkID": self.network, "IPv4Data": [data], "IPv6Data": [], "Options": options });
        plugin.call("/NetworkDriver.CreateNetwork", &body).map(drop)
    }

    fn start(&mut self, plugin: &Plugin) -> Result<()> {
        let options = match self.mac.as_str() {
            "" => Value::Null,
            mac => json!({ "com.docker.network.endpoint.macaddress": mac }),
        };
        let body = json!({ "PoolID": self.pool, "Address": "", "Options": options });
        let answer = plugin.call("/IpamDriver.RequestAddress", &body)?;
        self.address = answer["Address"].as_str().context("no Address")?.to_owned();
        let interface = json!({ "Address": self.address, "AddressIPv6": "", "MacAddress": self.mac });
        let options = json!({ "com.docker.network.endpoint.exposedports": [], "com.docker.network.portmap": [] });
        let mut body = self.body();
        body["Interface"] = interface;
        body["Options"] = options.clone();
        let answer = plugin.call("/NetworkDriver.CreateEndpoint", &body)?;
        let told = answer["Interface"]["MacAddress"].as_str();
        ensure!(told.is_some() == self.mac.is_empty(), "{}: one of us says the MAC: {answer}", plugin.name);
        let mut body = self.body();
        body["SandboxKey"] = json!(format!("/var/run/docker/netns/{:.12}", self.endpoint));
        body["Options"] = json!({});
        let answer = plugin.call("/NetworkDriver.Join", &body)?;
        let source = answer["InterfaceName"]["SrcName"].as_str().context("no SrcName")?;
        let there = std::path::Path::new("/sys/class/net").join(source).exists();
        ensure!(there, "{}: the interface {source} is not there", plugin.name);
        let mut body = self.body();
        body["Options"] = options;
        plugin.call("/NetworkDriver.ProgramExternalConnectivity", &body).map(drop)
    }

    fn stop(&self, plugin: &Plugin) -> Result<()> {
        for call in ["RevokeExternalConnectivity", "Leave", "DeleteEndpoint"] {
            plugin.call(&format!("/NetworkDriver.{call}"), &self.body())?;
        }
        self.release(plugin, self.address.split('/').next().unwrap_or_default())
    }

    fn remove(&self, plugin: &Plugin) -> Result<()> {
        self.release(plugin, &self.gateway)?;
        plugin.call("/IpamDriver.ReleasePool", &json!({ "PoolID": self.pool }))?;
        plugin.call("/NetworkDriver.DeleteNetwork", &json!({ "NetworkID": self.network })).map(drop)
    }

    fn release(&self, plugin: &Plugin, address: &str) -> Result<()> {
        plugin.call("/IpamDriver.ReleaseAddress", &json!({ "PoolID": self.pool, "Address": address })).map(drop)
    }

    fn body(&self) -> Value {
        json!({ "NetworkID": self.network, "EndpointID": self.endpoint })
    }
}
