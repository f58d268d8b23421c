//! schemathesis asks the cloud everything that `docs/openapi.json` says it answers, and much that it does not, and compares.
//!
//! The same requests in each run. `KURYR_SCHEMATHESIS_EXAMPLES` has more of them made up for each call, `KURYR_SCHEMATHESIS_SEED`
//! others.

use crate::{python, site::Site};
use std::{env, fs, path::Path, process::Command};

/// The version whose checks these are: others find other things.
const PACKAGE: &str = "schemathesis==4.32.5";

/// What is compared. Not `positive_data_acceptance`: no schema can say that an address must be in its subnet, so bodies that
/// fit their schema are refused too.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,negative_data_rejection,missing_required_header,unsupported_method,\
                      allow_header_conformance,use_after_free,ensure_resource_availability,ignored_auth";

/// Tags are one code for all that has them: networks' and security groups' stand for the others', which saves a quarter.
const TWINS: &str = "/(subnets|subnetpools|ports|routers|floatingips|policies|security_groups)/\\{id\\}/tags";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cloud_does_what_its_document_says() {
    let Some(python) = python::with("the_cloud_does_what_its_document_says", PACKAGE).await else { return };
    let site = Site::serve().await;
    let (url, token) = (site.url.clone(), site.token.clone());
    let outcome = tokio::task::spawn_blocking(move || ask(&python, &url, &token)).await;
    site.stop().await;
    if let Err(report) = outcome.unwrap() {
        panic!("{report}");
    }
}

fn ask(python: &Path, url: &str, token: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("schemathesis.toml");
    fs::write(&settings, format!("[headers]\nX-Auth-Token = \"{token}\"\n")).unwrap();
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let wish = |name: &str, usual: &str| env::var(name).unwrap_or_else(|_| usual.to_owned());
    let examples = wish("KURYR_SCHEMATHESIS_EXAMPLES", "2");
    let seed = wish("KURYR_SCHEMATHESIS_SEED", "2016");
    let output = Command::new(python)
        .args(["-c", "from schemathesis.cli import schemathesis; schemathesis()"])
        .arg("--config-file")
        .arg(&settings)
        .arg("run")
        .arg(document)
        .args([
            "--exclude-path-regex",
            TWINS,
            "--url",
            url,
            "--checks",
            CHECKS,
            "--seed",
            &seed,
            "--max-examples",
            &examples,
        ])
        .args(["--phases", "examples,coverage,fuzzing,stateful", "--continue-on-failure", "--no-shrink", "--no-color"])
        .args(["--warnings", "off", "--generation-database", "none", "--request-timeout", "60"])
        .current_dir(folder.path())
        .env("no_proxy", "127.0.0.1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() && said.contains("passed") {
        return Ok(());
    }
    Err(format!("{said}\n{}", String::from_utf8_lossy(&output.stderr)))
}
