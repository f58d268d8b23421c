//! The plugin's address with TLS: a client that is set up as Docker is by `kuryr.json` gets in, and nobody else does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

mod place;

use place::{Place, is_root};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    os::unix::net::UnixDatagram,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// An authority that signs certificates of servers and clients.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, "authority");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(parameters, key) }
    }

    /// Writes certificate and key, and says where.
    fn issue(&self, place: &Place, file: &str, name: &str, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.extended_key_usages = vec![usage];
        let pem = parameters.signed_by(&key, &self.issuer).unwrap().pem();
        (place.write(&format!("{file}.pem"), &pem), place.write(&format!("{file}.key"), &key.serialize_pem()))
    }
}

/// The plugin, ready; killed if a test ends without it.
struct Plugin(Child, UnixDatagram);

/// What systemd is told next.
fn notified(systemd: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let length = systemd.recv(&mut buffer).unwrap_or_default();
    String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
}

impl Plugin {
    fn start(place: &Place, conf: &str) -> Self {
        let conf = format!("[DEFAULT]\n{conf}[neutron]\nauth_url = http://127.0.0.1:1\nusername = u\npassword = p\n");
        place.write("kuryr.conf", &conf);
        let _ = fs::remove_file(place.path("notify"));
        let systemd = UnixDatagram::bind(place.path("notify")).unwrap();
        systemd.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut command = place.command();
        command.args(["docker", "--config-file", "kuryr.conf"]).env("NOTIFY_SOCKET", place.path("notify"));
        let child = command.stdout(Stdio::null()).stderr(File::create(place.path("log")).unwrap()).spawn().unwrap();
        let plugin = Self(child, systemd);
        assert_eq!(notified(&plugin.1), "READY=1", "{}", log(place));
        plugin
    }

    /// Has it read its configuration anew, as systemd does.
    fn reload(&self) {
        kill_process(Pid::from_child(&self.0), Signal::HUP).unwrap();
        let told = notified(&self.1);
        let moment = told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").map(str::parse::<u64>);
        assert!(matches!(moment, Some(Ok(1..))), "{told}");
        assert_eq!(notified(&self.1), "READY=1");
    }

