//! Values of columns (RFC 7047 §5.1): atoms, sets of atoms, maps from atoms to atoms.

use serde_json::{Value, json};
use uuid::Uuid;

/// A single value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Atom {
    /// A number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// Text.
    Text(String),
    /// A row.
    Row(Uuid),
    /// A row that is made in the same transaction, by the name given there.
    New(&'static str),
}

/// The value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datum {
    /// Exactly one.
    One(Atom),
    /// Any number of them; the empty set is also how a missing optional value is written.
    Set(Vec<Atom>),
    /// Pairs.
    Map(Vec<(Atom, Atom)>),
}

impl Atom {
    /// Its JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Integer(number) => json!(number),
            Self::Boolean(value) => json!(value),
            Self::Text(text) => json!(text),
            Self::Row(id) => json!(["uuid", id]),
            Self::New(name) => json!(["named-uuid", name]),
        }
    }

    /// From JSON; nothing if it is no atom. Fractions, which no column here has, are none.
    pub fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_i64().map(Self::Integer),
            Value::Bool(value) => Some(Self::Boolean(*value)),
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(tag), Value::String(id)] if tag == "uuid" => Uuid::try_parse(id).ok().map(Self::Row),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Datum {
    /// The set without members.
    pub const EMPTY: Self = Self::Set(Vec::new());

    /// Text.
    pub fn text(text: &str) -> Self {
        Self::One(Atom::Text(text.to_owned()))
    }

    /// A map of texts.
    pub fn texts<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let text = |text: &str| Atom::Text(text.to_owned());
        Self::Map(pairs.into_iter().map(|(key, value)| (text(key), text(value))).collect())
    }

    /// Its JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Self::One(atom) => atom.to_json(),
            Self::Set(atoms) => json!(["set", atoms.iter().map(Atom::to_json).collect::<Vec<_>>()]),
            Self::Map(pairs) => {
                json!(["map", pairs.iter().map(|(key, value)| [key.to_json(), value.to_json()]).collect::<Vec<_>>()])
            }
        }
    }

    /// From JSON; nothing if it is no datum.
    pub fn from_json(value: &Value) -> Option<Self> {
        if let Some(atom) = Atom::from_json(value) {
            return Some(Self::One(atom));
        }
        let [Value::String(tag), Value::Array(members)] = value.as_array()?.as_slice() else { return None };
        let pair = |member: &Value| match member.as_array()?.as_slice() {
            [key, value] => Some((Atom::from_json(key)?, Atom::from_json(value)?)),
            _ => None,
        };
        match tag.as_str() {
            "set" => members.iter().map(Atom::from_json).collect::<Option<_>>().map(Self::Set),
            "map" => members.iter().map(pair).collect::<Option<_>>().map(Self::Map),
            _ => None,
        }
    }

    /// Its members: one, or those of the set.
    pub fn atoms(&self) -> &[Atom] {
        match self {
            Self::One(atom) => std::slice::from_ref(atom),
            Self::Set(atoms) => atoms,
            Self::Map(_) => &[],
        }
    }

    /// The only text.
    pub fn as_text(&self) -> Option<&str> {
        match self.atoms() {
            [Atom::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The only number.
    pub fn as_integer(&self) -> Option<i64> {
        match self.atoms() {
            [Atom::Integer(number)] => Some(*number),
            _ => None,
        }
    }

    /// The only row.
    pub fn as_row(&self) -> Option<Uuid> {
        match self.atoms() {
            [Atom::Row(id)] => Some(*id),
            _ => None,
        }
    }

    /// The text under a key of a map.
    pub fn get(&self, wanted: &str) -> Option<&str> {
        let Self::Map(pairs) = self else { return None };
        pairs.iter().find_map(|pair| match pair {
            (Atom::Text(key), Atom::Text(value)) if key == wanted => Some(value.as_str()),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn atom() -> impl Strategy<Value = Atom> {
        prop_oneof![
            any::<i64>().prop_map(Atom::Integer),
            any::<bool>().prop_map(Atom::Boolean),
            any::<String>().prop_map(Atom::Text),
            any::<u128>().prop_map(|bits| Atom::Row(Uuid::from_u128(bits))),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            one in atom(),
            set in proptest::collection::vec(atom(), 0..4),
            map in proptest::collection::vec((atom(), atom()), 0..4),
        ) {
            for datum in [Datum::One(one), Datum::Set(set), Datum::Map(map)] {
                prop_assert_eq!(Datum::from_json(&datum.to_json()), Some(datum));
            }
        }
    }

    #[test]
    fn nonsense_is_no_datum() {
        for value in [
            json!(null),
            json!(1.5),
            json!({}),
            json!([]),
            json!(["uuid", "x"]),
            json!(["set", [[]]]),
            json!(["map", [["a"]]]),
            json!(["set", {}]),
            json!(["bag", []]),
            json!([1, 2]),
        ] {
            assert_eq!(Datum::from_json(&value), None, "{value}");
        }
        let ids = Datum::texts([("iface-id", "x")]);
        assert_eq!((ids.get("iface-id"), ids.get("owner"), ids.as_text()), (Some("x"), None, None));
    }
}
