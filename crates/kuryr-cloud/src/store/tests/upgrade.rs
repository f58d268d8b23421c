//! Databases of all versions, as the programs of their time left them, and a database of a time to come.

use super::{Error, SqliteStore, Store, folder, open};
use crate::{Cloud, Credentials, Options, engine::State, store};
use kuryr_neutron::HostId;
use rusqlite::Connection;
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Each was filled through the API of the last program that wrote this version, from a network to what that version brought.
const RELEASED: [&str; 9] = [
    include_str!("released/v1.sql"),
    include_str!("released/v2.sql"),
    include_str!("released/v3.sql"),
    include_str!("released/v4.sql"),
    include_str!("released/v5.sql"),
    include_str!("released/v6.sql"),
    include_str!("released/v7.sql"),
    include_str!("released/v8.sql"),
    include_str!("released/v9.sql"),
];
const NEWEST: usize = store::schema::newest() as usize;
/// The administrator's, in all of them.
const PASSWORD: &str = "a-throwaway-password";

fn released(version: usize, folder: &Path) -> PathBuf {
    let path = folder.join("kuryr.db");
    Connection::open(&path).unwrap().execute_batch(RELEASED[version - 1]).unwrap();
    path
}

/// The last of them, of this program's version.
fn current(folder: &Path) -> PathBuf {
    let path = released(RELEASED.len(), folder);
    drop(open(&path));
    fs::remove_file(store::schema::before(&path, store::schema::newest())).unwrap_or_default();
    path
}

fn version(path: &Path) -> usize {
    let connection = Connection::open(path).unwrap();
    connection.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0)).unwrap() as usize
}

/// Keys of all rows, by table.
fn keys(path: &Path) -> BTreeMap<String, Vec<String>> {
    let connection = Connection::open(path).unwrap();
    let list = |query: &str| -> Vec<String> {
        let mut statement = connection.prepare(query).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let tables = list("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
    let keys = |table: &String| match table.as_str() {
        "ip_allocations" => list("SELECT subnet_id || hex(ip) || port_id FROM ip_allocations ORDER BY 1"),
        "settings" => list("SELECT key || hex(value) FROM settings ORDER BY 1"),
        _ => list(&format!("SELECT id FROM {table} ORDER BY 1")),
    };
    tables.iter().map(|table| (table.clone(), keys(table))).collect()
}

#[test]
fn a_database_of_every_version_is_brought_up_to_date_and_kept_as_it_was() {
    for was in 1..=RELEASED.len() {
        let folder = folder();
        let path = released(was, folder.path());
        assert_eq!(version(&path), was);
        let before = keys(&path);
        assert!(before["ports"].len() >= 3 && before["networks"].len() == 3 && before["routers"].len() == 1);
        let mut store = open(&path);
        let rows = store.load().unwrap();
        drop(store);
        assert_eq!(rows.ports.len(), before["ports"].len());
        State::from_rows(rows).assert_sound();
        assert_eq!(version(&path), NEWEST);
        let after = keys(&path);
        for (table, rows) in &before {
            assert_eq!(&after[table], rows, "table {table} of version {was}");
        }
        let kept = folder.path().join(format!("kuryr.db.before-v{NEWEST}"));
        if was == NEWEST {
            assert!(!kept.exists(), "nothing was changed");
        } else {
            assert_eq!((version(&kept), keys(&kept)), (was, before));
            assert_eq!(fs::metadata(&kept).unwrap().mode() & 0o777, 0o600);
        }
    }
}

#[tokio::test]
async fn the_administrator_of_the_first_version_is_that_of_the_newest() {
    let folder = folder();
    released(1, folder.path());
    let options = Options {
        dataplane: false,
        ..Options::new(folder.path().to_owned(), HostId("host-1".to_owned()), "http://127.0.0.1:9".parse().unwrap())
    };
    let credentials = Credentials {
        auth_url: "http://127.0.0.1:9/identity/v3".to_owned(),
        username: "admin".to_owned(),
        password: PASSWORD.to_owned().into(),
        project_name: "admin".to_owned(),
        user_domain_name: "Default".to_owned(),
        project_domain_name: "Default".to_owned(),
        region_name: "RegionOne".to_owned(),
    };
    credentials.write(&folder.path().join("clouds.yaml")).unwrap();
    Cloud::open(options).await.unwrap();
}

#[test]
fn what_an_upgrade_cannot_do_leaves_the_database_as_it_was() {
    let folder = folder();
    let path = released(3, folder.path());
    let before = keys(&path);
    // Where its copy should be is something else.
    let kept = folder.path().join(format!("kuryr.db.before-v{NEWEST}"));
    fs::create_dir_all(kept.join("full")).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, Error::Copy { .. }) && error.to_string().contains("before-v"), "{error}");
    assert_eq!((version(&path), keys(&path)), (3, before));
    fs::remove_dir_all(&kept).unwrap();
    drop(open(&path));
    assert_eq!(version(&path), NEWEST);
}

