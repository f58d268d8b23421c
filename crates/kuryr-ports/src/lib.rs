//! Life of a port: who owns it, how a workload acquires, uses and gives it back.
//!
//! Neutron's names, tags and devices are the only truth; what this process remembers of them only saves calls.
//! Nothing here knows Docker's wire protocol.

mod acquire;
mod behind;
mod bind;
mod collect;
mod control_plane;
mod error;
mod expose;
mod exposed;
mod floating;
mod identity;
mod join;
mod locks;
mod machine;
mod memory;
mod nested;
mod ownership;
mod ports;
mod ready;
mod recover;
mod release;
mod rollback;
mod settings;
mod within;

pub use behind::Behind;
pub use bind::Attachment;
pub use control_plane::{Author, ControlPlane, ControlPlaneError, OtherUsers, author};
pub use error::Error;
pub use exposed::{ExposedPort, IpVersion, Opening, openings};
pub use identity::{DockerId, DockerIdError, NETWORK_NAME_PREFIX, identities_of, identity_of, is_identity_tag};
pub use locks::KeyedLocks;
pub use ownership::{
    DEVICE_OWNER, EXPOSED_DESCRIPTION, Owner, READY_PORT_NAME, SUBNET_NAME_PREFIX, Tagging, UNBOUND_PORT_NAME, User,
    created_port_tag, existing_pool_tag, existing_port_tag, exposed_group_name, owner_of, pool_name, pool_tag,
    pool_tags, subnet_name, user_of,
};
pub use ports::{ActiveWait, Ports};
pub use ready::{Drained, Limits as ReadyLimits, Stock as ReadyStock, Wanted};
pub use rollback::Rollback;
pub use settings::PortSettings;
