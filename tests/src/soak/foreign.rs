//! What others have in the cloud: it is there before the load, it is used by it, and it must be there afterwards as it was.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use kuryr_neutron::{Network, NetworkId, Port, Resource, SecurityGroup, Subnet, SubnetId, SubnetPool};
use serde_json::{Value, json};

use super::machine::Machine;
use crate::rig::Rig;

/// The tests' client is Kuryr's, which marks what has no description as its own.
const STAMP: &str = "by hand";

/// Somebody's network, with the port of a virtual machine.
pub struct Foreign {
    /// The network.
    pub network: NetworkId,
    subnet: SubnetId,
    /// Everything there was, by kind and id.
    before: BTreeMap<String, Value>,
    /// Interfaces and rules there were.
    kernel: Vec<String>,
}

impl Foreign {
    /// The subnet's range.
    pub const CIDR: &'static str = "10.40.0.0/24";
    /// Its gateway.
    pub const GATEWAY: &'static str = "10.40.0.1";

    /// Make it.
    pub fn prepare(machine: &Machine) -> Result<Self> {
        let Rig { cloud, .. } = &machine.rig;
        let network: Network = cloud.make(json!({ "name": "somebody's", "description": STAMP }))?;
        let subnet: Subnet = cloud.make(json!({
            "name": "somebody's", "network_id": network.id, "ip_version": 4, "cidr": Self::CIDR,
            "gateway_ip": Self::GATEWAY, "description": STAMP,
        }))?;
        cloud.make::<Port>(json!({
            "name": "a virtual machine's", "network_id": network.id, "device_owner": "compute:nova",
            "device_id": "0c4f6f2e-0f7c-4a58-8b0e-5d0f0a3f0d51", "description": STAMP,
        }))?;
        cloud.make::<Network>(json!({ "name": "kuryr-net-deadbeef", "description": STAMP }))?;
        let (network, subnet) = (network.id, subnet.id);
        Ok(Self { network, subnet, before: everything(machine)?, kernel: machine.rig.kernel()? })
    }

    /// Names the subnet in an option of Docker.
    pub fn subnet_option(&self) -> String {
        format!("neutron.subnet.uuid={}", self.subnet)
    }

    /// What is there that was not, and what of others was touched.
    pub fn compare(&self, machine: &Machine) -> Result<Leftovers> {
        let now = everything(machine)?;
        let word = |(key, value): (&String, &Value)| format!("{key} {}", value["name"].as_str().unwrap_or_default());
        let left = now.iter().filter(|(key, _)| !self.before.contains_key(*key)).map(word).collect();
        let changed = |(key, value): &(&String, &Value)| now.get(*key) != Some(*value);
        let touched = self.before.iter().filter(changed);
        let touched = touched.map(|(key, value)| format!("{key}: {value} became {:?}", now.get(key))).collect();
        // A bridge stays as long as its network.
        let bridge = format!("kuryr:{}", self.network.bridge_name());
        let kernel = machine.rig.kernel()?.into_iter();
        let kernel = kernel.filter(|name| !self.kernel.contains(name) && *name != bridge).collect();
        Ok(Leftovers { neutron: left, kernel, touched })
    }
}

/// What should not be.
#[derive(Debug, Default, Clone)]
pub struct Leftovers {
    /// Of ours in Neutron.
    pub neutron: Vec<String>,
    /// Of ours in the kernel.
    pub kernel: Vec<String>,
    /// Of others, removed or changed.
    pub touched: Vec<String>,
}

fn everything(machine: &Machine) -> Result<BTreeMap<String, Value>> {
    let mut all = BTreeMap::new();
    list::<Network>(machine, &mut all)?;
    list::<Subnet>(machine, &mut all)?;
    list::<SubnetPool>(machine, &mut all)?;
    list::<Port>(machine, &mut all)?;
    list::<SecurityGroup>(machine, &mut all)?;
    Ok(all)
}

/// All of a kind, without what counts changes.
fn list<R: Resource>(machine: &Machine, all: &mut BTreeMap<String, Value>) -> Result<()> {
    for one in machine.cloud().all::<R>()? {
        let mut value = serde_json::to_value(&one)?;
        let fields = value.as_object_mut().context("not an object")?;
        ["revision_number", "updated_at"].iter().for_each(|counter| drop(fields.remove(*counter)));
        let name = fields.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        // Neutron's own: what hands out addresses, and the group that each project gets at its first use.
        let owner = fields.get("device_owner").and_then(Value::as_str).unwrap_or_default();
        let own = owner.starts_with("network:") || (R::COLLECTION == "security_groups" && name == "default");
        if !own {
            all.insert(format!("{} {}", R::MEMBER, one.id()), value);
        }
    }
    Ok(())
}
