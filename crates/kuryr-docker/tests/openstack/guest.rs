//! What this machine's kernel may lack: a guest with a stock one runs this program again, with the cloud at the other end
//! of a network card.

use kuryr_netlink::{Links, Namespace, PeerSpec, Stacked, StackedSpec, VethSpec};
use std::process::Command;
use tokio::net::{TcpListener, TcpStream};

const RIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rig/guest/run.sh");
/// Where a guest finds what listens on the loopback of whoever runs it.
const HOME: &str = "10.0.2.2";
/// Keystone and Neutron.
const PORTS: [u16; 2] = [5000, 9696];
/// Status of a guest that cannot run here.
const CANNOT: i32 = 77;
/// Said at the end of a test that ran.
const DONE: &str = "all of it was done";

/// Whether this kernel has such links; a guest's has, with a module, and then the cloud is at hand too.
pub fn has(kind: Stacked, module: &str) -> bool {
    if std::env::var_os("KURYR_GUEST").is_some() {
        assert!(Command::new("modprobe").arg(module).status().unwrap().success());
        for port in PORTS {
            tokio::spawn(hand_over(port));
        }
        return true;
    }
    let namespace = Namespace::anonymous().unwrap();
    let mut links = Links::open_in(&namespace).unwrap();
    let peer = PeerSpec { name: "peer", mtu: 1500, ..PeerSpec::default() };
    links.create_veth(&VethSpec { name: "parent", mtu: 1500, peer, ..VethSpec::default() }).unwrap();
    let parent = links.get("parent").unwrap().unwrap().index;
    links.create_stacked(&StackedSpec { name: "child", parent, kind, mtu: None, mac: None }).is_ok()
}

/// Runs a test again in a guest.
pub fn again(test: &str) {
    let kept = std::env::vars().filter(|(name, _)| name.starts_with("OS_") || name == "KURYR_RIG_HOST");
    let variables: Vec<String> = kept.map(|(name, value)| format!("{name}='{value}'")).collect();
    let program = std::env::current_exe().unwrap();
    let command = format!("env {} {} --exact {test} --nocapture", variables.join(" "), program.display());
    let output = Command::new(RIG).args(["-n", "-t", "400", "--", &command]).output().unwrap();
    let (told, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(CANNOT) {
        println!("skipped: {test}: {}", complained.split_whitespace().collect::<Vec<_>>().join(" "));
        return;
    }
    assert!(output.status.success() && told.contains(DONE), "{}: {told}{complained}", output.status);
}

/// Says that a test ran to its end.
pub fn done() {
    println!("{DONE}");
}

/// Hands connections to a port over to the same port at home.
async fn hand_over(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut far = TcpStream::connect((HOME, port)).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        });
    }
}
