//! Compares what was wanted with what came.

use serde_json::Value;

/// In what is wanted: anything but `null` and nothing.
pub const ANYTHING: &str = "<anything>";
/// In what is wanted: the key must not be there.
pub const ABSENT: &str = "<absent>";

/// What is wanted and not there; objects may have more than wanted, lists may not.
pub fn difference(wanted: &Value, actual: &Value) -> Option<String> {
    at("", wanted, actual)
}

fn at(path: &str, wanted: &Value, actual: &Value) -> Option<String> {
    match (wanted, actual) {
        (Value::Object(wanted), Value::Object(actual)) => wanted.iter().find_map(|(key, wanted)| {
            let path = format!("{path}.{key}");
            match actual.get(key) {
                None if wanted == ABSENT => None,
                Some(found) if wanted == ABSENT => Some(format!("{path} is {found}, and should not be there")),
                None => Some(format!("{path} is missing, wanted {wanted}")),
                Some(found) => at(&path, wanted, found),
            }
        }),
        (Value::Array(wanted), Value::Array(actual)) if wanted.len() == actual.len() => wanted
            .iter()
            .zip(actual)
            .enumerate()
            .find_map(|(n, (wanted, actual))| at(&format!("{path}[{n}]"), wanted, actual)),
        (wanted, actual) if wanted == ANYTHING && !actual.is_null() => None,
        (wanted, actual) if wanted == actual => None,
        _ => Some(format!("{path} is {actual}, wanted {wanted}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_may_have_more_and_lists_may_not() {
        let actual = json!({"a": 1, "b": [1, {"c": null, "d": 2}], "e": "x"});
        for wanted in [json!({}), json!({"b": [1, {"d": 2}]}), json!({"e": ANYTHING, "f": ABSENT})] {
            assert_eq!(difference(&wanted, &actual), None, "{wanted}");
        }
        for wanted in [
            json!({"a": 2}),
            json!({"b": [1]}),
            json!({"b": [1, {"c": ANYTHING}]}),
            json!({"a": ABSENT}),
            json!({"z": null}),
        ] {
            assert!(difference(&wanted, &actual).is_some(), "{wanted}");
        }
    }
}
