//! The cloud: does it take the credentials, has it what Kuryr needs, and fit its networks through this host?

use super::{finding::Finding, host};
use crate::{comparison, plugin, status::connection::Connection};
use kuryr_binding::OvsdbAddress;
use kuryr_config::{BindingDriver, PublishPorts, Settings};
use kuryr_neutron::{Network, Port};
use kuryr_openstack::{Neutron, Query};
use std::{
    collections::BTreeSet,
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    time::Duration,
};

/// Owner of the ports that Kuryr gives to containers.
const DEVICE_OWNER: &str = "compute:kuryr";
/// `binding:vif_type` of ports that belong into Open vSwitch.
const OVS: &str = "ovs";
const PATIENCE: Duration = Duration::from_secs(20);

/// All of them; what the first one leaves without an answer is left out.
pub async fn checks(settings: &Settings, is_up: bool) -> Vec<Finding> {
    const CHECK: &str = "cloud";
    if settings.cloud.is_none() && !is_up && UnixStream::connect(&settings.embedded.api_socket).is_err() {
        return Vec::new(); // Told already: nothing runs.
    }
    let connection = match Connection::to(settings) {
        Ok(connection) => connection,
        Err(error) if error.to_string().contains("run as root") => {
            return vec![Finding::unseen(CHECK, bare(&error.to_string()))];
        }
        Err(error) => return vec![Finding::failure(CHECK, bare(&error.to_string()), "kuryr config check")],
    };
    let neutron = &connection.neutron;
    let extensions = match neutron.extensions().await {
        Ok(extensions) => extensions,
        Err(error) if error.is_login_refused() => {
            let remedy = format!("openstack token issue, with what {} says; then correct it", connection.source);
            return vec![Finding::failure("credentials", error.to_string(), remedy)];
        }
        Err(error) => {
            let remedy =
                format!("curl {}, from this host; correct auth_url in {}", connection.auth_url, connection.source);
            return vec![Finding::failure(CHECK, error.to_string(), remedy)];
        }
    };
    let mut findings =
        vec![Finding::fine("credentials", format!("{} takes those of {}", connection.auth_url, connection.source))];
    findings.extend(lacks(settings, &extensions));
    match mtus(neutron).await {
        Ok(finding) => findings.push(finding),
        Err(error) => findings.push(Finding::failure(
            "networks",
            error.to_string(),
            "see docs/accounts.md for the rights of Kuryr's account",
        )),
    }
    if settings.cloud.is_some() && settings.binding.driver == BindingDriver::Veth {
        findings.push(switch(settings, neutron).await);
    }
    findings.push(compared(settings).await);
    findings
}

fn bare(text: &str) -> &str {
    text.strip_prefix("error: ").unwrap_or(text)
}

/// What the cloud lacks for what is configured.
fn lacks(settings: &Settings, present: &BTreeSet<String>) -> Vec<Finding> {
    const CHECK: &str = "Neutron's extensions";
    let has = |alias: &str| present.contains(alias);
    let mut findings = Vec::new();
    let mut need = |alias: &str, wanted: bool, what: &str, remedy: &str| {
        if wanted && !has(alias) {
            findings.push(Finding::failure(CHECK, format!("'{alias}' is missing, {what}"), remedy));
        }
    };
    let floating = settings.docker.publish_ports == PublishPorts::FloatingIp;
    let vlan = settings.binding.driver == BindingDriver::Vlan;
    need(
        "subnet_allocation",
        true,
        "which Kuryr needs for subnet pools",
        "ask the cloud's operator for Neutron's subnet pools",
    );
    need(
        "floating-ip-port-forwarding",
        floating,
        "which publish_ports needs",
        "publish_ports = host in [DEFAULT] of kuryr.conf",
    );
    need(
        "trunk",
        vlan,
        "which default_driver needs",
        "service_plugins = trunk in the cloud's neutron.conf, or another default_driver",
    );
    if !(has("standard-attr-tag") || has("tag") && has("tag-ext")) {
        let text = "'standard-attr-tag' is missing: networks and ports are recognised by their names alone";
        findings.push(Finding::warning(CHECK, text, "ask the cloud's operator for Neutron's tags"));
    }
    if findings.is_empty() {
        findings.push(Finding::fine(CHECK, "all that is needed is there"));
    }
    findings
}

