//! `kuryr status`: what the cloud has, and which containers have it.

pub mod collect;
pub mod connection;
pub mod report;
mod table;

use crate::{cli::Status, configuration::Given, failure::Failure, output, process};
use anyhow::Context;
use connection::Connection;
use kuryr_config::Settings;
use report::Report;

/// Shows it as tables or as JSON.
pub fn run(status: &Status, given: Given) -> Result<(), Failure> {
    let settings = given.with_place(&status.place).settings()?;
    let connection = Connection::to(&settings)?;
    let report = process::runtime()?.block_on(report(&connection, &settings))?;
    let text = if status.json {
        format!("{}\n", serde_json::to_string_pretty(&report).context("cannot write JSON")?)
    } else {
        table::render(&report, crate::table::terminal_width())
    };
    output::write(text.as_bytes())
}

async fn report(connection: &Connection, settings: &Settings) -> Result<Report, Failure> {
    let (found, docker) = tokio::join!(
        collect::everything(&connection.neutron),
        kuryr_docker::inventory::ask(&settings.docker.docker_socket)
    );
    let found = found.with_context(|| format!("cannot ask {}", connection.source))?;
    let docker = docker.unwrap_or_else(|error| {
        if found.has_endpoints() {
            anstream::eprintln!("note: what Docker calls its containers and networks is not known: {error}");
        }
        Default::default()
    });
    Ok(found.report(connection, &docker))
}
