//! Values of options: text checked against its kind.

use crate::{ini::is_blank, options::Kind};
use url::Url;

/// A value that is right for its kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Boolean(bool),
    Integer(i64),
    Number(f64),
    List(Vec<String>),
}

/// Reads a value; the error says what was expected.
pub(crate) fn read(kind: Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Text => Ok(Value::Text(text.to_owned())),
        Kind::Path if text.contains('\0') => Err("expected a path without NUL characters".to_owned()),
        Kind::Path if text.is_empty() => Err("expected a path".to_owned()),
        Kind::Path => Ok(Value::Text(text.to_owned())),
        Kind::Url => url(text).map(|_| Value::Text(text.to_owned())),
        Kind::Boolean => boolean(text)
            .map(Value::Boolean)
            .ok_or_else(|| "expected 'true', 'yes', 'on', '1', 'false', 'no', 'off' or '0'".to_owned()),
        Kind::Integer { min, max } => integer(text, min, max).map(Value::Integer),
        Kind::Float => text
            .trim_matches(is_blank)
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .map(Value::Number)
            .ok_or_else(|| "expected a number".to_owned()),
        Kind::Choice { words, any_case } => words
            .iter()
            .find(|word| if any_case { word.eq_ignore_ascii_case(text) } else { **word == text })
            .map(|word| Value::Text((*word).to_owned()))
            .ok_or_else(|| format!("expected one of {}", alternatives(words))),
        Kind::List => Ok(Value::List(list(text))),
        Kind::SocketAddress => text
            .parse::<std::net::SocketAddr>()
            .map(|_| Value::Text(text.to_owned()))
            .map_err(|_| "expected an IP address and a port, as in '127.0.0.1:9696'".to_owned()),
    }
}

/// `true` and `false` in oslo.config's spellings.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Some(true),
        "false" | "0" | "off" | "no" => Some(false),
        _ => None,
    }
}

/// A URL that names a host.
pub(crate) fn url(text: &str) -> Result<Url, String> {
    let expected = "expected a URL, as in 'http://controller:5000'";
    let url = Url::parse(text).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => format!("{expected}: this one has no scheme"),
        error => format!("{expected}: {error}"),
    })?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(format!("{expected}: this one names no host"));
    }
    Ok(url)
}

/// A URL that HTTP can reach.
pub(crate) fn http_url(text: &str) -> Result<Url, String> {
    let url = url(text)?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err("expected a URL that begins with 'http://' or 'https://'".to_owned()),
    }
}

/// A whole number as Python's `int` reads it, underscores between digits included.
fn integer(text: &str, min: i64, max: i64) -> Result<i64, String> {
    let bounds = match (min, max) {
        (i64::MIN, i64::MAX) => "expected a whole number".to_owned(),
        _ => format!("expected a whole number from {min} to {max}"),
    };
    let digits = text.trim_matches(is_blank);
    let well_placed = !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__");
    if !well_placed {
        return Err(bounds);
    }
    match digits.replace('_', "").parse::<i64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(bounds),
    }
}

/// Items between commas, blanks around them taken off, commas at the end passed over.
fn list(text: &str) -> Vec<String> {
    let text = text.trim_matches(is_blank).trim_end_matches(',');
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',').map(|item| item.trim_matches(is_blank).to_owned()).collect()
}

fn alternatives(words: &[&str]) -> String {
    words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_in_every_spelling() {
        for (text, expected) in [("True", true), ("yes", true), ("ON", true), ("1", true), ("off", false), ("0", false)]
        {
            assert_eq!(boolean(text), Some(expected), "{text}");
        }
        for text in ["", "maybe", "2", " true"] {
            assert_eq!(boolean(text), None, "{text}");
        }
    }

    #[test]
    fn integers_as_python_reads_them() {
        assert_eq!(integer(" 1_500 ", 0, 9000), Ok(1500));
        assert_eq!(integer("+7", 0, 10), Ok(7));
        for text in ["", "_1", "1_", "1__0", "1.5", "0x10", "11", "99999999999999999999"] {
            assert_eq!(integer(text, 0, 10), Err("expected a whole number from 0 to 10".to_owned()), "{text}");
        }
    }

    #[test]
    fn lists_lose_blanks_and_trailing_commas() {
        assert_eq!(list(" a ,b,, c,, "), ["a", "b", "", "c"]);
        assert_eq!(list(" ,"), Vec::<String>::new());
    }

    #[test]
    fn urls_need_a_host() {
        assert!(url("http://[::1]:5000/v3").is_ok());
        for text in ["controller:5000", "/v3", "http://", "http://host:port"] {
            assert!(url(text).is_err(), "{text}");
        }
        assert!(http_url("ftp://host").is_err());
    }
}
