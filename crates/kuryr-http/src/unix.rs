//! Unix sockets: made with the right mode at once, and taken away by whoever made them.

use crate::Error;
use rustix::{
    fs::Mode,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
};
use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};
use tokio::net::UnixListener;

/// Connections that wait to be accepted; more are refused.
const BACKLOG: i32 = 1024;

/// How a unix socket is made, and who may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixOptions {
    /// File mode, such as `0o600`.
    pub mode: u32,
    /// Who may connect, beyond what the mode says.
    pub peers: PeerPolicy,
}

impl Default for UnixOptions {
    fn default() -> Self {
        Self { mode: 0o600, peers: PeerPolicy::Anyone }
    }
}

/// Whose connections a unix socket takes; the kernel tells who is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeerPolicy {
    /// Whoever the file's mode lets in.
    #[default]
    Anyone,
    /// Only root and the user this process runs as.
    RootOrSelf,
}

impl PeerPolicy {
    /// May a process of this user connect?
    pub fn admits(self, uid: u32) -> bool {
        match self {
            Self::Anyone => true,
            Self::RootOrSelf => uid == 0 || uid == rustix::process::geteuid().as_raw(),
        }
    }
}

/// A socket file of ours; dropped, it takes the file away unless somebody else has put another there.
#[derive(Debug)]
pub(crate) struct BoundUnix {
    path: PathBuf,
    inode: u64,
}

impl BoundUnix {
    /// Binds beside the wanted path, with the mode, then renames: at no instant is the socket open to more people than the
    /// mode says, nor is the path without a socket when an old one is replaced.
    pub(crate) fn bind(path: &Path, options: UnixOptions) -> Result<(UnixListener, Self), Error> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        make_way(path)?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let beside = path.with_extension(format!("{}-{number}", std::process::id()));
        let _ = fs::remove_file(&beside);
        let made = (|| {
            let listener = bind(&beside, options.mode)?;
            // What the umask has taken of it.
            fs::set_permissions(&beside, fs::Permissions::from_mode(options.mode))?;
            let inode = fs::metadata(&beside)?.ino();
            fs::rename(&beside, path)?;
            Ok((listener, inode))
        })();
        match made {
            Ok((listener, inode)) => Ok((listener, Self { path: path.to_owned(), inode })),
            Err(source) => {
                let _ = fs::remove_file(&beside);
                Err(Error::Path { path: path.to_owned(), action: "make the socket", source })
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for BoundUnix {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A listening socket whose file is born with the mode, less what the umask takes: Linux gives the file the socket's own.
fn bind(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::fs::fchmod(&socket, Mode::from_raw_mode(mode))?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&socket, BACKLOG)?;
    UnixListener::from_std(socket.into())
}

/// Refuses a path that is in use; says nothing of one that is free or holds a socket nobody serves.
fn make_way(path: &Path) -> Result<(), Error> {
    let failed = |action, source| Error::Path { path: path.to_owned(), action, source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed("look at the path", source)),
        Ok(found) if !found.file_type().is_socket() => return Err(Error::NotASocket { path: path.to_owned() }),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(Error::SocketInUse { path: path.to_owned() }),
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => Ok(()),
        Err(source) => Err(failed("find out whether somebody serves the socket", source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_born_with_its_mode() {
        let scratch = tempfile::tempdir().unwrap();
        for mode in [0o600, 0o400] {
            let path = scratch.path().join(format!("{mode:o}"));
            let _listener = bind(&path, mode).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, mode);
        }
    }

    #[test]
    fn root_and_the_own_user_are_admitted_and_others_are_not() {
        let own = rustix::process::geteuid().as_raw();
        assert!(PeerPolicy::RootOrSelf.admits(0));
        assert!(PeerPolicy::RootOrSelf.admits(own));
        assert!(!PeerPolicy::RootOrSelf.admits(own + 12345));
        assert!(PeerPolicy::Anyone.admits(own + 12345));
    }
}
