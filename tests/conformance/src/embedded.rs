//! Where the embedded cloud differs from Neutron on purpose.

/// A case that the embedded cloud does not hold, and why it shall not.
pub struct Difference {
    /// `group/name` of the case.
    pub case: &'static str,
    /// The reason.
    pub reason: &'static str,
}

/// All of them. A case listed here that holds is an error too: the list must not outlive its reasons.
pub const DIFFERENCES: &[Difference] = &[];
