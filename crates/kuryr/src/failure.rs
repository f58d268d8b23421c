//! How a command fails, and what the shell is told.

use kuryr_config::Diagnostics;
use std::{fmt, io::IsTerminal, process::ExitCode};

/// Why a command did not work.
#[derive(Debug)]
pub enum Failure {
    /// The configuration is wrong; nothing was started.
    Configuration(Diagnostics),
    /// The command does not fit the configuration; nothing was started.
    Usage {
        /// What is wrong.
        message: String,
        /// What to do.
        help: String,
    },
    /// It was tried and failed.
    Failed(anyhow::Error),
    /// It worked, and what it found is shown already: something is out of step.
    OutOfStep,
    /// It worked, and what it found is shown already: something does not work.
    Unfit,
}

impl Failure {
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), help: help.into() }
    }

    /// Tells the user, and gives the exit status: 1 for what failed, 2 for what was not begun, 3 for what was
    /// found out of step, 4 for what was found not to work.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Configuration(problems) => {
                anstream::eprintln!("{}", problems.render(colour()));
                ExitCode::from(2)
            }
            Self::Usage { .. } => {
                anstream::eprintln!("{self}");
                ExitCode::from(2)
            }
            Self::Failed(_) => {
                anstream::eprintln!("{self}");
                ExitCode::FAILURE
            }
            Self::OutOfStep => ExitCode::from(3),
            Self::Unfit => ExitCode::from(4),
        }
    }
}

/// Whether standard error shows colours.
pub fn colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(problems) => problems.fmt(f),
            Self::Usage { message, help } => write!(f, "error: {message}\n  help: {help}"),
            Self::Failed(error) => write!(f, "error: {}", told_once(error)),
            Self::OutOfStep => f.write_str("something is out of step"),
            Self::Unfit => f.write_str("something does not work"),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// The error and its causes, without those that the text before them tells already.
fn told_once(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        before if before.contains(&cause) => told,
        before => format!("{before}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_cause_is_told_once() {
        let busy = || std::io::Error::other("address in use");
        let bare: anyhow::Result<()> = Err(busy()).context("cannot listen");
        assert_eq!(Failure::from(bare.unwrap_err()).to_string(), "error: cannot listen: address in use");
        let told: anyhow::Result<()> = Err(busy()).context("127.0.0.1:9696: could not listen: address in use; choose");
        let text = "error: 127.0.0.1:9696: could not listen: address in use; choose";
        assert_eq!(Failure::from(told.unwrap_err()).to_string(), text);
    }
}
