//! Docker's remote network driver and IPAM driver.
