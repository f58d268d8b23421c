//! Docker's remote network driver and IPAM driver.
//!
//! Each request is read into a type, carried out by `kuryr-ports` and Neutron, and answered. A request that fails
//! half way is undone; one that is repeated changes nothing. Neutron is the truth: what is remembered here spares calls,
//! and is forgotten when it turns out wrong.

mod address;
mod answer;
mod capability;
mod endpoint;
mod engine;
mod handed;
pub mod inventory;
mod membership;
mod network;
mod network_tags;
mod plugin;
mod pool;
mod pool_release;
mod pool_user;
mod publishing;
mod ready_ports;
mod recent;
pub mod reconcile;
mod removal;
mod renewal;
pub mod request;
mod reservation;
mod settings;
mod swarm;
mod trace;
mod unsettled;
mod untouched;
mod wish;

pub use answer::Error;
pub use engine::EngineError;
pub use plugin::Plugin;
pub use ready_ports::{DrainedPorts, ReadyPort, order_drain};
pub use settings::PluginSettings;
