//! Typed OpenStack client: transport, authentication, catalog, Neutron.
//!
//! - [`transport`] carries one request: over TCP and TLS, through a Unix socket, or into a service of this
//!   very process. Everything above it is the same for all three.
//! - [`session`] gets a token from Keystone (v3, or an old v2.0) and keeps it fresh, finds endpoints, repeats what is safe to
//!   repeat, and turns refusals into typed errors.
//! - [`neutron`] offers the Networking API with the types of `kuryr-neutron`.
//!
//! Passwords and tokens appear neither in errors nor in logs nor in `Debug`.

mod auth;
mod catalog;
mod error;
mod fault;
pub mod neutron;
mod policy;
pub mod session;
pub mod transport;

pub use error::{Call, CloudFault, Error};
pub use kuryr_config::{
    ApplicationCredential, Auth, CloudSettings, Domain, IdentityVersion, Interface, Project, Scope, Tls, User,
};
pub use neutron::{CREATED_BY_KURYR, Neutron, Query};
pub use session::{Session, SessionOptions, Traffic, UnderWay, if_there, in_background, time_left, within};
pub use transport::{Http, HttpOptions, InProcess, Transport, TransportError, Unix};
