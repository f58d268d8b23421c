//! One suite of cases for any cloud that speaks Keystone v3 and Neutron v2.0: a real OpenStack and the embedded cloud
//! must give the same answers.
//!
//! Each case has a name, makes what it needs under names of its own and takes it away again, so that any number of
//! them may run at once in a cloud that is in use. The cases say what the real Neutron answers; where the embedded
//! cloud deliberately differs, [`embedded::DIFFERENCES`] says so, with the reason.

mod cases;
mod client;
mod comparison;
pub mod embedded;
mod lab;
mod matching;
mod suite;
mod transcript;

pub use cases::all;
pub use client::{Answer, Call, Client};
pub use comparison::{Differences, compare};
pub use lab::{Lab, Outcome, Skipped};
pub use suite::{Case, Plan, Report, Verdict, line, prepare, run, summary};
