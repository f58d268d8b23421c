//! Refusals in Neutron's words.

use kuryr_neutron::{Fault, FaultKind};

pub(crate) fn not_built() -> Fault {
    Fault::new(FaultKind::Internal, "NotBuilt", "not built yet")
}
