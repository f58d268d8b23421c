//! What people do with Docker, and how it is done again and again.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::machine::Machine;
use crate::{Engine, IMAGE};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    NetworkCreate,
    Start,
    Stop,
    Restart,
    Connect,
    Disconnect,
    NetworkRemove,
    /// The first start on a network, for which ports are made ready.
    Fill,
}

/// By which Kuryr it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// One that has run for a while.
    Warm,
    /// One that has just been started and knows nothing.
    Cold,
    /// One that keeps ports ready.
    Ready,
}

/// What is done, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    pub deed: Deed,
    pub way: Way,
}

const BLUE: &str = "10.10.0.0/24";
/// Longer than between an answer and what is written behind it.
pub const QUIET: Duration = Duration::from_millis(1800);

impl Deed {
    const ALL: [Self; 7] = [
        Self::NetworkCreate,
        Self::Start,
        Self::Stop,
        Self::Restart,
        Self::Connect,
        Self::Disconnect,
        Self::NetworkRemove,
    ];
    const OF_READY: [Self; 3] = [Self::Fill, Self::Start, Self::Stop];

    fn name(self) -> &'static str {
        match self {
            Self::NetworkCreate => "network create",
            Self::Start => "start of a container that exposes a port",
            Self::Stop => "stop of a container that exposes a port",
            Self::Restart => "restart of a container",
            Self::Connect => "network connect",
            Self::Disconnect => "network disconnect",
            Self::NetworkRemove => "network rm",
            Self::Fill => "start of a network's first container",
        }
    }

    fn words(self) -> &'static [&'static str] {
        match self {
            Self::NetworkCreate => &[
                "network",
                "create",
                "--driver",
                "kuryr",
                "--ipam-driver",
                "kuryr",
                "--subnet",
                BLUE,
                "--gateway",
                "10.10.0.1",
                "blue",
            ],
            Self::Start | Self::Fill => {
                &["run", "--detach", "--name", "web", "--network", "blue", "--expose", "80", IMAGE, "sleep", "1000000"]
            }
            Self::Stop => &["stop", "--time", "0", "web"],
            Self::Restart => &["restart", "--time", "0", "web"],
            Self::Connect => &["network", "connect", "red", "web"],
            Self::Disconnect => &["network", "disconnect", "red", "web"],
            Self::NetworkRemove => &["network", "rm", "blue"],
        }
    }

    /// True when a second time must do what a failed first time has not.
    fn removes(self) -> bool {
        matches!(self, Self::Stop | Self::Disconnect | Self::NetworkRemove)
    }
}

impl Operation {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let of = |way: Way, deeds: &'static [Deed]| deeds.iter().map(move |deed| Self { deed: *deed, way });
        of(Way::Ready, &Deed::OF_READY).chain(of(Way::Warm, &Deed::ALL)).chain(of(Way::Cold, &Deed::ALL))
    }

    /// Whether it needs a Kuryr that keeps ports ready.
    pub fn keeps_ready(self) -> bool {
        self.way == Way::Ready
    }

    /// Makes what it needs, on an empty machine.
    pub fn prepare(self, machine: &mut Machine) -> Result<()> {
        self.prepare_engine(machine)?;
        // What is written behind now would be taken for a call of the operation.
        machine.site.proxy.calls(QUIET);
        Ok(())
    }

    fn prepare_engine(self, machine: &mut Machine) -> Result<()> {
        let docker = |words: &[&str]| machine.engine.docker(words).map(drop);
        docker(Deed::NetworkCreate.words())?;
        if self.deed == Deed::NetworkCreate {
            // The first one asks more than the next.
            return docker(Deed::NetworkRemove.words());
        }
        if matches!(self.deed, Deed::Stop | Deed::Restart | Deed::Connect | Deed::Disconnect) && !self.keeps_ready() {
            docker(Deed::Start.words())?;
        }
        if matches!(self.deed, Deed::Connect | Deed::Disconnect) {
            docker(&["network", "create", "-d", "kuryr", "--ipam-driver", "kuryr", "--subnet", "10.20.0.0/24", "red"])?;
        }
        if self.deed == Deed::Disconnect {
            docker(Deed::Connect.words())?;
        }
        if self.keeps_ready() && self.deed != Deed::Fill {
            // Its port is none of those that it makes Kuryr keep ready.
            docker(&["run", "--detach", "--name", "first", "--network", "blue", IMAGE, "sleep", "1000000"])?;
            machine.await_ready()?;
        }
        if self.deed == Deed::Stop && self.keeps_ready() {
            docker(Deed::Start.words())?;
        }
        if self.deed != Deed::NetworkRemove {
            machine.add_server(BLUE)?;
        }
        Ok(())
    }

    /// Does it. Inside: what Docker said if it failed.
    pub fn act(self, machine: &mut Machine) -> Result<Result<(), String>> {
        if self.way == Way::Cold {
            machine.kill()?;
        }
        machine.supervised(move |engine| attempt(engine, self.deed.words()))?
    }

    /// What a failed removal has not done is done the second time.
    pub fn finish(self, machine: &mut Machine) -> Result<()> {
        if !self.deed.removes() {
            return Ok(());
        }
        let done = attempt(&machine.engine, self.deed.words())?;
        // The first time did more than it could say.
        let is_done = |text: &String| text.contains("No such") || text.contains("is not connected");
        ensure!(done.as_ref().is_ok() || done.as_ref().is_err_and(is_done), "the second time: {done:?}");
        Ok(())
    }

    /// Makes the machine what it was before, whether it succeeded or not. `was_killed`: by a Kuryr that began anew.
    pub fn reset(self, machine: &mut Machine, was_killed: bool) -> Result<()> {
        if self.keeps_ready() && (was_killed || self.deed == Deed::Fill) {
            // What one process had ready, the next one keeps back at first; and what makes them rests after a refusal.
            machine.clear()?;
            machine.kill()?;
            return self.prepare(machine);
        }
        let engine = &machine.engine;
        match self.deed {
            Deed::NetworkCreate => {
                if engine.try_docker(&["network", "inspect", "blue"])?.status.success() {
                    engine.docker(Deed::NetworkRemove.words())?;
                }
            }
            Deed::Start | Deed::Fill => {
                // There is none if it could not even be made.
                engine.try_docker(&["rm", "--force", "web"])?;
            }
            Deed::Stop | Deed::Restart => drop(engine.docker(&["start", "web"])?),
            Deed::Connect if attempt(engine, Deed::Disconnect.words())?.is_err() => {
                // After a failure Docker half believes that it is connected.
                engine.docker(&["rm", "--force", "web"])?;
                engine.docker(Deed::Start.words())?;
            }
            Deed::Connect => {}
            Deed::Disconnect => {
                if engine.endpoint("web", "red").is_err() {
                    engine.docker(Deed::Connect.words())?;
                }
            }
            Deed::NetworkRemove => {
                if !engine.try_docker(&["network", "inspect", "blue"])?.status.success() {
                    engine.docker(Deed::NetworkCreate.words())?;
                }
            }
        }
        Ok(())
    }
}

fn attempt(engine: &Engine, words: &[&str]) -> Result<Result<(), String>> {
    let output = engine.try_docker(words)?;
    let text = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok(if output.status.success() { Ok(()) } else { Err(text()) })
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let way = match self.way {
            Way::Warm => "",
            Way::Cold => " by a Kuryr just started",
            Way::Ready => " with ready ports",
        };
        write!(f, "{}{way}", self.deed.name())
    }
}
