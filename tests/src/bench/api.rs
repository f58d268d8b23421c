//! Ports a second of the embedded API, over TCP, one by one and in bulk.

use std::fs::File;
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use kuryr_neutron::{Network, Subnet};
use serde_json::{Value, json};

use super::report::{Limit, Report};
use super::series::Series;
use crate::cloud::Cloud;
use crate::host::Host;
use crate::wire::{Message, Wire};
use crate::world::run_in;

const ADDRESS: &str = "127.0.0.1:9696";
/// Requests of the one that measures latency.
const ALONE: usize = 1000;
/// Clients at once, and requests of each.
const CLIENTS: usize = 16;
const EACH: usize = 300;
/// Ports of one bulk request, and requests.
const BULK: usize = 500;
const BULKS: usize = 10;

/// Ports that are there when this has run.
pub const PORTS: usize = ALONE + CLIENTS * EACH + BULK * BULKS;

/// Measure and report.
pub fn measure(host: &Host, cloud: &Cloud, clouds: &Path, report: &mut Report) -> Result<()> {
    let network: Network = cloud.make(json!({ "name": "many" }))?;
    let _: Subnet = cloud.make(json!({ "network_id": network.id, "ip_version": 4, "cidr": "10.64.0.0/16" }))?;
    let namespace = host.network()?;
    let mut client = Client::connect(&namespace)?;
    let token = client.token(clouds)?;
    let one = json!({ "port": { "network_id": network.id } }).to_string();

    let mut alone = Series::default();
    for _ in 0..ALONE {
        let started = Instant::now();
        client.post(&token, &one)?;
        alone.add(started.elapsed());
    }
    report.measured("POST /v2.0/ports, one client, p50", alone.median(), Limit::None, "ms");
    report.measured("POST /v2.0/ports, one client, p99", alone.quantile(0.99), Limit::AtMost(5.0), "ms");

    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::connect(&namespace)).collect::<Result<_>>()?;
    let started = Instant::now();
    let crowd = std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter_mut()
            .map(|client| {
                let (token, one) = (&token, &one);
                scope.spawn(move || {
                    let mut series = Series::default();
                    for _ in 0..EACH {
                        let started = Instant::now();
                        client.post(token, one)?;
                        series.add(started.elapsed());
                    }
                    anyhow::Ok(series)
                })
            })
            .collect();
        let mut all = Series::default();
        for thread in threads {
            all.extend(&thread.join().map_err(|_| anyhow!("a thread panicked"))??);
        }
        anyhow::Ok(all)
    })?;
    let rate = crowd.len() as f64 / started.elapsed().as_secs_f64();
    report.measured(&format!("POST /v2.0/ports, {CLIENTS} clients, p99"), crowd.quantile(0.99), Limit::None, "ms");
    report.measured(&format!("ports by POST, {CLIENTS} clients"), rate, Limit::AtLeast(2000.0), "1/s");

    let many = json!({ "ports": vec![json!({ "network_id": network.id }); BULK] }).to_string();
    let started = Instant::now();
    for _ in 0..BULKS {
        client.post(&token, &many)?;
    }
    let rate = (BULK * BULKS) as f64 / started.elapsed().as_secs_f64();
    report.measured(&format!("ports by POST, {BULK} in one request"), rate, Limit::AtLeast(20_000.0), "1/s");
    Ok(())
}

/// One connection from inside the machine.
struct Client {
    wire: Wire<TcpStream>,
}

impl Client {
    fn connect(namespace: &File) -> Result<Self> {
        let stream = run_in(namespace, || TcpStream::connect(ADDRESS).context("cannot reach the API"))?;
        stream.set_nodelay(true)?;
        Ok(Self { wire: Wire::new(stream) })
    }

    fn post(&mut self, token: &str, body: &str) -> Result<()> {
        let headers = [("X-Auth-Token", token), ("Content-Type", "application/json")];
        let request = Message::request("POST", "/networking/v2.0/ports", &headers, body);
        self.wire.ask(&request)?.expect(201).map(drop)
    }

    fn token(&mut self, clouds: &Path) -> Result<String> {
        let text = std::fs::read_to_string(clouds).with_context(|| format!("cannot read {}", clouds.display()))?;
        let all: Value = serde_norway::from_str(&text)?;
        let auth = &all["clouds"]["kuryr"]["auth"];
        let domain = |key: &str| json!({ "name": auth[key].as_str().unwrap_or("Default") });
        let user =
            json!({ "name": auth["username"], "password": auth["password"], "domain": domain("user_domain_name") });
        let body = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": user } },
            "scope": { "project": { "name": auth["project_name"], "domain": domain("project_domain_name") } },
        } });
        let headers = [("Content-Type", "application/json")];
        let answer =
            self.wire.ask(&Message::request("POST", "/identity/v3/auth/tokens", &headers, body.to_string()))?;
        let token = answer.header("X-Subject-Token").map(str::to_owned);
        answer.expect(201)?;
        token.context("Keystone gave no token")
    }
}
