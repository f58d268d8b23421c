//! `kuryr check`: whether this machine, Docker and the cloud are as Kuryr needs them.

mod cloud;
mod docker;
mod finding;
mod host;
mod kernel;
mod sockets;

use crate::{cli::Checkup, configuration::Given, failure::Failure, output, process};
use finding::Finding;
use kuryr_config::{Settings, Severity, Sources};
use std::os::unix::fs::PermissionsExt;

/// Shows what was found.
pub fn run(check: &Checkup, given: Given) -> Result<(), Failure> {
    let given = given.with_place(&check.place).with_sockets(&check.sockets);
    let mut findings: Vec<Finding> = rights().into_iter().collect();
    let settings = match Settings::load(&given.sources()) {
        Ok(settings) => {
            findings.extend([configuration(&settings)]);
            findings.extend(secrets(&settings));
            Some(settings)
        }
        Err(problems) => {
            let errors = problems.iter().filter(|problem| problem.severity() == Severity::Error);
            let words: Vec<String> = errors.map(|problem| problem.message().to_owned()).collect();
            findings.push(Finding::failure(CONFIGURATION, words.join("; "), "kuryr config check"));
            None
        }
    };
    let is_configured = settings.is_some();
    let settings = match settings {
        Some(settings) => settings,
        // The rest of the machine is looked at as it would be without a configuration.
        None => Settings::load(&Sources::of_files([])).map_err(Failure::Configuration)?,
    };
    findings.extend(kernel::checks(&settings));
    let runtime = process::runtime()?;
    let docker = runtime.block_on(docker::look(&settings.docker));
    findings.extend(docker.findings);
    let serving = sockets::checks(&settings, docker.uses_kuryr);
    findings.extend(serving.findings);
    findings.extend(host::checks(&settings));
    let leftovers = host::leftovers(&settings, serving.is_up);
    if is_configured {
        findings.extend(runtime.block_on(cloud::checks(&settings, serving.is_up)));
    }
    findings.extend(leftovers);
    let text = if check.json { finding::as_json(&findings)? } else { finding::as_text(&findings) };
    output::write(text.as_bytes())?;
    finding::outcome(&findings)
}

const CONFIGURATION: &str = "configuration";

fn rights() -> Option<Finding> {
    let without = process::require_rights().is_err();
    without.then(|| Finding::unseen("rights", "what only root may see is not looked at"))
}

fn configuration(settings: &Settings) -> Finding {
    if !settings.warnings.is_empty() {
        let words: Vec<String> = settings.warnings.iter().map(|problem| problem.message().to_owned()).collect();
        return Finding::warning(CONFIGURATION, words.join("; "), "kuryr config check");
    }
    let files: Vec<String> = settings.files.iter().map(|file| file.display().to_string()).collect();
    let cloud = match &settings.cloud {
        Some(cloud) => format!("the cloud is that of {}", cloud.source),
        None => "no cloud is named, so the embedded one is used".to_owned(),
    };
    let read = if files.is_empty() { "no file, defaults".to_owned() } else { files.join(", ") };
    Finding::fine(CONFIGURATION, format!("{read}; {cloud}"))
}

/// Files of the configuration that may have the cloud's password and that everybody may read.
pub fn open_files(settings: &Settings) -> Vec<String> {
    let is_open =
        |path: &&std::path::PathBuf| std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0);
    let named = settings.cloud.iter().flat_map(|_| &settings.files);
    named.filter(is_open).map(|file| file.display().to_string()).collect()
}

fn secrets(settings: &Settings) -> Option<Finding> {
    let open = open_files(settings);
    (!open.is_empty()).then(|| {
        let files = open.join(" ");
        let text = format!("everybody on this machine can read {files}, and the cloud's password where it is in there");
        Finding::warning("secrets", text, format!("chmod o-rwx {files}"))
    })
}