/// Networks whose packets are too large for the way out of this host.
async fn mtus(neutron: &Neutron) -> Result<Finding, kuryr_openstack::Error> {
    const CHECK: &str = "MTU of networks";
    let host = plugin::host();
    let query = Query::new().eq("device_owner", DEVICE_OWNER).eq("binding:host_id", &host.0);
    let here: BTreeSet<_> = neutron.list::<Port>(&query).await?.into_iter().map(|port| port.network_id).collect();
    let mut networks = neutron.list::<Network>(&Query::new()).await?;
    networks.retain(|network| here.contains(&network.id));
    let Some(link) = host::way_out() else {
        return Ok(Finding::fine(CHECK, "this host has no default route to compare with"));
    };
    Ok(match networks.iter().find(|network| network.mtu > link.mtu) {
        Some(network) => {
            let text = format!(
                "network {} has {}, but {} has {}: large packets that leave this host are lost",
                network.name, network.mtu, link.name, link.mtu
            );
            Finding::warning(CHECK, text, format!("openstack network set --mtu {} {}", link.mtu, network.id))
        }
        None => Finding::fine(CHECK, format!("{} in use here, all fit {} ({})", networks.len(), link.name, link.mtu)),
    })
}

/// Open vSwitch, where the cloud's ports are in it.
async fn switch(settings: &Settings, neutron: &Neutron) -> Finding {
    const CHECK: &str = "Open vSwitch";
    let place = &settings.binding.ovsdb_connection;
    let address: OvsdbAddress = match place.parse() {
        Ok(address) => address,
        Err(error) => return Finding::failure(CHECK, format!("{error}"), "correct ovsdb_connection in [binding]"),
    };
    match echo(&address) {
        Ok(()) => Finding::fine(CHECK, format!("its database answers at {place}")),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Finding::unseen(CHECK, format!("{place}: {error}"))
        }
        Err(error) => {
            let host = plugin::host();
            let ports = neutron.list::<Port>(&Query::new().eq("binding:host_id", &host.0)).await.unwrap_or_default();
            if ports.iter().any(|port| port.binding_vif_type == OVS) {
                let text =
                    format!("its database does not answer at {place} ({error}), and this host's ports are in it");
                return Finding::failure(
                    CHECK,
                    text,
                    "sudo systemctl start openvswitch-switch, or set ovsdb_connection in [binding]",
                );
            }
            Finding::fine(CHECK, format!("is not here; it is needed where the cloud binds ports as '{OVS}'"))
        }
    }
}

/// Asks a database server whether it lives, in its own protocol.
fn echo(address: &OvsdbAddress) -> io::Result<()> {
    const QUESTION: &[u8] = br#"{"method":"echo","params":["kuryr"],"id":0}"#;
    fn ask(mut stream: impl Read + Write) -> io::Result<()> {
        stream.write_all(QUESTION)?;
        let mut answer = [0; 256];
        let length = stream.read(&mut answer)?;
        let lives = String::from_utf8_lossy(&answer[..length]).contains("kuryr");
        if lives { Ok(()) } else { Err(io::Error::other("it says nothing sensible")) }
    }
    match address {
        OvsdbAddress::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            ask(stream)
        }
        OvsdbAddress::Tcp(place) => {
            let stream = TcpStream::connect(place)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            ask(stream)
        }
    }
}

/// Docker, Neutron and the kernel side by side.
async fn compared(settings: &Settings) -> Finding {
    const CHECK: &str = "Docker, Neutron and the kernel";
    match comparison::outcome(settings).await {
        Ok(outcome) => {
            let differing = outcome.rows.iter().filter(|row| row.difference.is_one()).count();
            match differing {
                0 => Finding::fine(CHECK, "are in step"),
                n => Finding::warning(
                    CHECK,
                    format!("{n} things are out of step"),
                    "sudo kuryr diff, then sudo kuryr gc",
                ),
            }
        }
        Err(error) => {
            Finding::failure(CHECK, format!("cannot be compared: {}", bare(&error.to_string())), "sudo kuryr diff")
        }
    }
}
