//! The library openstacksdk, which other programs are made with: its script is `openstacksdk.py`.

use crate::{python, site::Site};
use std::process::Command;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openstacksdk_drives_every_resource() {
    // The library comes with the command.
    let Some(python) = python::with("openstacksdk_drives_every_resource", "python-openstackclient").await else {
        return;
    };
    let site = Site::serve().await;
    let clouds_yaml = site.clouds_yaml();
    let driven = tokio::task::spawn_blocking(move || {
        Command::new(python)
            .args(["-c", include_str!("openstacksdk.py")])
            .env("OS_CLIENT_CONFIG_FILE", clouds_yaml)
            .env("no_proxy", "127.0.0.1")
            .output()
            .unwrap()
    });
    let output = driven.await;
    site.stop().await;
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), "all done", "{}", String::from_utf8_lossy(&output.stderr));
}
