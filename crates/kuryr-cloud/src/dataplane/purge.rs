//! Removing every trace.

use super::{error::Error, host::Host, kernel, layout::Layout};
use kuryr_netlink::{Links, Namespace};

/// Removes bridges, routers, rules, uplinks and their namespaces. What is not ours stays, and so do the host's
/// forwarding settings. Goes on after a failure and tells the first.
pub fn purge(layout: &Layout) -> Result<(), Error> {
    let mut outcome = Ok(());
    let mut attempt = |result: Result<(), Error>| {
        if let Err(error) = result {
            tracing::warn!(%error, "something could not be removed");
            if outcome.is_ok() {
                outcome = Err(error);
            }
        }
    };
    for router in layout.router_namespaces() {
        if kernel::is_ours(layout, router) {
            attempt(kernel::delete_router(layout, router));
        }
    }
    attempt(Host::open(layout).and_then(|mut host| host.purge()));
    if layout.namespace.exists() {
        // Links first: the namespace may live on in someone's hand, and the host's ends with it.
        attempt(delete_links(layout));
        attempt(Namespace::remove(&layout.namespace).map_err(Error::from));
    }
    outcome
}

fn delete_links(layout: &Layout) -> Result<(), Error> {
    let Ok(namespace) = Namespace::open(&layout.namespace) else { return Ok(()) };
    let mut links = Links::open_in(&namespace)?;
    for link in links.list()?.into_iter().filter(|link| link.kind.is_some()) {
        links.delete_by_name(&link.name)?;
    }
    Ok(())
}
