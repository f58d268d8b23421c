//! One data plane for each namespace of bridges: two of them would undo each other's work.

use super::{error::Error, layout::Layout};
use kuryr_netlink::Namespace;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

/// Takes the layout's namespace, if there is one, for as long as the handle is open.
///
/// # Errors
/// A data plane runs there.
pub fn hold(layout: &Layout) -> Result<Option<Namespace>, Error> {
    let Ok(namespace) = Namespace::open(&layout.namespace) else { return Ok(None) };
    take(&namespace, layout)?;
    Ok(Some(namespace))
}

/// Takes a namespace for as long as this handle is open. The kernel gives it back, however its holder ends.
pub(super) fn take(namespace: &Namespace, layout: &Layout) -> Result<(), Error> {
    let path = layout.namespace.clone();
    flock(namespace, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
        Errno::WOULDBLOCK => Error::InUse { path },
        errno => Error::Hold { path, source: errno.into() },
    })
}
