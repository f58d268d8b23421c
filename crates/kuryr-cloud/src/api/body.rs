//! Bodies of requests: bytes under a limit, then one JSON object.

use axum::body::Body;
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::time::timeout;

/// Bytes a body may have. Far more than any call needs; a bulk creation of 1 000 ports has a third of it.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a body is none we can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It does not end within the limit.
    #[error("the body has more than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    /// The connection broke, or was too slow.
    #[error("the body did not arrive whole")]
    Broken,
    /// Not JSON, not UTF-8, or nested too deep.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// JSON, but no object.
    #[error("the body is not a JSON object")]
    NotAnObject,
}

/// Reads a body that has to be a JSON object, whatever its content type says: clients leave it out.
pub async fn read_object(body: Body) -> Result<Map<String, Value>, BodyError> {
    object(&read_bytes(body).await?)
}

/// Reads a body whole.
pub async fn read_bytes(body: Body) -> Result<bytes::Bytes, BodyError> {
    read_within(body, PATIENCE).await
}

async fn read_within(body: Body, patience: Duration) -> Result<bytes::Bytes, BodyError> {
    use http_body_util::{BodyExt, LengthLimitError, Limited};
    match timeout(patience, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => Err(BodyError::TooLarge),
        Ok(Err(_)) | Err(_) => Err(BodyError::Broken),
    }
}

/// Parses a JSON object. serde_json gives up at 128 levels, so depth costs no stack.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, BodyError> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(BodyError::NotAnObject),
        Err(error) => Err(BodyError::NotJson(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let endless = futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
        assert_eq!(read_within(Body::from_stream(endless), Duration::from_millis(1)).await, Err(BodyError::Broken));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(object(deep.as_bytes()), Err(BodyError::NotJson(_))));
    }

    #[test]
    fn text_that_is_not_utf8_is_refused() {
        assert!(matches!(object(b"{\"a\":\"\xff\xfe\"}"), Err(BodyError::NotJson(_))));
        assert_eq!(object(b"[]"), Err(BodyError::NotAnObject));
    }
}
