//! The real binary: what it prints, how it ends, and that it starts nothing when it should not.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod place;

use place::{Place, ended};
use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, process::Stdio};

const COMMANDS: [&[&str]; 12] = [
    &[],
    &["up"],
    &["docker"],
    &["serve"],
    &["cloud"],
    &["cloud", "purge"],
    &["status"],
    &["check"],
    &["explain"],
    &["config"],
    &["config", "check"],
    &["completion"],
];

#[test]
fn help_at_every_level_has_examples() {
    let place = Place::new();
    for command in COMMANDS {
        for flag in ["-h", "--help"] {
            let help = place.run(command.iter().chain([&flag]));
            assert_eq!(help.status, Some(0), "{command:?} {}", help.stderr);
            assert!(help.stdout.contains("Usage: kuryr") && help.stdout.contains("Example"), "{}", help.stdout);
        }
    }
    let bare = place.run::<&str>([]);
    assert_eq!(bare.status, Some(2));
    assert!(bare.stderr.contains("Commands:"), "{}", bare.stderr);
}

#[test]
fn version() {
    let version = Place::new().run(["--version"]);
    assert_eq!(version.status, Some(0));
    assert!(version.stdout.starts_with(concat!("kuryr ", env!("CARGO_PKG_VERSION"))), "{}", version.stdout);
}

#[test]
fn completion_for_every_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.run(["completion", shell]);
        assert_eq!((script.status, script.stderr.as_str()), (Some(0), ""), "{shell}");
        for word in ["status", "purge", "config-file"] {
            assert!(script.stdout.contains(word), "{shell} does not complete {word}");
        }
    }
    assert_eq!(place.run(["completion", "tcsh"]).status, Some(2));
}

