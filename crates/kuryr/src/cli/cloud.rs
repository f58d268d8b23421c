//! `kuryr cloud` and what is below it.

use super::{Common, EmbeddedPlace};
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  sudo kuryr cloud                  # run it, without the Docker plugin
  sudo kuryr cloud backup FILE      # its database, while it runs or not
  sudo kuryr cloud purge            # remove its bridges, namespaces and rules from this kernel
  sudo kuryr cloud purge --state    # and its database too"
)]
pub struct Cloud {
    #[command(subcommand)]
    pub command: Option<CloudCommand>,
    #[command(flatten)]
    pub place: EmbeddedPlace,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
pub enum CloudCommand {
    /// Write the embedded cloud's database to a file, while it runs or not
    #[command(after_help = "\
The file is whole and consistent, for its owner alone, and appears under its name when it is on the
disk. It holds secrets: passwords' hashes and the key that signs tokens. Reads are answered meanwhile,
writes wait for some hundredths of a second.

Example:
  sudo kuryr cloud backup /root/kuryr-$(date +%F).db")]
    Backup(Backup),
    /// Put a backup in the place of the database of an embedded cloud that does not run
    #[command(after_help = "\
What is there is kept beside it. The next 'kuryr up' brings tables of an older version up to date and the
kernel in step; containers whose ports are not in the backup lose their network.

Examples:
  sudo systemctl stop kuryr && sudo kuryr cloud restore /root/kuryr-2026-11-22.db
  sudo kuryr cloud restore --yes /var/lib/kuryr/kuryr.db.before-v9   # back to the program before")]
    Restore(Restore),
    /// Remove what the embedded cloud made in this kernel: bridges, namespaces, firewall rules
    #[command(after_help = "\
Containers on the embedded cloud's networks lose them at once. Without --state, networks and ports
stay in the database, and the next 'kuryr up' makes them anew.

Examples:
  sudo kuryr cloud purge
  sudo kuryr cloud purge --state --yes")]
    Purge(Purge),
}

#[derive(Debug, Args)]
pub struct Backup {
    /// The file to write; one that is there is replaced
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Folder of the embedded cloud's database [default: /var/lib/kuryr]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state_dir: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub struct Restore {
    /// What 'kuryr cloud backup' wrote, or the copy from before an upgrade
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Folder of the embedded cloud's database [default: /var/lib/kuryr]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state_dir: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub struct Purge {
    /// Remove the database too: networks, ports, users and all
    #[arg(long)]
    pub state: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Folder of the embedded cloud's database [default: /var/lib/kuryr]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state_dir: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}
