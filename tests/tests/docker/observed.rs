//! What an operator is told: metrics, probes, and log lines that name Docker's and Neutron's things together.

use anyhow::{Context, Result, ensure};
use kuryr_tests::{Kuryr, Paths, with_configured_rig};

const CONFIG: &str =
    "[DEFAULT]\nuse_json = true\n[metrics]\nlisten = 127.0.0.1:9698\n[docker]\nreconcile_interval = 1\n";

/// The number behind the sample of this name and these labels.
fn sample(text: &str, name: &str) -> Result<f64> {
    let line =
        text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name} in\n{text}"))?;
    Ok(line.trim().parse()?)
}

#[test]
fn what_was_done_is_measured_and_logged_with_all_ids() -> Result<()> {
    with_configured_rig(CONFIG, |rig| {
        let get =
            |path: &str| rig.host.run(&["busybox", "wget", "-q", "-O", "-", &format!("http://127.0.0.1:9698{path}")]);
        rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
        rig.engine.container("web", "blue", &[])?;
        let text = get("/metrics")?;
        let join = "kuryr_plugin_request_duration_seconds_count{method=\"NetworkDriver.Join\",status=\"200\"}";
        ensure!((sample(&text, join)? - 1.0).abs() < f64::EPSILON, "{text}");
        let ports = "kuryr_cloud_request_duration_seconds_count{method=\"POST\",resource=\"ports\",status=\"201\"}";
        ensure!(sample(&text, ports)? >= 1.0, "{text}");
        ensure!(sample(&text, "process_resident_memory_bytes")? > 1e6, "{text}");
        ensure!(get("/healthz")?.trim() == "ok" && get("/readyz")?.contains(r#""ready":true"#), "{}", get("/readyz")?);
        kuryr_tests::until("a comparison to be counted", || {
            let text = get("/metrics")?;
            ensure!(sample(&text, "kuryr_reconciliations_total{result=\"complete\"}")? >= 1.0, "{text}");
            ensure!(sample(&text, "kuryr_out_of_step{difference=\"none\"}")? >= 2.0, "{text}");
            ensure!(sample(&text, "kuryr_out_of_step{difference=\"not_in_docker\"}")?.abs() < f64::EPSILON, "{text}");
            Ok(())
        })?;
        let endpoint = rig.engine.endpoint("web", "blue")?;
        let port = rig.cloud.port_by_mac(&endpoint.mac)?;
        let log = Kuryr::log(&rig.host);
        let line = log.lines().find(|line| line.contains("\"plugged\"")).context("no line says what was plugged")?;
        let line: serde_json::Value = serde_json::from_str(line)?;
        let span = &line["span"];
        ensure!(span["endpoint"] == port.device_id && span["port"] == port.id.to_string(), "{line}");
        ensure!(span["network"].as_str().is_some_and(|id| id.len() == 64), "{line}");
        ensure!(rig.host.path(Paths::API).exists());
        Ok(())
    })
}
