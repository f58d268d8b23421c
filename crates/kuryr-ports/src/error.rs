//! Why a port could not be had, in words that tell an operator what to do.

use kuryr_neutron::PortId;
use std::time::Duration;

/// What can go wrong between a workload and its port.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cloud refused or did not answer.
    #[error(transparent)]
    Cloud(#[from] kuryr_openstack::Error),
    /// The interface could not be made or removed.
    #[error(transparent)]
    Binding(#[from] kuryr_binding::Error),
    /// A port belongs to something else; it is never taken away.
    #[error("{what} belongs to Neutron port {port}, which is in use ({user}); it is not taken over")]
    InUse {
        /// The address or MAC that was wanted.
        what: String,
        /// The port.
        port: PortId,
        /// Who uses it.
        user: String,
    },
    /// The request contradicts what Neutron holds.
    #[error("{0}")]
    Conflict(String),
    /// Something must exist and does not.
    #[error("{0}")]
    Missing(String),
    /// The cloud does not offer it.
    #[error("{what} is not possible: the cloud has no extension '{extension}'; leave it out, or enable the extension")]
    Unsupported {
        /// What was wanted, in the caller's words.
        what: String,
        /// The missing extension's alias.
        extension: &'static str,
    },
    /// One was expected, several were found.
    #[error("Multiple Neutron {what} exist for the params {filter}")]
    Ambiguous {
        /// Kind of resource, plural.
        what: &'static str,
        /// How they were looked for.
        filter: String,
    },
    /// The cloud did not wire the port in time.
    #[error(
        "Neutron port {name} did not become active on time.\nPort {port} was waited for {waited:?}: check the network agent of this host, or raise [neutron] vif_plugging_timeout"
    )]
    NotActive {
        /// The port.
        port: PortId,
        /// Its name.
        name: String,
        /// How long.
        waited: Duration,
    },
}
