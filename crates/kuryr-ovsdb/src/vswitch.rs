//! Ports of Open vSwitch's bridges.

use crate::{Atom, Client, Condition, Datum, Error, Mutation, Operation, Outcome, Row};
use std::time::Duration;
use uuid::Uuid;

const DATABASE: &str = "Open_vSwitch";
const BRIDGE: &str = "Bridge";
const PORT: &str = "Port";
const INTERFACE: &str = "Interface";
const IFACE_ID: &str = "iface-id";
const OWNER: &str = "owner";
/// `ofport` of a port whose device the switch cannot use.
const NO_NUMBER: Datum = Datum::One(Atom::Integer(-1));
/// Attempts at a change while others change the same rows, or the server restarts.
const ATTEMPTS: u32 = 5;

/// A port to add, with the one interface of the same name.
#[derive(Debug, Clone, Copy)]
pub struct PortSpec<'a> {
    /// The bridge.
    pub bridge: &'a str,
    /// The port, its interface, and the network device.
    pub name: &'a str,
    /// The interface's `external_ids`. On an interface that is there already other keys stay.
    pub external_ids: &'a [(&'a str, &'a str)],
}

/// Open vSwitch of this host. Clones share the connection.
#[derive(Debug, Clone)]
pub struct Vswitch {
    client: Client,
}

impl Vswitch {
    /// Configured through this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Adds a port and waits until the switch has taken it up. One that is there keeps its place and gets the
    /// `external_ids`.
    pub async fn add_port(&self, spec: &PortSpec<'_>) -> Result<(), Error> {
        let mut adopted = false;
        for attempt in 1..=ATTEMPTS {
            if settled(spec.name, attempt, self.try_add(spec, &mut adopted).await)? {
                return self.taken_up(spec.name, adopted).await;
            }
        }
        Err(contended(spec.name))
    }

    /// The names of the interfaces that a Neutron port has in the switch.
    pub async fn interfaces(&self, iface_id: &str, owner: &str) -> Result<Vec<String>, Error> {
        let rows = self.rows_of(iface_id, owner).await?;
        Ok(rows.iter().filter_map(|row| row.get("name")?.as_text().map(str::to_owned)).collect())
    }

    /// All interfaces of an owner: the `iface-id` and the name of each.
    pub async fn ports_of(&self, owner: &str) -> Result<Vec<(String, String)>, Error> {
        let select = Operation::Select {
            table: INTERFACE,
            rows: vec![Condition::Includes("external_ids", Datum::texts([(OWNER, owner)]))],
            columns: vec!["name", "external_ids"],
        };
        let found = rows_owned(self.transact(&[select]).await?);
        let named = |row: &Row| {
            let id = row.get("external_ids")?.get(IFACE_ID)?.to_owned();
            Some((id, row.get("name")?.as_text()?.to_owned()))
        };
        Ok(found.iter().filter_map(named).collect())
    }

