//! The command line.

mod check;
mod cloud;
mod comparison;
mod explain;
mod pool;
mod ui;

use crate::names::Name;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use std::{net::SocketAddr, path::PathBuf};

pub use check::Checkup;
pub use cloud::{Backup, Cloud, CloudCommand, Purge, Restore};
pub use comparison::{Diff, Gc, SourceOfTruth};
pub use explain::Explain;
pub use pool::{Drain, List, Pool, PoolCommand};
pub use ui::Ui;

/// Version, and the commit it was built from where that is known.
pub const VERSION: &str = env!("KURYR_VERSION");

const EXAMPLES: &str = "\
Examples:
  # Docker containers on Neutron networks, on this machine, with nothing else installed:
  sudo kuryr up
  docker network create -d kuryr --ipam-driver kuryr --subnet 10.0.0.0/24 --gateway 10.0.0.1 blue
  docker run --rm -it --network blue busybox
  sudo kuryr status

  # The same on an OpenStack cloud, which kuryr.conf, clouds.yaml or OS_* variables name:
  sudo kuryr docker

Exit status:
  0  it worked
  1  it failed
  2  the command line or the configuration is wrong; nothing was started
  3  'kuryr diff' found a difference, 'kuryr gc' something that it could not remove, 'kuryr check' a
     warning, 'kuryr explain' no way
  4  'kuryr check' found a failure";

/// Real Neutron ports for containers.
///
/// Kuryr gives containers interfaces on Neutron networks: with addresses, security groups and routers of the OpenStack
/// Networking API. The cloud is a real OpenStack, or the one that is built into this program.
#[derive(Debug, Parser)]
#[command(name = "kuryr", version = VERSION, after_help = EXAMPLES, max_term_width = 110)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Common {
    /// Read this file instead of the default ones (repeatable, the later one wins)
    #[arg(id = FILE, long = "config-file", value_name = "PATH", value_hint = ValueHint::FilePath)]
    config_files: Vec<PathBuf>,
    /// Read *.conf of this folder, sorted by name, instead of the default folders (repeatable)
    #[arg(id = FOLDER, long = "config-dir", value_name = "DIR", value_hint = ValueHint::DirPath)]
    config_dirs: Vec<PathBuf>,
    /// Log what is of use to developers too
    #[arg(id = DEBUG, short, long)]
    debug: bool,
    /// Form of log lines
    #[arg(id = LOG_FORMAT, long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

/// Names of the options that every command has: they may stand before and behind the command's name.
pub const FILE: &str = "config-file";
/// See [`FILE`].
pub const FOLDER: &str = "config-dir";
/// See [`FILE`].
pub const DEBUG: &str = "debug";
/// See [`FILE`].
pub const LOG_FORMAT: &str = "log-format";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
    /// Fields for systemd's journal
    Journal,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the embedded cloud and the Docker plugin: all that is needed where there is no OpenStack
    Up(Up),
    /// Run the Docker plugin on the cloud that is configured
    Docker(Docker),
    /// Run the Docker plugin on the cloud that is configured, or with the embedded one where none is
    Serve(Serve),
    /// Run the embedded cloud alone, back it up, or remove what it made
    Cloud(Cloud),
    /// Show networks, ports and their containers, security groups and routers
    Status(Status),
    /// Serve a page that draws networks, routers, ports and containers, live
    Ui(Ui),
    /// Check that this machine, Docker and the cloud are as Kuryr needs them
    Check(Checkup),
    /// Explain a container's port, and why its packets are allowed or dropped
    Explain(Explain),
    /// Compare Docker, Neutron and this machine's interfaces, side by side
    Diff(Diff),
    /// Remove what of Kuryr's nobody has any more
    Gc(Gc),
    /// Show or remove the ports that are kept ready for containers of this host
    Pool(Pool),
    /// Print a sample of kuryr.conf, or check one
    Config(Config),
    /// Print a completion script for a shell
    Completion(Completion),
    /// Print manual pages
    #[command(hide = true)]
    Manual(Manual),
    /// Run the Docker plugin as its container image wants it: settings from SERVICE_* and its other variables
    #[command(hide = true)]
    Managed(Managed),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo kuryr up
  sudo kuryr up --state-dir /srv/kuryr

  sudo OS_CLIENT_CONFIG_FILE=/var/lib/kuryr/clouds.yaml openstack --os-cloud kuryr network list

