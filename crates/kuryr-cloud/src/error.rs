//! Why the embedded cloud cannot start, or go on.

use crate::{
    api::keystone::{IdentityError, credentials::CredentialsError},
    dataplane, engine, store,
};
use std::{io, path::PathBuf};

/// The embedded cloud cannot start, or go on. Each message says what an operator can do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The state's folder cannot be made.
    #[error("{path}: could not make the folder of the cloud's state, or keep it private: {source}")]
    StateDir {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The engine cannot start.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// Keystone cannot start.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The data plane cannot start.
    #[error(transparent)]
    DataPlane(#[from] dataplane::Error),
    /// The kernel refuses to be asked.
    #[error(transparent)]
    Kernel(#[from] kuryr_netlink::Error),
    /// The data plane ended by itself; its reason is in the log.
    #[error("the data plane has ended, so nothing minds the kernel; the log says why; start the service anew")]
    DataPlaneEnded,
    /// `clouds.yaml` cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}
