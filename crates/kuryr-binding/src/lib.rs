//! Plug a Neutron port into a network namespace.
