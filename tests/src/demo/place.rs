//! Names, addresses and files of the demo: all its own, so that it can be told apart from everything else.

use std::path::PathBuf;

/// Docker network of the demo.
pub const NETWORK: &str = "kuryr-demo";
/// Its addresses.
pub const CIDR: &str = "10.214.7.0/24";
/// Its gateway.
pub const GATEWAY: &str = "10.214.7.1";
/// The two containers.
pub const CLIENT: &str = "kuryr-demo-client";
/// The second of them.
pub const SERVER: &str = "kuryr-demo-server";

/// Where the demo keeps its files.
pub struct Place {
    /// Until the next reboot.
    pub run: PathBuf,
    /// On disk.
    pub state: PathBuf,
}

impl Place {
    /// Where the demo is told to live, or where it usually does.
    pub fn from_environment() -> Self {
        let path = |name: &str, usual: &str| std::env::var_os(name).map_or_else(|| PathBuf::from(usual), PathBuf::from);
        Self { run: path("KURYR_DEMO_RUN", "/run/kuryr-demo"), state: path("KURYR_DEMO_STATE", "/var/lib/kuryr-demo") }
    }

    /// The engine's socket.
    pub fn engine(&self) -> PathBuf {
        PathBuf::from("/run/docker.sock")
    }

    /// The plugin's socket; its file name is the driver's name.
    pub fn plugin(&self) -> PathBuf {
        PathBuf::from("/run/docker/plugins/kuryr.sock")
    }

    /// The API's socket.
    pub fn api(&self) -> PathBuf {
        self.run.join("api.sock")
    }

    /// Credentials that the embedded cloud makes.
    pub fn clouds(&self) -> PathBuf {
        self.state.join("cloud/clouds.yaml")
    }

    /// Kuryr's configuration.
    pub fn config(&self) -> PathBuf {
        self.run.join("kuryr.conf")
    }

    /// Kuryr's log.
    pub fn log(&self) -> PathBuf {
        self.run.join("kuryr.log")
    }

    /// Which process is ours.
    pub fn memory(&self) -> PathBuf {
        self.run.join("kuryr.started")
    }

    /// The text of the configuration.
    pub fn configuration(&self) -> String {
        format!(
            "[cloud]\nstate_dir = {}\napi_socket = {}\n\n[docker]\nplugin_socket = {}\ndocker_socket = {}\n",
            self.state.join("cloud").display(),
            self.api().display(),
            self.plugin().display(),
            self.engine().display()
        )
    }
}
