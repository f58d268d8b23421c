//! `kuryr ui` on the command line.

use super::{Common, EmbeddedPlace};
use clap::Args;
use std::net::SocketAddr;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo kuryr ui                                 # then open the address that it prints
  sudo OS_CLOUD=mycloud kuryr ui                # the picture of an OpenStack

  # From another machine, through SSH; replace the token:
  ssh -L 9695:127.0.0.1:9695 HOST sudo kuryr ui

It asks the cloud that is configured, else the embedded one, which must be running, and this machine's
Docker. It changes nothing. The address holds a token, made anew at each start: who has it can look.")]
pub struct Ui {
    /// TCP address of the page; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9695")]
    pub listen: SocketAddr,
    /// Let other machines reach it: the token and all that is drawn cross the network unencrypted
    #[arg(long)]
    pub expose: bool,
    #[command(flatten)]
    pub place: EmbeddedPlace,
    #[command(flatten)]
    common: Common,
}
