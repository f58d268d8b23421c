//! The real binary serving.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod place;

use place::{
    Place,
    serving::{PATIENCE, Serving, may_run, mode, notified, post, supervisor},
};
use rustix::process::{Signal, kill_process};
use std::{
    fs,
    os::unix::net::UnixListener,
    thread::sleep,
    time::{Duration, Instant},
};

#[test]
fn up_serves_alone_tells_systemd_and_ends_in_order() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let systemd = supervisor(&place);
    // Twice: the second start finds what the first has left.
    for _ in 0..2 {
        let up = Serving::start(&place, &["up", "--api-listen", "127.0.0.1:9696"]);
        assert_eq!(notified(&systemd, &place), "READY=1");
        let (plugin, api) = (place.path("plugins/kuryr.sock"), place.path("run/api.sock"));
        assert!(post(&plugin, "/Plugin.Activate").contains("NetworkDriver"));
        assert_eq!((mode(&plugin), mode(&api)), (0o600, 0o600));
        for folder in ["plugins", "run", "state"] {
            assert_eq!(mode(&place.path(folder)), 0o700, "{folder}");
        }
        for file in ["kuryr.db", "clouds.yaml"] {
            assert_eq!(mode(&place.path("state").join(file)), 0o600, "{file}");
        }

        let status = place.run(["status", "--json"]);
        assert_eq!(status.status, Some(0), "{}", status.stderr);
        let report: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
        assert_eq!(report["cloud"]["source"], "embedded cloud");
        assert!(report["networks"].as_array().is_some_and(Vec::is_empty), "{report}");
        assert_eq!(place.run(["status"]).status, Some(0));

        for second in [&["up"][..], &["cloud"], &["cloud", "purge", "--yes"]] {
            let refused = place.run(second);
            assert_eq!(refused.status, Some(1), "{second:?}: {}", refused.stderr);
            assert!(refused.stderr.contains(&format!("(process {}, kuryr)", up.pid())), "{}", refused.stderr);
        }

        assert_eq!(up.stop(Signal::TERM), Some(0));
        assert_eq!(notified(&systemd, &place), "STOPPING=1");
        assert!(!plugin.exists() && !api.exists());
        let after = place.run(["status"]);
        assert_eq!(after.status, Some(1));
        assert!(after.stderr.contains("is not running"), "{}", after.stderr);
    }
}

#[test]
fn docker_answers_while_its_cloud_does_not() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let systemd = supervisor(&place);
    place.write("kuryr.conf", "[neutron]\nauth_url = http://127.0.0.1:1\nusername = u\npassword = s3cret\n");
    let docker = Serving::start(&place, &["docker", "--config-file", "kuryr.conf", "--log-format", "json"]);
    assert_eq!(notified(&systemd, &place), "READY=1");
    assert!(post(&place.path("plugins/kuryr.sock"), "/NetworkDriver.GetCapabilities").contains("local"));
    let log = || fs::read_to_string(place.path("log")).unwrap();
    let begun = Instant::now();
    while !log().contains("the cloud cannot be used") {
        assert!(begun.elapsed() < PATIENCE, "{}", log());
        sleep(Duration::from_millis(20));
    }
    assert_eq!(docker.stop(Signal::INT), Some(0));
    assert!(!place.path("state").exists(), "the embedded cloud has no part in it");
    for line in log().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    assert!(!log().contains("s3cret"));
}

#[test]
fn purge_removes_the_state_and_nothing_else() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let systemd = supervisor(&place);
    let cloud = Serving::start(&place, &["cloud", "--api-listen", "127.0.0.1:9696"]);
    assert_eq!(notified(&systemd, &place), "READY=1");
    assert!(!place.path("plugins").exists(), "there is no plugin");
    assert_eq!(cloud.stop(Signal::TERM), Some(0));
    place.write("state/precious", "not Kuryr's");
    let unasked = place.run(["cloud", "purge", "--state"]);
    assert_eq!(unasked.status, Some(2), "{}", unasked.stderr);
    assert!(place.path("state/kuryr.db").exists());

    let mut purge = Serving::start(&place, &["cloud", "purge", "--state", "--yes"]);
    assert_eq!(purge.0.wait().unwrap().code(), Some(0), "{}", fs::read_to_string(place.path("log")).unwrap());
    let left: Vec<_> = fs::read_dir(place.path("state")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["precious"]);
}

#[test]
fn up_starts_nothing_when_dockers_socket_cannot_be_had() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let started = || ["state/kuryr.db", "state/clouds.yaml", "run"].into_iter().find(|name| place.path(name).exists());
    place.write("plugins", "a file, where the folder should be");
    let unwritable = place.run(["up", "--api-listen", "127.0.0.1:9696"]);
    assert_eq!(unwritable.status, Some(1), "{}", unwritable.stderr);
    assert!(unwritable.stderr.contains("plugins"), "{}", unwritable.stderr);
    assert_eq!(started(), None);

    fs::remove_file(place.path("plugins")).unwrap();
    fs::create_dir(place.path("plugins")).unwrap();
    let socket = place.path("plugins/kuryr.sock");
    let other = UnixListener::bind(&socket).unwrap();
    let busy = place.run(["up", "--api-listen", "127.0.0.1:9696"]);
    assert_eq!(busy.status, Some(1), "{}", busy.stderr);
    assert!(busy.stderr.contains("kuryr.sock"), "{}", busy.stderr);
    assert_eq!(started(), None);
    drop(other);
    assert!(socket.exists(), "it is the other's");
}

#[test]
fn a_log_file_that_was_moved_is_opened_again_at_sighup() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let systemd = supervisor(&place);
    let login = "[neutron]\nauth_url = http://127.0.0.1:1\nusername = u\npassword = s3cret\n";
    place.write("kuryr.conf", &format!("[DEFAULT]\nlog_dir = .\n{login}"));
    let docker = Serving::start(&place, &["docker", "--config-file", "kuryr.conf"]);
    assert_eq!(notified(&systemd, &place), "READY=1");
    let file = place.path("kuryr-server.log");
    fs::rename(&file, place.path("kuryr-server.log.1")).unwrap();
    place.write("kuryr.conf", &format!("[DEFAULT]\nlog_dir = .\n{login}timeout = 5\n"));
    kill_process(docker.pid(), Signal::HUP).unwrap();
    assert!(notified(&systemd, &place).starts_with("RELOADING=1"));
    assert_eq!(notified(&systemd, &place), "READY=1");
    let told = fs::read_to_string(&file).unwrap();
    // The cloud cannot be asked, so it refuses nothing.
    assert!(told.contains("changed=[neutron] timeout"), "{told}");
    assert_eq!(docker.stop(Signal::TERM), Some(0));
}
