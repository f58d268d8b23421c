//! Docker's requests as types: whatever a body holds, it becomes one of these or an error.

pub mod endpoint;
pub mod field;
pub mod ipam;
pub mod network;
pub mod option;
#[cfg(test)]
mod tests;

pub use field::RequestError;
