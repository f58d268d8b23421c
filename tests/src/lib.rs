//! End-to-end tests, the demo and the benchmarks, on the real thing.
//!
//! A [`Host`] is a small machine of its own: private namespaces for processes, mounts and network, an uplink, and beyond
//! it a [`World`] that plays the outside. A [`Rig`] puts a real dockerd and a real `kuryr up` on it. Nothing of it
//! touches the machine that runs the tests, and all of it ends when the test ends, even by `kill -9`.
//!
//! The same machine may be a host of a real [`OpenStack`]: then it is in that cloud's network beside its switch, runs
//! `kuryr docker`, and works in a project of its own. [`stories`] are what must hold on both clouds with every engine.

mod browser;
mod cloud;
mod debian;
mod dice;
mod engine;
mod host;
mod kuryr;
mod narrator;
mod openstack;
mod original;
mod packets;
mod pair;
mod planes;
mod plugin;
mod refusal;
mod release;
mod rig;
mod sctp;
mod ui;
mod wait;
pub mod wire;
mod world;

pub mod bench;
pub mod demo;
pub mod faults;
pub mod packaging;
pub mod soak;
pub mod stories;

pub use browser::{Browser, Chromium};
pub use cloud::Cloud;
pub use debian::unpacked;
pub use engine::{Engine, IMAGE, PrivateEngine};
pub use host::{Host, Started};
pub use kuryr::{Kuryr, Paths, binary};
pub use openstack::{OpenStack, Server, Tenant, Veil};
pub use original::Original;
pub use pair::Pair;
pub use planes::{with_planes, with_planes_on_openstack};
pub use plugin::{Answer, get, raw, request};
pub use release::Release;
pub use rig::{
    Place, Rig, able_to_boot, skip, with_configured_current_rig, with_configured_rig, with_current_rig, with_host,
    with_openstack, with_openstack_as, with_pair, with_rig,
};
pub use ui::Ui;
pub use wait::{until, until_within};
pub use world::{World, run_in};
