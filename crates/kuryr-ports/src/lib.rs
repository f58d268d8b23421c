//! Life of a port: acquire, release, ownership.
