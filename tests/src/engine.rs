//! A container engine, driven by its real command line.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::host::{Host, Started};
use crate::release::Release;
use crate::{plugin, until, until_within};

/// Name of the image that the tests' containers run.
pub const IMAGE: &str = "kuryr-busybox";
/// No docker command may hang longer than this, in seconds.
const LIMIT: &str = "180";
/// A dockerd answers within this time of its start, or ends.
const READY: Duration = Duration::from_secs(60);
/// How often dockerd is started when it ends by itself.
const ATTEMPTS: usize = 5;
/// Programs of the image besides busybox itself.
const PROGRAMS: &[&str] = &["sh", "ping", "nc", "echo", "ip", "sleep", "cat", "timeout", "true"];

/// An engine that answers on a unix socket.
#[derive(Clone)]
pub struct Engine {
    socket: PathBuf,
}

impl Engine {
    /// The engine behind this socket.
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Run a docker command to its end, whatever that is.
    pub fn try_docker(&self, arguments: &[&str]) -> Result<Output> {
        Command::new("timeout")
            .args([LIMIT, command_line(), "-H", &format!("unix://{}", self.socket.display())])
            .args(arguments)
            .env_remove("DOCKER_HOST")
            .env_remove("DOCKER_CONTEXT")
            .output()
            .context("cannot run docker")
    }

