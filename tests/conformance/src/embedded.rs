//! Where the embedded cloud differs from Neutron on purpose.

/// A case that the embedded cloud does not hold, and why it shall not.
pub struct Difference {
    /// `group/name` of the case.
    pub case: &'static str,
    /// The reason.
    pub reason: &'static str,
}

/// All of them. A case listed here that holds is an error too: the list must not outlive its reasons.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        case: "subnet pools/that cannot give a range answer as if the server had failed",
        reason: "Neutron answers 500 to a range that is outside the pool or taken, and to any range of a pool that is \
                 used up, which reads like an outage; here it is 400, with the same type and words",
    },
    Difference {
        case: "security groups/are born with rules without description",
        reason: "rules that nobody described have an empty description here, whoever made them",
    },
    Difference {
        case: "subnets/of two addresses want a gateway elsewhere",
        reason: "both addresses of a point-to-point range are usable (RFC 3021), and Docker makes such ranges",
    },
    Difference {
        case: "subnets/of ipv6 have their first address for gateway",
        reason: "Neutron takes the anycast address of all routers (RFC 4291, 2.6.1) for a gateway that is not named; \
                 Linux answers to it on every router, so here it is the address after it",
    },
];
