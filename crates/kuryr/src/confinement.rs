//! What this process gives up: its memory is nobody's to read, and of root's rights it keeps those it needs.

use anyhow::Context;
use kuryr_cloud::dataplane::ensure_bridge_netfilter;
use rustix::{
    io::Errno,
    process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit},
    thread::{
        CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
        remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
    },
};

/// Interfaces, rules and routes; namespaces; announcements; published ports below 1024. The service's unit says the same.
const EMBEDDED: CapabilitySet = CapabilitySet::NET_ADMIN
    .union(CapabilitySet::SYS_ADMIN)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::NET_BIND_SERVICE);

/// With an OpenStack the socket of Open vSwitch and the configuration may be another user's.
pub const PLUGIN: CapabilitySet = EMBEDDED.union(CapabilitySet::DAC_OVERRIDE);

/// No core dump, and `/proc/<pid>/mem` and `environ` for root alone: passwords and tokens are in there. A new program, also
/// the same one anew, begins without it.
pub fn hide_memory() {
    // Neither asks for a right; a sandbox that forbids the second has the first.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// Gives up what the embedded cloud does not need, after what needs more; see [`keep_only`].
pub fn keep_to_embedded() -> anyhow::Result<()> {
    // To load it takes a right that is not kept; what is wrong with it is told where it is needed.
    let _ = ensure_bridge_netfilter();
    keep_only(EMBEDDED)
}

/// Gives up all rights but these, for good and for all that is started from here. It is a matter of each thread: before
/// there is a second one.
///
/// # Errors
/// The kernel refuses it.
pub fn keep_only(wanted: CapabilitySet) -> anyhow::Result<()> {
    let own = capabilities(None).context("cannot read this process's rights")?;
    // Without the right to it the set is another's to limit, as systemd does.
    if own.effective.contains(CapabilitySet::SETPCAP) {
        limit(wanted).context("cannot give up rights that Kuryr does not need")?;
    }
    let kept = own.permitted & wanted;
    let inheritable = own.inheritable & wanted;
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable })
        .and_then(|()| set_no_new_privs(true))
        .context("cannot give up rights that Kuryr does not need")
}

/// What no program that is started from here can get, whoever owns it.
fn limit(wanted: CapabilitySet) -> Result<(), Errno> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(capability) {
            Ok(true) if !wanted.contains(capability) => remove_capability_from_bounding_set(capability)?,
            Ok(_) => {}
            // The kernel knows no more.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
