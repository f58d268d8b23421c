//! The one error of this crate: what was attempted, on what, and why it failed.

use rustix::io::Errno;

/// A failed operation, such as `create veth tap0123: File exists (os error 17)`.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {object}: {cause}")]
pub struct Error {
    /// What was attempted, as a verb and its kind of object: `create veth`.
    pub operation: &'static str,
    /// The name of the object.
    pub object: String,
    /// Why it failed.
    pub cause: Cause,
}

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The kernel refused; the text is its extended acknowledgement, empty where it gave none.
    #[error("{errno}{}{text}", if text.is_empty() { "" } else { ": " })]
    Refused {
        /// The kernel's error number.
        errno: Errno,
        /// The kernel's own explanation.
        text: String,
    },
    /// A system call failed on this side of the socket.
    #[error("{0}")]
    System(#[from] Errno),
    /// Every attempt at a dump was torn by a concurrent change (`NLM_F_DUMP_INTR`).
    #[error("the list changed during each of {0} readings; the host is very busy, try again")]
    Torn(u32),
    /// The kernel dropped messages because the socket's buffer was full.
    #[error("the kernel dropped messages: the socket's receive buffer was full")]
    Overrun,
    /// The kernel did not answer in time.
    #[error("the kernel did not answer within {0} seconds")]
    Silent(u64),
    /// The kernel's answer is not what the protocol says.
    #[error("unexpected answer from the kernel: {0}")]
    Malformed(&'static str),
    /// The caller asked for something that cannot be expressed.
    #[error("{0}")]
    Invalid(String),
    /// A thread could not be started, or died.
    #[error("thread failed: {0}")]
    Thread(String),
    /// Not available.
    #[error("not supported")]
    Unsupported,
}

impl Cause {
    /// The cause with its place: what was attempted on what.
    pub fn during(self, operation: &'static str, object: impl Into<String>) -> Error {
        Error { operation, object: object.into(), cause: self }
    }

    /// The error number, if there is one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } | Self::System(errno) => Some(*errno),
            _ => None,
        }
    }
}

impl From<std::io::Error> for Cause {
    fn from(error: std::io::Error) -> Self {
        Errno::from_io_error(&error).map_or_else(|| Self::Invalid(error.to_string()), Self::System)
    }
}

/// Adds to a failure what was attempted on what.
pub trait During<T> {
    /// Names the operation and its object.
    fn during(self, operation: &'static str, object: &str) -> Result<T, Error>;
}

impl<T, C: Into<Cause>> During<T> for Result<T, C> {
    fn during(self, operation: &'static str, object: &str) -> Result<T, Error> {
        self.map_err(|cause| cause.into().during(operation, object))
    }
}

impl Error {
    /// The object exists already.
    pub fn is_exists(&self) -> bool {
        self.cause.errno() == Some(Errno::EXIST)
    }

    /// The kernel has no such thing: a module is missing.
    pub fn is_not_supported(&self) -> bool {
        self.cause.errno() == Some(Errno::OPNOTSUPP)
    }

    /// What was named does not exist (object, path or interface).
    pub fn is_not_found(&self) -> bool {
        matches!(
            self.cause.errno(),
            Some(Errno::NOENT | Errno::SRCH | Errno::NODEV | Errno::NXIO | Errno::ADDRNOTAVAIL)
        )
    }

    /// The interface that was named does not exist.
    pub fn is_no_such_device(&self) -> bool {
        matches!(self.cause.errno(), Some(Errno::NODEV | Errno::NXIO))
    }

    /// The process lacks the right: it needs CAP_NET_ADMIN, and CAP_SYS_ADMIN for namespaces.
    pub fn is_permission(&self) -> bool {
        matches!(self.cause.errno(), Some(Errno::PERM | Errno::ACCESS))
    }

    /// Messages were lost or torn; reading everything again is the remedy.
    pub fn is_transient(&self) -> bool {
        matches!(self.cause, Cause::Torn(_) | Cause::Overrun)
            || matches!(self.cause.errno(), Some(Errno::BUSY | Errno::AGAIN | Errno::INTR | Errno::NOBUFS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_operation_object_errno_and_the_kernels_text() {
        let plain = Cause::Refused { errno: Errno::EXIST, text: String::new() }.during("create veth", "tap1");
        assert_eq!(plain.to_string(), "create veth tap1: File exists (os error 17)");
        assert!(plain.is_exists() && !plain.is_not_found());
        let text = Cause::Refused { errno: Errno::OPNOTSUPP, text: "Unknown device type".to_owned() };
        assert_eq!(
            text.during("create link", "x").to_string(),
            "create link x: Operation not supported (os error 95): Unknown device type"
        );
    }

    #[test]
    fn an_io_error_keeps_its_number() {
        let error = Cause::from(std::io::Error::from_raw_os_error(2)).during("open namespace", "/run/netns/x");
        assert!(error.is_not_found());
        assert!(!error.is_no_such_device());
    }
}
