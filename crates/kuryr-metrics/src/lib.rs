//! What Kuryr measures of itself, for Prometheus, and its probes.
//!
//! Nothing here is waited for: a measurement that cannot be taken is missing. Labels have few values, whatever a client
//! or a cloud sends: a name that is not known is `other`.

mod cloud;
mod metrics;
mod plugin;
mod probe;
mod process;
mod sample;

pub use metrics::{Metrics, Reconciliation};
pub use probe::{Check, CheckFailed, router};
pub use sample::{Sample, Sampled};
