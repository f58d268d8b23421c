//! Why the switch's database did not do what was asked, in words that tell an operator what to do.

use crate::{Address, frame::Broken};
use std::time::Duration;

/// A failed call, or a switch that cannot do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address in a notation we do not know.
    #[error(
        "{text:?} is not an OVSDB address; expected unix:/path/to/db.sock, an absolute path, or tcp:host:port \
         (ovsdb_connection in [binding])"
    )]
    Address {
        /// What was given.
        text: String,
    },
    /// Nobody answers there.
    #[error(
        "cannot connect to Open vSwitch's database at {address}: {source}; is ovsdb-server running, and is \
         ovsdb_connection in [binding] right?"
    )]
    Connect {
        /// Where.
        address: Address,
        /// Why.
        source: std::io::Error,
    },
    /// The connection ended before the answer.
    #[error("the connection to Open vSwitch's database at {address} ended: {reason}")]
    Disconnected {
        /// Where.
        address: Address,
        /// Why.
        reason: String,
    },
    /// No answer in time.
    #[error("Open vSwitch's database at {address} did not answer {method} within {after:?}")]
    Timeout {
        /// Where.
        address: Address,
        /// The call.
        method: &'static str,
        /// How long we waited.
        after: Duration,
    },
    /// The server refused the call, or an operation of a transaction.
    #[error("Open vSwitch's database refused: {error}{}{details}", if details.is_empty() { "" } else { ": " })]
    Refused {
        /// Which operation of a transaction; as many as there were: the commit.
        operation: Option<usize>,
        /// The server's short word, such as `timed out` for a `wait` that was not met.
        error: String,
        /// The server's explanation.
        details: String,
    },
    /// What was sent is not the protocol.
    #[error("unexpected answer from Open vSwitch's database: {0}")]
    Protocol(String),
    /// The bridge is not there.
    #[error("bridge {bridge} does not exist in Open vSwitch; the network agent of this host makes it: is it running?")]
    BridgeMissing {
        /// Its name.
        bridge: String,
    },
    /// The port is on another bridge.
    #[error("port {port} is on bridge {found} of Open vSwitch already, not on {expected}; remove it there")]
    PortElsewhere {
        /// Its name.
        port: String,
        /// Where it is.
        found: String,
        /// Where it should be.
        expected: String,
    },
    /// The name is in use for another Neutron port.
    #[error("interface {port} of Open vSwitch belongs to Neutron port {owner:?}; remove it first")]
    PortTaken {
        /// Its name.
        port: String,
        /// Its `iface-id`.
        owner: String,
    },
    /// The switch has not taken the port up.
    #[error("ovs-vswitchd has not taken up port {port} within {after:?}; is it running?")]
    NotTakenUp {
        /// Its name.
        port: String,
        /// How long we waited.
        after: Duration,
    },
    /// The switch cannot use the port's device.
    #[error("ovs-vswitchd cannot use port {port}: {reason}")]
    Unusable {
        /// Its name.
        port: String,
        /// The switch's explanation.
        reason: String,
    },
    /// Others change the same port all the time.
    #[error("port {port} of Open vSwitch kept changing while it was changed here, {attempts} times")]
    Contended {
        /// Its name.
        port: String,
        /// How often it was tried.
        attempts: u32,
    },
}

impl Error {
    /// The operation that the server refused.
    pub fn operation(&self) -> Option<usize> {
        match self {
            Self::Refused { operation, .. } => *operation,
            _ => None,
        }
    }

    /// Nobody answers at present: not started yet, being restarted, or stuck.
    pub fn is_silent(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Disconnected { .. } | Self::Timeout { .. })
    }

    /// Nothing listens there: no switch is installed or running.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Connect { .. })
    }
}

impl From<Broken> for Error {
    fn from(broken: Broken) -> Self {
        Self::Protocol(broken.to_string())
    }
}
