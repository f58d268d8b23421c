//! One thing goes wrong once.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::call::Call;
use super::fault::Fault;
use super::machine::Machine;
use super::operation::Operation;

/// What is written behind comes within this, also if others go first.
const BEHIND: Duration = Duration::from_secs(12);

/// Within what Kuryr says when a call that nobody holds up takes longer than it may: the machine has too much to do.
pub const TOO_SLOW: &str = "gave no answer within";

/// What goes wrong.
#[derive(Debug, Clone)]
pub enum Wrong {
    /// A call.
    Call(Call, Fault),
    /// Kuryr dies right after Docker has got its answer.
    KillAfterAnswer,
}

impl Wrong {
    /// Whether it is our own process that ends.
    pub fn is_kill(&self) -> bool {
        matches!(self, Self::KillAfterAnswer) || matches!(self, Self::Call(_, fault) if fault.is_kill())
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Call(call, fault) => write!(f, "{call}: {fault}"),
            Self::KillAfterAnswer => f.write_str("kill -9 right after the answer to Docker"),
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Whether the call came.
    pub came: bool,
    /// Everything was in step so long after Docker had its answer.
    pub in_step: Duration,
}

/// Lets it go wrong in an operation on a machine that is prepared for it, and is again afterwards. An error is something
/// left over.
pub fn run(machine: &mut Machine, operation: Operation, wrong: &Wrong) -> Result<Outcome> {
    let (done, came) = match wrong {
        Wrong::Call(call, fault) => {
            machine.arm(call, *fault);
            let done = operation.act(machine);
            let may_be_behind = call.behind || !call.only_asks();
            let came = may_be_behind && done.is_ok() && machine.site.proxy.await_hit(BEHIND).is_ok();
            let came = machine.site.proxy.disarm() || came;
            if came && fault.is_kill() {
                machine.await_kill()?;
            }
            (done?, came)
        }
        Wrong::KillAfterAnswer => {
            let done = operation.act(machine)?;
            machine.kill()?;
            (done, true)
        }
    };
    if let Err(text) = &done {
        ensure!(came || text.contains(TOO_SLOW), "failed although nothing went wrong: {text}");
        if let Wrong::Call(call, fault) = wrong
            && came
            && !fault.is_kill()
            && !call.name.ends_with("auth/tokens")
        {
            ensure!(text.contains("req-"), "the error names no request: {text}");
        }
        operation.finish(machine)?;
    }
    let told = || format!("Docker was told {done:?}");
    let in_step = machine.in_step().with_context(told)?;
    let reset = operation.reset(machine, wrong.is_kill());
    or_again(machine, operation, reset).context("could not be made as it was").with_context(told)?;
    Ok(Outcome { came, in_step })
}

/// Makes what an operation needs, on an empty machine.
pub fn prepare(machine: &mut Machine, operation: Operation) -> Result<()> {
    let prepared = operation.prepare(machine);
    or_again(machine, operation, prepared)
}

/// What a machine was too slow for is done again, from an empty one.
fn or_again(machine: &mut Machine, operation: Operation, done: Result<()>) -> Result<()> {
    match done {
        Err(error) if format!("{error:#}").contains(TOO_SLOW) => {
            machine.clear()?;
            operation.prepare(machine)
        }
        done => done,
    }
}
