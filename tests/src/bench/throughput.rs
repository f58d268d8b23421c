//! Bandwidth and latency between two containers through enforced ports, and through a bridge of Docker's own, in turns.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::report::{Limit, Report};
use super::series::Series;
use crate::host::Host;
use crate::{PrivateEngine, until};

const TURNS: usize = 5;
/// Seconds of each measurement.
const SECONDS: &str = "2";

/// Measure and report.
pub fn measure(host: &Host, engine: &PrivateEngine, report: &mut Report) -> Result<()> {
    let pairs: Vec<Pair> =
        ["blue", "plain"].into_iter().map(|network| Pair::start(host, engine, network)).collect::<Result<_>>()?;
    let mut bandwidth = [Vec::new(), Vec::new()];
    let mut latency = [Series::default(), Series::default()];
    for _ in 0..TURNS {
        for (index, pair) in pairs.iter().enumerate() {
            bandwidth[index].push(pair.bandwidth(host)?);
            latency[index].add(pair.latency(engine)?);
        }
    }
    let [ours, peer] = bandwidth.map(|mut all| {
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    });
    report.compared("bandwidth through an enforced port, TCP", ours, peer, Limit::RatioAtLeast(0.95), "Gbit/s");
    let [ours, peer] = latency.map(|series| series.median() * 1000.0);
    report.compared("round trip through an enforced port", ours, peer, Limit::RatioAtMost(1.05), "µs");
    for pair in &pairs {
        engine.docker(&["rm", "--force", &pair.client, &pair.server])?;
    }
    Ok(())
}

/// Two containers on one network.
struct Pair {
    client: String,
    server: String,
    client_pid: String,
    address: String,
}

impl Pair {
    fn start(host: &Host, engine: &PrivateEngine, network: &str) -> Result<Self> {
        let (client, server) = (format!("{network}-client"), format!("{network}-server"));
        engine.container(&client, network, &[])?;
        engine.container(&server, network, &[])?;
        let pid = |name: &str| engine.docker(&["inspect", "--format", "{{.State.Pid}}", name]);
        let (client_pid, server_pid) = (pid(&client)?, pid(&server)?);
        // The image has no iperf3; the machine's own runs in the container's network.
        host.run(&["nsenter", "--target", &server_pid, "--net", "iperf3", "--server", "--daemon"])?;
        let address = engine.endpoint(&server, network)?.address;
        let pair = Self { client, server, client_pid, address };
        until("iperf3 to serve", || pair.iperf(host, &["--bytes", "1K"]).map(drop))?;
        Ok(pair)
    }

    fn iperf(&self, host: &Host, arguments: &[&str]) -> Result<Value> {
        let mut words =
            vec!["nsenter", "--target", &self.client_pid, "--net", "iperf3", "--json", "--client", &self.address];
        words.extend(arguments);
        let answer: Value = serde_json::from_str(&host.run(&words)?).context("iperf3 does not answer in JSON")?;
        ensure!(answer["error"].is_null(), "{}", answer["error"]);
        Ok(answer)
    }

    /// Gbit/s.
    fn bandwidth(&self, host: &Host) -> Result<f64> {
        let answer = self.iperf(host, &["--time", SECONDS, "--omit", "1"])?;
        let bits = answer["end"]["sum_received"]["bits_per_second"].as_f64();
        Ok(bits.context("iperf3 does not tell its result")? / 1e9)
    }

    /// Average round trip of some pings.
    fn latency(&self, engine: &PrivateEngine) -> Result<Duration> {
        let text = engine.exec(&self.client, &["ping", "-q", "-c", "300", "-i", "0.002", &self.address])?;
        let numbers = text.rsplit("= ").next().unwrap_or_default();
        let average: f64 = numbers.split('/').nth(1).unwrap_or_default().trim().parse().context("no average")?;
        Ok(Duration::from_secs_f64(average / 1000.0))
    }
}
