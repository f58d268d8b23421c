//! Operations of a transaction (RFC 7047 §5.2) and their outcomes.

use crate::{Datum, Error};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, time::Duration};

/// Columns of a row.
pub type Row = BTreeMap<String, Datum>;

/// Which rows: a column, how it compares, and with what.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// The column is this.
    Equal(&'static str, Datum),
    /// The column has at least these members or pairs.
    Includes(&'static str, Datum),
}

/// A change of a set, map or number.
#[derive(Debug, Clone, PartialEq)]
pub enum Mutation {
    /// Add members; pairs whose key is there already stay as they are.
    Insert(&'static str, Datum),
    /// Take members away; of a map also by key alone.
    Delete(&'static str, Datum),
}

/// One step of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Read rows.
    Select {
        /// The table.
        table: &'static str,
        /// Which rows.
        rows: Vec<Condition>,
        /// What of them.
        columns: Vec<&'static str>,
    },
    /// Make a row.
    Insert {
        /// The table.
        table: &'static str,
        /// Its columns; others have their defaults.
        row: Vec<(&'static str, Datum)>,
        /// How other steps of the transaction call it.
        name: &'static str,
    },
    /// Change rows.
    Mutate {
        /// The table.
        table: &'static str,
        /// Which rows.
        rows: Vec<Condition>,
        /// How.
        mutations: Vec<Mutation>,
    },
    /// Go on only if the rows are these; otherwise the whole transaction fails with `timed out`.
    Wait {
        /// The table.
        table: &'static str,
        /// Which rows.
        rows: Vec<Condition>,
        /// What of them is compared.
        columns: Vec<&'static str>,
        /// They are to be these (true) or anything else (false).
        equal: bool,
        /// The rows to compare with.
        with: Vec<Vec<(&'static str, Datum)>>,
        /// How long the server may wait for it.
        timeout: Duration,
    },
}

/// What a step did.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The rows that were read.
    Rows(Vec<Row>),
    /// How many rows were changed.
    Count(u64),
    /// The row that was made, or nothing to tell.
    Done,
}

impl Operation {
    /// The condition that no row of the table is called this.
    pub fn absent(table: &'static str, name: &str) -> Self {
        Self::Wait {
            table,
            rows: vec![Condition::Equal("name", Datum::text(name))],
            columns: vec!["name"],
            equal: true,
            with: Vec::new(),
            timeout: Duration::ZERO,
        }
    }

    /// The condition that a row of the table is called this.
    pub fn present(table: &'static str, name: &str) -> Self {
        Self::Wait {
            table,
            rows: vec![Condition::Equal("name", Datum::text(name))],
            columns: vec!["name"],
            equal: true,
            with: vec![vec![("name", Datum::text(name))]],
            timeout: Duration::ZERO,
        }
    }

    /// It changes nothing.
    pub fn is_read(&self) -> bool {
        matches!(self, Self::Select { .. } | Self::Wait { .. })
    }

    /// Its JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Select { table, rows, columns } => {
                json!({"op": "select", "table": table, "where": conditions(rows), "columns": columns})
            }
            Self::Insert { table, row, name } => {
                json!({"op": "insert", "table": table, "row": columns_of(row), "uuid-name": name})
            }
            Self::Mutate { table, rows, mutations } => {
                let mutations: Vec<Value> = mutations.iter().map(Mutation::to_json).collect();
                json!({"op": "mutate", "table": table, "where": conditions(rows), "mutations": mutations})
            }
            Self::Wait { table, rows, columns, equal, with, timeout } => json!({
                "op": "wait",
                "table": table,
                "where": conditions(rows),
                "columns": columns,
                "until": if *equal { "==" } else { "!=" },
                "rows": with.iter().map(|row| columns_of(row)).collect::<Vec<_>>(),
                "timeout": u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            }),
        }
    }
}

impl Mutation {
    fn to_json(&self) -> Value {
        match self {
            Self::Insert(column, value) => json!([column, "insert", value.to_json()]),
            Self::Delete(column, value) => json!([column, "delete", value.to_json()]),
        }
    }
}

