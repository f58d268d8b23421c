//! Arrows between the rooms: dependencies point downwards only.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::Report;
use crate::workspace::Workspace;

/// Each room, from the ground up, and the rooms it may use. For its own tests a room may also use any that stands
/// before it in this list.
const ROOMS: &[(&str, &[&str])] = &[
    ("kuryr-neutron", &[]),
    ("kuryr-netlink", &[]),
    ("kuryr-ovsdb", &[]),
    ("kuryr-http", &[]),
    ("kuryr-config", &[]),
    ("kuryr-cloud", &["kuryr-neutron", "kuryr-netlink", "kuryr-http"]),
    // Its tests may ask the embedded cloud; neither room's product code knows the other.
    ("kuryr-openstack", &["kuryr-neutron", "kuryr-config"]),
    ("kuryr-binding", &["kuryr-neutron", "kuryr-netlink", "kuryr-ovsdb"]),
    ("kuryr-publish", &["kuryr-netlink"]),
    ("kuryr-ports", &["kuryr-neutron", "kuryr-openstack", "kuryr-binding", "kuryr-publish"]),
    (
        "kuryr-docker",
        &[
            "kuryr-neutron",
            "kuryr-ports",
            "kuryr-openstack",
            "kuryr-binding",
            "kuryr-publish",
            "kuryr-http",
            "kuryr-config",
        ],
    ),
    ("kuryr-metrics", &["kuryr-openstack"]),
    ("kuryr-ui", &["kuryr-neutron", "kuryr-openstack", "kuryr-ports", "kuryr-docker"]),
    (
        "kuryr",
        &[
            "kuryr-neutron",
            "kuryr-netlink",
            "kuryr-http",
            "kuryr-config",
            "kuryr-openstack",
            "kuryr-cloud",
            "kuryr-binding",
            "kuryr-ports",
            "kuryr-docker",
            "kuryr-metrics",
            "kuryr-ui",
        ],
    ),
    // The tests drive the binary from outside: they know the cloud only by its client.
    ("kuryr-tests", &["kuryr-neutron", "kuryr-netlink", "kuryr-config", "kuryr-openstack"]),
    // Cases for any cloud; the embedded one is only what they are tried on.
    ("kuryr-conformance", &["kuryr-neutron", "kuryr-config", "kuryr-openstack"]),
    ("xtask", &[]),
];

/// Check the arrows and the root's list of dependencies.
pub fn check(workspace: &Workspace, report: &mut Report) -> Result<()> {
    for package in &workspace.packages {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        check_package(workspace, package, manifest, report)?;
    }
    check_reasons(workspace, report)
}

fn check_package(workspace: &Workspace, package: &Value, manifest: &Path, report: &mut Report) -> Result<()> {
    let text = fs::read_to_string(manifest)?;
    let file = workspace.shown(manifest);
    let name = package["name"].as_str().unwrap_or_default();
    let Some(place) = ROOMS.iter().position(|(room, _)| *room == name) else {
        report.error(
            file,
            line_of(&text, "name"),
            format!("room {name} has no place in the house; add it to ROOMS in xtask/src/tidy/rooms.rs"),
        );
        return Ok(());
    };
    let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
    for dependency in dependencies.iter().filter(|dependency| dependency["path"].is_string()) {
        let used = dependency["name"].as_str().unwrap_or_default();
        let for_tests = dependency["kind"].as_str() == Some("dev");
        let below = ROOMS.iter().position(|(room, _)| *room == used).is_some_and(|other| other < place);
        if !(ROOMS[place].1.contains(&used) || for_tests && below) {
            report.error(
                file,
                line_of(&text, used),
                format!("{name} must not depend on {used}; it may use: {}", ROOMS[place].1.join(", ")),
            );
        }
    }
    if !text.contains("[lints]\nworkspace = true") {
        report.error(file, 1, "the workspace's lints are not switched on; add [lints] workspace = true");
    }
    Ok(())
}

fn check_reasons(workspace: &Workspace, report: &mut Report) -> Result<()> {
    let text = fs::read_to_string(workspace.root.join("Cargo.toml"))?;
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        } else if inside && line.contains('=') && !line.contains("path =") && !line.contains(" # ") {
            let name = line.split('=').next().unwrap_or_default().trim();
            report.error(
                Path::new("Cargo.toml"),
                index + 1,
                format!("{name} is a dependency without a reason; end the line with # why"),
            );
        }
    }
    Ok(())
}

fn line_of(text: &str, word: &str) -> usize {
    text.lines().position(|line| line.trim_start().starts_with(word)).map_or(1, |index| index + 1)
}
