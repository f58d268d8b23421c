//! `kuryr diff` and `kuryr gc`.

use super::{Common, EmbeddedPlace};
use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo kuryr diff
  sudo kuryr diff --all
  sudo kuryr diff --json | jq '.rows[] | select(.difference == \"not_in_docker\")'

Exit status is 3 when something is out of step, 0 when nothing is. Kuryr compares by itself too, at its
start and every [docker] reconcile_interval seconds; 'kuryr gc' does it now.

Keys of --json, which stay as they are:
  docker_answers     false: what only Docker knows was not judged
  rows[]             kind (network, subnet_pool, endpoint, security_group, floating_ip, interface), docker, neutron, kernel,
                     difference (none, young, unknown, not_in_neutron, not_in_docker, in_use,
                     not_in_kernel, only_in_kernel) and the ids of what it is")]
pub struct Diff {
    /// Show what agrees too
    #[arg(short, long)]
    pub all: bool,
    /// Print JSON, with everything
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: EmbeddedPlace,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo kuryr gc --dry-run
  sudo kuryr gc
  sudo kuryr gc --source-of-truth neutron   # take containers off networks whose port is gone

What was changed less than a minute ago is left alone, and so is everything that this host's Kuryr did
not make. Without an answer of Docker's nothing is removed that Docker might have.")]
pub struct Gc {
    /// Only say what would be removed
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Who is right where Docker and Neutron disagree: what the other has more is removed
    #[arg(long, value_name = "WHO", default_value = "docker")]
    pub source_of_truth: SourceOfTruth,
    #[command(flatten)]
    pub place: EmbeddedPlace,
    #[command(flatten)]
    common: Common,
}

/// Who is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SourceOfTruth {
    /// Ports without an endpoint are deleted
    Docker,
    /// Endpoints and networks without a counterpart in Neutron are taken from Docker
    Neutron,
}