    /// Removes every port of a Neutron port, by `iface-id` and owner, from whatever bridge; gives their interfaces'
    /// names. None there counts as removed.
    pub async fn remove_ports(&self, iface_id: &str, owner: &str) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        for attempt in 1..=ATTEMPTS {
            if settled(iface_id, attempt, self.try_remove(iface_id, owner, &mut names).await)? {
                names.sort();
                names.dedup();
                return Ok(names);
            }
        }
        Err(contended(iface_id))
    }

    async fn try_add(&self, spec: &PortSpec<'_>, adopted: &mut bool) -> Result<bool, Error> {
        match self.insert(spec).await {
            Ok(()) => Ok(true),
            Err(error) if error.operation() == Some(0) => Err(Error::BridgeMissing { bridge: spec.bridge.to_owned() }),
            // Its name is there: by the guards, or by the commit's check that names are unique.
            Err(error) if error.operation().is_some() => {
                *adopted = true;
                self.adopt(spec).await
            }
            Err(error) => Err(error),
        }
    }

    async fn try_remove(&self, iface_id: &str, owner: &str, names: &mut Vec<String>) -> Result<bool, Error> {
        let interfaces = self.rows_of(iface_id, owner).await?;
        let ids: Vec<Uuid> = interfaces.iter().filter_map(|row| row.get("_uuid")?.as_row()).collect();
        names.extend(interfaces.iter().filter_map(|row| row.get("name")?.as_text().map(str::to_owned)));
        if ids.is_empty() {
            return Ok(true);
        }
        let find = |id: &Uuid| Operation::Select {
            table: PORT,
            rows: vec![Condition::Includes("interfaces", Datum::One(Atom::Row(*id)))],
            columns: vec!["_uuid"],
        };
        let found = self.transact(&ids.iter().map(find).collect::<Vec<_>>()).await?;
        let ports = found.iter().flat_map(rows).filter_map(|row| row.get("_uuid")?.as_row());
        // Rows that no bridge refers to are collected by the server itself.
        let remove = |id: Uuid| Operation::Mutate {
            table: BRIDGE,
            rows: vec![Condition::Includes("ports", Datum::One(Atom::Row(id)))],
            mutations: vec![Mutation::Delete("ports", Datum::One(Atom::Row(id)))],
        };
        self.transact(&ports.map(remove).collect::<Vec<_>>()).await.map(|_| true)
    }

    async fn rows_of(&self, iface_id: &str, owner: &str) -> Result<Vec<Row>, Error> {
        let select = Operation::Select {
            table: INTERFACE,
            rows: vec![Condition::Includes("external_ids", Datum::texts([(IFACE_ID, iface_id), (OWNER, owner)]))],
            columns: vec!["_uuid", "name"],
        };
        Ok(rows_owned(self.transact(&[select]).await?))
    }

    async fn insert(&self, spec: &PortSpec<'_>) -> Result<(), Error> {
        let ids = Datum::texts(spec.external_ids.iter().copied());
        self.transact(&[
            Operation::present(BRIDGE, spec.bridge),
            Operation::absent(PORT, spec.name),
            Operation::absent(INTERFACE, spec.name),
            Operation::Insert {
                table: INTERFACE,
                row: vec![("name", Datum::text(spec.name)), ("external_ids", ids)],
                name: "interface",
            },
            Operation::Insert {
                table: PORT,
                row: vec![("name", Datum::text(spec.name)), ("interfaces", Datum::One(Atom::New("interface")))],
                name: "port",
            },
            Operation::Mutate {
                table: BRIDGE,
                rows: vec![Condition::Equal("name", Datum::text(spec.bridge))],
                mutations: vec![Mutation::Insert("ports", Datum::One(Atom::New("port")))],
            },
        ])
        .await
        .map(drop)
    }

    /// Gives a port that is there the `external_ids`; false if it is to be looked at again.
    async fn adopt(&self, spec: &PortSpec<'_>) -> Result<bool, Error> {
        let named = || vec![Condition::Equal("name", Datum::text(spec.name))];
        let found = self
            .transact(&[
                Operation::Select { table: PORT, rows: named(), columns: vec!["_uuid", "interfaces"] },
                Operation::Select { table: INTERFACE, rows: named(), columns: vec!["_uuid", "external_ids"] },
            ])
            .await?;
        let first = |index: usize| found.get(index).map(rows).and_then(<[Row]>::first);
        let (Some(port), Some(interface)) = (first(0), first(1)) else { return Ok(false) };
        let id = |row: &Row| row.get("_uuid").and_then(Datum::as_row);
        let (Some(port), Some(row)) = (id(port), id(interface)) else {
            return Err(Error::Protocol("rows without _uuid".to_owned()));
        };
        let theirs = interface.get("external_ids").and_then(|ids| ids.get(IFACE_ID));
        let ours = spec.external_ids.iter().find(|(key, _)| *key == IFACE_ID).map(|(_, value)| *value);
        if let Some(owner) = theirs.filter(|theirs| Some(*theirs) != ours) {
            return Err(Error::PortTaken { port: spec.name.to_owned(), owner: owner.to_owned() });
        }
        let on = Operation::Select {
            table: BRIDGE,
            rows: vec![Condition::Includes("ports", Datum::One(Atom::Row(port)))],
            columns: vec!["name"],
        };
        let bridges = rows_owned(self.transact(&[on]).await?);
        match bridges.first().and_then(|bridge| bridge.get("name")?.as_text()) {
            Some(bridge) if bridge == spec.bridge => {}
            Some(bridge) => {
                return Err(Error::PortElsewhere {
                    port: spec.name.to_owned(),
                    found: bridge.to_owned(),
                    expected: spec.bridge.to_owned(),
                });
            }
            None => return Ok(false),
        }
        let keys = spec.external_ids.iter().map(|(key, _)| Atom::Text((*key).to_owned())).collect();
        let outcomes = self
            .transact(&[Operation::Mutate {
                table: INTERFACE,
                rows: vec![Condition::Equal("_uuid", Datum::One(Atom::Row(row)))],
                mutations: vec![
                    Mutation::Delete("external_ids", Datum::Set(keys)),
                    Mutation::Insert("external_ids", Datum::texts(spec.external_ids.iter().copied())),
                ],
            }])
            .await?;
        Ok(outcomes == [Outcome::Count(1)])
    }

    /// Waits until the switch has given the port its number, or has said that it cannot. Of a port that was there before
    /// it may have said so when the device was not: then it looks again once it hears of the device.
    async fn taken_up(&self, name: &str, adopted: bool) -> Result<(), Error> {
        let after = self.client.deadlines().take_up;
        let named = || vec![Condition::Equal("name", Datum::text(name))];
        let is_not = |number: Datum| Operation::Wait {
            table: INTERFACE,
            rows: named(),
            columns: vec!["ofport"],
            equal: false,
            with: vec![vec![("ofport", number)]],
            timeout: after,
        };
        let read = Operation::Select { table: INTERFACE, rows: named(), columns: vec!["ofport", "error"] };
        if adopted {
            match self.transact(&[is_not(Datum::EMPTY), is_not(NO_NUMBER)]).await {
                // Still without one: the switch's own words tell why.
                Err(error) if error.operation() == Some(1) => {}
                waited => drop(waited.map_err(|error| not_taken_up(error, name, after))?),
            }
        }
        let outcomes = self.transact(&[is_not(Datum::EMPTY), read]).await;
        let outcomes = outcomes.map_err(|error| not_taken_up(error, name, after))?;
        let row = outcomes.get(1).map(rows).and_then(<[Row]>::first);
        let number = row.and_then(|row| row.get("ofport")?.as_integer());
        if number.is_some_and(|number| number > 0) {
            return Ok(());
        }
        let reason = row.and_then(|row| row.get("error")?.as_text()).unwrap_or("it was removed meanwhile");
        Err(Error::Unusable { port: name.to_owned(), reason: reason.to_owned() })
    }

    async fn transact(&self, operations: &[Operation]) -> Result<Vec<Outcome>, Error> {
        self.client.transact(DATABASE, operations).await
    }
}

/// It is done, or it failed for good; false if it is to be tried again: after changes by others, and after the
/// connection was lost.
fn settled(what: &str, attempt: u32, result: Result<bool, Error>) -> Result<bool, Error> {
    match result {
        Err(error @ Error::Disconnected { .. }) if attempt < ATTEMPTS => {
            tracing::debug!(what, %error, "asking Open vSwitch again");
            Ok(false)
        }
        result => result,
    }
}

/// The first operation waits for the switch.
fn not_taken_up(error: Error, port: &str, after: Duration) -> Error {
    match error.operation() {
        Some(0) => Error::NotTakenUp { port: port.to_owned(), after },
        _ => error,
    }
}

fn contended(port: &str) -> Error {
    Error::Contended { port: port.to_owned(), attempts: ATTEMPTS }
}

fn rows(outcome: &Outcome) -> &[Row] {
    match outcome {
        Outcome::Rows(rows) => rows,
        _ => &[],
    }
}

fn rows_owned(outcomes: Vec<Outcome>) -> Vec<Row> {
    outcomes.into_iter().flat_map(|outcome| if let Outcome::Rows(rows) = outcome { rows } else { Vec::new() }).collect()
}
