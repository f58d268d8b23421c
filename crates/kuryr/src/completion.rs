//! `kuryr completion`.

use crate::{cli::Cli, failure::Failure, output};
use clap::CommandFactory;
use clap_complete::Shell;

/// Prints a shell's script.
pub fn run(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "kuryr", &mut script);
    output::write(&script)
}
