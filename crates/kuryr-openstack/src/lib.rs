//! Typed OpenStack client: transport, auth, catalog, Neutron.