    /// Standard output of a docker command that must succeed.
    pub fn docker(&self, arguments: &[&str]) -> Result<String> {
        let output = self.try_docker(arguments)?;
        ensure!(
            output.status.success(),
            "`docker {}` ended with {}: {}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The error text of a docker command that must fail.
    pub fn refused(&self, arguments: &[&str]) -> Result<String> {
        let output = self.try_docker(arguments)?;
        ensure!(!output.status.success(), "`docker {}` should have failed", arguments.join(" "));
        Ok(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// `docker inspect` of one object.
    pub fn inspect(&self, kind: &str, name: &str) -> Result<Value> {
        let text = self.docker(&["inspect", "--type", kind, name])?;
        let mut all: Vec<Value> = serde_json::from_str(&text).context("docker inspect is not JSON")?;
        all.pop().with_context(|| format!("docker inspect knows no {kind} {name}"))
    }

    /// What `docker inspect` says about a container's interface on a network.
    pub fn endpoint(&self, container: &str, network: &str) -> Result<Endpoint> {
        let inspect = self.inspect("container", container)?;
        let endpoint = &inspect["NetworkSettings"]["Networks"][network];
        let text = |key: &str| endpoint[key].as_str().unwrap_or_default().to_owned();
        ensure!(endpoint.is_object(), "{container} is not on network {network}: {inspect}");
        Ok(Endpoint {
            id: text("EndpointID"),
            network_id: text("NetworkID"),
            address: text("IPAddress"),
            address6: text("GlobalIPv6Address"),
            mac: text("MacAddress"),
            gateway: text("Gateway"),
        })
    }

    /// Start a container that waits; further arguments go before the image.
    pub fn container(&self, name: &str, network: &str, arguments: &[&str]) -> Result<()> {
        let mut all = vec!["run", "--detach", "--name", name, "--network", network];
        all.extend(arguments);
        all.extend([IMAGE, "sleep", "1000000"]);
        self.docker(&all).map(drop)
    }

    /// Run a command in a container.
    pub fn exec(&self, container: &str, words: &[&str]) -> Result<String> {
        let mut all = vec!["exec", container];
        all.extend(words);
        self.docker(&all)
    }

    /// Serve the container's own name by TCP on this port, IPv4 and IPv6; it serves when this returns.
    pub fn serve(&self, container: &str, port: u16) -> Result<()> {
        self.docker(&["exec", "-d", container, "nc", "-ll", "-p", &port.to_string(), "-e", "echo", container])?;
        until("a service in a container", || {
            let answer = self.fetch(container, "127.0.0.1", port)?;
            ensure!(answer == container, "it answers {answer:?}");
            Ok(())
        })
    }

    /// What a TCP service sends before it closes, as a container sees it within some seconds.
    pub fn fetch(&self, container: &str, address: &str, port: u16) -> Result<String> {
        self.exec(container, &["timeout", "3", "nc", "-w", "2", address, &port.to_string()])
    }

    /// Whether a TCP service can be reached; silence and refusal are both a no.
    pub fn reaches(&self, container: &str, address: &str, port: u16) -> Result<bool> {
        let port = port.to_string();
        let output = self.try_docker(&["exec", container, "timeout", "2", "nc", "-w", "1", address, &port])?;
        Ok(output.status.success() && !output.stdout.is_empty())
    }

    /// Send some pings; all must come back.
    pub fn ping(&self, container: &str, address: &str) -> Result<()> {
        let text = self.exec(container, &["ping", "-q", "-c", "2", "-i", "0.2", "-W", "2", address])?;
        ensure!(text.contains(" 0% packet loss"), "{text}");
        Ok(())
    }

    /// Make the image of the tests from the machine's busybox, unless it is there.
    pub fn image(&self, scratch: &Path) -> Result<()> {
        if self.try_docker(&["image", "inspect", IMAGE])?.status.success() {
            return Ok(());
        }
        let root = tempfile::Builder::new().prefix("image-").tempdir_in(scratch)?;
        let programs = root.path().join("root/bin");
        fs::create_dir_all(&programs)?;
        fs::create_dir_all(root.path().join("root/tmp"))?;
        fs::copy(busybox()?, programs.join("busybox"))?;
        for program in PROGRAMS {
            symlink("busybox", programs.join(program))?;
        }
        let tar = root.path().join("image.tar");
        let status =
            Command::new("tar").arg("-cf").arg(&tar).arg("-C").arg(root.path().join("root")).arg(".").status()?;
        ensure!(status.success(), "tar ended with {status}");
        self.docker(&["import", &tar.to_string_lossy(), IMAGE]).map(drop)
    }
}

/// The command line that came with the engine, if there are several: a newer one refuses some options to an older engine.
fn command_line() -> &'static str {
    if Path::new("/usr/bin/docker").exists() { "/usr/bin/docker" } else { "docker" }
}

fn busybox() -> Result<PathBuf> {
    ["/bin/busybox", "/usr/bin/busybox"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.is_file())
        .context("no busybox on this machine; install busybox-static")
}

/// One interface of a container, as Docker tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Docker's id of the endpoint.
    pub id: String,
    /// Docker's id of the network.
    pub network_id: String,
    /// IPv4 address, or nothing.
    pub address: String,
    /// IPv6 address, or nothing.
    pub address6: String,
    /// MAC address.
    pub mac: String,
    /// IPv4 gateway, or nothing.
    pub gateway: String,
}

/// A real dockerd on a machine of its own.
pub struct PrivateEngine {
    engine: Engine,
    daemon: Started,
    release: Release,
}

impl PrivateEngine {
    const SOCKET: &'static str = "/run/docker.sock";
    const LOG: &'static str = "/run/dockerd.log";

    /// Start dockerd, wait until it answers, and give it the image.
    pub fn start(host: &Host) -> Result<Self> {
        Self::start_release(host, Release::Installed)
    }

    /// The same with an engine of this release.
    pub fn start_release(host: &Host, release: Release) -> Result<Self> {
        let daemon = Self::daemon(host, &release, 1)?;
        let engine = Engine::new(&host.path(Self::SOCKET));
        engine.image(host.scratch())?;
        Ok(Self { engine, daemon, release })
    }

    /// Start dockerd once more, after it has ended, and as a supervisor does again when it gives up: what one that was
    /// killed has left may be in its way for a while.
    pub fn start_again(&mut self, host: &Host) -> Result<()> {
        self.daemon = Self::daemon(host, &self.release, ATTEMPTS)?;
        Ok(())
    }

    fn daemon(host: &Host, release: &Release, attempts: usize) -> Result<Started> {
        let group = format!("/{}", host.name());
        let socket = format!("unix://{}", Self::SOCKET);
        let words = [
            "dockerd",
            "--data-root",
            "/run/docker-data",
            "--exec-root",
            // As it is by default: the original takes sandboxes from nowhere else.
            "/var/run/docker",
            "--pidfile",
            "/run/docker.pid",
            "--host",
            &socket,
            "--storage-driver",
            "vfs",
            "--cgroup-parent",
            &group,
        ];
        let filters: &[&str] = if host.shares_network() {
            &["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"]
        } else {
            &["--iptables=true"]
        };
        let words = release.command(&[&words[..], filters].concat());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let path = host.path(Self::SOCKET);
        let mut attempt = 1;
        loop {
            let mut daemon = host.start(&words, &[], Self::LOG)?;
            let ready = until_within(READY, "dockerd to answer", || {
                if let Some(status) = daemon.ended()? {
                    return Ok(Err(status));
                }
                let answer = plugin::get(&path, "/_ping")?;
                ensure!(answer.status == 200, "status {}", answer.status);
                Ok(Ok(()))
            });
            let log = || Self::log(host);
            match ready.with_context(|| format!("dockerd does not answer\n{}", log()))? {
                Ok(()) => return Ok(daemon),
                Err(status) if attempt == attempts => bail!("dockerd ended with {status}\n{}", log()),
                Err(_) => attempt += 1,
            }
        }
    }

    /// Its log so far.
    pub fn log(host: &Host) -> String {
        fs::read_to_string(host.path(Self::LOG)).unwrap_or_default()
    }

    /// The pid of dockerd inside.
    pub fn pid(&self) -> u32 {
        self.daemon.pid
    }
}

impl std::ops::Deref for PrivateEngine {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}
