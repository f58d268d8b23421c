//! Nothing is ever left over: a faulty proxy before the cloud, and `kill -9` at every point where something outside has
//! just changed or is just about to. On the embedded cloud, and on a real OpenStack.

mod call;
mod case;
mod choice;
mod fault;
mod inventory;
mod machine;
mod operation;
mod proxy;
mod report;
mod site;
mod sweep;

pub use inventory::Foreign;
pub use machine::Machine;
pub use proxy::Proxy;
pub use site::Kind;
pub use sweep::sweep;
