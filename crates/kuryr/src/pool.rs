//! `kuryr pool`: ports that are kept ready, shown and removed.

mod report;

use crate::{
    cli::{Drain, List, PoolCommand},
    configuration::Given,
    failure::Failure,
    output, plugin, process,
    status::connection::Connection,
};
use anyhow::{Context, anyhow};
use kuryr_config::{DockerSettings, Settings};
use kuryr_docker::{DrainedPorts, Plugin, inventory::Inventory};
use report::Report;
use std::{
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

/// Time for another Kuryr of this machine to take a connection.
const PATIENCE: Duration = Duration::from_secs(1);

/// Does it.
pub fn run(command: &PoolCommand, given: Given) -> Result<(), Failure> {
    match command {
        PoolCommand::List(list) => self::list(list, given),
        PoolCommand::Drain(drain) => self::drain(drain, given),
    }
}

fn list(list: &List, given: Given) -> Result<(), Failure> {
    let settings = given.with_place(&list.place).settings()?;
    let report = process::runtime()?.block_on(async {
        let plugin = plugin_of(&settings)?;
        let docker = names(&settings).await;
        Ok::<_, Failure>(Report::collect(&plugin, &settings, &docker).await?)
    })?;
    if settings.docker.port_pools.is_none() {
        anstream::eprintln!("note: no ports are kept ready: [docker] vif_pool_driver is not 'neutron'");
    }
    let text = if list.json {
        format!("{}\n", serde_json::to_string_pretty(&report).context("cannot write JSON")?)
    } else {
        report.render(crate::table::terminal_width())
    };
    output::write(text.as_bytes())
}

fn drain(drain: &Drain, given: Given) -> Result<(), Failure> {
    let settings = given.with_place(&drain.place).with_sockets(&drain.sockets).settings()?;
    process::require_rights()?;
    let drained = process::runtime()?.block_on(async { drained(drain, &settings).await })?;
    let ports = |number: usize| if number == 1 { "1 ready port".to_owned() } else { format!("{number} ready ports") };
    output::write(format!("removed {}\n", ports(drained.deleted)).as_bytes())?;
    if drained.left.is_empty() {
        return Ok(());
    }
    let each: String = drained.left.iter().map(|(port, reason)| format!("\n  {port}: {reason}")).collect();
    Err(Failure::Failed(anyhow!("{} left; see 'kuryr pool list'{each}", ports(drained.left.len()))))
}

async fn drained(drain: &Drain, settings: &Settings) -> Result<DrainedPorts, Failure> {
    let plugin = plugin_of(settings)?;
    let network = match &drain.network {
        Some(text) => Some(plugin.network_called(text, &names(settings).await.networks).await?),
        None => None,
    };
    let socket = &settings.docker.plugin_socket;
    if let Some(drained) = kuryr_docker::order_drain(socket, network).await? {
        return Ok(drained);
    }
    // One without a socket here would give a container what is removed under its hands.
    if let Some(address) = serving_elsewhere(&settings.docker) {
        return Err(Failure::Failed(anyhow!(
            "a Kuryr serves {address}, and none {}: only the one that serves can remove its ready ports; name its unix \
             socket with --plugin-socket, or stop it first",
            socket.display()
        )));
    }
    Ok(plugin.drain_ready_ports(network).await.context("cannot remove ready ports")?)
}

fn serving_elsewhere(settings: &DockerSettings) -> Option<String> {
    let listen = settings.listen.as_ref()?;
    let address = (listen.host.as_str(), listen.port).to_socket_addrs().ok()?.next()?;
    TcpStream::connect_timeout(&address, PATIENCE).ok().map(|_| address.to_string())
}

fn plugin_of(settings: &Settings) -> Result<Plugin, Failure> {
    let connection = Connection::to(settings)?;
    Ok(Plugin::new(connection.neutron, plugin::binder(settings)?, plugin::settings(settings)))
}

/// What Docker calls its containers and networks; without an answer, ids must do.
async fn names(settings: &Settings) -> Inventory {
    kuryr_docker::inventory::ask(&settings.docker.docker_socket).await.unwrap_or_else(|error| {
        anstream::eprintln!("note: what Docker calls its containers and networks is not known: {error}");
        Inventory::default()
    })
}