    /// Asks as Docker does when `kuryr.json` says this: the status code, or nothing when TLS failed.
    fn ask(&self, kuryr_json: &Value) -> Option<(String, String)> {
        let tls = &kuryr_json["TLSConfig"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut curl = Command::new("nsenter");
        curl.arg(format!("--net=/proc/{}/ns/net", self.0.id()));
        curl.args([
            "curl",
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--http1.1",
            "--tlsv1.2",
            "-w",
            "\n%{http_code}",
        ]);
        curl.args(["-X", "POST", "-H", "Accept: application/vnd.docker.plugins.v1.2+json"]);
        curl.arg("--cacert").arg(text(&tls["CAFile"]));
        if !tls["CertFile"].is_null() {
            curl.arg("--cert").arg(text(&tls["CertFile"])).arg("--key").arg(text(&tls["KeyFile"]));
        }
        let output = curl.arg(format!("{}/Plugin.Activate", text(&kuryr_json["Addr"]))).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        let (body, code) = told.rsplit_once('\n')?;
        output.status.success().then(|| (code.to_owned(), body.to_owned()))
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn log(place: &Place) -> String {
    fs::read_to_string(place.path("log")).unwrap()
}

/// What Docker reads in `/etc/docker/plugins/kuryr.json`.
fn kuryr_json(address: &str, ca_file: &str, client: Option<&(String, String)>) -> Value {
    let mut tls = json!({"InsecureSkipVerify": false, "CAFile": ca_file});
    if let Some((certificate, key)) = client {
        tls["CertFile"] = certificate.as_str().into();
        tls["KeyFile"] = key.as_str().into();
    }
    json!({"Name": "kuryr", "Addr": address, "TLSConfig": tls})
}

#[test]
fn only_docker_gets_in() {
    if !is_root() || !Command::new("curl").arg("--version").output().is_ok_and(|output| output.status.success()) {
        println!("skipped: needs root and curl");
        return;
    }
    let (place, ours, theirs) = (Place::new(), Authority::new(), Authority::new());
    let ca = place.write("ca.pem", &ours.pem);
    let (certificate, key) = ours.issue(&place, "cert", "127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    let docker = ours.issue(&place, "docker", "docker", ExtendedKeyUsagePurpose::ClientAuth);
    let stranger = theirs.issue(&place, "stranger", "docker", ExtendedKeyUsagePurpose::ClientAuth);
    let server = format!("ssl_cert_file = {certificate}\nssl_key_file = {key}\n");
    let address = "https://127.0.0.1:23750";

    for (uri, extra) in [
        ("kuryr_uri = https://127.0.0.1:23750\n", ""),
        ("kuryr_uri = http://127.0.0.1:23750\n", "enable_ssl = true\n"),
        ("", "enable_ssl = true\n"),
    ] {
        let plugin = Plugin::start(&place, &format!("{uri}{extra}{server}ssl_client_ca_file = {ca}\n"));
        let (code, body) = plugin.ask(&kuryr_json(address, &ca, Some(&docker))).unwrap();
        assert!(code == "200" && body.contains("NetworkDriver"), "{code} {body}");
        assert_eq!(plugin.ask(&kuryr_json(address, &ca, None)), None, "without a certificate");
        assert_eq!(plugin.ask(&kuryr_json(address, &ca, Some(&stranger))), None, "with somebody else's");
        let server_as_client = (certificate.clone(), key.clone());
        assert_eq!(plugin.ask(&kuryr_json(address, &ca, Some(&server_as_client))), None, "with a server's");
        assert_eq!(plugin.ask(&kuryr_json("https://localhost:23750", &ca, Some(&docker))), None, "of another name");
        assert_eq!(plugin.ask(&kuryr_json("http://127.0.0.1:23750", &ca, Some(&docker))), None, "without TLS");
        assert!(!log(&place).contains("clients need no certificate"), "{}", log(&place));
    }

    let plugin = Plugin::start(&place, &format!("kuryr_uri = https://127.0.0.1:23750\n{server}"));
    assert!(plugin.ask(&kuryr_json(address, &ca, None)).is_some(), "as the original, it asks for none");
    assert!(log(&place).contains("clients need no certificate"), "{}", log(&place));
}

#[test]
fn a_renewed_certificate_is_shown_after_a_reload() {
    if !is_root() || !Command::new("curl").arg("--version").output().is_ok_and(|output| output.status.success()) {
        println!("skipped: needs root and curl");
        return;
    }
    let (place, old, new) = (Place::new(), Authority::new(), Authority::new());
    let (old_ca, new_ca) = (place.write("old.pem", &old.pem), place.write("new.pem", &new.pem));
    let (certificate, key) = old.issue(&place, "cert", "127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    let options = format!("kuryr_uri = https://127.0.0.1:23750\nssl_cert_file = {certificate}\nssl_key_file = {key}\n");
    let plugin = Plugin::start(&place, &options);
    let shows = |ca: &str| plugin.ask(&kuryr_json("https://127.0.0.1:23750", ca, None)).is_some();
    assert_eq!((shows(&old_ca), shows(&new_ca)), (true, false));

    // Half of a renewal: the certificate is there, its key is not.
    let right_key = fs::read_to_string(&key).unwrap();
    new.issue(&place, "cert", "127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    let new_key = fs::read_to_string(&key).unwrap();
    fs::write(&key, right_key).unwrap();
    plugin.reload();
    assert_eq!((shows(&old_ca), shows(&new_ca)), (true, false), "the old certificate stays");
    let told = log(&place);
    assert!(told.contains("the configuration stays as it was") && told.contains("cert.pem"), "{told}");

    fs::write(&key, new_key).unwrap();
    plugin.reload();
    assert_eq!((shows(&old_ca), shows(&new_ca)), (false, true), "{}", log(&place));

    // An option that does not exist is told with its place.
    let conf = fs::read_to_string(place.path("kuryr.conf")).unwrap();
    place.write("kuryr.conf", &conf.replace("ssl_key_file", "ssl_keyfile"));
    plugin.reload();
    assert!(log(&place).contains("kuryr.conf:4:1: "), "{}", log(&place));
    assert!(shows(&new_ca));
}