#[test]
fn the_sample_passes_the_check() {
    let place = Place::new();
    let sample = place.run(["config", "sample"]);
    assert_eq!(sample.status, Some(0));
    let file = place.write("kuryr.conf", &sample.stdout);
    let check = place.run(["config", "check", &file]);
    assert_eq!((check.status, check.stderr.as_str()), (Some(0), ""));
    assert!(check.stdout.contains("the configuration is right"), "{}", check.stdout);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Place::new();
    let mut child = place.command().args(["config", "sample"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

const WRONG: &str =
    "[DEFAULT]\ncapabilty_scope = global\n[neutron]\nusername = kuryr\npassword = s3cret\n[cloud]\nmtu = wide\n";

#[test]
fn a_wrong_configuration_is_told_with_places_and_nothing_is_started() {
    let place = Place::new();
    let file = place.write("kuryr.conf", WRONG);
    for command in
        [&["up"][..], &["docker"], &["cloud"], &["cloud", "purge", "--yes"], &["status"], &["config", "check"]]
    {
        let ended = place.run(command.iter().chain([&"--config-file", &file.as_str()]));
        assert_eq!(ended.status, Some(2), "{command:?}: {}", ended.stderr);
        for expected in [
            format!("{file}:2:1").as_str(),
            "did you mean 'capability_scope'?",
            &format!("{file}:4:12"),
            "needs 'auth_url' beside it",
            &format!("{file}:7:7"),
            "expected a whole number from 1280 to 65535",
        ] {
            assert!(ended.stderr.contains(expected), "{command:?} does not say {expected}: {}", ended.stderr);
        }
        assert!(!ended.stderr.contains("s3cret") && ended.stdout.is_empty());
        place.assert_nothing_started();
    }
}

#[test]
fn files_may_be_named_before_and_behind_the_command() {
    let place = Place::new();
    let wrong = place.write("wrong.conf", "[cloud]\nmtu = wide\n");
    let right = place.write("right.conf", "[cloud]\nmtu = 1400\n");
    let check = |arguments: &[&str]| place.run(arguments).status;
    assert_eq!(
        check(&["--config-file", &wrong, "config", "check", "--config-file", &right]),
        Some(0),
        "the later wins"
    );
    assert_eq!(check(&["--config-file", &right, "config", "check", "--config-file", &wrong]), Some(2));
    assert_eq!(check(&["config", "check", &wrong, &right]), Some(0));
    fs::create_dir(place.path("d")).unwrap();
    place.write("d/a.conf", "[cloud]\nmtu = wide\n");
    assert_eq!(check(&["config", "check", "--config-dir", "d", "--config-file", &right]), Some(0));
    assert_eq!(check(&["config", "check", "--config-file", &right, "--config-dir", "d"]), Some(2));
    assert_eq!(check(&["config", "check", "--config-file", "absent"]), Some(2));
    assert_eq!(check(&["config", "check", "d"]), Some(2), "a folder is no file");
}

#[test]
fn checking_files_reads_nothing_else() {
    let place = Place::new();
    let file = place.write("right.conf", "[cloud]\nmtu = 1400\n");
    let output = place.command().env("OS_CLOUD__MTU", "wide").args(["config", "check", &file]).output().unwrap();
    assert_eq!(ended(output).status, Some(0));
    let output = place.command().env("OS_CLOUD__MTU", "wide").args(["config", "check"]).output().unwrap();
    let ended = ended(output);
    assert_eq!(ended.status, Some(2));
    assert!(ended.stderr.contains("from the environment variable OS_CLOUD__MTU"), "{}", ended.stderr);
}

#[test]
fn docker_without_a_cloud_says_how_to_have_one() {
    let place = Place::new();
    let ended = place.run(["docker"]);
    assert_eq!(ended.status, Some(2));
    for expected in ["no cloud is configured", "OS_CLOUD", "auth_url", "kuryr up"] {
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    }
    place.assert_nothing_started();
}

#[test]
fn up_with_another_cloud_points_to_docker() {
    let place = Place::new();
    let conf = "[neutron]\nauth_url = http://192.0.2.1:5000\nusername = u\npassword = p\n";
    let file = place.write("kuryr.conf", conf);
    let ended = place.run(["up", "--config-file", &file]);
    assert_eq!(ended.status, Some(2));
    assert!(ended.stderr.contains("kuryr docker") && ended.stderr.contains("--embedded"), "{}", ended.stderr);
    place.assert_nothing_started();
}

#[test]
fn status_of_nothing_says_so() {
    let place = Place::new();
    let ended = place.run(["status"]);
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""));
    assert!(ended.stderr.contains("kuryr up"), "{}", ended.stderr);
    place.assert_nothing_started();
}

#[test]
fn hostile_arguments() {
    let place = Place::new();
    let long = "x".repeat(100_000);
    let hostile: [&[&OsStr]; 12] = [
        &[OsStr::new("nonsense")],
        &[OsStr::new("--nonsense")],
        &[OsStr::new("up"), OsStr::new("now")],
        &[OsStr::new("status"), OsStr::new("--json=maybe")],
        &[OsStr::new("status"), OsStr::new("--log-format"), OsStr::new("xml")],
        &[OsStr::new("up"), OsStr::new("--api-listen"), OsStr::new("everywhere")],
        &[OsStr::new("cloud"), OsStr::new("--state-dir"), OsStr::new("x"), OsStr::new("purge")],
        &[OsStr::new("config"), OsStr::new("check"), OsStr::new("")],
        &[OsStr::new("config"), OsStr::new("check"), OsStr::from_bytes(b"\xff\xfe")],
        &[OsStr::from_bytes(b"\xff")],
        &[OsStr::new("config"), OsStr::new("check"), OsStr::new(&long)],
        &[OsStr::new("config"), OsStr::new("check"), OsStr::new("/dev/zero")],
    ];
    for arguments in hostile {
        let output = place.command().args(arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(!stderr.is_empty() && !stderr.contains("panicked"), "{stderr}");
    }
    place.assert_nothing_started();
}
