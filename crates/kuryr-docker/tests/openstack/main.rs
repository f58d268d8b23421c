//! Containers within a virtual machine on a real Neutron: the cloud that `OS_*` names, such as
//! `rig/openstack/run cargo test -p kuryr-docker --test openstack` has.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod docker;
mod guest;
mod machine;
mod on_the_machines_network;
mod on_trunks;
mod rival;
