//! Trunks: one port that carries others, told apart by VLAN.

use crate::{MacAddr, PortId, ProjectId, Status, Tag, TrunkId, network::yes};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `device_owner` of a port that a trunk carries.
pub const DEVICE_OWNER_SUBPORT: &str = "trunk:subport";
/// `segmentation_type` of subports that are told apart by VLAN.
pub const SEGMENTATION_VLAN: &str = "vlan";

/// A trunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trunk {
    /// Identifier.
    pub id: TrunkId,
    /// Name, not unique.
    #[serde(default)]
    pub name: String,
    /// Owner.
    #[serde(default)]
    pub project_id: ProjectId,
    /// The port that carries the others: a virtual machine's.
    pub port_id: PortId,
    /// What it carries.
    #[serde(default)]
    pub sub_ports: Vec<SubPort>,
    /// False: no subport can be added or removed.
    #[serde(default = "yes")]
    pub admin_state_up: bool,
    /// `ACTIVE` once all of it is wired.
    #[serde(default)]
    pub status: Status,
    /// Text for people.
    #[serde(default)]
    pub description: String,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// Grows with each change.
    #[serde(default)]
    pub revision_number: u64,
    /// Creation.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// Last change.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
}

/// A port that a trunk carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubPort {
    /// The port.
    pub port_id: PortId,
    /// How its frames are told from others': `vlan`.
    #[schemars(extend("enum" = ["vlan"]))]
    pub segmentation_type: String,
    /// The VLAN id, 1 to 4094.
    #[schemars(range(min = 1, max = 4094))]
    pub segmentation_id: u16,
}

impl SubPort {
    /// A port told apart by VLAN.
    pub fn on_vlan(port_id: PortId, segmentation_id: u16) -> Self {
        Self { port_id, segmentation_type: SEGMENTATION_VLAN.to_owned(), segmentation_id }
    }
}

/// What a port says of the trunk whose parent it is (extension `trunk-details`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrunkDetails {
    /// The trunk.
    pub trunk_id: TrunkId,
    /// What it carries.
    #[serde(default)]
    pub sub_ports: Vec<SubPortDetails>,
}

/// A subport, as its trunk's parent tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubPortDetails {
    /// The port and its VLAN.
    #[serde(flatten)]
    pub sub_port: SubPort,
    /// The port's Ethernet address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<MacAddr>,
}

/// A trunk to create.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewTrunk {
    /// Name.
    #[serde(default)]
    pub name: String,
    /// The port that is to carry others; required.
    pub port_id: Option<PortId>,
    /// Owner; absent: the asker's project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// False: its subports stay as they are. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_state_up: Option<bool>,
    /// What it carries from the beginning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sub_ports: Vec<SubPort>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Changes of a trunk; its subports have calls of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrunkUpdate {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_state_up: Option<bool>,
    /// New text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
