//! The whole suite against the embedded cloud, in this process and without a data plane.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use kuryr_cloud::{Cloud, Options};
use kuryr_config::{CloudSettings, Settings, Sources};
use kuryr_conformance::embedded::DIFFERENCES;
use kuryr_conformance::{Client, Plan, Verdict, all, line, prepare, run, summary};
use kuryr_neutron::HostId;
use kuryr_openstack::InProcess;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_cloud_answers_as_neutron_does() -> Result<()> {
    let state = tempfile::tempdir()?;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")?.trim().to_owned();
    let options = Options::new(state.path().to_owned(), HostId(host), "http://cloud.test:9696".parse()?);
    let cloud = Cloud::open(Options { dataplane: false, ..options }).await?;
    let client = Client::connect(Arc::new(InProcess::new(cloud.router())), &settings(state.path())?).await?;
    let transcripts = std::env::var_os("KURYR_CONFORMANCE_TRANSCRIPTS").map(Into::into);
    let plan = Plan { filter: std::env::var("KURYR_CONFORMANCE_FILTER").ok(), parallel: 4, transcripts };
    prepare(&plan)?;
    let reports = run(&all(), Arc::new(client), None, &plan, |_| {}).await;
    println!("{}", summary(&reports));
    let mut wrong = Vec::new();
    for report in &reports {
        let known = DIFFERENCES.iter().find(|difference| difference.case == report.name);
        match (&report.verdict, known) {
            (Verdict::Fail(_), Some(known)) => println!("differs on purpose: {}: {}", report.name, known.reason),
            (Verdict::Fail(_), None) => wrong.push(line(report)),
            (Verdict::Pass, Some(_)) => {
                wrong.push(format!("{} holds; take it off the list of differences", report.name))
            }
            (Verdict::Skip(_), _) => println!("{}", line(report)),
            (Verdict::Pass, None) => {}
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), summary(&reports));
    Ok(())
}

/// The cloud's own clouds.yaml, as any client would read it.
fn settings(state: &Path) -> Result<CloudSettings> {
    let mut sources = Sources::of_files([]);
    sources.environment.insert("OS_CLOUD".to_owned(), "kuryr".to_owned());
    let file = state.join("clouds.yaml").to_string_lossy().into_owned();
    sources.environment.insert("OS_CLIENT_CONFIG_FILE".to_owned(), file);
    let settings = Settings::load(&sources).map_err(|problems| anyhow!("{problems}"))?;
    settings.cloud.context("clouds.yaml names no cloud")
}
