//! What can go wrong between the state and the kernel.

use kuryr_netlink::nftables::CommitError;
use std::path::PathBuf;

/// The kernel is not as it should be, and why.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused something.
    #[error(transparent)]
    Kernel(#[from] kuryr_netlink::Error),
    /// The rules were not applied; those before are in force.
    #[error("security rules were not applied: {0}")]
    Rules(#[from] CommitError),
    /// Bridged packets cannot be tracked.
    #[error(
        "the kernel's module br_netfilter is missing ({0}): security groups need it; install the kernel's modules \
         (package linux-modules or linux-image of the running kernel) and run 'modprobe br_netfilter'"
    )]
    NoBridgeNetfilter(String),
    /// Subports of trunks cannot be wired.
    #[error(
        "the kernel has no VLANs ({0}): subports of trunks need them; install the kernel's modules (package \
         linux-modules or linux-image of the running kernel) and run 'modprobe 8021q'"
    )]
    NoVlan(kuryr_netlink::Error),
    /// There is a data plane already.
    #[error("another Kuryr minds this machine's networks (it holds {}); stop it first", path.display())]
    InUse {
        /// The namespace of its bridges.
        path: PathBuf,
    },
    /// The namespace could not be taken.
    #[error("cannot lock the network namespace {}: {source}", path.display())]
    Hold {
        /// The namespace.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The namespace could not be bound to its path again.
    #[error("cannot bind the network namespace to {} again: {source}", path.display())]
    Bind {
        /// Where it belongs.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Something that must be there first is missing; a later pass tries again.
    #[error("{what} {name} is not there yet")]
    Missing {
        /// Kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A thread of the data plane ended.
    #[error("the data plane's thread ended: {0}")]
    Thread(String),
}
