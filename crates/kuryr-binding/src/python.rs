//! Values as Python prints them: binding scripts are given `binding:vif_details` that way.

use serde_json::{Map, Value};
use std::fmt::Write;

/// The argument of a script: Python's text of the mapping within double quotes, or `None` if it is empty.
pub fn argument(details: &Map<String, Value>) -> String {
    if details.is_empty() {
        return "None".to_owned();
    }
    let mut text = "\"".to_owned();
    mapping(details, &mut text);
    text.push('"');
    text
}

fn mapping(map: &Map<String, Value>, text: &mut String) {
    text.push('{');
    for (index, (key, member)) in map.iter().enumerate() {
        text.push_str(if index > 0 { ", " } else { "" });
        string(key, text);
        text.push_str(": ");
        value(member, text);
    }
    text.push('}');
}

fn value(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("None"),
        Value::Bool(true) => text.push_str("True"),
        Value::Bool(false) => text.push_str("False"),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::String(content) => string(content, text),
        Value::Array(members) => {
            text.push('[');
            for (index, member) in members.iter().enumerate() {
                text.push_str(if index > 0 { ", " } else { "" });
                self::value(member, text);
            }
            text.push(']');
        }
        Value::Object(map) => mapping(map, text),
    }
}

/// Python prefers single quotes, and takes double ones if that saves it from escaping.
fn string(content: &str, text: &mut String) {
    let quote = if content.contains('\'') && !content.contains('"') { '"' } else { '\'' };
    text.push(quote);
    for character in content.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            _ if character == quote => {
                text.push('\\');
                text.push(character);
            }
            _ if character.is_control() => {
                // Control characters are all below U+0100.
                let _ = write!(text, "\\x{:02x}", u32::from(character));
            }
            _ => text.push(character),
        }
    }
    text.push(quote);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn text(value: &Value) -> String {
        argument(value.as_object().unwrap())
    }

    #[test]
    fn details_are_written_as_python_writes_them() {
        assert_eq!(text(&json!({})), "None");
        assert_eq!(
            text(&json!({"ovs_hybrid_plug": true, "port_filter": false})),
            r#""{'ovs_hybrid_plug': True, 'port_filter': False}""#
        );
        assert_eq!(
            text(&json!({"a": null, "b": [1, "x", -2], "c": {"d": 1.5}})),
            r#""{'a': None, 'b': [1, 'x', -2], 'c': {'d': 1.5}}""#
        );
        assert_eq!(text(&json!({"it's": "say \"it's\"\n"})), r#""{"it's": 'say "it\'s"\n'}""#);
        assert_eq!(text(&json!({"k": "\u{1}\\é"})), "\"{'k': '\\x01\\\\é'}\"");
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_quotes(content in any::<String>()) {
            let mut quoted = String::new();
            string(&content, &mut quoted);
            let quote = quoted.chars().next().unwrap();
            let inner = &quoted[1..quoted.len() - 1];
            let (mut escaped, mut bare) = (false, false);
            for character in inner.chars() {
                match character {
                    _ if escaped => escaped = false,
                    '\\' => escaped = true,
                    _ => bare |= character == quote,
                }
            }
            prop_assert!(!bare && !escaped && quoted.ends_with(quote));
            prop_assert!(!quoted.contains(|c: char| c.is_control()));
        }
    }
}
