//! The real binary under the names of the original's programs.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod place;

use place::{Ended, Place, ended};
use std::os::unix::fs::symlink;

/// Runs the program of this name, which is a symbolic link.
fn run(place: &Place, name: &str, words: &[&str]) -> Ended {
    let link = place.path(name);
    if !link.exists() {
        symlink(env!("CARGO_BIN_EXE_kuryr"), &link).unwrap();
    }
    ended(place.command_of(link.to_str().unwrap()).args(words).output().unwrap())
}

#[test]
fn the_server_ends_as_the_original_does() {
    let place = Place::new();
    let version = run(&place, "kuryr-server", &["--version"]);
    assert_eq!((version.status, version.stdout.lines().count()), (Some(0), 1));
    assert!(version.stdout.starts_with(env!("CARGO_PKG_VERSION")), "{}", version.stdout);
    assert!(run(&place, "kuryr-server", &["-h"]).stdout.contains("--log-config-append"));
    assert!(run(&place, "kuryr-server", &["--shell_completion", "bash"]).stdout.contains("kuryr-server"));
    place.write("kuryr.conf", "[DEFAULT]\ncapability_scope = nowhere\n");
    for (status, words) in [
        (2, &["--nonsense"][..]),
        (2, &["--log-file"]),
        (1, &["--config-file", "missing"]),
        (1, &["--config-file", "kuryr.conf"]),
        (1, &[]),
    ] {
        let ended = run(&place, "kuryr-server", words);
        assert_eq!(ended.status, Some(status), "{words:?}: {}", ended.stderr);
        assert!(!ended.stderr.is_empty());
    }
    place.assert_nothing_started();
}

#[test]
fn the_check_before_an_upgrade_ends_as_its_contract_says() {
    let place = Place::new();
    for words in [&[][..], &["upgrade"], &["nonsense"], &["upgrade", "nonsense"]] {
        assert_eq!(run(&place, "kuryr-status", words).status, Some(2), "{words:?}");
    }
    let check = |words: &[&str]| run(&place, "kuryr-status", words);
    // Nothing is configured: that works with the embedded cloud, and an operator should know.
    let warned = check(&["upgrade", "check"]);
    assert_eq!(warned.status, Some(1), "{}{}", warned.stdout, warned.stderr);
    assert!(warned.stdout.contains("| Upgrade Check Results") && warned.stdout.contains("| Check: Cloud"));

    place.write("kuryr.conf", "[neutron]\nauth_url = http://127.0.0.1:1\nusername = u\npassword = s3cret\n");
    let failed = check(&["--config-file", "kuryr.conf", "upgrade", "check", "--json"]);
    assert_eq!(failed.status, Some(2), "{}{}", failed.stdout, failed.stderr);
    let report: serde_json::Value = serde_json::from_str(&failed.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let cloud = checks.iter().find(|check| check["check"] == "Cloud").unwrap();
    assert_eq!(cloud["result"], 2, "{report}");
    assert!(!failed.stdout.contains("s3cret"));
    // The option stands before or behind the last word, as with the original.
    assert!(check(&["upgrade", "--json", "check"]).stdout.starts_with('{'));

    place.write("kuryr.conf", "[DEFAULT]\ncapability_scope = nowhere\n");
    let wrong = check(&["--config-file", "kuryr.conf", "upgrade", "check"]);
    assert_eq!(wrong.status, Some(2), "{}", wrong.stderr);
    assert!(wrong.stdout.contains("nowhere"), "{}", wrong.stdout);
}

#[test]
fn every_program_has_a_manual_page() {
    let place = Place::new();
    for name in ["kuryr", "kuryr-server", "kuryr-status"] {
        let page = place.run(["manual", name]);
        assert_eq!(page.status, Some(0), "{}", page.stderr);
        assert!(page.stdout.contains(&format!(".TH {name} 8")), "{}", page.stdout);
    }
    let page = place.run(["manual"]).stdout;
    for word in ["KURYR UP", "KURYR CLOUD PURGE", "Exit status", "/var/lib/kuryr/clouds.yaml"] {
        assert!(page.contains(word), "{word} is missing:\n{page}");
    }
}
