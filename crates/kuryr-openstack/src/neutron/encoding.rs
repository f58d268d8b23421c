//! Percent-encoding of what goes into URLs.

use std::fmt::Write;

/// A path segment: everything but unreserved characters and the colon is encoded.
pub(super) fn segment(text: &str) -> String {
    encode(text, b":")
}

/// A key or a value of a query: everything but unreserved characters is encoded.
pub(super) fn query_part(text: &str) -> String {
    encode(text, b"")
}

fn encode(text: &str, also_plain: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also_plain.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