#[test]
fn the_way_back_from_a_newer_version_is_named_and_works() {
    let folder = folder();
    let path = current(folder.path());
    let before = keys(&path);
    // What a program of the next version does.
    let next = NEWEST as u32 + 1;
    let kept = store::schema::before(&path, next);
    store::copy::write(&Connection::open(&path).unwrap(), &kept).unwrap();
    let upgraded = Connection::open(&path).unwrap();
    upgraded.execute_batch("CREATE TABLE of_the_future (id TEXT); DELETE FROM routers").unwrap();
    upgraded.pragma_update(None, "user_version", next).unwrap();
    drop(upgraded);
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, Error::Newer { .. }), "{error}");
    let words = error.to_string();
    let told = [format!("version {next}"), format!("up to {NEWEST}"), format!("kuryr.db.before-v{next}")];
    assert!(told.iter().all(|word| words.contains(word)), "{words}");

    let aside = store::restore(&kept, &path).unwrap().unwrap();
    assert_eq!(keys(&path), before);
    drop(open(&path));
    assert_eq!(version(&aside), next as usize);
}

#[test]
fn what_is_no_whole_database_of_ours_is_not_restored() {
    let folder = folder();
    let path = current(folder.path());
    let before = keys(&path);
    let file = folder.path().join("file");
    let refused = |words: &str| {
        let error = store::restore(&file, &path).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains(&file.display().to_string()), "{error}");
        assert_eq!(keys(&path), before);
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name != "file").collect();
        names.sort();
        assert_eq!(names, ["kuryr.db"]);
    };
    refused("No such file");
    fs::write(&file, "a letter to my mother").unwrap();
    refused("no whole database of the embedded cloud");
    fs::write(&file, "").unwrap();
    refused("it has no table settings");
    fs::remove_file(&file).unwrap();
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE recipes (id TEXT)").unwrap();
    refused("it has no table settings");
    fs::remove_file(&file).unwrap();
    Connection::open(&file).unwrap().execute_batch(RELEASED[RELEASED.len() - 1]).unwrap();
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    refused("malformed");
    fs::write(&file, &whole).unwrap();
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 77).unwrap();
    refused("version 77");
}

#[test]
fn a_damaged_database_is_kept_with_its_log_when_another_takes_its_place() {
    let folder = folder();
    let path = current(folder.path());
    let file = folder.path().join("file");
    fs::copy(&path, &file).unwrap();
    fs::write(&path, "this is no database, whatever its name says ".repeat(100)).unwrap();
    fs::write(folder.path().join("kuryr.db-wal"), "nor is this a log").unwrap();
    for number in 1..3 {
        let aside = store::restore(&file, &path).unwrap().unwrap();
        assert_eq!(aside, folder.path().join(format!("kuryr.db.before-restore-{number}")));
        drop(open(&path));
    }
    assert!(fs::read(folder.path().join("kuryr.db.before-restore-1")).unwrap().starts_with(b"this is no"));
    assert!(fs::read(folder.path().join("kuryr.db.before-restore-1-wal")).unwrap().starts_with(b"nor is"));
}

#[test]
fn what_is_in_the_log_of_a_killed_cloud_is_kept_when_another_database_takes_its_place() {
    let folder = folder();
    let path = current(folder.path());
    let file = folder.path().join("file");
    fs::copy(&path, &file).unwrap();
    // As a kill leaves it: the log is copied while it is in use.
    let mut store = open(&path);
    store.put_setting("last", b"word").unwrap();
    let killed = self::folder();
    let place = killed.path().join("kuryr.db");
    for suffix in ["", "-wal"] {
        fs::copy(store::copy::beside(&path, suffix), store::copy::beside(&place, suffix)).unwrap();
    }
    assert_ne!(fs::metadata(store::copy::beside(&place, "-wal")).unwrap().len(), 0);
    let aside = store::restore(&file, &place).unwrap().unwrap();
    let mut names: Vec<_> = fs::read_dir(killed.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["kuryr.db", "kuryr.db.before-restore-1"]);
    assert_eq!(open(&aside).setting("last").unwrap().as_deref(), Some(b"word".as_slice()));
    assert_eq!(open(&place).setting("last").unwrap(), None);
}
