//! Docker's remote network driver and IPAM driver.

pub mod request;
