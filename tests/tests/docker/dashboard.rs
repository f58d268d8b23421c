//! The dashboard of `packaging/grafana`, asked of a real Prometheus that scraped a real Kuryr: every query gives data.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kuryr_tests::{Rig, skip, unpacked, until, until_within, with_configured_rig};
use serde_json::Value;

const CONFIG: &str =
    "[metrics]\nlisten = 127.0.0.1:9698\n[docker]\nreconcile_interval = 1\nvif_pool_driver = neutron\n";
const METRICS: &str = "http://127.0.0.1:9698/metrics";
const PROMETHEUS: &str = "http://127.0.0.1:9090";
const SCRAPING: &str = "global:\n  scrape_interval: 1s\nscrape_configs:\n- job_name: kuryr\n  static_configs:\n  - targets: \
                        ['127.0.0.1:9698']\n";
/// A rate needs two scrapes with something in between.
const PATIENCE: Duration = Duration::from_secs(60);

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All queries of the dashboard's panels, as Grafana sends them.
fn queries() -> Result<BTreeSet<String>> {
    let text = fs::read_to_string(repository().join("packaging/grafana/kuryr.json"))?;
    let dashboard: Value = serde_json::from_str(&text)?;
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries: BTreeSet<String> = targets
        .filter_map(|target| target["expr"].as_str())
        .map(|query| query.replace("$instance", ".*").replace("$__rate_interval", "30s"))
        .collect();
    ensure!(queries.len() > 15, "{queries:?}");
    ensure!(queries.iter().all(|query| !query.contains('$')), "a variable is left: {queries:?}");
    Ok(queries)
}

/// The metrics that a query names.
fn names(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("kuryr_") || word.starts_with("process_"))
}

/// Debian's Prometheus, unpacked and not installed; the error says why there is none.
fn prometheus() -> Result<PathBuf> {
    Ok(unpacked("prometheus", &["prometheus"])?.join("usr/bin/prometheus"))
}

fn get(rig: &Rig, url: &str) -> Result<String> {
    rig.host.run(&["busybox", "wget", "-q", "-O", "-", url])
}

/// What Prometheus answers to a query: its numbers.
fn ask(rig: &Rig, query: &str) -> Result<Vec<f64>> {
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = get(rig, &format!("{PROMETHEUS}/api/v1/query?query={encoded}"))?;
    let answer: Value = serde_json::from_str(&answer)?;
    ensure!(answer["status"] == "success", "{query}: {answer}");
    let result = answer["data"]["result"].as_array().with_context(|| format!("{query}: {answer}"))?;
    result.iter().map(|one| Ok(one["value"][1].as_str().context("no value")?.parse()?)).collect()
}

#[test]
fn every_query_of_the_dashboard_gives_data() -> Result<()> {
    let queries = queries()?;
    with_configured_rig(CONFIG, |rig| {
        rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
        // The first container of a network makes its own port; the next has one that was ready.
        rig.engine.container("first", "blue", &[])?;
        until("a port to be ready", || {
            let text = get(rig, METRICS)?;
            let of_ready = |line: &&str| line.starts_with("kuryr_ready_ports{") && line.contains("state=\"ready\"");
            let ready = text.lines().filter(of_ready).any(|line| !line.ends_with(" 0.0") && !line.ends_with(" 0"));
            ensure!(ready, "{text}");
            Ok(())
        })?;
        rig.engine.container("web", "blue", &["-p", "8080:80"])?;
        until("every metric of the dashboard to be there", || {
            let text = get(rig, METRICS)?;
            for name in queries.iter().flat_map(|query| names(query)) {
                let is_sample = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
                ensure!(text.lines().any(is_sample), "no {name} in\n{text}");
            }
            Ok(())
        })?;

        let program = match prometheus() {
            Ok(program) => program.display().to_string(),
            Err(reason) => return skip(&format!("no Prometheus to ask: {reason:#}")),
        };
        fs::write(rig.host.path("/run/prometheus.yml"), SCRAPING)?;
        let words = [
            program.as_str(),
            "--config.file=/run/prometheus.yml",
            "--storage.tsdb.path=/run/prometheus",
            "--web.listen-address=127.0.0.1:9090",
        ];
        let _prometheus = rig.host.start(&words, &[], "/run/prometheus.log")?;
        let log = || fs::read_to_string(rig.host.path("/run/prometheus.log")).unwrap_or_default();
        until_within(PATIENCE, "Prometheus to scrape Kuryr", || {
            ensure!(ask(rig, "up{job=\"kuryr\"}").with_context(log)? == [1.0], "{}", log());
            Ok(())
        })?;
        until_within(PATIENCE, "every query to give data", || {
            rig.engine.container("passing", "blue", &[])?;
            rig.engine.docker(&["rm", "--force", "passing"])?;
            for query in &queries {
                let numbers = ask(rig, query)?;
                ensure!(numbers.iter().any(|number| number.is_finite()), "{query}: {numbers:?}");
            }
            Ok(())
        })?;
        until_within(PATIENCE, "one port to be lent", || {
            let lent = ask(rig, "sum(kuryr_ready_ports{state=\"lent\"})")?;
            ensure!(lent == [1.0], "{lent:?}");
            Ok(())
        })?;
        ensure!(ask(rig, "kuryr_published_ports{way=\"host\"}")? == [1.0]);
        Ok(())
    })
}
