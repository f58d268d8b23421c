//! Namespaces made and removed inside a mount namespace of the test's own: nothing is left on the machine.

use super::*;
use crate::Links;
use std::{os::unix::fs::MetadataExt, path::PathBuf};

/// Runs a test on a thread whose mounts are its own.
fn with_own_mounts(test: impl FnOnce(&Path) + Send) {
    let directory = tempfile::tempdir().unwrap();
    on_thread(|| {
        // SAFETY: this thread's file system context is unshared too; no other thread of the test uses it.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::NEWNET) }.unwrap();
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", private).unwrap();
        test(directory.path());
    })
    .unwrap();
}

fn identity(namespace: &Namespace) -> (u64, u64) {
    namespace.identity().unwrap()
}

fn shared_mounts() -> Vec<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let shared = mounts.lines().filter(|line| line.contains(" shared:"));
    shared.filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from).collect()
}

#[test]
fn creating_twice_is_creating_once_and_removing_twice_is_removing_once() {
    with_own_mounts(|directory| {
        let path = directory.join("run/netns/kuryr");
        let first = Namespace::create(&path).unwrap();
        let second = Namespace::create(&path).unwrap();
        assert_eq!(identity(&first), identity(&second));
        assert_ne!(identity(&first), identity(&Namespace::current().unwrap()));
        assert_eq!(identity(&Namespace::open(&path).unwrap()), identity(&first));
        assert!(shared_mounts().contains(&directory.join("run/netns")), "{:?}", shared_mounts());

        Namespace::remove(&path).unwrap();
        assert!(!path.exists());
        Namespace::remove(&path).unwrap();
        Namespace::remove(&directory.join("no/such/directory/x")).unwrap();
        assert!(Namespace::open(&path).unwrap_err().is_not_found());
        let third = Namespace::create(&path).unwrap();
        assert_ne!(identity(&third), identity(&first), "the first still lives by its handle");
    });
}

#[test]
fn a_file_left_by_a_crash_becomes_a_namespace() {
    with_own_mounts(|directory| {
        let path = directory.join("kuryr");
        std::fs::write(&path, "").unwrap();
        assert!(matches!(Namespace::open(&path).unwrap_err().cause, Cause::Invalid(_)));
        let made = Namespace::create(&path).unwrap();
        assert_eq!(identity(&Namespace::open(&path).unwrap()), identity(&made));
    });
}

#[test]
fn many_creators_of_one_name_get_one_namespace() {
    with_own_mounts(|directory| {
        let path = directory.join("kuryr");
        let made: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| identity(&Namespace::create(&path).unwrap()))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(made.iter().all(|identity| *identity == made[0]), "{made:?}");
    });
}

#[test]
fn iproute2_and_we_understand_each_other() {
    with_own_mounts(|directory| {
        let path = directory.join("netns/made-here");
        Namespace::create(&path).unwrap();
        // iproute2 knows one directory only; here it is the test's own.
        rustix::mount::mount("none", "/run", "tmpfs", rustix::mount::MountFlags::empty(), None).unwrap();
        std::fs::create_dir_all("/run/netns").unwrap();
        rustix::mount::mount_bind_recursive(directory.join("netns"), "/run/netns").unwrap();
        let ip = |arguments: &[&str]| std::process::Command::new("ip").args(arguments).output().unwrap();
        let added = ip(&["-n", "made-here", "link", "add", "br0", "type", "bridge"]);
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let ours = Namespace::open(Path::new("/run/netns/made-here")).unwrap();
        assert!(Links::open_in(&ours).unwrap().get("br0").unwrap().is_some());
        assert!(ip(&["netns", "add", "made-there"]).status.success());
        let theirs = Path::new("/run/netns/made-there");
        let identity_there = std::fs::metadata(theirs).unwrap().ino();
        assert_eq!(identity(&Namespace::create(theirs).unwrap()).1, identity_there);
        Namespace::remove(theirs).unwrap();
        assert!(!String::from_utf8(ip(&["netns", "list"]).stdout).unwrap().contains("made-there"));
    });
}

#[test]
fn work_runs_inside_and_the_caller_stays_outside() {
    let outside = Namespace::current().unwrap();
    let inside = Namespace::anonymous().unwrap();
    let seen = inside.run(|| identity(&Namespace::current().unwrap())).unwrap();
    assert_eq!(seen, identity(&inside));
    assert_eq!(identity(&Namespace::current().unwrap()), identity(&outside));
    assert_eq!(identity(&inside.try_clone().unwrap()), identity(&inside));
    assert_eq!(identity(&Namespace::open_pid(std::process::id()).unwrap()), identity(&outside));
}

#[test]
fn only_another_namespace_takes_the_right_to_enter() {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let inside = Namespace::anonymous().unwrap();
    Namespace::may_be_entered().unwrap();
    on_thread(|| {
        let mut own = capabilities(None).unwrap();
        own.effective.remove(CapabilitySet::SYS_ADMIN);
        set_capabilities(None, own).unwrap();
        let here = Namespace::current().unwrap();
        assert_eq!(here.run(|| identity(&Namespace::current().unwrap())).unwrap(), identity(&here));
        assert!(inside.run(|| ()).is_err() && Namespace::may_be_entered().is_err());
    })
    .unwrap();
}

#[test]
fn a_panic_inside_is_an_error_outside() {
    let error = Namespace::anonymous().unwrap().run(|| assert!(std::hint::black_box(false))).unwrap_err();
    assert!(matches!(error.cause, Cause::Thread(_)), "{error}");
}

#[test]
fn what_is_no_namespace_is_refused_with_its_path() {
    let error = Namespace::open(Path::new("/proc/version")).unwrap_err();
    assert_eq!(error.to_string(), "open namespace /proc/version: the file is not a network namespace");
    let error = Namespace::open(Path::new("/proc/self/ns/mnt")).unwrap_err();
    assert!(matches!(error.cause, Cause::Invalid(_)), "{error}");
    assert!(Namespace::open_pid(u32::MAX).unwrap_err().is_not_found());
    assert!(Namespace::create(Path::new("relative")).is_err());
}
