//! Docker: does it answer, can it use Kuryr, and where does it look for it?

use super::finding::Finding;
use crate::upgrade_check::{Outcome, machine};
use kuryr_config::DockerSettings;
use kuryr_docker::inventory;

/// Names under which Docker's networks name this driver.
const DRIVERS: [&str; 2] = ["kuryr", "kuryr:latest"];

/// What was found.
pub struct Docker {
    pub findings: Vec<Finding>,
    /// It has networks of Kuryr's: somebody must serve them.
    pub uses_kuryr: bool,
}

/// Asks it.
pub async fn look(settings: &DockerSettings) -> Docker {
    let socket = &settings.docker_socket;
    let mut findings = Vec::new();
    let mut uses_kuryr = false;
    match inventory::about(socket).await {
        Ok(about) if about.security_options.iter().any(|option| option.contains("rootless")) => {
            let text = format!(
                "Docker {} runs without root: its containers' interfaces are out of Kuryr's reach",
                about.server_version
            );
            findings.push(Finding::failure(
                "Docker",
                text,
                "run Docker as root: dockerd-rootless-setuptool.sh uninstall",
            ));
        }
        Ok(about) => {
            findings.push(Finding::fine("Docker", format!("{} answers at {}", about.server_version, socket.display())))
        }
        Err(_) if denied(socket) => {
            findings.push(Finding::unseen("Docker", format!("{} may not be used by this user", socket.display())))
        }
        Err(_) => {
            let remedy = "sudo systemctl start docker, or name its socket: docker_socket in [docker]";
            findings.push(Finding::failure("Docker", format!("does not answer at {}", socket.display()), remedy));
        }
    }
    for driver in DRIVERS {
        uses_kuryr |= inventory::networks_of(socket, driver).await.is_ok_and(|networks| !networks.is_empty());
    }
    let discovery = machine::discovery(settings);
    findings.push(match discovery.outcome() {
        Outcome::Success => Finding::fine("Docker's way to the plugin", discovery.details()),
        _ => Finding::warning(
            "Docker's way to the plugin",
            discovery.details(),
            "rm that file, then sudo systemctl restart docker",
        ),
    });
    match machine::original_server() {
        Ok(check) if check.outcome() != Outcome::Success => {
            let remedy = "sudo systemctl disable --now kuryr-libnetwork (see docs/upgrade.md)";
            findings.push(Finding::failure("kuryr-libnetwork", check.details(), remedy));
        }
        // It is not here, or nobody can know.
        _ => {}
    }
    Docker { findings, uses_kuryr }
}

/// Whether this user may not even connect.
fn denied(socket: &std::path::Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket)
        .is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}
