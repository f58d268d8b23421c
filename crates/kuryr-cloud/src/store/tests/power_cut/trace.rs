//! What a process did to the files of one folder, and what it said meanwhile, in order: strace's word.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

/// All ways to change a file that a program has; one that is used and not understood fails the test.
const CALLS: &str = "trace=openat,open,creat,pwrite64,write,writev,pwritev,pwritev2,fsync,fdatasync,sync_file_range,\
                     ftruncate,truncate,fallocate,unlink,unlinkat,rename,renameat,renameat2,link,linkat";

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A file came to be; names are those below the folder.
    Created(String),
    /// Bytes were written into the page cache.
    Wrote { name: String, offset: usize, data: Vec<u8> },
    /// A file has another length.
    Resized { name: String, length: usize },
    /// A file's name went.
    Removed(String),
    /// A file, or with an empty name the folder, is on the disk.
    Synced(String),
    /// The disk failed while a file was written to it.
    SyncFailed(String),
    /// The process said something on its standard output.
    Said(String),
}

/// Runs a program to its end and tells what it did below a folder. `faults` are further arguments of strace.
pub fn run(program: &mut Command, folder: &Path, faults: &[&str]) -> Vec<Event> {
    let scratch = tempfile::tempdir().unwrap();
    let log = scratch.path().join("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-y", "-xx", "-s", "1000000", "-e", "signal=none", "-e", CALLS]).args(faults);
    strace.arg("-o").arg(&log).arg(program.get_program()).args(program.get_args());
    strace.envs(program.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let output = strace.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    parse(&std::fs::read_to_string(log).unwrap(), folder)
}

fn parse(log: &str, folder: &Path) -> Vec<Event> {
    let mut begun = BTreeMap::new();
    let mut events = Vec::new();
    for line in log.lines() {
        let (thread, rest) = line.split_once(' ').unwrap();
        let rest = rest.trim_start();
        // A call that another thread's came between: it counts from when it ended.
        let whole = if let Some(start) = rest.strip_suffix(" <unfinished ...>") {
            begun.insert(thread.to_owned(), start.to_owned());
            continue;
        } else if let Some((_, end)) = rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            begun.remove(thread).unwrap() + end
        } else {
            rest.to_owned()
        };
        events.extend(event(&whole, folder));
    }
    events
}

/// `name(arguments) = result`.
fn event(call: &str, folder: &Path) -> Option<Event> {
    let (name, rest) = call.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(") = ").or_else(|| rest.rsplit_once(" = "))?;
    let arguments: Vec<&str> = arguments.trim_end_matches([')', ' ']).split(", ").collect();
    let failed = result.starts_with('-');
    let below = |path: PathBuf| Some(path.strip_prefix(folder).ok()?.to_str().unwrap().to_owned());
    if name == "write" && arguments[0].starts_with("1<") {
        return Some(Event::Said(String::from_utf8(bytes(arguments[1])).unwrap()));
    }
    let file = match name {
        "openat" => below(text(arguments[1]).into()),
        "unlink" => below(text(arguments[0]).into()),
        _ => below(open_file(arguments[0])),
    }?;
    match name {
        "openat" if arguments[2].contains("O_CREAT") && !failed => Some(Event::Created(file)),
        "openat" => None,
        "unlink" => (!failed).then_some(Event::Removed(file)),
        "fsync" | "fdatasync" if failed => Some(Event::SyncFailed(file)),
        "fsync" | "fdatasync" => Some(Event::Synced(file)),
        _ if failed => None,
        "ftruncate" => Some(Event::Resized { name: file, length: arguments[1].parse().unwrap() }),
        "pwrite64" => {
            let mut data = bytes(arguments[1]);
            // As much as the kernel took.
            data.truncate(result.split(' ').next().unwrap().parse().unwrap());
            Some(Event::Wrote { name: file, offset: arguments[3].parse().unwrap(), data })
        }
        _ => panic!("{name} of {file} is not understood"),
    }
}

/// The path of `7<path>`.
fn open_file(descriptor: &str) -> PathBuf {
    let path = descriptor.split_once('<').map_or("", |(_, path)| path.trim_end_matches('>'));
    text(path).trim_end_matches("(deleted)").into()
}

fn text(quoted: &str) -> String {
    String::from_utf8(bytes(quoted)).unwrap()
}

/// The bytes of `"\x41\x42"`.
fn bytes(quoted: &str) -> Vec<u8> {
    let digits = quoted.trim_matches('"').split("\\x").skip(1);
    digits.map(|digits| u8::from_str_radix(&digits[..2], 16).unwrap()).collect()
}
