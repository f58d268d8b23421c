//! What a plugin is told by a configuration that says nothing, on a host called `here`.

use kuryr_config::{Settings, Sources};
use kuryr_docker::PluginSettings;
use kuryr_neutron::HostId;
use kuryr_ports::ActiveWait;
use std::time::Duration;

pub fn settings() -> PluginSettings {
    let defaults = Settings::load(&Sources::of_files([])).unwrap();
    PluginSettings {
        published: "/nonexistent".into(),
        wait: ActiveWait { is_fatal: false, timeout: Duration::from_secs(1) },
        ..PluginSettings::new(&defaults, HostId("here".to_owned()), "here".parse().unwrap())
    }
}
