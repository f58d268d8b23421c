//! JSON values as typed values. An error is Neutron's reason: it names the value and what was expected.

use ipnet::IpNet;
use kuryr_neutron::{Fault, MacAddr};
use serde_json::{Map, Number, Value};
use std::{net::IpAddr, str::FromStr};

/// Why a value is not what its attribute wants. Neutron words it by who found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The attribute's validator: the attribute is named.
    Invalid(String),
    /// A converter. Neutron's know no attribute, so ours is told at the end.
    Unconvertible(String),
    /// Somebody with an own refusal.
    Refused(Fault),
}

impl Reason {
    /// The refusal, for this attribute.
    pub fn fault(self, name: &str) -> Fault {
        match self {
            Self::Invalid(reason) => Fault::invalid(name, reason),
            Self::Unconvertible(reason) => {
                Fault::bad_request("InvalidInput", format!("Invalid input for operation: {reason}. Attribute: {name}."))
            }
            Self::Refused(fault) => fault,
        }
    }

    /// The same, found out by a converter.
    pub fn unconvertible(self) -> Self {
        match self {
            Self::Invalid(reason) => Self::Unconvertible(reason),
            other => other,
        }
    }

    /// The same about a key of a record.
    fn at(self, key: &str) -> Self {
        match self {
            Self::Invalid(reason) => Self::Invalid(format!("{key}: {reason}")),
            other => other,
        }
    }
}

impl From<String> for Reason {
    fn from(reason: String) -> Self {
        Self::Invalid(reason)
    }
}

impl From<&str> for Reason {
    fn from(reason: &str) -> Self {
        Self::Invalid(reason.to_owned())
    }
}

impl From<Fault> for Reason {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault)
    }
}

/// A value as Python, and so Neutron, would print it. Long ones are cut.
pub fn printed(value: &Value) -> String {
    let text = match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Not a value of this kind.
pub fn not(value: &Value, expected: &str) -> Reason {
    Reason::Invalid(format!("'{}' is not {expected}", printed(value)))
}

/// A text of at most so many characters.
pub fn text(max: usize) -> impl Fn(&Value) -> Result<String, Reason> {
    move |value| match value {
        Value::String(text) if text.chars().count() > max => {
            Err(format!("'{}' exceeds maximum length of {max}", printed(value)).into())
        }
        Value::String(text) if text.contains('\0') => Err(not(value, "a valid string without NUL characters")),
        Value::String(text) => Ok(text.clone()),
        other => Err(not(other, "a valid string")),
    }
}

/// Names and descriptions: 255 characters.
pub fn name(value: &Value) -> Result<String, Reason> {
    text(255)(value)
}

/// True and false in all forms that Neutron takes: `"True"` comes from old clients.
pub fn boolean(value: &Value) -> Result<bool, Reason> {
    let found = match value {
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => match number.as_u64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        Value::String(word) => boolean_word(word),
        _ => None,
    };
    found.ok_or_else(|| Reason::Unconvertible(format!("'{}' cannot be converted to boolean", printed(value))))
}

/// The words for true and false.
pub fn boolean_word(word: &str) -> Option<bool> {
    match word.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// The number, if it is whole: JSON knows one kind of numbers only, and `4.0` is 4.
fn whole(number: &Number) -> Option<i64> {
    // Beyond 2^53 neighbours cannot be told apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let exact = || number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= EXACT);
    // Within these limits nothing is lost.
    #[allow(clippy::cast_possible_truncation)]
    number.as_i64().or_else(|| exact().map(|number| number as i64))
}

/// A whole number in a range; digits in a text count too.
pub fn integer(min: i64, max: i64) -> impl Fn(&Value) -> Result<i64, Reason> {
    move |value| {
        let number = match value {
            Value::Number(number) => whole(number),
            Value::String(digits) => digits.parse().ok(),
            _ => None,
        };
        let not_one = || Reason::Unconvertible(format!("'{}' is not an integer", printed(value)));
        let number = number.ok_or_else(not_one)?;
        if (min..=max).contains(&number) {
            Ok(number)
        } else {
            Err(not(value, &format!("in range {min} through {max}")))
        }
    }
}

/// A whole number that fits a narrower type, whose range is the expectation.
pub fn narrow<T: TryFrom<i64>>(min: i64, max: i64) -> impl Fn(&Value) -> Result<T, Reason> {
    let wide = integer(min, max);
    move |value| T::try_from(wide(value)?).map_err(|_| not(value, "an integer of this range"))
}

fn parsed<T: FromStr>(value: &Value, expected: &str) -> Result<T, Reason> {
    value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| not(value, expected))
}

/// An identifier.
pub fn uuid<T: FromStr>(value: &Value) -> Result<T, Reason> {
    parsed(value, "a valid UUID")
}

/// An IP address.
pub fn ip(value: &Value) -> Result<IpAddr, Reason> {
    parsed(value, "a valid IP address")
}

/// An Ethernet address, with colons or dashes.
pub fn mac(value: &Value) -> Result<MacAddr, Reason> {
    let text = value.as_str().map(|text| text.replace('-', ":"));
    text.and_then(|text| text.parse().ok()).ok_or_else(|| not(value, "a valid MAC address"))
}

/// An address range; a lone address is the shortest one.
pub fn cidr(value: &Value) -> Result<IpNet, Reason> {
    match parsed::<IpNet>(value, "a valid IP subnet, such as 10.0.0.0/24") {
        Ok(net) => Ok(net),
        Err(reason) => ip(value).map(IpNet::from).map_err(|_| reason),
    }
}

/// A range of a subnet: host bits are forgotten, and a lone address is the shortest range.
pub fn subnet_cidr(value: &Value) -> Result<IpNet, Reason> {
    let net = cidr(value).map_err(|_| not_a_cidr(&printed(value)))?;
    Ok(net.trunc())
}

/// What is said of a text that is no range.
pub fn not_a_cidr(text: &str) -> Reason {
    Reason::Unconvertible(format!("{text} is not in a CIDR format"))
}

/// One of a few words.
pub fn one_of<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&Value) -> Result<T, Reason> {
    move |value| {
        let found = value.as_str().and_then(|text| words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)));
        let words = words.iter().map(|(word, _)| *word);
        found.map(|(_, it)| *it).ok_or_else(|| none_of_them(value, words))
    }
}

