//! Sockets that are served.

use anyhow::Context;
use kuryr_config::{DockerSettings, ListenTls};
use kuryr_http::{Listener, PeerPolicy, TlsFiles, UnixOptions, listeners_from_systemd};
use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt, path::Path};

/// Docker is root, and so is who runs Kuryr.
fn ours() -> UnixOptions {
    UnixOptions { mode: 0o600, peers: PeerPolicy::RootOrSelf }
}

/// A unix socket for root and this process's user, in a folder that is made, mode 0700, if it is not there.
pub fn unix(path: &Path) -> anyhow::Result<Listener> {
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("cannot make the folder '{}'", folder.display()))?;
    }
    Ok(Listener::unix(path, ours())?)
}

/// The files of the address with TLS.
pub fn files(tls: &ListenTls) -> TlsFiles {
    TlsFiles {
        certificate: tls.certificate_file.clone(),
        key: tls.key_file.clone(),
        client_authorities: tls.client_ca_file.clone(),
    }
}

/// The plugin's sockets: Docker's unix socket, or what systemd opened in its place, and the address of `kuryr_uri` if
/// that is set.
pub async fn plugin(settings: &DockerSettings) -> anyhow::Result<Vec<Listener>> {
    let mut listeners = listeners_from_systemd(ours())?;
    if listeners.is_empty() {
        match unix(&settings.plugin_socket) {
            Ok(listener) => listeners.push(listener),
            // Who may not write there, as an unprivileged user in a container, still has the address.
            Err(error) if settings.listen.is_some() => tracing::warn!("no unix socket for Docker: {error:#}"),
            Err(error) => return Err(error),
        }
    }
    if let Some(listen) = &settings.listen {
        let host = if listen.host.contains(':') { format!("[{}]", listen.host) } else { listen.host.clone() };
        let address = format!("{host}:{}", listen.port);
        listeners.push(match &settings.tls {
            Some(tls) => {
                if tls.client_ca_file.is_none() {
                    tracing::warn!(
                        %address,
                        "clients need no certificate: whoever reaches this address can use the plugin as root (set \
                         ssl_client_ca_file)"
                    );
                }
                Listener::tls(&address, &files(tls)).await?
            }
            None => {
                let listener = Listener::tcp(&address).await?;
                if listener.local_addr().is_none_or(|address| !address.ip().is_loopback()) {
                    tracing::warn!(
                        %address,
                        "whoever reaches this address can use the plugin as root, and it has no TLS (set enable_ssl and \
                         ssl_client_ca_file, or listen on 127.0.0.1)"
                    );
                }
                listener
            }
        });
    }
    Ok(listeners)
}
