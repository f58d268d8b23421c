//! The resources, one file each: how their bodies are read, what they can be filtered by, what the engine does for them.

mod network;
mod port;
mod router;
mod security_group;
mod security_group_rule;
mod subnet;
mod subnetpool;

pub use router::parse_interface;

/// Attributes that every resource has and nobody sets.
macro_rules! read_only {
    ($($more:literal),* $(,)?) => {
        &["id", "tags", "revision_number", "created_at", "updated_at", $($more),*]
    };
}
pub(crate) use read_only;

/// Creations one after the other; the first refusal takes all back.
macro_rules! create_each {
    ($module:ident, $txn:ident, $context:ident, $new:ident) => {
        $new.into_iter().map(|new| $crate::engine::$module::create($txn, $context, new)).collect()
    };
}
pub(crate) use create_each;
