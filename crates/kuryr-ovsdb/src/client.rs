//! A client that keeps one connection and opens it anew when it was lost.

use crate::{
    Address, Condition, Error, Monitor, Operation, Outcome, connection::Connection, monitor, operation::read_outcomes,
};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// First pause between attempts to connect; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// Time that even the last attempt has.
const LEAST: Duration = Duration::from_millis(50);

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// To connect, all attempts together: a server that restarts is waited for.
    pub connect: Duration,
    /// To answer a call.
    pub answer: Duration,
    /// For the switch to take up a new port.
    pub take_up: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), answer: Duration::from_secs(10), take_up: Duration::from_secs(5) }
    }
}

/// A client of a database server, within a tokio runtime. Connects at the first call. Clones share the connection.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: Address,
    deadlines: Deadlines,
    connection: Mutex<Option<Arc<Connection>>>,
}

impl Client {
    /// Of the server at this address.
    pub fn new(address: Address, deadlines: Deadlines) -> Self {
        Self { shared: Arc::new(Shared { address, deadlines, connection: Mutex::new(None) }) }
    }

    /// Where the server is.
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// How long things may take.
    pub fn deadlines(&self) -> Deadlines {
        self.shared.deadlines
    }

    /// Asks whether the server is alive.
    pub async fn echo(&self) -> Result<(), Error> {
        let sent = json!(["kuryr"]);
        let answer = self.call("echo", sent.clone(), true).await?;
        if answer == sent { Ok(()) } else { Err(Error::Protocol("an echo that differs".to_owned())) }
    }

    /// Runs operations as one transaction: all of them or none. A connection that ends before the answer leaves open
    /// which; a transaction that only reads is then asked once more.
    pub async fn transact(&self, database: &str, operations: &[Operation]) -> Result<Vec<Outcome>, Error> {
        let mut params = vec![json!(database)];
        params.extend(operations.iter().map(Operation::to_json));
        let reads = operations.iter().all(Operation::is_read);
        read_outcomes(&self.call("transact", Value::Array(params), reads).await?, operations.len())
    }

    /// Watches columns of those rows of a table that meet any of the conditions (none: all rows). The first change
    /// tells what is there.
    pub async fn monitor(
        &self,
        database: &str,
        table: &'static str,
        columns: &[&str],
        rows: &[Condition],
    ) -> Result<Monitor, Error> {
        let connection = self.connection().await?;
        let mut monitor = Monitor::new(Arc::clone(&connection), table);
        let conditions = match crate::operation::conditions(rows) {
            none if none.is_empty() => json!([true]),
            some => json!(some),
        };
        let params = json!([database, monitor.id(), {table: [{"columns": columns, "where": conditions}]}]);
        let initial = self.within(&connection, "monitor_cond", params).await?;
        monitor.begin(monitor::changes(&initial, table)?);
        Ok(monitor)
    }

    /// Calls a method; one that changes nothing again on a new connection if the old one turns out to have ended.
    async fn call(&self, method: &'static str, params: Value, reads: bool) -> Result<Value, Error> {
        let connection = self.connection().await?;
        match self.within(&connection, method, params.clone()).await {
            Err(Error::Disconnected { .. }) if reads => {
                let connection = self.connection().await?;
                self.within(&connection, method, params).await
            }
            answer => answer,
        }
    }

    async fn within(&self, connection: &Arc<Connection>, method: &'static str, params: Value) -> Result<Value, Error> {
        let after = self.shared.deadlines.answer;
        match tokio::time::timeout(after, connection.call(method, params)).await {
            Ok(answer) => answer,
            Err(_) => {
                // A server that is silent now may be gone for good; the next call begins anew.
                let mut kept = self.shared.connection.lock().await;
                kept.take_if(|kept| Arc::ptr_eq(kept, connection));
                Err(Error::Timeout { address: self.shared.address.clone(), method, after })
            }
        }
    }

    /// The connection, opened if there is none.
    async fn connection(&self) -> Result<Arc<Connection>, Error> {
        // Counted from here: of many callers each waits its time, not that of all before it.
        let (started, limit) = (Instant::now(), self.shared.deadlines.connect);
        let mut kept = self.shared.connection.lock().await;
        if let Some(connection) = kept.as_ref().filter(|connection| !connection.is_ended()) {
            return Ok(Arc::clone(connection));
        }
        *kept = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let within = limit.saturating_sub(started.elapsed()).max(LEAST);
            match Connection::open(&self.shared.address, within).await {
                Ok(connection) => return Ok(Arc::clone(kept.insert(Arc::new(connection)))),
                Err(error) if started.elapsed() + pause >= limit => return Err(error),
                Err(error) => tracing::debug!(%error, "connecting again"),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
}
