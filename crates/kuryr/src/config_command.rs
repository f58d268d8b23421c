//! `kuryr config`.

use crate::{
    cli::{Check, ConfigCommand},
    configuration::Given,
    failure::{self, Failure},
    output,
};
use kuryr_config::{CloudSettings, Settings};

/// Prints a sample or checks files.
pub fn run(command: &ConfigCommand, given: Given) -> Result<(), Failure> {
    match command {
        ConfigCommand::Sample => output::write(kuryr_config::sample().as_bytes()),
        ConfigCommand::Check(check) => self::check(check, given),
    }
}

fn check(check: &Check, given: Given) -> Result<(), Failure> {
    let settings = Settings::load(&given.sources_with(&check.files)).map_err(Failure::Configuration)?;
    if !settings.warnings.is_empty() {
        anstream::eprintln!("{}\n", settings.warnings.render(failure::colour()));
    }
    let files: String = settings.files.iter().map(|file| format!("read {}\n", file.display())).collect();
    let files = if files.is_empty() { "no configuration file: defaults\n".to_owned() } else { files };
    let cloud = match &settings.cloud {
        Some(cloud) => described(cloud),
        None => "cloud: none is configured, so the embedded one ('kuryr up')".to_owned(),
    };
    output::write(format!("{files}{cloud}\nthe configuration is right\n").as_bytes())
}

fn described(cloud: &CloudSettings) -> String {
    let mut url = cloud.auth_url.clone();
    // These fail for URLs that cannot have such parts, which then have none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    format!("cloud: {url} from {}", cloud.source)
}
