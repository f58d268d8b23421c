//! `kuryr pool`.

use super::{Common, EmbeddedPlace, Sockets};
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  sudo kuryr pool list
  sudo kuryr pool drain blue

Ports are kept ready where [docker] vif_pool_driver is 'neutron'; [vif_pool] says how many."
)]
pub struct Pool {
    #[command(subcommand)]
    pub command: PoolCommand,
}

#[derive(Debug, Subcommand)]
pub enum PoolCommand {
    /// Show the ports that are kept ready on this host, and those that containers have of them
    List(List),
    /// Remove the ports that are kept ready on this host; containers keep theirs
    Drain(Drain),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo kuryr pool list
  sudo kuryr pool list --json | jq '.pools[] | [.network.name, .ready, .in_use]'

Neutron is asked, so it works whether or not Kuryr runs. What a container has just given back is in use
for a second more.

Keys of --json, which stay as they are:
  host, control_plane  whose ports these are
  pools[]              network (id, name), docker_networks[] (id, name), subnets[] (id, cidr),
                       security_groups[] (id, name), ready, in_use,
                       ports[] (id, state (ready, in_use), addresses[], mac_address, status,
                       container (id, name))")]
pub struct List {
    /// Print JSON
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
  sudo kuryr pool drain             # all of this host
  sudo kuryr pool drain blue        # those of one network: Docker's or Neutron's name or id

The Kuryr that serves Docker removes them; where none runs, this command does. Ports are made anew when
the next container of the network starts. Exit status is 1 when some are left; Kuryr goes on trying.")]
pub struct Drain {
    /// The network [default: all networks]
    #[arg(value_name = "NETWORK")]
    pub network: Option<String>,
    #[command(flatten)]
    pub place: EmbeddedPlace,
    #[command(flatten)]
    pub sockets: Sockets,
    #[command(flatten)]
    common: Common,
}
