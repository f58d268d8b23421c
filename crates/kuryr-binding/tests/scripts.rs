//! An administrator's scripts: what they are given, and what becomes of their ends.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use kuryr_binding::{Binder, Error, Options};
use kuryr_netlink::{Links, Namespace};
use kuryr_neutron::Port;
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

const ENDPOINT: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const TAP: &str = "tap0f1b2c3d-4e";

struct Rig {
    host: Namespace,
    folder: tempfile::TempDir,
    binder: Binder,
}

impl Rig {
    /// A host whose `vif_type` `own` is served by this script.
    fn new(script: &str) -> Self {
        let (host, folder) = (Namespace::anonymous().unwrap(), tempfile::tempdir().unwrap());
        let options =
            Options { bindir: folder.path().to_owned(), script_deadline: Duration::from_secs(2), ..Options::default() };
        let binder = host.run(|| Binder::with(options)).unwrap().unwrap();
        let rig = Self { host, folder, binder };
        rig.write(script);
        rig
    }

    fn write(&self, script: &str) {
        let path = self.folder.path().join("own");
        // Written beside and moved: a file that is open for writing cannot be run.
        let text = format!("#!/bin/bash\ncd {}\n{script}\n", self.folder.path().display());
        let draft = self.folder.path().join("draft");
        fs::write(&draft, text).unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(draft, path).unwrap();
    }

    fn told(&self, name: &str) -> Vec<String> {
        fs::read_to_string(self.folder.path().join(name)).unwrap().lines().map(str::to_owned).collect()
    }

    fn has(&self, name: &str) -> bool {
        Links::open_in(&self.host).unwrap().get(name).unwrap().is_some()
    }
}

fn port(details: Value) -> Port {
    serde_json::from_value(json!({
        "id": "0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
        "project_id": "0123456789abcdef0123456789abcdef",
        "network_id": "11111111-2222-3333-4444-555555555555",
        "mac_address": "fa:16:3e:01:02:03",
        "device_id": ENDPOINT,
        "binding:host_id": "node-1",
        "binding:vif_type": "own",
        "binding:vif_details": details,
    }))
    .unwrap()
}

const TELL: &str = r#"printf '%s\n' "$@" > "$1"; ip -br link show > links; env > env"#;

#[tokio::test]
async fn a_script_is_given_the_originals_arguments_and_the_interface_is_there() {
    let rig = Rig::new(TELL);
    let port = port(json!({"port_filter": true, "ovs_hybrid_plug": false, "x": "a b; rm -rf $HOME"}));
    rig.binder.plug(&port, 1450, ENDPOINT).await.unwrap();
    let details = r#""{'ovs_hybrid_plug': False, 'port_filter': True, 'x': 'a b; rm -rf $HOME'}""#;
    let (id, network) = ("0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", "11111111-2222-3333-4444-555555555555");
    let project = "0123456789abcdef0123456789abcdef";
    assert_eq!(rig.told("bind"), ["bind", id, TAP, ENDPOINT, "fa:16:3e:01:02:03", network, project, details]);
    assert!(rig.told("links").iter().any(|line| line.starts_with(TAP) && line.contains("UP")), "the host's namespace");
    rig.binder.unplug(&port).await.unwrap();
    assert_eq!(rig.told("unbind"), ["unbind", id, TAP, ENDPOINT, "fa:16:3e:01:02:03", details, network]);
    assert!(rig.told("links").iter().any(|line| line.starts_with(TAP)), "it is removed after the script");
    assert!(!rig.has(TAP));

    let plain = Port { binding_vif_details: serde_json::Map::new(), ..port };
    rig.binder.plug(&plain, 1450, ENDPOINT).await.unwrap();
    assert_eq!(rig.told("bind").last().map(String::as_str), Some("None"));
}

