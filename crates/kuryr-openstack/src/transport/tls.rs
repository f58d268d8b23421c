//! Whom TLS trusts, and who we say we are.

use super::client::chain;
use crate::Error;
use kuryr_config::Tls;
use reqwest::{Certificate, ClientBuilder, Identity, tls::Version};
use std::path::Path;

/// Settings as a client's builder takes them. Reads the files they name.
pub(super) fn apply(tls: &Tls, mut builder: ClientBuilder) -> Result<ClientBuilder, Error> {
    if let Some(file) = &tls.ca_file {
        let wrong = |why: String| unusable("cafile", file, why);
        let authorities = Certificate::from_pem_bundle(&read("cafile", file)?)
            .map_err(|error| wrong(format!("expected PEM certificates ({error})")))?;
        if authorities.is_empty() {
            return Err(wrong("expected at least one PEM certificate".to_owned()));
        }
        builder = builder.tls_certs_only(authorities);
    }
    if let Some(file) = &tls.certificate_file {
        let mut pem = read("certfile", file)?;
        if let Some(key) = &tls.key_file {
            pem.push(b'\n');
            pem.extend(read("keyfile", key)?);
        }
        let identity = Identity::from_pem(&pem).map_err(|error| {
            unusable("certfile", file, format!("expected a PEM certificate, and its key there or in keyfile ({error})"))
        })?;
        builder = builder.identity(identity);
    } else if let Some(key) = &tls.key_file {
        return Err(unusable("keyfile", key, "expected certfile to be set as well".to_owned()));
    }
    if tls.insecure {
        tracing::warn!(
            "certificates of the cloud are not verified (insecure = true): anyone on the way can read the password"
        );
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    if tls.tls13_only {
        builder = builder.tls_version_min(Version::TLS_1_3);
    }
    Ok(builder)
}

/// Says which file is to blame when all could be read, and yet no client could be built.
pub(super) fn blame(tls: &Tls, error: &reqwest::Error) -> Error {
    let expected = format!("expected valid certificates, and a key that belongs to ours ({})", chain(error));
    let authorities = Tls { ca_file: tls.ca_file.clone(), ..Tls::default() };
    let trusts = apply(&authorities, reqwest::Client::builder()).is_ok_and(|builder| builder.build().is_ok());
    match (&tls.ca_file, &tls.certificate_file) {
        (_, Some(file)) if trusts => unusable("certfile", file, expected),
        (Some(file), _) => unusable("cafile", file, expected),
        (None, _) => Error::Invalid { field: "cafile", value: String::new(), expected },
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
