//! TLS: whom we trust, and who we say we are.

use crate::stand_in::StandIn;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use kuryr_openstack::{Error, Http, HttpOptions, SessionOptions, Tls};
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::{fs, path::PathBuf, sync::Arc};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier},
};

struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

struct Leaf {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(parameters, key) }
    }

    fn issue(&self, name: &str) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        Leaf { certificate: parameters.signed_by(&key, &self.issuer).unwrap(), key }
    }
}

impl Leaf {
    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.der().clone()]
    }
}

/// A cloud behind TLS; with `clients`, only for those who show a certificate of that authority.
async fn serve(server: &Leaf, clients: Option<&Authority>) -> StandIn {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.certificate.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(server.chain(), server.key()).unwrap()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cloud = StandIn::new().at(&format!("https://{}", listener.local_addr().unwrap()));
    let service = TowerToHyperService::new(cloud.router());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, service) = (acceptor.clone(), service.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    cloud
}

async fn login(cloud: &StandIn, tls: Tls) -> Result<(), Error> {
    let transport = Http::new(&HttpOptions { tls, ..HttpOptions::default() })?;
    cloud.session(Arc::new(transport), SessionOptions::default()).authenticate().await
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> Option<PathBuf> {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        Some(path)
    }
}

#[tokio::test]
async fn only_the_named_authority_is_trusted() {
    let (ours, theirs, files) = (Authority::new(), Authority::new(), Files::new());
    let cloud = serve(&ours.issue("127.0.0.1"), None).await;
    let trusting =
        |name: &str, a: &Authority| Tls { ca_file: files.write(name, &a.certificate.pem()), ..Tls::default() };

    login(&cloud, trusting("ours.pem", &ours)).await.unwrap();
    assert_eq!(cloud.logins(), 1);
    for wrong in [trusting("theirs.pem", &theirs), Tls::default()] {
        let error = login(&cloud, wrong).await.unwrap_err().to_string();
        assert!(error.contains("TLS failed") && error.contains("check cafile"), "{error}");
    }
    assert_eq!(cloud.logins(), 1, "the password went nowhere");
    login(&cloud, Tls { insecure: true, ..Tls::default() }).await.unwrap();

    // Of the right authority, for another host.
    let cloud = serve(&ours.issue("elsewhere.test"), None).await;
    let error = login(&cloud, trusting("ours.pem", &ours)).await.unwrap_err().to_string();
    assert!(error.contains("host name"), "{error}");
    assert_eq!(cloud.logins(), 0);
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_it_is_wanted() {
    let (ours, files) = (Authority::new(), Files::new());
    let cloud = serve(&ours.issue("127.0.0.1"), Some(&ours)).await;
    let ca_file = files.write("ca.pem", &ours.certificate.pem());
    let (good, bad) = (ours.issue("kuryr"), Authority::new().issue("kuryr"));
    let with = |name: &str, leaf: &Leaf| Tls {
        ca_file: ca_file.clone(),
        certificate_file: files.write(&format!("{name}.pem"), &leaf.certificate.pem()),
        key_file: files.write(&format!("{name}.key"), &leaf.key.serialize_pem()),
        ..Tls::default()
    };

    login(&cloud, with("good", &good)).await.unwrap();
    let both = good.certificate.pem() + &good.key.serialize_pem();
    let in_one = Tls { certificate_file: files.write("both.pem", &both), key_file: None, ..with("good", &good) };
    login(&cloud, in_one).await.unwrap();
    assert_eq!(cloud.logins(), 2);
    let none = Tls { ca_file: ca_file.clone(), ..Tls::default() };
    for wrong in [none, with("bad", &bad)] {
        let error = login(&cloud, wrong).await.unwrap_err().to_string();
        assert!(error.contains("TLS failed") && error.contains("certfile"), "{error}");
    }
    assert_eq!(cloud.logins(), 2);
}

#[test]
fn unusable_files_are_named() {
    let files = Files::new();
    let leaf = Authority::new().issue("kuryr");
    let rubbish = files.write("rubbish.pem", "rubbish");
    let missing = Some(files.0.path().join("missing.pem"));
    let certificate = files.write("kuryr.pem", &leaf.certificate.pem());
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let other_key = files.write("other.key", &KeyPair::generate().unwrap().serialize_pem());
    let base = Tls::default;
    for (options, field, name) in [
        (Tls { ca_file: missing.clone(), ..base() }, "cafile", "missing.pem"),
        (Tls { ca_file: rubbish.clone(), ..base() }, "cafile", "rubbish.pem"),
        (Tls { ca_file: files.write("broken.pem", broken), ..base() }, "cafile", "broken.pem"),
        (Tls { certificate_file: rubbish, ..base() }, "certfile", "rubbish.pem"),
        (Tls { certificate_file: certificate.clone(), ..base() }, "certfile", "kuryr.pem"),
        (Tls { certificate_file: certificate.clone(), key_file: missing, ..base() }, "keyfile", "missing.pem"),
        (Tls { key_file: other_key.clone(), ..base() }, "keyfile", "other.key"),
        (Tls { certificate_file: certificate, key_file: other_key, ..base() }, "certfile", "kuryr.pem"),
    ] {
        let error = Http::new(&HttpOptions { tls: options, ..HttpOptions::default() }).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Invalid { field: f, .. } if f == field) && text.contains(name), "{text}");
    }
}