impl Condition {
    fn to_json(&self) -> Value {
        match self {
            Self::Equal(column, value) => json!([column, "==", value.to_json()]),
            Self::Includes(column, value) => json!([column, "includes", value.to_json()]),
        }
    }
}

/// The JSON of conditions.
pub fn conditions(conditions: &[Condition]) -> Vec<Value> {
    conditions.iter().map(Condition::to_json).collect()
}

fn columns_of(row: &[(&'static str, Datum)]) -> Value {
    Value::Object(row.iter().map(|(column, value)| ((*column).to_owned(), value.to_json())).collect())
}

/// A row from its JSON; columns of kinds we do not know are left out.
pub fn read_row(row: &Map<String, Value>) -> Row {
    row.iter().filter_map(|(column, value)| Some((column.clone(), Datum::from_json(value)?))).collect()
}

/// The outcomes of as many steps, or the first refusal.
pub fn read_outcomes(answer: &Value, steps: usize) -> Result<Vec<Outcome>, Error> {
    let wrong = |what: &str| Error::Protocol(format!("a transaction of {steps} steps was answered with {what}"));
    let list = answer.as_array().ok_or_else(|| wrong("no list"))?;
    // A commit that failed is told by one more element.
    for (index, outcome) in list.iter().enumerate().take(steps + 1) {
        if let Some(error) = outcome.get("error") {
            let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
            return Err(Error::Refused {
                operation: Some(index),
                error: text(Some(error)),
                details: text(outcome.get("details")),
            });
        }
    }
    if list.len() != steps {
        return Err(wrong("another number of outcomes"));
    }
    list.iter()
        .map(|outcome| {
            let outcome = outcome.as_object().ok_or_else(|| wrong("an outcome that is no object"))?;
            if let Some(rows) = outcome.get("rows") {
                let rows = rows.as_array().ok_or_else(|| wrong("rows that are no list"))?;
                let row = |row: &Value| row.as_object().map(read_row).ok_or_else(|| wrong("a row that is no object"));
                return rows.iter().map(row).collect::<Result<_, _>>().map(Outcome::Rows);
            }
            if let Some(count) = outcome.get("count") {
                return count.as_u64().map(Outcome::Count).ok_or_else(|| wrong("a count that is no number"));
            }
            Ok(Outcome::Done)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_guard_is_written_as_the_protocol_says() {
        assert_eq!(
            Operation::present("Bridge", "br-int").to_json(),
            json!({"op": "wait", "table": "Bridge", "where": [["name", "==", "br-int"]], "columns": ["name"],
                "until": "==", "rows": [{"name": "br-int"}], "timeout": 0})
        );
    }

    #[test]
    fn the_first_refusal_is_told_with_its_step() {
        let answer = json!([{}, {"error": "timed out", "details": "\"where\" not met"}, null]);
        let error = read_outcomes(&answer, 3).unwrap_err();
        assert_eq!(error.operation(), Some(1));
        assert!(error.to_string().contains("timed out: \"where\" not met"), "{error}");
        let commit = json!([{}, {"error": "constraint violation"}]);
        assert_eq!(read_outcomes(&commit, 1).unwrap_err().operation(), Some(1));
    }

    proptest! {
        #[test]
        fn hostile_answers_are_refused_without_panic(text in "[\\[\\]{}\",:a-e1 ]{0,80}", steps in 0_usize..4) {
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                let _ = read_outcomes(&value, steps);
            }
        }
    }

    #[test]
    fn answers_of_another_shape_are_refused() {
        for answer in [
            json!(null),
            json!({}),
            json!([]),
            json!([1]),
            json!([{"rows": 1}]),
            json!([{"rows": [1]}]),
            json!([{"count": "x"}]),
            json!([{}, {}]),
        ] {
            assert!(matches!(read_outcomes(&answer, 1), Err(Error::Protocol(_))), "{answer}");
        }
    }
}
