//! Network namespaces: open, make, remove, run in.

use crate::error::{Cause, During, Error};
use rustix::{
    fs::{FlockOperation, Mode, OFlags},
    io::Errno,
    mount::{MountPropagationFlags, UnmountFlags},
    thread::{LinkNameSpaceType, UnshareFlags},
};
use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::Path,
};

/// Asks a namespace for its kind (`linux/nsfs.h`).
const NS_GET_NSTYPE: libc::Ioctl = 0xb703;
const OF_THIS_THREAD: &str = "/proc/thread-self/ns/net";

/// An open network namespace. It lives at least as long as this handle.
#[derive(Debug)]
pub struct Namespace {
    fd: OwnedFd,
    /// How errors call it.
    name: String,
}

impl Namespace {
    /// The calling thread's namespace.
    pub fn current() -> Result<Self, Error> {
        Self::open_named(Path::new(OF_THIS_THREAD), "current".to_owned())
    }

    /// The namespace bound at a path, such as `/run/netns/kuryr` or `/proc/1/ns/net`.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_named(path, path.display().to_string())
    }

    /// The namespace of a process.
    pub fn open_pid(pid: u32) -> Result<Self, Error> {
        let path = format!("/proc/{pid}/ns/net");
        Self::open_named(Path::new(&path), path.clone())
    }

    fn open_named(path: &Path, name: String) -> Result<Self, Error> {
        let fd =
            rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).during("open namespace", &name)?;
        if !is_namespace(&fd) {
            return Err(Cause::Invalid("the file is not a network namespace".to_owned()).during("open namespace", name));
        }
        Ok(Self { fd, name })
    }

    /// A new namespace without a name, which ends with its last handle, process and socket.
    pub fn anonymous() -> Result<Self, Error> {
        on_thread(|| {
            unshare().during("create namespace", "anonymous")?;
            Self::open_named(Path::new(OF_THIS_THREAD), "anonymous".to_owned())
        })
        .during("create namespace", "anonymous")?
    }

    /// The namespace bound at a path, made if it is not there yet, as `ip netns add` makes it: the parent directory
    /// is created and becomes a shared mount point, so that processes in other mount namespaces see what is bound in it.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .ok_or_else(|| Cause::Invalid("the path has no directory".to_owned()).during("create namespace", &name))?;
        std::fs::create_dir_all(parent).during("create namespace", &name)?;
        let _lock = lock(parent).during("create namespace", &name)?;
        share(parent).during("create namespace", &name)?;
        let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).during("create namespace", &name)?;
        if is_namespace(&file) {
            return Ok(Self { fd: file, name });
        }
        drop(file);
        on_thread(|| {
            unshare()?;
            rustix::mount::mount_bind(OF_THIS_THREAD, path)
        })
        .and_then(|bound| bound.map_err(Cause::from))
        .during("create namespace", &name)?;
        Self::open(path)
    }

    /// Unbinds a namespace and removes its file. What was not there counts as removed. The namespace itself ends when
    /// its last process, handle and socket have gone.
    pub fn remove(path: &Path) -> Result<(), Error> {
        let name = path.display().to_string();
        let Some(parent) = path.parent().filter(|parent| parent.is_dir()) else { return Ok(()) };
        let _lock = lock(parent).during("remove namespace", &name)?;
        match rustix::mount::unmount(path, UnmountFlags::DETACH) {
            Ok(()) | Err(Errno::NOENT | Errno::INVAL) => {}
            Err(errno) => return Err(Cause::from(errno).during("remove namespace", name)),
        }
        match rustix::fs::unlink(path) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(Cause::from(errno).during("remove namespace", name)),
        }
    }

    /// Whether this process may enter network namespaces: only with CAP_SYS_ADMIN, and where no filter of system calls
    /// forbids it. To run something in the namespace that one is in takes no right.
    pub fn may_be_entered() -> Result<(), Error> {
        let here = Self::current()?;
        on_thread(|| here.enter())
            .and_then(|entered| entered.map_err(Cause::from))
            .during("enter namespace", &here.name)
    }

    /// Runs a closure on a new thread inside the namespace. What it opens there (sockets) stays there.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        on_thread(|| {
            if !self.is_here()? {
                self.enter()?;
            }
            Ok(work())
        })
        .and_then(|entered: Result<T, Errno>| entered.map_err(Cause::from))
        .during("enter namespace", &self.name)
    }

    fn enter(&self) -> Result<(), Errno> {
        rustix::thread::move_into_link_name_space(self.fd.as_fd(), Some(LinkNameSpaceType::Network))
    }

    /// Whether it is the calling thread's.
    fn is_here(&self) -> Result<bool, Errno> {
        let (this, here) = (rustix::fs::fstat(&self.fd)?, rustix::fs::stat(OF_THIS_THREAD)?);
        Ok((this.st_dev, this.st_ino) == (here.st_dev, here.st_ino))
    }

    /// Device and inode of the namespace: two handles with the same pair are of one namespace.
    pub fn identity(&self) -> Result<(u64, u64), Error> {
        let stat = rustix::fs::fstat(&self.fd).during("look at namespace", &self.name)?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// Another handle of the same namespace.
    pub fn try_clone(&self) -> Result<Self, Error> {
        let fd = self.fd.try_clone().during("duplicate namespace", &self.name)?;
        Ok(Self { fd, name: self.name.clone() })
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Runs work on a thread that ends with it: whatever it did to its namespaces is gone with the thread.
fn on_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Cause> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("namespace".to_owned())
            .spawn_scoped(scope, work)
            .map_err(|error| Cause::Thread(error.to_string()))?;
        thread.join().map_err(|_| Cause::Thread("it panicked".to_owned()))
    })
}

fn unshare() -> Result<(), Errno> {
    // SAFETY: unsharing the network namespace affects neither memory nor file descriptors of other threads.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
}

/// It is a network namespace, not another file nor a namespace of another kind.
fn is_namespace(fd: &OwnedFd) -> bool {
    // SAFETY: the request takes no argument and touches no memory; on other files it fails.
    unsafe { libc::ioctl(fd.as_raw_fd(), NS_GET_NSTYPE) == libc::CLONE_NEWNET }
}

/// Keeps others (iproute2 included) from making or removing namespaces in the same directory.
fn lock(directory: &Path) -> Result<OwnedFd, Errno> {
    let fd = rustix::fs::open(directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::fs::flock(&fd, FlockOperation::LockExclusive)?;
    Ok(fd)
}

/// Makes a directory a shared mount point, bind-mounting it onto itself if it is not a mount point.
fn share(directory: &Path) -> Result<(), Errno> {
    let shared = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
    match rustix::mount::mount_change(directory, shared) {
        Err(Errno::INVAL) => {
            rustix::mount::mount_bind_recursive(directory, directory)?;
            rustix::mount::mount_change(directory, shared)
        }
        done => done,
    }
}

#[cfg(test)]
mod tests;
