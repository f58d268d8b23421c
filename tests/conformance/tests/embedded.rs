//! The whole suite against the embedded cloud: in this process and without a data plane, then a whole Kuryr with its
//! data plane on a private machine.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use kuryr_cloud::{Cloud, Options};
use kuryr_config::{CloudSettings, Settings, Sources};
use kuryr_conformance::embedded::DIFFERENCES;
use kuryr_conformance::{Case, Client, Plan, Report, Verdict, all, line, prepare, run, summary};
use kuryr_neutron::HostId;
use kuryr_openstack::{InProcess, Transport, Unix};
use kuryr_tests::{Host, Kuryr, Paths, skip};

/// Cases that a cloud without a data plane cannot hold.
const OF_DATA_PLANE: &[&str] = &["routers/have ports that come up"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_cloud_answers_as_neutron_does() -> Result<()> {
    let state = tempfile::tempdir()?;
    let options = Options::new(state.path().to_owned(), HostId("here".to_owned()), "http://cloud.test:9696".parse()?);
    let cloud = Cloud::open(Options { dataplane: false, ..options }).await?;
    let transport = Arc::new(InProcess::new(cloud.router()));
    let plan = Plan { host: Some("here".to_owned()), ..plan() };
    let mut cases = all();
    cases.retain(|case| !OF_DATA_PLANE.contains(&case.title().as_str()));
    judge(&ask(transport, &state.path().join("clouds.yaml"), &cases, &plan).await?)
}

/// Here the transcripts are written, for this is what a real Neutron is compared with.
#[test]
fn the_embedded_cloud_with_its_data_plane_does_too() -> Result<()> {
    let host = match Host::boot() {
        Ok(host) => host,
        Err(reason) => return skip(&format!("{reason:#}")),
    };
    let _kuryr = Kuryr::up(&host, "")?;
    let transport = Arc::new(Unix::new(&host.path(Paths::API))?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let transcripts = std::env::var_os("KURYR_CONFORMANCE_TRANSCRIPTS").map(Into::into);
    let name = host.run(&["hostname"])?.trim().to_owned();
    let plan = Plan { host: Some(name), transcripts, ..plan() };
    judge(&runtime.block_on(ask(transport, &host.path(Paths::CLOUDS), &all(), &plan))?)
}

fn plan() -> Plan {
    Plan { filter: std::env::var("KURYR_CONFORMANCE_FILTER").ok(), parallel: 4, ..Plan::default() }
}

async fn ask(transport: Arc<dyn Transport>, clouds: &Path, cases: &[Case], plan: &Plan) -> Result<Vec<Report>> {
    let client = Client::connect(transport, &settings(clouds)?).await?;
    prepare(plan)?;
    Ok(run(cases, Arc::new(client), None, plan, |_| {}).await)
}

fn judge(reports: &[Report]) -> Result<()> {
    println!("{}", summary(reports));
    let mut wrong = Vec::new();
    for report in reports {
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
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), summary(reports));
    Ok(())
}

/// The cloud's own clouds.yaml, as any client would read it.
fn settings(clouds: &Path) -> Result<CloudSettings> {
    let mut sources = Sources::of_files([]);
    sources.environment.insert("OS_CLOUD".to_owned(), "kuryr".to_owned());
    sources.environment.insert("OS_CLIENT_CONFIG_FILE".to_owned(), clouds.to_string_lossy().into_owned());
    let settings = Settings::load(&sources).map_err(|problems| anyhow!("{problems}"))?;
    settings.cloud.context("clouds.yaml names no cloud")
}
