//! Kuryr: real Neutron ports for containers.

fn main() {}
