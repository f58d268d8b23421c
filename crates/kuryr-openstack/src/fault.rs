//! Reads refusals: each service, and each proxy before it, words them in its own way.

use serde_json::Value;

/// Longest text taken from a body, in bytes.
const TEXT_LIMIT: usize = 4096;

/// What a body says about a refusal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FaultText {
    pub(crate) error_type: String,
    pub(crate) message: String,
    pub(crate) detail: String,
    pub(crate) is_neutron: bool,
}

/// Reads any body. JSON of a known form gives its parts; anything else gives its text, without markup.
pub(crate) fn parse(body: &[u8]) -> FaultText {
    if let Ok(Value::Object(map)) = serde_json::from_slice(body) {
        match map.get("NeutronError") {
            // {"NeutronError": {"type": …, "message": …, "detail": …}}
            Some(Value::Object(fault)) => return neutron(fault),
            // Older plugins, and some drivers: {"NeutronError": "text"}.
            Some(text) => {
                return FaultText { message: words(Some(text)), is_neutron: true, ..FaultText::default() };
            }
            None => {}
        }
        // Octavia: {"faultcode": "Client", "faultstring": …, "debuginfo": …}
        if let Some(message) = map.get("faultstring") {
            return FaultText {
                error_type: words(map.get("faultcode")),
                message: words(Some(message)),
                ..FaultText::default()
            };
        }
        // Keystone: {"error": {"code", "title", "message"}}; Nova and Cinder: {"badRequest": {"code", "message"}};
        // WebOb: {"code", "title", "message"} itself.
        let fault = map.get("error").or_else(|| map.values().find(|v| v.get("message").is_some()));
        let fault = fault.and_then(Value::as_object).unwrap_or(&map);
        if let Some(message) = fault.get("message") {
            return FaultText {
                error_type: words(fault.get("title")),
                message: strip_markup(&words(Some(message))),
                ..FaultText::default()
            };
        }
    }
    let text = String::from_utf8_lossy(body);
    FaultText { message: strip_markup(&text), ..FaultText::default() }
}

fn neutron(fault: &serde_json::Map<String, Value>) -> FaultText {
    FaultText {
        error_type: words(fault.get("type")),
        message: words(fault.get("message")),
        detail: words(fault.get("detail")),
        is_neutron: true,
    }
}

/// The value as text: strings as they are, nothing for nothing, JSON for the rest.
fn words(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => bounded(text),
        Some(Value::Array(list)) if list.is_empty() => String::new(),
        Some(other) => bounded(&other.to_string()),
    }
}

/// At most [`TEXT_LIMIT`] bytes, without control characters that could play with a terminal or a log.
pub(crate) fn bounded(text: &str) -> String {
    let mut kept = String::new();
    for c in text.chars() {
        if kept.len() + c.len_utf8() > TEXT_LIMIT - '…'.len_utf8() {
            kept.push('…');
            break;
        }
        if c == '\n' || !c.is_control() {
            kept.push(c);
        }
    }
    kept
}

/// The text without tags, comments, style sheets and needless space.
fn strip_markup(text: &str) -> String {
    // Enough for any text that is kept; a huge body is not worth a walk.
    let text: String = text.chars().take(16 * TEXT_LIMIT).collect();
    let looks_like_markup = text.contains("</") || text.contains("<br") || text.contains("<!");
    if !looks_like_markup {
        return bounded(text.trim());
    }
    // ASCII case folding keeps byte positions.
    let lower = text.to_ascii_lowercase();
    let mut plain = String::new();
    let mut at = 0;
    while let Some(start) = text[at..].find('<').map(|i| at + i) {
        plain.push_str(&text[at..start]);
        plain.push(' ');
        let skip_to = |close: &str| lower[start..].find(close).map(|i| start + i);
        let end = if lower[start..].starts_with("<!--") {
            skip_to("-->").map(|i| i + 3)
        } else if lower[start..].starts_with("<style") {
            skip_to("</style")
        } else if lower[start..].starts_with("<script") {
            skip_to("</script")
        } else {
            skip_to(">").map(|i| i + 1)
        };
        at = end.unwrap_or(text.len());
    }
    plain.push_str(&text[at..]);
    bounded(&plain.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fault(error_type: &str, message: &str, detail: &str, is_neutron: bool) -> FaultText {
        FaultText { error_type: error_type.into(), message: message.into(), detail: detail.into(), is_neutron }
    }

    #[test]
    fn known_forms_give_their_parts() {
        for (body, wanted) in [
            (
                r#"{"NeutronError": {"type": "PortNotFound", "message": "Port x could not be found.", "detail": ""}}"#,
                fault("PortNotFound", "Port x could not be found.", "", true),
            ),
            (r#"{"NeutronError": {"type": "T", "message": "m", "detail": ["a"]}}"#, fault("T", "m", r#"["a"]"#, true)),
            (r#"{"NeutronError": {"type": "T", "message": "m", "detail": null}}"#, fault("T", "m", "", true)),
            (r#"{"NeutronError": "plain words"}"#, fault("", "plain words", "", true)),
            (
                r#"{"error": {"code": 401, "title": "Unauthorized", "message": "Who?"}}"#,
                fault("Unauthorized", "Who?", "", false),
            ),
            (r#"{"badRequest": {"code": 400, "message": "No."}}"#, fault("", "No.", "", false)),
            (
                r#"{"message": "The resource could not be found.<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"}"#,
                fault("Not Found", "The resource could not be found.", "", false),
            ),
            (r#"{"faultcode": "Client", "faultstring": "Bad", "debuginfo": null}"#, fault("Client", "Bad", "", false)),
            (
                "<!DOCTYPE html><html><head><style>p {color: red}</style><title>502 Bad Gateway</title></head>\
                 <body><!-- <p>secret</p> --><h1>502&nbsp;Bad</h1>\n nginx</body></html>",
                fault("", "502 Bad Gateway 502&nbsp;Bad nginx", "", false),
            ),
            ("upstream connect error", fault("", "upstream connect error", "", false)),
            ("a < b and b > a", fault("", "a < b and b > a", "", false)),
            ("", FaultText::default()),
            ("[1, 2]", fault("", "[1, 2]", "", false)),
        ] {
            assert_eq!(parse(body.as_bytes()), wanted, "{body}");
        }
    }

    #[test]
    fn huge_and_hostile_texts_are_bounded() {
        let body =
            serde_json::json!({"NeutronError": {"type": "T", "message": "é\u{1b}[2J\0".repeat(100_000), "detail": ""}});
        let text = parse(body.to_string().as_bytes()).message;
        assert!(text.len() <= TEXT_LIMIT && text.ends_with('…') && !text.contains('\u{1b}'));
        let markup = "<!-- <style ".repeat(1_000_000);
        assert!(parse(markup.as_bytes()).message.len() <= TEXT_LIMIT);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body: Vec<u8>) {
            let text = parse(&body);
            prop_assert!(text.message.len() <= TEXT_LIMIT);
        }

        #[test]
        fn no_markup_panics(body in "(<|>|<!--|-->|<style|</STYLE|<script|é|a| |/){0,40}") {
            parse(format!("<!{body}").as_bytes());
        }

        #[test]
        fn no_json_panics(key in "NeutronError|error|message|faultstring|x", value in "null|1|\"a\"|\\[\\]|\\{\\}|\\{\"message\":\\{\\}\\}|\\{\"type\":7\\}") {
            parse(format!("{{\"{key}\": {value}}}").as_bytes());
        }
    }
}
