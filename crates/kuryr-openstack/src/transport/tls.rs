//! Whom TLS trusts, and who we say we are.

use crate::Error;
use reqwest::{Certificate, ClientBuilder, Identity};
use std::path::{Path, PathBuf};

/// TLS settings, named as keystoneauth names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// PEM file of the certificate authorities to trust instead of the system's (`cafile`).
    pub ca_file: Option<PathBuf>,
    /// PEM file of our certificate chain, with the key too when `key_file` is absent (`certfile`).
    pub cert_file: Option<PathBuf>,
    /// PEM file of our private key (`keyfile`).
    pub key_file: Option<PathBuf>,
    /// Trust any certificate (`insecure`). Anyone on the way can then read the password.
    pub insecure: bool,
}

impl TlsOptions {
    pub(super) fn apply(&self, mut builder: ClientBuilder) -> Result<ClientBuilder, Error> {
        if let Some(file) = &self.ca_file {
            let wrong = |why: String| unusable("cafile", file, why);
            let authorities = Certificate::from_pem_bundle(&read("cafile", file)?)
                .map_err(|error| wrong(format!("expected PEM certificates ({error})")))?;
            if authorities.is_empty() {
                return Err(wrong("expected at least one PEM certificate".to_owned()));
            }
            builder = builder.tls_certs_only(authorities);
        }
        if let Some(file) = &self.cert_file {
            let mut pem = read("certfile", file)?;
            if let Some(key) = &self.key_file {
                pem.push(b'\n');
                pem.extend(read("keyfile", key)?);
            }
            let identity = Identity::from_pem(&pem).map_err(|error| {
                unusable(
                    "certfile",
                    file,
                    format!("expected a PEM certificate, and its key there or in keyfile ({error})"),
                )
            })?;
            builder = builder.identity(identity);
        } else if let Some(key) = &self.key_file {
            return Err(unusable("keyfile", key, "expected certfile to be set as well".to_owned()));
        }
        if self.insecure {
            tracing::warn!(
                "certificates of the cloud are not verified (insecure = true): anyone on the way can read the password"
            );
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        Ok(builder)
    }
}

fn read(field: &'static str, file: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(file).map_err(|error| unusable(field, file, format!("expected a readable file ({error})")))
}

fn unusable(field: &'static str, file: &Path, expected: String) -> Error {
    Error::Invalid { field, value: file.display().to_string(), expected }
}

/// `reqwest` panics when no provider is chosen; a binary that has chosen one keeps its choice.
pub(super) fn ensure_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Fails only when another thread was faster, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
