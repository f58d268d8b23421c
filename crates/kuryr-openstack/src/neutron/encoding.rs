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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use url::Url;

    #[test]
    fn a_colon_stays_and_a_slash_does_not() {
        assert_eq!(segment("kuryr.net.uuid.lh:0a/b ?#%é"), "kuryr.net.uuid.lh:0a%2Fb%20%3F%23%25%C3%A9");
    }

    proptest! {
        #[test]
        fn a_segment_stays_one_segment(text in ".+") {
            prop_assume!(text != "." && text != "..");
            let url = Url::parse(&format!("http://c/tags/{}", segment(&text))).unwrap();
            let segments: Vec<_> = url.path_segments().unwrap().collect();
            prop_assert_eq!(segments, ["tags".to_owned(), segment(&text)]);
            prop_assert_eq!(url.query(), None);
        }
    }
}
