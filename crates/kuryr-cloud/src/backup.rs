//! Backups of the database: from the process that has it open, through a socket in the state's folder, which only its owner
//! can enter; and back.
//!
//! Whoever connects to the socket gets `OK <bytes>` and a line's end, then the database, or `ERROR <reason>`.

use crate::{
    engine::WeakEngine,
    store::{
        self, check,
        copy::{beside, private_file, publish},
        copy_of,
    },
};
use kuryr_http::PeerPolicy;
use std::{
    fs::{self, Permissions},
    io::{self, BufRead, BufReader, Read},
    os::unix::{fs::PermissionsExt, net},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt,
    net::{UnixListener, UnixStream},
};
use tokio_util::sync::CancellationToken;

/// The database, in the folder of the state.
pub const DATABASE: &str = "kuryr.db";
/// The socket, there too.
pub const SOCKET: &str = "backup.sock";
/// How long a running cloud may say nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// No backup was made, or none was restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing.
    #[error("there is no database in {}; name the embedded cloud's folder with --state-dir", .0.display())]
    NoDatabase(PathBuf),
    /// The cloud that runs did not give it.
    #[error("the Kuryr that runs did not give its database: {0}")]
    Refused(String),
    /// It cannot be talked to.
    #[error("cannot use the socket {}: {reason}; run as root", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// The backup cannot be written.
    #[error("cannot write {}: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// The database says no.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Hands out backups until told to stop. Without a socket there is only the way of a cloud that does not run, and the log says so.
pub(crate) fn serve(state_dir: &Path, engine: WeakEngine, stop: CancellationToken) {
    let path = state_dir.join(SOCKET);
    // One that another process left; if it cannot be removed, that is told by what comes next.
    let _ = fs::remove_file(&path);
    let bound = UnixListener::bind(&path)
        .and_then(|listener| fs::set_permissions(&path, Permissions::from_mode(0o600)).map(|()| listener));
    let listener = match bound {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(%error, socket = %path.display(), "'kuryr cloud backup' works only while Kuryr does not run");
            return;
        }
    };
    tokio::spawn(async move {
        while let Some(Ok((stream, _))) = stop.run_until_cancelled(listener.accept()).await {
            // The folder keeps others out; should somebody have loosened it, this does.
            if !stream.peer_cred().is_ok_and(|peer| PeerPolicy::RootOrSelf.admits(peer.uid())) {
                tracing::warn!("another user asked for a backup and was hung up on");
                continue;
            }
            if let Err(error) = hand_out(stream, &engine).await {
                tracing::warn!(%error, "a backup was not taken to its end");
            }
        }
    });
}

async fn hand_out(mut stream: UnixStream, engine: &WeakEngine) -> io::Result<()> {
    // Held no longer than for the copy: whoever ends the cloud may open the database anew at once.
    let copied = match engine.upgrade() {
        Some(engine) => engine.copy().await,
        None => Err(store::Error::Closed),
    };
    let file = match copied {
        Ok(file) => file,
        Err(error) => {
            tracing::error!(%error, "no backup was made");
            return stream.write_all(format!("ERROR {error}\n").as_bytes()).await;
        }
    };
    let length = file.metadata()?.len();
    stream.write_all(format!("OK {length}\n").as_bytes()).await?;
    tokio::io::copy(&mut tokio::fs::File::from_std(file), &mut stream).await?;
    tracing::info!(bytes = length, "a backup was handed out");
    stream.shutdown().await
}

/// A database that can be read from its beginning, and how long it is.
pub type Copy = (Box<dyn Read>, u64);

/// A copy of the database of the cloud that runs with this folder; `None`: none does.
///
/// # Errors
/// It runs and gives none.
pub fn from_running(state_dir: &Path) -> Result<Option<Copy>, Error> {
    let path = state_dir.join(SOCKET);
    let stream = match net::UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused].contains(&error.kind()) => {
            return Ok(None);
        }
        Err(reason) => return Err(Error::Socket { path, reason }),
    };
    let said = |reason| Error::Socket { path: path.clone(), reason };
    stream.set_read_timeout(Some(PATIENCE)).map_err(said)?;
    let mut answer = BufReader::new(stream);
    let mut head = String::new();
    answer.read_line(&mut head).map_err(said)?;
    match head.trim_end().split_once(' ') {
        Some(("OK", length)) => match length.parse() {
            Ok(length) => Ok(Some((Box::new(answer.take(length)), length))),
            Err(_) => Err(Error::Refused(head)),
        },
        Some((_, reason)) => Err(Error::Refused(reason.to_owned())),
        None => Err(Error::Refused("it stopped meanwhile; try again".to_owned())),
    }
}

/// A copy of the database of a cloud that does not run; the caller sees to that.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn from_folder(state_dir: &Path) -> Result<Copy, Error> {
    let database = state_dir.join(DATABASE);
    let file = copy_of(&database)?;
    let length = file.metadata().map_err(|reason| Error::Write { path: database, reason })?.len();
    Ok((Box::new(file), length))
}

/// Writes a copy to a file, mode 0600, which appears when it is whole, looked at and on the disk. The answer is the version of
/// its schema.
///
/// # Errors
/// The file cannot be written, or what came is not whole.
pub fn write(copy: Copy, file: &Path) -> Result<u32, Error> {
    let (mut source, length) = copy;
    let part = beside(file, ".part");
    let failed = |reason| Error::Write { path: file.to_owned(), reason };
    let written = (|| {
        let mut target = private_file(&part).map_err(failed)?;
        if io::copy(&mut source, &mut target).map_err(failed)? != length {
            return Err(failed(io::Error::other("the database did not come to its end; try again")));
        }
        let version = check(&part)?;
        publish(&part, file).map_err(failed)?;
        Ok(version)
    })();
    written.inspect_err(|_| drop(fs::remove_file(&part)))
}

/// Puts a backup in the place of the database of a cloud that does not run; the caller sees to that. The answer is where the
/// database that was there is now.
///
/// # Errors
/// The file is not such a database, is damaged or a newer program's; then nothing is changed.
pub fn restore(file: &Path, state_dir: &Path) -> Result<Option<PathBuf>, Error> {
    Ok(store::restore(file, &state_dir.join(DATABASE))?)
}
