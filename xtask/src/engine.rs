//! The machine's container engine: used when it answers; otherwise started here, remembered, and later taken down again.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command::{find, output};
use crate::screen::Screen;

/// Where clients expect the engine.
const SOCKET: &str = "/run/docker.sock";
/// How long an engine may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// The bridge that Docker makes at its start and leaves behind at its end.
const BRIDGE: &str = "docker0";

/// An engine that this command may have started.
pub struct Engine {
    run: PathBuf,
    state: PathBuf,
}

impl Engine {
    /// `run` keeps what must not survive a reboot, `state` images and containers.
    pub fn new(run: &Path, state: &Path) -> Self {
        Self { run: run.to_owned(), state: state.join("engine") }
    }

    /// Use the engine that answers, or start one.
    pub fn ensure(&self, screen: &Screen) -> Result<()> {
        if answers() {
            return Ok(());
        }
        screen.say("No container engine answers on this machine; dockerd is started for the demo now.");
        screen.step("start dockerd", |progress| {
            fs::create_dir_all(&self.run).with_context(|| format!("cannot make {}", self.run.display()))?;
            let log = self.run.join("dockerd.log");
            let out = fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
            // An engine of ours that was killed had found the machine as it was before.
            let before = self.recall().map_or_else(Before::now, |memory| memory.before);
            let program = find("dockerd").context("dockerd is not installed")?;
            let mut child = Command::new(program)
                .arg("--data-root")
                .arg(&self.state)
                .arg("--exec-root")
                .arg(self.run.join("engine"))
                .arg("--pidfile")
                .arg(self.run.join("docker.pid"))
                .args(["-H", &format!("unix://{SOCKET}")])
                .stdin(Stdio::null())
                .stdout(out.try_clone()?)
                .stderr(out)
                // A group of its own: an interrupted demo must not take the engine along before it is cleaned up.
                .process_group(0)
                .spawn()
                .context("cannot run dockerd")?;
            self.remember(child.id(), &before)?;
            let started = Instant::now();
            while !answers() {
                if let Some(status) = child.try_wait()? {
                    bail!("dockerd ended with {status}; its last lines:\n{}", tail(&log));
                }
                if started.elapsed() > PATIENCE {
                    bail!("dockerd does not answer after {} s; its last lines:\n{}", PATIENCE.as_secs(), tail(&log));
                }
                progress.note("waiting for an answer");
                std::thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        })
    }

    /// Whether the engine was started by a demo and has not been stopped since.
    pub fn is_ours(&self) -> bool {
        self.memory().exists()
    }

    /// Stop the engine that a demo started, and remove what it left on the machine.
    pub fn stop(&self, screen: &Screen) -> Result<()> {
        let Some(Memory { pid, birth, before }) = self.recall() else { return Ok(()) };
        screen.step("stop the dockerd that the demo started", |_| {
            if started_at(pid).is_some_and(|time| time == birth) {
                end(pid, &birth)?;
            }
            before.restore();
            fs::remove_file(self.memory())?;
            Ok(())
        })
    }

    fn recall(&self) -> Option<Memory> {
        let text = fs::read_to_string(self.memory()).ok()?;
        let mut lines = text.lines();
        let pid = lines.next()?.parse().ok()?;
        let birth = lines.next()?.to_owned();
        Some(Memory { pid, birth, before: Before::parse(&mut lines) })
    }

    fn memory(&self) -> PathBuf {
        self.run.join("dockerd.started")
    }

    fn remember(&self, pid: u32, before: &Before) -> Result<()> {
        let birth = started_at(pid).context("dockerd ended at once")?;
        let path = self.memory();
        fs::write(&path, format!("{pid}\n{birth}\n{}", before.text()))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The engine that a demo started.
struct Memory {
    pid: u32,
    birth: String,
    before: Before,
}

/// What dockerd changes on a machine and does not change back.
struct Before {
    bridge: bool,
    forwarding: String,
    policy: String,
}

impl Before {
    fn now() -> Self {
        let policy = output("iptables", &["-S", "FORWARD"]).unwrap_or_default();
        Self {
            bridge: Path::new("/sys/class/net").join(BRIDGE).exists(),
            forwarding: fs::read_to_string(FORWARDING).unwrap_or_default().trim().to_owned(),
            policy: policy.lines().next().unwrap_or_default().rsplit(' ').next().unwrap_or_default().to_owned(),
        }
    }

    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.bridge, self.forwarding, self.policy)
    }

    fn parse<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Self {
        let mut next = || lines.next().unwrap_or_default().to_owned();
        Self { bridge: next() != "false", forwarding: next(), policy: next() }
    }

    /// Best effort: each of these may already be gone.
    fn restore(&self) {
        if self.bridge {
            // Docker had been here before; what looks like a trace may be somebody's.
            return;
        }
        drop(output("ip", &["link", "delete", BRIDGE]));
        for program in ["iptables", "ip6tables"] {
            remove_chains(program);
        }
        if !self.policy.is_empty() {
            drop(output("iptables", &["-P", "FORWARD", &self.policy]));
        }
        if !self.forwarding.is_empty() {
            drop(fs::write(FORWARDING, &self.forwarding));
        }
    }
}

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// Remove Docker's chains and the rules that lead to them or name its bridge.
fn remove_chains(program: &str) {
    for table in ["filter", "nat"] {
        let Ok(rules) = output(program, &["-t", table, "-S"]) else { continue };
        let words = |rule: &str| -> Vec<String> { rule.split_whitespace().map(str::to_owned).collect() };
        let run = |action: &str, words: &[String]| {
            let mut args = vec!["-t", table, action];
            args.extend(words.iter().map(String::as_str));
            drop(output(program, &args));
        };
        for rule in
            rules.lines().filter(|rule| rule.starts_with("-A") && rule.contains("DOCKER") || rule.contains(BRIDGE))
        {
            run("-D", &words(rule)[1..]);
        }
        let chains: Vec<Vec<String>> =
            rules.lines().filter(|rule| rule.starts_with("-N DOCKER")).map(|rule| words(rule)[1..].to_vec()).collect();
        chains.iter().for_each(|chain| run("-F", chain));
        chains.iter().for_each(|chain| run("-X", chain));
    }
}

/// Whether an engine answers on the usual socket.
pub fn answers() -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = UnixStream::connect(SOCKET)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(answer.ends_with(b"200"))
    };
    ask().unwrap_or(false)
}

/// When a process was started, in the kernel's ticks: together with the pid it names one process for ever.
fn started_at(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit(')').next()?;
    after_name.split_whitespace().nth(19).map(str::to_owned)
}

fn end(pid: u32, birth: &str) -> Result<()> {
    for signal in ["-TERM", "-KILL"] {
        drop(output("kill", &[signal, &pid.to_string()]));
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let gone = started_at(pid).is_none_or(|time| time != birth);
            // Our own child stays as a zombie until this command ends.
            if gone || state.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    bail!("dockerd (pid {pid}) does not end")
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].iter().map(|line| format!("    | {line}")).collect::<Vec<_>>().join("\n")
}
