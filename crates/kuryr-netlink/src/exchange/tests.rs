//! Tests that play the kernel.
