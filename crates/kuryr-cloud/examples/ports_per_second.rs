//! How many ports a second the engine creates durably: single creations by concurrent writers, and in bulk.
//!
//! `cargo run --release -p kuryr-cloud --example ports_per_second [FOLDER]`; the folder's disk is what is measured.

use kuryr_cloud::{
    engine::{Context, Engine, Options, network, port, subnet},
    store::SqliteStore,
};
use kuryr_neutron::{HostId, NetworkId, NewNetwork, NewPort, NewSubnet, ProjectId};
use std::{
    error::Error,
    path::PathBuf,
    time::{Duration, Instant},
};

const WRITERS: usize = 64;
const EACH: usize = 200;
const BULKS: usize = 20;
const BULK: usize = 500;

fn admin() -> Context {
    Context { project_id: ProjectId("admin".to_owned()), is_admin: true, ..Context::default() }
}

fn on(network: NetworkId) -> NewPort {
    NewPort { network_id: Some(network), binding_host_id: Some(HostId("here".to_owned())), ..NewPort::default() }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder)?;
    let path = folder.path().join("kuryr.db");
    let options = || Options::new(HostId("here".to_owned()));
    let engine = Engine::open(Box::new(SqliteStore::open(&path)?), options())?;
    let id = engine.write(|txn| network::create(txn, &admin(), NewNetwork::default())).await?.value.id;
    let range = NewSubnet { network_id: Some(id), cidr: Some("10.0.0.0/8".parse()?), ..NewSubnet::default() };
    engine.write(move |txn| subnet::create(txn, &admin(), range)).await?;

    let one = Instant::now();
    for _ in 0..EACH {
        engine.write(move |txn| port::create(txn, &admin(), on(id))).await?;
    }
    report("one writer", EACH, one.elapsed());

    let start = Instant::now();
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(EACH);
                for _ in 0..EACH {
                    let begin = Instant::now();
                    engine.write(move |txn| port::create(txn, &admin(), on(id))).await?;
                    times.push(begin.elapsed());
                }
                Ok::<_, kuryr_neutron::Fault>(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for writer in writers {
        times.extend(writer.await??);
    }
    report("64 writers", times.len(), start.elapsed());
    times.sort();
    println!("  p50 {:?}, p99 {:?}", times[times.len() / 2], times[times.len() * 99 / 100]);

    let start = Instant::now();
    for _ in 0..BULKS {
        let new = (0..BULK).map(|_| on(id)).collect();
        engine.write(move |txn| port::create_bulk(txn, &admin(), new)).await?;
    }
    report("bulk of 500", BULKS * BULK, start.elapsed());

    drop(engine);
    let start = Instant::now();
    let engine = Engine::open(Box::new(SqliteStore::open(&path)?), options())?;
    println!("opened {} ports in {:?}", engine.read(|state| state.ports.len()), start.elapsed());
    Ok(())
}

fn report(what: &str, ports: usize, time: Duration) {
    println!("{what}: {ports} ports in {time:?}, {:.0}/s", ports as f64 / time.as_secs_f64());
}
