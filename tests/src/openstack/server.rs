//! A machine of the cloud beside the containers, wired as Nova wires one: its interface is made and handed to the switch
//! by their own commands, nothing of Kuryr takes part.

use anyhow::{Context, Result, ensure};
use kuryr_neutron::Port;

use super::OpenStack;
use crate::host::{Host, Started};
use crate::until;

/// A network namespace that holds one port.
pub struct Server<'a> {
    host: &'a Host,
    openstack: &'a OpenStack,
    name: String,
    interface: String,
    services: Vec<Started>,
}

impl<'a> Server<'a> {
    /// Plug this port, which must be bound to the host, with its first address.
    pub fn boot(host: &'a Host, openstack: &'a OpenStack, port: &Port) -> Result<Self> {
        let id = port.id.to_string();
        let (name, interface) = (format!("server-{id:.8}"), format!("vm-{id:.8}"));
        let server = Self { host, openstack, name, interface, services: Vec::new() };
        let (name, interface) = (server.name.as_str(), server.interface.as_str());
        let mac = port.mac_address.to_string();
        let address = format!("{}/24", port.fixed_ips.first().context("the port has no address")?.ip_address);
        let ip = |words: &str| host.run(&[&["ip"][..], &words.split(' ').collect::<Vec<_>>()].concat());
        ip(&format!("netns add {name}"))?;
        ip(&format!("link add {interface} mtu 1442 type veth peer name eth0 address {mac} mtu 1442 netns {name}"))?;
        ip(&format!("link set {interface} up"))?;
        ip(&format!("-n {name} address add {address} dev eth0"))?;
        ip(&format!("-n {name} link set eth0 up"))?;
        let ids = [format!("external_ids:iface-id={id}"), format!("external_ids:attached-mac=\"{mac}\"")];
        let add =
            [&openstack.command("ovs-vsctl"), "add-port", "br-int", interface, "--", "set", "Interface", interface];
        host.run(&[&add[..], &[ids[0].as_str(), &ids[1]]].concat())?;
        Ok(server)
    }

    /// Run a command in it.
    pub fn run(&self, words: &[&str]) -> Result<String> {
        self.host.run(&[&["ip", "netns", "exec", &self.name], words].concat())
    }

    /// Wait until pings come back from an address.
    pub fn ping(&self, address: &str) -> Result<()> {
        until("an answer to a server's ping", || {
            self.run(&["busybox", "ping", "-q", "-c", "2", "-W", "1", address]).map(drop)
        })
    }

    /// What a TCP service sends before it closes.
    pub fn fetch(&self, address: &str, port: u16) -> Result<String> {
        self.run(&["timeout", "3", "busybox", "nc", "-w", "2", address, &port.to_string()])
    }

    /// Serve a text by TCP.
    pub fn serve(&mut self, text: &str, port: u16) -> Result<()> {
        let port = port.to_string();
        let words = ["ip", "netns", "exec", &self.name, "busybox", "nc", "-ll", "-p", &port, "-e", "echo", text];
        self.services.push(self.host.start(&words, &[], &format!("/run/{}-{port}.log", self.name))?);
        until("a service of a server", || {
            let listening = self.run(&["ss", "-Hltn", &format!("sport = :{port}")])?;
            ensure!(!listening.is_empty(), "nobody listens");
            Ok(())
        })
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let command = self.openstack.command("ovs-vsctl");
        drop(self.host.output(&[&command, "--if-exists", "del-port", "br-int", &self.interface]));
        drop(self.host.output(&["ip", "link", "delete", &self.interface]));
    }
}
