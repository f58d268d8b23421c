//! `kuryr explain`.

use super::{Common, EmbeddedPlace};
use crate::explain::Service;
use clap::Args;
use std::net::IpAddr;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo kuryr explain web                     # its ports, rules, and what they dropped
  sudo kuryr explain web 10.10.0.7 5432      # may it reach that, and be reached from there?
  sudo kuryr explain web 198.51.100.1 53/udp
  sudo kuryr explain web 10.10.0.7 icmp
  sudo kuryr explain 6ad718ba-7418-4c27-8a1e-3f0d1c0a51b2

The rules are evaluated as they are compiled for the kernel, which is what packets experience.
Where the embedded cloud guards a port, the kernel's rules are compared with them and their counters
are shown; they count from the last change of their group or port. Of another cloud it tells what
Neutron's rules mean; what it drops only that cloud counts.

Exit status is 0; with ADDRESS it is 3 when the container cannot reach it. When Docker knows no such
container it is 1.

Keys of --json, which stay as they are:
  container   id, name, running (null for a port's id)
  ports[]     id, name, status, admin_state_up, mac_address, docker_network, network (id, name),
              mtu, addresses[] (address, subnet (id, name), cidr, gateway_ip), host, vif_type,
              interface, port_security_enabled, allowed_address_pairs[] (ip_address, mac_address),
              security_groups[] (id, name, rules[] (id, direction, text, packets)),
              kernel (bridge, up, mtu, sent_packets, sent_bytes, received_packets, received_bytes,
              dropped[] (reason, packets)), problems[] (problem, remedy)
  paths[]     from, to, protocol, port, verdict (allowed, dropped, no_way), reason, open_connections,
              steps[] (text, passes, rule, packets), remedies[]
  notes[]     what could not be seen")]
pub struct Explain {
    /// A container's name or id, or the UUID of a port
    #[arg(value_name = "CONTAINER")]
    pub subject: String,
    /// An address: may the container reach it, and may it reach the container?
    #[arg(value_name = "ADDRESS", requires = "service")]
    pub address: Option<IpAddr>,
    /// Port and protocol there, such as 80, 53/udp, icmp
    #[arg(value_name = "PORT[/PROTOCOL]")]
    pub service: Option<Service>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: EmbeddedPlace,
    #[command(flatten)]
    common: Common,
}
