//! Open sockets into namespaces, kept for the next port: opening one takes a thread.

use kuryr_netlink::{Error, Links, Namespace};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Idle sockets kept for one namespace.
const KEPT: usize = 8;

type Identity = (u64, u64);

/// Idle sockets by the path of their namespace (none: the host's), with the namespace they are in: a path can come to
/// mean another namespace.
#[derive(Debug, Default)]
pub struct Sockets {
    idle: Mutex<Idle>,
}

type Idle = BTreeMap<Option<PathBuf>, (Identity, Vec<Links>)>;

impl Sockets {
    /// Lends a socket into a namespace to `work`. It is kept afterwards unless the work failed.
    pub fn with<T, E>(
        &self,
        path: Option<&Path>,
        namespace: &Namespace,
        work: impl FnOnce(&mut Links) -> Result<T, E>,
        refused: impl Fn(Error) -> E,
    ) -> Result<T, E> {
        let identity = namespace.identity().map_err(&refused)?;
        let mut links = match self.take(path, identity) {
            Some(links) => links,
            None => Links::open_in(namespace).map_err(&refused)?,
        };
        let result = work(&mut links)?;
        self.keep(path, identity, links);
        Ok(result)
    }

    /// Closes the idle sockets of a namespace that is gone, which they would keep alive.
    pub fn forget(&self, path: &Path) {
        self.lock().remove(&Some(path.to_owned()));
    }

    fn take(&self, path: Option<&Path>, identity: Identity) -> Option<Links> {
        let mut idle = self.lock();
        let (there, sockets) = idle.get_mut(&path.map(Path::to_owned))?;
        if *there == identity { sockets.pop() } else { None }
    }

    fn keep(&self, path: Option<&Path>, identity: Identity, links: Links) {
        let mut idle = self.lock();
        let (there, sockets) = idle.entry(path.map(Path::to_owned)).or_insert_with(|| (identity, Vec::new()));
        if *there != identity {
            *there = identity;
            sockets.clear();
        }
        if sockets.len() < KEPT {
            sockets.push(links);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        // Every change of the map is whole at once; a panic elsewhere leaves it sound.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
