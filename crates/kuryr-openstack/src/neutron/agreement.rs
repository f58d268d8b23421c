//! Whether what the cloud tells is what was asked.

use serde_json::Value;

/// True when a resource has everything that was asked for; what was not spoken of may be anything.
pub(super) fn has(found: &Value, asked: &Value) -> bool {
    match (found, asked) {
        (Value::Object(found), Value::Object(asked)) => {
            asked.iter().all(|(key, asked)| has(found.get(key).unwrap_or(&Value::Null), asked))
        }
        (Value::Array(found), Value::Array(asked)) => {
            found.len() == asked.len() && asked.iter().all(|asked| found.iter().any(|found| has(found, asked)))
        }
        // Addresses come back in Neutron's own spelling.
        (Value::String(found), Value::String(asked)) => found.eq_ignore_ascii_case(asked),
        (Value::Null, Value::String(asked)) => asked.is_empty(),
        (Value::String(found), Value::Null) => found.is_empty(),
        (found, asked) => found == asked,
    }
}

/// Filters whose values a resource shows as they were asked for.
const PLAIN: [&str; 8] =
    ["id", "name", "network_id", "description", "device_id", "mac_address", "subnetpool_id", "security_group_id"];

/// The filter that a listed resource does not match, if there is one. Only plain filters are looked at.
pub(super) fn mismatch<'a>(one: &Value, filters: &'a [(String, String)]) -> Option<&'a str> {
    let values_of = |key: &'a str| filters.iter().filter(move |(k, _)| k == key).map(|(_, value)| value.as_str());
    let differs = |(key, asked): &&'a (String, String)| match key.as_str() {
        "tags" => {
            let tags = one["tags"].as_array();
            tags.is_some_and(|tags| !asked.split(',').all(|asked| tags.iter().any(|tag| tag == asked)))
        }
        // Several values of one field are alternatives.
        "fixed_ips" => one["fixed_ips"].as_array().is_some_and(|addresses| {
            let field = asked.split_once('=').unwrap_or_default().0;
            let mut asked = values_of("fixed_ips").filter_map(|asked| asked.split_once('=')).filter(|it| it.0 == field);
            !asked.any(|(_, asked)| {
                addresses.iter().any(|it| it[field].as_str().is_some_and(|told| told.eq_ignore_ascii_case(asked)))
            })
        }),
        key if PLAIN.contains(&key) => {
            let told = one[key].as_str();
            told.is_some_and(|told| !values_of(key).any(|asked| told.eq_ignore_ascii_case(asked)))
        }
        _ => false,
    };
    filters.iter().find(differs).map(|(key, _)| key.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_asked_for_must_be_there() {
        let port = json!({"name": "p", "device_id": "", "fixed_ips": [{"ip_address": "fd00::5", "subnet_id": "s"}],
            "tags": [], "admin_state_up": true, "gateway": null});
        for asked in [
            json!({}),
            json!({"name": "p", "admin_state_up": true}),
            json!({"fixed_ips": [{"ip_address": "FD00::5"}]}),
            json!({"gateway": "", "device_id": null, "unknown": null}),
        ] {
            assert!(has(&port, &asked), "{asked}");
        }
        for asked in
            [json!({"name": "q"}), json!({"fixed_ips": []}), json!({"admin_state_up": "true"}), json!({"x": 1})]
        {
            assert!(!has(&port, &asked), "{asked}");
        }
    }

    #[test]
    fn what_does_not_match_the_filters_is_told() {
        let filters = |all: &[(&str, &str)]| -> Vec<(String, String)> {
            all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let one = json!({"id": "1", "name": "n", "mac_address": "02:42:0a:00:00:02", "tags": ["a", "b"]});
        for right in [
            filters(&[]),
            filters(&[("name", "m"), ("name", "n"), ("limit", "7"), ("cidr", "whatever")]),
            filters(&[("mac_address", "02:42:0A:00:00:02"), ("tags", "a,b"), ("network_id", "not told")]),
        ] {
            assert_eq!(mismatch(&one, &right), None);
        }
        assert_eq!(mismatch(&one, &filters(&[("id", "1"), ("name", "m")])), Some("name"));
        assert_eq!(mismatch(&one, &filters(&[("tags", "a,c")])), Some("tags"));
        let port = json!({"fixed_ips": [{"subnet_id": "s", "ip_address": "fd00::5"}]});
        let address = |ip| filters(&[("fixed_ips", "subnet_id=s"), ("fixed_ips", ip)]);
        assert_eq!(mismatch(&port, &address("ip_address=FD00::5")), None);
        assert_eq!(mismatch(&port, &address("ip_address=fd00::6")), Some("fixed_ips"));
        // One of several addresses is asked for, on one of several subnets.
        let either = |ip| [address(ip), filters(&[("fixed_ips", "ip_address=10.0.0.5")])].concat();
        assert_eq!(mismatch(&port, &either("ip_address=fd00::5")), None);
        assert_eq!(mismatch(&port, &either("ip_address=fd00::6")), Some("fixed_ips"));
    }
}
