//! One accept loop for unix sockets, TCP and TLS.
//!
//! A [`Server`] takes an axum [`Router`](axum::Router) and any number of [`Listener`]s and serves them all with the same
//! limits: time to send a request's head, number of connections, size of a body. It stops when told, lets running
//! requests finish, and gives up on them after a deadline. [`guard`] adds what every API of ours wants: an id for each
//! request, and an answer of 500 where a handler panicked.
//!
//! This crate knows HTTP and nothing of what is served.

mod activation;
mod error;
mod guard;
mod listener;
mod server;
mod tls;
mod unix;

pub use activation::listeners_from_systemd;
pub use error::Error;
pub use guard::{RequestId, guard};
pub use listener::{Listener, Peer};
pub use server::{Limits, Server};
pub use tls::{TlsFiles, TlsKeys};
pub use unix::{PeerPolicy, UnixOptions};
