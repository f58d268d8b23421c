//! `kuryr check`.

use super::{Common, EmbeddedPlace, Sockets};
use clap::Args;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kuryr check                   # before the installation, or when something does not work
  sudo kuryr check              # sees more
  sudo kuryr check --json | jq -r '.checks[] | select(.result != \"fine\") | .remedy'

One line for each thing looked at, and what to do where it is not fine. Features of the kernel are
tried out in a network namespace that ends with this command; nothing else is changed. It works
whether or not Kuryr is installed, configured or running.

Exit status:
  0  all is fine
  1  the checks could not be made
  2  the command line is wrong
  3  there is a warning (!): Kuryr works, and somebody should look
  4  there is a failure (✗): Kuryr, or part of it, does not work

Keys of --json, which stay as they are:
  checks[]   check, result (fine, warning, failure), text, remedy (null where all is fine)")]
pub struct Checkup {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: EmbeddedPlace,
    #[command(flatten)]
    pub sockets: Sockets,
    #[command(flatten)]
    common: Common,
}
