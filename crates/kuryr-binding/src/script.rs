//! Binding scripts: an administrator's own executables, one for each `binding:vif_type`, which come before what is
//! built in.

use crate::{Error, python};
use kuryr_netlink::Namespace;
use kuryr_neutron::{Port, PortId};
use rustix::process::{Pid, Signal};
use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
};

/// Longest name of a script; real ones have about ten characters.
const LONGEST_NAME: usize = 64;
/// What is kept of a script's output, in bytes.
const KEPT: usize = 4096;
/// Credentials of the cloud are none of a script's business; the second are those of the managed plugin.
const SECRETS: [&str; 2] = ["OS_", "SERVICE_"];

/// A script that is there and may be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    path: PathBuf,
}

/// The endpoint that a port is plugged for.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    pub port: &'a Port,
    /// The host's end.
    pub interface: &'a str,
    /// Docker's endpoint.
    pub endpoint: &'a str,
}

impl Script {
    /// The script for a `binding:vif_type`, if there is one. One that others could have written is refused.
    pub fn find(directory: &Path, port: PortId, vif_type: &str) -> Result<Option<Self>, Error> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if vif_type.is_empty()
            || vif_type.len() > LONGEST_NAME
            || vif_type.starts_with('.')
            || !vif_type.bytes().all(plain)
        {
            return Ok(None);
        }
        let path = directory.join(vif_type);
        let unusable = |reason: String| Error::ScriptUnusable { port, path: path.display().to_string(), reason };
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(unusable(error.to_string())),
        };
        let mode = metadata.permissions().mode();
        let wrong = if !metadata.is_file() {
            Some("it is no regular file".to_owned())
        } else if mode & 0o111 == 0 {
            Some("it is not executable".to_owned())
        } else if mode & 0o002 != 0 {
            Some("everybody may write it".to_owned())
        } else if metadata.uid() != 0 && metadata.uid() != rustix::process::geteuid().as_raw() {
            Some(format!("it belongs to user {}, not to root", metadata.uid()))
        } else {
            None
        };
        wrong.map_or(Ok(Some(Self { path: path.clone() })), |reason| Err(unusable(reason)))
    }

    /// Runs `bind`.
    pub async fn bind(&self, host: &Namespace, occasion: &Occasion<'_>, within: Duration) -> Result<(), Error> {
        let Occasion { port, interface, endpoint } = occasion;
        self.run(
            host,
            port.id,
            within,
            "bind",
            &[
                port.id.to_string(),
                (*interface).to_owned(),
                (*endpoint).to_owned(),
                port.mac_address.to_string(),
                port.network_id.to_string(),
                port.project_id.to_string(),
                python::argument(&port.binding_vif_details),
            ],
        )
        .await
    }

    /// Runs `unbind`.
    pub async fn unbind(&self, host: &Namespace, occasion: &Occasion<'_>, within: Duration) -> Result<(), Error> {
        let Occasion { port, interface, endpoint } = occasion;
        self.run(
            host,
            port.id,
            within,
            "unbind",
            &[
                port.id.to_string(),
                (*interface).to_owned(),
                (*endpoint).to_owned(),
                port.mac_address.to_string(),
                python::argument(&port.binding_vif_details),
                port.network_id.to_string(),
            ],
        )
        .await
    }

    async fn run(
        &self,
        host: &Namespace,
        port: PortId,
        within: Duration,
        what: &'static str,
        arguments: &[String],
    ) -> Result<(), Error> {
        let failed = |outcome: String, stderr: &str| Error::ScriptFailed {
            port,
            path: self.path.display().to_string(),
            what,
            outcome,
            stderr: stderr.trim_end().to_owned(),
        };
        let mut command = Command::new(&self.path);
        command.arg(what).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // With what it starts it is one group, which can be ended as a whole.
        command.process_group(0);
        for (name, _) in std::env::vars_os() {
            if SECRETS.iter().any(|secret| name.as_encoded_bytes().starts_with(secret.as_bytes())) {
                command.env_remove(name);
            }
        }
        let runtime = tokio::runtime::Handle::current();
        let spawned = host.run(|| {
            let _within = runtime.enter();
            command.spawn()
        });
        let mut child = spawned
            .map_err(|source| Error::Kernel { port, source })?
            .map_err(|error| failed(format!("could not be started: {error}"), ""))?;
        let group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (mut told, mut complained) = (Vec::new(), Vec::new());
        let whole = async {
            let (status, (), ()) =
                tokio::join!(child.wait(), collect(stdout, &mut told), collect(stderr, &mut complained));
            status
        };
        let ended: Result<std::io::Result<ExitStatus>, _> = tokio::time::timeout(within, whole).await;
        if matches!(ended, Ok(Ok(_))) {
            group.leave();
        }
        let (told, complained) = (String::from_utf8_lossy(&told), String::from_utf8_lossy(&complained));
        if !told.is_empty() {
            tracing::debug!(%port, script = %self.path.display(), what, stdout = %told.trim_end());
        }
        if !complained.is_empty() {
            tracing::error!(%port, script = %self.path.display(), what, stderr = %complained.trim_end());
        }
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(failed(format!("failed with {status}"), &complained)),
            Ok(Err(error)) => Err(failed(format!("could not be waited for: {error}"), &complained)),
            Err(_) => Err(failed(format!("did not end within {within:?} and was killed"), &complained)),
        }
    }
}

/// Processes that are killed when nobody waits for them any more.
struct Group(Option<Pid>);

impl Group {
    /// They have ended: their number may be somebody else's soon.
    fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0
            && let Err(error) = rustix::process::kill_process_group(group, Signal::KILL)
        {
            tracing::warn!(%error, "a binding script could not be killed");
        }
    }
}

/// Reads to the end and keeps the beginning.
async fn collect(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let mut chunk = [0; KEPT];
    while let Ok(length) = stream.read(&mut chunk).await
        && length > 0
    {
        let room = length.min(KEPT.saturating_sub(kept.len()));
        kept.extend_from_slice(chunk.get(..room).unwrap_or_default());
    }
}
