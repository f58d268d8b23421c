//! A container joins and leaves a network: Kuryr's and a bridge of Docker's own, in turns.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::proxy::Proxy;
use super::report::{Limit, Report};
use super::series::Series;
use crate::PrivateEngine;
use crate::wire::{Message, Wire};

/// Turns that count, and turns before that do not.
const TURNS: usize = 60;
const WARM_UP: usize = 5;

/// Times of one network.
#[derive(Default)]
struct Times {
    connect: Series,
    disconnect: Series,
    share_of_connect: Series,
    share_of_disconnect: Series,
    /// Each call of the plugin, by its path.
    calls: BTreeMap<String, Series>,
}

impl Times {
    fn extend(&mut self, other: &Self) {
        self.connect.extend(&other.connect);
        self.disconnect.extend(&other.disconnect);
        self.share_of_connect.extend(&other.share_of_connect);
        self.share_of_disconnect.extend(&other.share_of_disconnect);
        for (path, series) in &other.calls {
            self.calls.entry(path.clone()).or_default().extend(series);
        }
    }
}

/// Measure and report.
pub fn measure(engine: &PrivateEngine, proxy: &Proxy, report: &mut Report) -> Result<()> {
    let kuryr = ["network", "create", "-d", "kuryr", "--ipam-driver", "kuryr"];
    let subnet = ["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1", "blue"];
    proxy.take();
    let created = Instant::now();
    engine.docker(&[kuryr.as_slice(), &subnet].concat())?;
    let total = created.elapsed();
    let share: Duration = proxy.take().iter().map(|call| call.time).sum();
    report.measured("docker network create, our share of it", milliseconds(share), Limit::None, "ms");
    report.measured(
        "docker network create, with Docker's own work and its command line",
        milliseconds(total),
        Limit::None,
        "ms",
    );
    engine.docker(&["network", "create", "-d", "bridge", "--subnet", "10.11.0.0/24", "plain"])?;
    engine.container("box", "bridge", &[])?;

    let (alone, _) = turns(engine, proxy)?;
    for network in ["blue", "plain"] {
        engine.container(&format!("{network}-company"), network, &[])?;
    }
    let (ours, peer) = turns(engine, proxy)?;
    for (name, share, all, theirs) in [
        ("connect", &ours.share_of_connect, &ours.connect, &peer.connect),
        ("disconnect", &ours.share_of_disconnect, &ours.disconnect, &peer.disconnect),
    ] {
        report.measured(&format!("{name}, our share, p50"), share.median(), Limit::AtMost(5.0), "ms");
        report.measured(&format!("{name}, our share, p99"), share.quantile(0.99), Limit::AtMost(20.0), "ms");
        report.compared(&format!("{name}, in all, p50"), all.median(), theirs.median(), Limit::None, "ms");
        report.compared(&format!("{name}, in all, p99"), all.quantile(0.99), theirs.quantile(0.99), Limit::None, "ms");
    }
    for (path, series) in &ours.calls {
        report.measured(
            &format!("of these, {}, p50", path.trim_start_matches('/')),
            series.median(),
            Limit::None,
            "ms",
        );
    }
    let (first, last) = (alone.share_of_connect.median(), alone.share_of_disconnect.median());
    report.measured("connect of a network's first container, our share, p50", first, Limit::AtMost(5.0), "ms");
    report.measured("disconnect of a network's last container, our share, p50", last, Limit::AtMost(5.0), "ms");
    engine.docker(&["rm", "--force", "box", "blue-company", "plain-company"])?;
    Ok(())
}

/// The container joins and leaves both networks, in turns: ours and the peer's times.
fn turns(engine: &PrivateEngine, proxy: &Proxy) -> Result<(Times, Times)> {
    let (mut ours, mut peer) = (Times::default(), Times::default());
    for turn in 0..TURNS + WARM_UP {
        for (network, times) in [("blue", &mut ours), ("plain", &mut peer)] {
            let once = one_turn(engine, proxy, network)?;
            if turn >= WARM_UP {
                times.extend(&once);
            }
        }
    }
    Ok((ours, peer))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn one_turn(engine: &PrivateEngine, proxy: &Proxy, network: &str) -> Result<Times> {
    let mut docker = Wire::new(UnixStream::connect(engine.socket()).context("cannot reach the engine")?);
    let mut times = Times::default();
    for verb in ["connect", "disconnect"] {
        let body = json!({ "Container": "box", "Force": false }).to_string();
        let headers = [("Content-Type", "application/json")];
        let request = Message::request("POST", &format!("/networks/{network}/{verb}"), &headers, body);
        proxy.take();
        let started = Instant::now();
        let answer = docker.ask(&request)?;
        let total = started.elapsed();
        answer.expect(200)?;
        let calls = proxy.take();
        ensure!(calls.is_empty() == (network != "blue"), "{verb} {network}: {calls:?}");
        let share: Duration = calls.iter().map(|call| call.time).sum();
        for call in calls {
            times.calls.entry(call.path).or_default().add(call.time);
        }
        let (all, part) = match verb {
            "connect" => (&mut times.connect, &mut times.share_of_connect),
            _ => (&mut times.disconnect, &mut times.share_of_disconnect),
        };
        all.add(total);
        part.add(share);
    }
    Ok(times)
}
