//! TLS from PEM files.

use crate::Error;
use arc_swap::ArcSwap;
use rustls::{RootCertStore, ServerConfig, crypto::ring, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio_rustls::TlsAcceptor;

/// The files of a TLS listener, all PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, followed by its chain.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// If given, clients must show a certificate that one of these signed.
    pub client_authorities: Option<PathBuf>,
}

/// What a TLS listener shows and asks for, which can be replaced while it serves. Clones share it.
#[derive(Clone)]
pub struct TlsKeys(Arc<ArcSwap<ServerConfig>>);

impl TlsKeys {
    pub(crate) fn new(files: &TlsFiles) -> Result<Self, Error> {
        Ok(Self(Arc::new(ArcSwap::new(files.config()?))))
    }

    /// Reads these files; connections that begin from now on have what is in them.
    ///
    /// # Errors
    /// A file is not what it should be; then all stays as it was.
    pub fn replace(&self, files: &TlsFiles) -> Result<(), Error> {
        self.0.store(files.config()?);
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.load_full())
    }
}

impl TlsFiles {
    fn config(&self) -> Result<Arc<ServerConfig>, Error> {
        let refused = |reason: String| Error::Tls { certificate: self.certificate.clone(), reason };
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| Error::Pem {
            path: self.key.clone(),
            expected: "a private key",
            reason: error.to_string(),
        })?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(error.to_string()))?;
        let builder = match &self.client_authorities {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|error| refused(format!("{}: {error}", path.display())))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(|error| refused(format!("{}: {error}", path.display())))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| refused(error.to_string()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let wrong = |reason: String| Error::Pem { path: path.to_owned(), expected: "certificates", reason };
    let found: Vec<_> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() {
        return Err(wrong("it holds none".to_owned()));
    }
    Ok(found)
}