/// What is said of a value that is none of the attribute's.
pub fn none_of_them<'a>(value: &Value, words: impl IntoIterator<Item = &'a str>) -> Reason {
    let words: Vec<&str> = words.into_iter().collect();
    format!("{} is not in valid_values: {}", printed(value), words.join(", ")).into()
}

/// A list.
pub fn list<T>(item: impl Fn(&Value) -> Result<T, Reason>) -> impl Fn(&Value) -> Result<Vec<T>, Reason> {
    move |value| match value {
        Value::Array(items) => items.iter().map(&item).collect(),
        other => Err(not(other, "a list")),
    }
}

/// An object of any keys.
pub fn dictionary(value: &Value) -> Result<Map<String, Value>, Reason> {
    value.as_object().cloned().ok_or_else(|| not(value, "a dictionary"))
}

/// An object that has none but these keys.
pub fn record<'a>(value: &'a Value, keys: &[&str]) -> Result<&'a Map<String, Value>, Reason> {
    let object = value.as_object().ok_or_else(|| not(value, "a dictionary"))?;
    match object.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(unknown) => Err(format!("'{unknown}' is not one of the keys {keys:?}").into()),
        None => Ok(object),
    }
}

/// A key of a record that may be absent or null.
pub fn key<T>(
    record: &Map<String, Value>,
    key: &str,
    parse: impl Fn(&Value) -> Result<T, Reason>,
) -> Result<Option<T>, Reason> {
    match record.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => parse(value).map(Some).map_err(|reason| reason.at(key)),
    }
}

/// A key that a record must have.
pub fn required_key<T>(
    record: &Map<String, Value>,
    name: &str,
    parse: impl Fn(&Value) -> Result<T, Reason>,
) -> Result<T, Reason> {
    key(record, name, parse)?.ok_or_else(|| format!("the key '{name}' is missing").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whole_numbers_may_have_a_fraction_of_nothing() {
        for (value, expected) in
            [(json!(4), Some(4)), (json!(4.0), Some(4)), (json!("4"), Some(4)), (json!(-1e3), Some(-1000))]
        {
            assert_eq!(integer(-1000, 1000)(&value).ok(), expected, "{value}");
        }
        for wrong in [json!(4.5), json!(1e300), json!("4.0"), json!(u64::MAX), json!(true), json!(null)] {
            assert!(integer(i64::MIN, i64::MAX)(&wrong).is_err(), "{wrong}");
        }
    }
}
