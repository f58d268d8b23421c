//! Nothing is ever left over: a faulty proxy before the cloud, and `kill -9` at every point where something outside has
//! just changed or is just about to; and a cloud that is away altogether.

#![allow(clippy::unwrap_used, reason = "tests may")]

mod away;
mod call;
mod case;
mod choice;
mod fault;
mod inventory;
mod machine;
mod operation;
mod proxy;
mod report;
mod sweep;
