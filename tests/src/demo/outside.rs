//! A neighbour of the machine: a network namespace on a link of its own, which plays the outside and says whom it sees.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::world::{Mirror, World};

const NAMESPACE: &str = "kuryr-demo-outside";
const LINK: &str = "kuryr-demo0";
/// The machine's address on the link to its neighbour.
pub const MACHINE: &str = "198.18.251.1";
/// The neighbour's address.
pub const NEIGHBOUR: &str = "198.18.251.2";

/// Make the neighbour.
pub fn build() -> Result<World> {
    remove();
    ip(&["netns", "add", NAMESPACE])?;
    ip(&["link", "add", LINK, "type", "veth", "peer", "name", "machine", "netns", NAMESPACE])?;
    ip(&["address", "add", &format!("{MACHINE}/30"), "dev", LINK])?;
    ip(&["link", "set", LINK, "up"])?;
    ip(&["-n", NAMESPACE, "address", "add", &format!("{NEIGHBOUR}/30"), "dev", "machine"])?;
    ip(&["-n", NAMESPACE, "link", "set", "machine", "up"])?;
    World::open(&Path::new("/run/netns").join(NAMESPACE))
}

/// A service on the neighbour.
pub fn mirror(world: &World) -> Result<Mirror> {
    world.mirror(NEIGHBOUR)
}

/// Remove the neighbour, if there is one.
pub fn remove() {
    drop(ip(&["link", "delete", LINK]));
    drop(ip(&["netns", "delete", NAMESPACE]));
}

/// Run `ip`.
pub fn ip(words: &[&str]) -> Result<String> {
    let output = Command::new("ip").args(words).output().context("cannot run ip")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {}: {}", words.join(" "), errors.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