The embedded cloud answers on 127.0.0.1:9696; how to log in there is in clouds.yaml of its state
folder. Ctrl-C stops Kuryr; containers keep their network.")]
pub struct Up {
    /// Run the embedded cloud even though another cloud is configured
    #[arg(long)]
    pub embedded: bool,
    #[command(flatten)]
    pub place: EmbeddedPlace,
    #[command(flatten)]
    pub sockets: Sockets,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo kuryr docker                                   # [neutron] of /etc/kuryr/kuryr.conf
  sudo kuryr docker --config-file ./kuryr.conf
  sudo OS_CLOUD=mycloud kuryr docker                  # a cloud of clouds.yaml
  . openrc && sudo -E kuryr docker                    # OS_* variables

Without an OpenStack cloud, 'kuryr up' has its own.")]
pub struct Docker {
    #[command(flatten)]
    pub sockets: Sockets,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo kuryr serve                  # what kuryr.service runs
  sudo systemctl status kuryr

With a cloud in kuryr.conf, clouds.yaml or OS_* it is 'kuryr docker', else it is 'kuryr up'.")]
pub struct Serve {
    #[command(flatten)]
    pub place: EmbeddedPlace,
    #[command(flatten)]
    pub sockets: Sockets,
    #[command(flatten)]
    common: Common,
}

/// Where the embedded cloud is.
#[derive(Debug, Args)]
pub struct EmbeddedPlace {
    /// Folder of the embedded cloud's database and clouds.yaml [default: /var/lib/kuryr]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state_dir: Option<PathBuf>,
    /// TCP address of its API [default: 127.0.0.1:9696]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub api_listen: Option<SocketAddr>,
    /// Unix socket of its API [default: /run/kuryr/api.sock]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub api_socket: Option<PathBuf>,
}

/// Where Docker finds the plugin.
#[derive(Debug, Args)]
pub struct Sockets {
    /// Unix socket on which Docker finds the plugin [default: /run/docker/plugins/kuryr.sock]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub plugin_socket: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo kuryr status
  sudo kuryr status --json | jq -r '.ports[] | [.container.name, .addresses[0]] | @tsv'

It asks the cloud that is configured, else the embedded one, which must be running.
On a terminal that is too narrow the tables fold and shorten ids; elsewhere, and with --json, all are whole.

Keys of --json, which stay as they are:
  cloud              source, auth_url
  networks[]         id, name, status, admin_state_up, mtu, router (id, name),
                     subnets[] (id, name, cidr, gateway_ip), docker_networks[] (id, name)
  ports[]            id, name, status, network (id, name), addresses[], mac_address,
                     container (id, name), device_owner, device_id, host, interface,
                     security_groups[] (id, name)
  security_groups[]  id, name, rules
  routers[]          id, name, status, external_network (id, name), networks[] (id, name)")]
pub struct Status {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: EmbeddedPlace,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  kuryr config sample > kuryr.conf
  kuryr config check kuryr.conf
  kuryr config check                # what the other commands would read, environment included"
)]
pub struct Config {
    #[command(subcommand)]
    pub command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print kuryr.conf with every option, its help and its default, all commented out
    #[command(after_help = "\
Example:
  kuryr config sample | sudo tee /etc/kuryr/kuryr.conf")]
    Sample,
    /// Check files, or what the other commands would read
    #[command(after_help = "\
Examples:
  kuryr config check
  kuryr config check /etc/kuryr/kuryr.conf ./more.conf

Exit status is 2 when something is wrong. Values of secret options are never printed.")]
    Check(Check),
}

#[derive(Debug, Args)]
pub struct Check {
    /// Files to check together, the later one wins [default: what the other commands read]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kuryr completion bash | sudo tee /usr/share/bash-completion/completions/kuryr > /dev/null
  kuryr completion zsh > ~/.zfunc/_kuryr
  kuryr completion fish > ~/.config/fish/completions/kuryr.fish")]
pub struct Completion {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kuryr manual kuryr-server | man --local-file -")]
pub struct Manual {
    /// The program
    #[arg(value_name = "PROGRAM", value_enum, default_value = "kuryr")]
    pub name: Name,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example, as the container image does it:
  SERVICE_USER=kuryr SERVICE_PASSWORD=secret IDENTITY_URL=http://keystone:5000/v3 kuryr managed")]
pub struct Managed {
    #[command(flatten)]
    common: Common,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_help_with_examples() {
        fn walk(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{}", command.get_name());
            command.get_subcommands().for_each(walk);
        }
        walk(&Cli::command());
    }
}
