//! Bodies of requests: bytes under a limit, then one JSON object.

use axum::body::Body;
use serde_json::{Map, Value};

/// Bytes a body may have. Far more than any call needs; a bulk creation of 1 000 ports has a third of it.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Why a body is none we can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It does not end within the limit.
    #[error("the body has more than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    /// The connection broke.
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
    use http_body_util::{BodyExt, LengthLimitError, Limited};
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(BodyError::TooLarge),
        Err(_) => Err(BodyError::Broken),
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
