//! Why the embedded cloud cannot start.

use crate::{
    api::keystone::{IdentityError, credentials::CredentialsError},
    engine, store,
};
use std::{io, path::PathBuf};

/// The embedded cloud cannot start. Each message says what an operator can do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The state's folder cannot be made.
    #[error("{path}: could not make the folder of the cloud's state: {source}")]
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
    /// `clouds.yaml` cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}
