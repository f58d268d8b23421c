//! What can go wrong with a picture.

/// There is no picture, or no page.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cloud could not be asked.
    #[error("the cloud cannot be asked: {0}")]
    Cloud(#[from] kuryr_openstack::Error),
    /// What was seen cannot be told.
    #[error("what the cloud said cannot be written as JSON: {0}; this is a defect, please report it")]
    Json(#[from] serde_json::Error),
    /// No token could be made.
    #[error("the system gives no random numbers, without which there is no token: {0}")]
    Random(getrandom::Error),
}
