//! `kuryr-conformance`: the suite against the cloud of `OS_*`, of clouds.yaml or of kuryr.conf.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use kuryr_config::{CloudSettings, Settings, Sources};
use kuryr_conformance::{Client, Plan, Verdict, all, compare, line, prepare, run, summary};
use kuryr_openstack::{Http, HttpOptions};

/// Ask a cloud many questions about its Neutron API and compare the answers with Neutron's own.
#[derive(Parser)]
struct Arguments {
    /// A cloud of clouds.yaml, as OS_CLOUD
    #[arg(long)]
    cloud: Option<String>,
    /// Another cloud of clouds.yaml: a member of another project, for cases of isolation
    #[arg(long)]
    other: Option<String>,
    /// The clouds.yaml, as OS_CLIENT_CONFIG_FILE
    #[arg(long)]
    clouds_file: Option<PathBuf>,
    /// A host of the cloud, for ports to be bound to [default: this machine]
    #[arg(long, env = "KURYR_RIG_HOST")]
    host: Option<String>,
    /// Only cases whose name contains this
    #[arg(long)]
    filter: Option<String>,
    /// How many cases run at once
    #[arg(long, default_value_t = 4)]
    parallel: usize,
    /// Write what was said in each case into files of this folder, for comparing clouds
    #[arg(long)]
    transcripts: Option<PathBuf>,
    /// Ask nobody, but tell what differs between two folders of transcripts
    #[arg(long, num_args = 2, value_names = ["FOLDER", "FOLDER"], conflicts_with_all = ["cloud", "transcripts"])]
    compare: Option<Vec<PathBuf>>,
    /// Only name the cases
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    match start(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn start(arguments: &Arguments) -> Result<bool> {
    if arguments.list {
        all().iter().for_each(|case| anstream::println!("{}", case.title()));
        return Ok(true);
    }
    if let Some([first, second]) = arguments.compare.as_deref() {
        let differences = compare(first, second)?;
        differences.lines().iter().for_each(|line| anstream::println!("{line}"));
        anstream::println!("{} answers compared", differences.answers);
        return Ok(true);
    }
    let plan = Plan {
        filter: arguments.filter.clone(),
        parallel: arguments.parallel,
        host: arguments.host.clone(),
        transcripts: arguments.transcripts.clone(),
    };
    prepare(&plan)?;
    let cloud = settings(arguments, arguments.cloud.as_deref())?;
    let other = arguments.other.as_deref().map(|name| settings(arguments, Some(name))).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let client = connect(&cloud).await?;
        let other = match other {
            Some(settings) => Some(connect(&settings).await?),
            None => None,
        };
        let reports = run(&all(), client, other, &plan, |report| {
            anstream::println!("{} ({:.1} s)", line(report), report.time.as_secs_f64());
        })
        .await;
        anstream::println!("{}", summary(&reports));
        Ok(!reports.iter().any(|report| matches!(report.verdict, Verdict::Fail(_))))
    })
}

fn settings(arguments: &Arguments, cloud: Option<&str>) -> Result<CloudSettings> {
    let mut sources = Sources::of_process(Vec::new(), Vec::new());
    if let Some(name) = cloud {
        sources.environment.retain(|variable, _| !variable.starts_with("OS_") || variable == "OS_CLIENT_CONFIG_FILE");
        sources.environment.insert("OS_CLOUD".to_owned(), name.to_owned());
    }
    if let Some(path) = &arguments.clouds_file {
        sources.environment.insert("OS_CLIENT_CONFIG_FILE".to_owned(), path.to_string_lossy().into_owned());
    }
    let settings = Settings::load(&sources).map_err(|problems| anyhow!("{problems}"))?;
    settings.cloud.context("no cloud is named: give --cloud, or set OS_CLOUD or OS_AUTH_URL")
}

async fn connect(settings: &CloudSettings) -> Result<Arc<Client>> {
    let transport = Http::new(&HttpOptions { tls: settings.tls.clone(), ..HttpOptions::default() })?;
    Ok(Arc::new(Client::connect(Arc::new(transport), settings).await?))
}
