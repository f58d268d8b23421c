//! Watching a table (`monitor_cond` of ovsdb-server(7)).

use crate::{Error, Row, connection::Connection, operation::read_row};
use serde_json::{Value, json};
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::mpsc;
use uuid::Uuid;

/// The way updates come.
pub type Watch = mpsc::Receiver<Value>;

/// A change of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The row was there at the beginning, or is new, with these columns; columns with their default are left out.
    Row(Uuid, Row),
    /// These columns changed. Sets and maps of more than one member tell what came or went, not what is there.
    Changed(Uuid, Row),
    /// The row is gone.
    Gone(Uuid),
}

/// A table that is being watched. Dropping it ends that.
#[derive(Debug)]
pub struct Monitor {
    connection: Arc<Connection>,
    id: u64,
    table: &'static str,
    watch: Watch,
    ready: VecDeque<Change>,
}

impl Monitor {
    pub(crate) fn new(connection: Arc<Connection>, table: &'static str) -> Self {
        let id = connection.number();
        let watch = connection.watch(id);
        Self { connection, id, table, watch, ready: VecDeque::new() }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn begin(&mut self, initial: Vec<Change>) {
        self.ready.extend(initial);
    }

    /// The next change. An error means that changes may have been missed: watch anew.
    pub async fn next(&mut self) -> Result<Change, Error> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Ok(change);
            }
            let lost = || self.connection.disconnected("changes of the monitored table were lost".to_owned());
            let update = self.watch.recv().await.ok_or_else(lost)?;
            self.ready.extend(changes(&update, self.table)?);
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.connection.unwatch(self.id);
        if !self.connection.is_ended() {
            // Its answer, which carries an id that nobody waits for, is passed over.
            self.connection.notify("monitor_cancel", &json!([self.id]));
        }
    }
}

/// The changes of one table in a `table-updates2`.
pub fn changes(update: &Value, table: &str) -> Result<Vec<Change>, Error> {
    let wrong = |what: &str| Error::Protocol(format!("an update of table {table} with {what}"));
    let tables = update.as_object().ok_or_else(|| wrong("no object of tables"))?;
    let Some(rows) = tables.get(table) else { return Ok(Vec::new()) };
    let rows = rows.as_object().ok_or_else(|| wrong("no object of rows"))?;
    rows.iter()
        .map(|(id, change)| {
            let id = Uuid::try_parse(id).map_err(|_| wrong("a row whose id is no UUID"))?;
            let (kind, row) =
                change.as_object().and_then(|change| change.iter().next()).ok_or_else(|| wrong("no change"))?;
            let columns = || row.as_object().map(read_row).ok_or_else(|| wrong("a row that is no object"));
            match kind.as_str() {
                "initial" | "insert" => Ok(Change::Row(id, columns()?)),
                "modify" => Ok(Change::Changed(id, columns()?)),
                "delete" => Ok(Change::Gone(id)),
                _ => Err(wrong("a change of unknown kind")),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Datum;
    use proptest::prelude::*;

    #[test]
    fn each_kind_of_change_is_told() {
        let id = Uuid::from_u128(7);
        let change = |change: Value| {
            changes(&json!({"Interface": {id.to_string(): change}}), "Interface").map(|changes| changes[0].clone())
        };
        let row = Row::from([("name".to_owned(), Datum::text("tap1"))]);
        assert_eq!(change(json!({"initial": {"name": "tap1"}})).unwrap(), Change::Row(id, row.clone()));
        assert_eq!(change(json!({"insert": {"name": "tap1"}})).unwrap(), Change::Row(id, row.clone()));
        assert_eq!(change(json!({"modify": {"name": "tap1"}})).unwrap(), Change::Changed(id, row));
        assert_eq!(change(json!({"delete": null})).unwrap(), Change::Gone(id));
        assert_eq!(changes(&json!({"Bridge": {}}), "Interface").unwrap(), []);
        for hostile in [json!({"explode": {}}), json!({}), json!(1), json!({"insert": 1})] {
            assert!(change(hostile).is_err());
        }
        assert!(changes(&json!({"Interface": {"x": {"delete": null}}}), "Interface").is_err());
        assert!(changes(&json!(null), "Interface").is_err());
    }

    proptest! {
        #[test]
        fn hostile_updates_are_refused_without_panic(text in "[\\[\\]{}\",:a-e1 ]{0,80}") {
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                let _ = changes(&value, "a");
                let _ = changes(&json!({"a": value}), "a");
            }
        }
    }
}
