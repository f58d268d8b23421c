//! kuryr.conf, `OS_*` variables and clouds.yaml as typed settings.
//!
//! [`Settings::load`] reads [`Sources`] in the order command line, environment, file, default. What is wrong comes
//! back all at once as [`Diagnostics`], each with file, line, column, value, expectation and the nearest right name.
//! Values of secret options are in no message. The option table ([`options`]) is the one place that names options;
//! [`sample`] prints it as a commented kuryr.conf.
//!
//! This crate reads files through [`Sources::files`] only and starts nothing.

mod change;
mod cloud;
mod diagnostic;
mod discovery;
mod drivers;
mod ini;
mod layers;
mod load;
pub mod options;
mod sample;
mod settings;
mod sources;
mod substitution;
mod value;
mod values;

pub use change::Readings;
pub use cloud::{
    ApplicationCredential, Auth, CloudSettings, Domain, IdentityVersion, Interface, Project, Scope, Tls, User,
};
pub use diagnostic::{Diagnostic, Diagnostics, Place, Severity, nearest};
pub use ini::assignment;
pub use sample::sample;
pub use settings::{
    BindingDriver, BindingSettings, CapabilityScope, DockerSettings, EmbeddedSettings, Listen, ListenTls,
    LoggingSettings, NeutronSettings, PortPools, PublishPorts, Settings,
};
pub use sources::{Disk, Explicit, Files, Override, Sources};
