//! Docker finds the plugin at an address with TLS, as `/etc/docker/plugins/kuryr.json` says, and shows its certificate.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Result, ensure};
use kuryr_tests::{Host, Kuryr, PrivateEngine, with_host};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use serde_json::json;

const ADDRESS: &str = "127.0.0.1:23750";
/// Where nobody of Docker's looks for plugins.
const ELSEWHERE: &str = "/run/kuryr/plugin.sock";

/// An authority that signs certificates.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(Vec::new())?;
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self { pem: parameters.self_signed(&key)?.pem(), issuer: Issuer::new(parameters, key) })
    }

    /// Write `NAME.pem` and `NAME.key`.
    fn issue(&self, folder: &Path, name: &str, usage: ExtendedKeyUsagePurpose) -> Result<()> {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.extended_key_usages = vec![usage];
        fs::write(folder.join(format!("{name}.pem")), parameters.signed_by(&key, &self.issuer)?.pem())?;
        let file = folder.join(format!("{name}.key"));
        fs::write(&file, key.serialize_pem())?;
        Ok(fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?)
    }
}

fn folder(host: &Host) -> String {
    host.scratch().join("tls").display().to_string()
}

/// Tell Docker of a plugin at the same address, with a certificate of this name or without one.
fn announce(host: &Host, plugin: &str, certificate: Option<&str>) -> Result<()> {
    let folder = folder(host);
    let mut tls = json!({ "CAFile": format!("{folder}/authority.pem") });
    if let Some(name) = certificate {
        tls["CertFile"] = json!(format!("{folder}/{name}.pem"));
        tls["KeyFile"] = json!(format!("{folder}/{name}.key"));
    }
    let text = json!({ "Name": plugin, "Addr": format!("https://{ADDRESS}"), "TLSConfig": tls }).to_string();
    fs::create_dir_all(host.path("/etc/docker/plugins"))?;
    Ok(fs::write(host.path(format!("/etc/docker/plugins/{plugin}.json")), text)?)
}

fn create(engine: &PrivateEngine, plugin: &str) -> Result<std::process::Output> {
    let range = ["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"];
    engine.try_docker(&[&["network", "create", "-d", plugin, "--ipam-driver", plugin], &range[..], &["blue"]].concat())
}

#[test]
fn docker_uses_the_plugin_over_tls_with_a_certificate_and_not_without() -> Result<()> {
    with_host(|host, engine| {
        let (authority, other) = (Authority::new("authority")?, Authority::new("other")?);
        let folder = folder(host);
        fs::create_dir(&folder)?;
        fs::write(format!("{folder}/authority.pem"), &authority.pem)?;
        let path = Path::new(&folder);
        authority.issue(path, "plugin", ExtendedKeyUsagePurpose::ServerAuth)?;
        authority.issue(path, "docker", ExtendedKeyUsagePurpose::ClientAuth)?;
        other.issue(path, "stranger", ExtendedKeyUsagePurpose::ClientAuth)?;
        let config = format!(
            "[DEFAULT]\nkuryr_uri = https://{ADDRESS}\nssl_cert_file = {folder}/plugin.pem\nssl_key_file = \
             {folder}/plugin.key\nssl_client_ca_file = {folder}/authority.pem\n\n[docker]\nplugin_socket = {ELSEWHERE}\n"
        );
        let _kuryr = Kuryr::up_at(host, &config, ELSEWHERE)?;
        announce(host, "kuryr", Some("docker"))?;
        announce(host, "nobody", None)?;
        announce(host, "stranger", Some("stranger"))?;

        for plugin in ["nobody", "stranger"] {
            let output = create(engine, plugin)?;
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            ensure!(!output.status.success() && told.contains("certificate"), "{plugin}: {told}");
        }
        let cloud = Kuryr::cloud(host)?;
        ensure!(cloud.inventory()?.is_empty(), "{:?}", cloud.inventory()?);

        let output = create(engine, "kuryr")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        engine.container("one", "blue", &[])?;
        engine.container("two", "blue", &[])?;
        engine.ping("one", &engine.endpoint("two", "blue")?.address)?;
        engine.docker(&["rm", "--force", "one", "two"])?;
        engine.docker(&["network", "rm", "blue"])?;
        ensure!(cloud.inventory()?.is_empty(), "{:?}", cloud.inventory()?);
        Ok(())
    })
}
