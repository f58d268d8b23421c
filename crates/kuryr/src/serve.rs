//! `kuryr serve`: what the service of the package runs, whatever cloud is configured.

use crate::{cli::Serve, configuration::Given, docker, failure::Failure, process, up};

/// Runs the plugin on the cloud that is configured, else with the embedded one.
pub fn run(serve: &Serve, given: Given) -> Result<(), Failure> {
    process::give_memory_back();
    let given = given.with_place(&serve.place).with_sockets(&serve.sockets);
    let settings = given.clone().settings()?;
    if settings.cloud.is_some() {
        return docker::run_with(given, settings, docker::Limits::default());
    }
    up::run_with(given, settings)
}
