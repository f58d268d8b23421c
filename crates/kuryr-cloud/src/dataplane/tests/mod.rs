//! The data plane on a real kernel, with real packets. Needs root; touches nothing outside its own namespaces.

mod address_groups;
mod announcing;
mod dhcp;
mod dhcp6;
mod floating;
mod lies;
mod policy;
mod quality;
mod repair;
mod router;
mod spoofing;
mod thousand;
mod traffic;
mod trunk;
mod verdict;
mod world;
