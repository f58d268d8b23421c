//! Which cloud a machine has, and Kuryr's way there, which leads through the proxy.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use kuryr_neutron::SecurityGroup;
use serde_json::Value;

use super::proxy::{Proxy, Route};
use crate::cloud::Cloud;
use crate::host::{Host, Started};
use crate::kuryr::{Kuryr, Paths, binary};
use crate::openstack::OpenStack;
use crate::rig::Place;
use crate::{get, until};

/// Where the embedded cloud keeps its log.
const CLOUD_LOG: &str = "/run/kuryr-cloud.log";
/// Where the embedded cloud answers.
const API: &str = "127.0.0.1:9696";
/// Where the proxy before it listens.
const PROXY: &str = "127.0.0.1:9697";
/// Seconds between two comparisons; where all machines wait for one Neutron, they would be most of what it does.
const RECONCILE: u32 = 1;
const RECONCILE_ON_OPENSTACK: u32 = 5;
/// Seconds that Kuryr waits for an answer of a real Neutron, which may have much to do.
const PATIENCE: u32 = 10;

/// Which cloud.
#[derive(Debug, Clone)]
pub enum Kind {
    /// The embedded one, each machine's own.
    Embedded,
    /// This one, which all machines are hosts of, each in a project of its own.
    OpenStack(OpenStack),
}

impl Kind {
    /// A machine for it.
    pub(super) fn boot(&self) -> Result<Host> {
        match self {
            Self::Embedded => Host::boot(),
            Self::OpenStack(openstack) => Host::boot_in(openstack),
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Embedded => "the embedded cloud",
            Self::OpenStack(_) => "a real OpenStack",
        })
    }
}

/// A cloud that a machine has, ready.
pub(super) struct Site {
    /// A client that sees what is of this machine's project.
    pub cloud: Cloud,
    /// What is between Kuryr and the cloud.
    pub proxy: Proxy,
    /// The real OpenStack, if it is one.
    pub openstack: Option<OpenStack>,
    /// The embedded cloud's process.
    pub _api: Option<Started>,
}

impl Site {
    /// Starts an embedded cloud, and tells Kuryr of it; with these lines in `[neutron]` and behind `[docker]`.
    pub fn embedded(host: &Host, neutron: &str, docker: &str) -> Result<Self> {
        let api = host.start(&[&binary()?.to_string_lossy(), "cloud"], &[], CLOUD_LOG)?;
        until("the API to answer", || {
            ensure!(get(&host.path(Paths::API), "/")?.status < 400);
            Ok(())
        })?;
        let cloud = Kuryr::cloud(host)?;
        let proxy = Proxy::start(host.network()?, PROXY, &[Route { prefix: "", upstream: API }])?;
        configure(host, &configuration(&fs::read_to_string(host.path(Paths::CLOUDS))?, neutron, docker)?)?;
        Ok(Self { cloud, proxy, openstack: None, _api: Some(api) })
    }

    /// Makes a project of its own on a real OpenStack, and tells Kuryr of it; with these lines behind `[docker]`.
    pub fn on(openstack: OpenStack, host: &Host, docker: &str) -> Result<Self> {
        let routes = [
            Route { prefix: "/identity", upstream: OpenStack::KEYSTONE },
            Route { prefix: "/networking", upstream: OpenStack::NEUTRON },
        ];
        let proxy = Proxy::start(openstack.network()?, "127.0.0.1:0", &routes)?;
        let address = proxy.address();
        let place = Place::only(openstack.clone(), openstack.tenant(&["admin"])?);
        let more = format!(
            "timeout = {PATIENCE}\nendpoint_override = http://{address}/networking\n\n\
             [docker]\nreconcile_interval = {RECONCILE_ON_OPENSTACK}\n{docker}\n"
        );
        let text = place.configuration(&more).replace(OpenStack::KEYSTONE, &format!("{address}/identity"));
        configure(host, &text)?;
        Ok(Self { cloud: openstack.cloud(&place.tenant)?, proxy, openstack: Some(openstack), _api: None })
    }

    /// The interfaces of containers, as each who knows of them lists them: the kernel, and the switch of a real OpenStack.
    /// Others' are not among them.
    pub fn interfaces(&self, host: &Host) -> Result<Vec<Vec<String>>> {
        let links = host.run(&["sh", "-c", "ip -o link; if [ -e /run/netns/kuryr ]; then ip -n kuryr -o link; fi"])?;
        let ends = links.lines().filter_map(|line| line.split(": ").nth(1)).filter_map(|name| name.split('@').next());
        let mut lists: Vec<Vec<String>> = vec![ends.map(str::to_owned).collect()];
        if let Some(openstack) = &self.openstack {
            let switch = host.run(&[&openstack.command("ovs-vsctl"), "list-ports", "br-int"])?;
            lists.push(switch.lines().map(str::to_owned).collect());
            let own = self.interface_names();
            lists.iter_mut().for_each(|list| list.retain(|name| own.contains(name)));
        }
        for list in &mut lists {
            list.retain(|name| name.starts_with("tap") || name.starts_with("t_c"));
        }
        Ok(lists)
    }

    /// What the interfaces of this machine's ports are called. All machines on a real OpenStack are in one network.
    fn interface_names(&self) -> BTreeSet<String> {
        self.proxy.made().iter().flat_map(|id| [id.tap_name(), id.container_name()]).collect()
    }

    /// Whether a row of `kuryr diff` is about this machine. On a real OpenStack its administrator sees the groups of all
    /// projects, and its Kuryr the interfaces of all machines.
    pub fn is_own(&self, row: &Value) -> Result<bool> {
        let text = |key: &str| row[key].as_str().unwrap_or_default();
        Ok(match text("kind") {
            _ if self.openstack.is_none() => true,
            "interface" => self.interface_names().contains(text("kernel")),
            "security_group" => {
                self.cloud.all::<SecurityGroup>()?.iter().any(|group| group.id.to_string() == text("security_group"))
            }
            _ => true,
        })
    }
}

fn configure(host: &Host, text: &str) -> Result<()> {
    let path = host.path(Paths::CONFIG);
    fs::create_dir_all(path.parent().context("no folder")?)?;
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// A kuryr.conf with the credentials of a clouds.yaml, by way of the proxy.
fn configuration(clouds: &str, neutron: &str, docker: &str) -> Result<String> {
    let all: Value = serde_norway::from_str(clouds)?;
    let auth = &all["clouds"]["kuryr"]["auth"];
    let word = |key: &str| auth[key].as_str().with_context(|| format!("clouds.yaml has no {key}"));
    let url = word("auth_url")?.replace(API, PROXY);
    ensure!(url.contains(PROXY), "the cloud is elsewhere: {url}");
    Ok(format!(
        "[neutron]\nauth_type = password\nauth_url = {url}\nusername = {}\npassword = {}\nproject_name = {}\n\
         user_domain_name = {}\nproject_domain_name = {}\nendpoint_override = http://{PROXY}/networking\n{neutron}\n\n\
         [docker]\nreconcile_interval = {RECONCILE}\n{docker}\n",
        word("username")?,
        word("password")?,
        word("project_name")?,
        auth["user_domain_name"].as_str().unwrap_or("Default"),
        auth["project_domain_name"].as_str().unwrap_or("Default"),
    ))
}