#[tokio::test]
async fn a_script_that_fails_to_bind_is_quoted_and_undone() {
    let rig = Rig::new("echo out; echo no such agent >&2; exit 3");
    let error = rig.binder.plug(&port(json!({})), 1450, ENDPOINT).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("own bind failed with exit status: 3: no such agent"), "{text}");
    assert!(!rig.has(TAP));
}

#[tokio::test]
async fn a_script_that_fails_to_unbind_stops_only_while_there_is_something_to_lose() {
    let rig = Rig::new("true");
    rig.binder.plug(&port(json!({})), 1450, ENDPOINT).await.unwrap();
    rig.write("exit 1");
    let error = rig.binder.unplug(&port(json!({}))).await.unwrap_err();
    assert!(matches!(error, Error::ScriptFailed { what: "unbind", .. }), "{error}");
    assert!(rig.has(TAP));
    Links::open_in(&rig.host).unwrap().delete_by_name(TAP).unwrap();
    rig.binder.unplug(&port(json!({}))).await.unwrap();
}

#[tokio::test]
async fn a_script_that_does_not_end_is_killed_with_all_it_started() {
    let rig = Rig::new("sleep 1000 & echo $! > child; sleep 1000");
    let started = Instant::now();
    let error = rig.binder.plug(&port(json!({})), 1450, ENDPOINT).await.unwrap_err();
    assert!(error.to_string().contains("did not end within 2s and was killed"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(20) && !rig.has(TAP));
    let child = format!("/proc/{}/stat", rig.told("child")[0]);
    let runs = || fs::read_to_string(&child).is_ok_and(|stat| !stat.contains(") Z "));
    while runs() {
        assert!(started.elapsed() < Duration::from_secs(20), "{child}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
async fn much_output_is_no_obstacle_and_a_broken_interpreter_is_told() {
    let rig = Rig::new("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; exit 1");
    let error = rig.binder.plug(&port(json!({})), 1450, ENDPOINT).await.unwrap_err();
    assert!(error.to_string().len() < 5000, "{}", error.to_string().len());
    let path = rig.folder.path().join("own");
    fs::write(&path, "#!/no/such/interpreter\n").unwrap();
    let error = rig.binder.plug(&port(json!({})), 1450, ENDPOINT).await.unwrap_err();
    assert!(error.to_string().contains("could not be started"), "{error}");
    assert!(!rig.has(TAP) && Path::new(&path).exists());
}

#[tokio::test]
async fn the_clouds_credentials_stay_here() {
    // Only a process of its own may set variables: the runner runs this test again as one.
    const MARK: &str = "OS_PASSWORD";
    if std::env::var_os(MARK).is_none() {
        let this = std::env::current_exe().unwrap();
        let mut again = std::process::Command::new(this);
        again.args(["--exact", "the_clouds_credentials_stay_here"]).env(MARK, "secret");
        again.env("SERVICE_PASSWORD", "secret").env("KEPT", "kept");
        let output = again.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let rig = Rig::new(TELL);
    rig.binder.plug(&port(json!({})), 1450, ENDPOINT).await.unwrap();
    let told = rig.told("env");
    assert!(told.contains(&"KEPT=kept".to_owned()) && !told.iter().any(|line| line.contains("secret")), "{told:?}");
}

#[tokio::test]
async fn a_tap_is_a_pair_and_nothing_else() {
    let host = Namespace::anonymous().unwrap();
    let binder = host.run(Binder::new).unwrap().unwrap();
    let tap = Port { binding_vif_type: "tap".to_owned(), ..port(json!({})) };
    binder.plug(&tap, 1450, ENDPOINT).await.unwrap();
    let mut links = Links::open_in(&host).unwrap();
    let there: Vec<_> = links.list().unwrap().into_iter().filter(|link| link.is("veth")).collect();
    assert_eq!(there.len(), 2);
    assert!(there.iter().all(|link| link.controller.is_none() && link.mtu == 1450));
    binder.unplug(&tap).await.unwrap();
    assert_eq!(links.list().unwrap().len(), 1, "loopback alone");
}
