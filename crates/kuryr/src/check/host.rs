//! The host's own network: forwarding, firewalls, MTU, and what was left behind.

use super::finding::Finding;
use kuryr_cloud::dataplane::{Layout, desired::UPLINK};
use kuryr_config::Settings;
use kuryr_netlink::{
    Link, Links, Namespace,
    nftables::{BaseChain, Family, Hook, Session},
};

const FORWARDING: [(&str, &str); 2] = [
    ("/proc/sys/net/ipv4/ip_forward", "net.ipv4.ip_forward"),
    ("/proc/sys/net/ipv6/conf/all/forwarding", "net.ipv6.conf.all.forwarding"),
];

/// All of them.
pub fn checks(settings: &Settings) -> Vec<Finding> {
    if settings.cloud.is_some() {
        return Vec::new();
    }
    let links = Links::open().and_then(|mut links| links.list()).unwrap_or_default();
    let uplinks: Vec<&str> = links.iter().filter(|link| is_uplink(link)).map(|link| link.name.as_str()).collect();
    vec![forwarding(!uplinks.is_empty()), firewall(&uplinks), mtu(settings)]
}

fn is_uplink(link: &Link) -> bool {
    link.is("veth") && link.name.starts_with(UPLINK) && link.alias.is_some()
}

fn forwarding(is_needed: bool) -> Finding {
    const CHECK: &str = "forwarding";
    if !is_needed {
        return Finding::fine(CHECK, "is not needed: no external network is connected to this host");
    }
    let off = |(path, _): &&(&str, &str)| std::fs::read_to_string(path).is_ok_and(|value| value.trim() == "0");
    match FORWARDING.iter().take(1).find(off) {
        Some((_, name)) => Finding::failure(
            CHECK,
            "is off, so containers do not reach the outside",
            format!("sudo sysctl -w {name}=1"),
        ),
        None => Finding::fine(CHECK, "is on"),
    }
}

/// Filters of others through which packets of external networks must come.
fn firewall(uplinks: &[&str]) -> Finding {
    const CHECK: &str = "firewall";
    let look = || {
        let mut session = Session::open_in(&Namespace::current()?)?;
        let chains = session.base_chains(Hook::Forward)?;
        let admits = |family| session.has_chain(family, "filter", "DOCKER-USER");
        let admitted: Vec<bool> = [Family::Ipv4, Family::Ipv6].map(admits).into_iter().collect::<Result<_, _>>()?;
        Ok::<_, kuryr_netlink::Error>((chains, admitted))
    };
    let (chains, admitted) = match look() {
        Ok(found) => found,
        Err(error) => return Finding::unseen(CHECK, error),
    };
    let admitted = |chain: &BaseChain| {
        let families = [Family::Ipv4, Family::Ipv6].map(|family| family as u8);
        let index = families.iter().position(|family| *family == chain.family);
        chain.table == "filter" && index.is_some_and(|index| admitted[index])
    };
    let bad = chains.iter().find(|chain| chain.table == "firewalld" || chain.drops && !admitted(chain));
    let Some(chain) = bad else { return Finding::fine(CHECK, "no filter of the host's stands in the way") };
    let text =
        format!("chain {} of table {} may drop packets between containers and the outside", chain.name, chain.table);
    if uplinks.is_empty() {
        return Finding::fine(CHECK, format!("{text}, once there is an external network"));
    }
    let remedy = if chain.table == "firewalld" {
        let interfaces: Vec<String> = uplinks.iter().map(|name| format!("--add-interface={name}")).collect();
        format!("firewall-cmd --permanent --zone=trusted {}, then firewall-cmd --reload", interfaces.join(" "))
    } else {
        let place = format!("{} {} {}", family(chain.family), chain.table, chain.name);
        let rule = |side| format!("nft insert rule {place} {side} \"{UPLINK}*\" accept");
        format!("{} && {}", rule("iifname"), rule("oifname"))
    };
    Finding::warning(CHECK, text, remedy)
}

fn family(number: u8) -> &'static str {
    match number {
        1 => "inet",
        2 => "ip",
        10 => "ip6",
        _ => "bridge",
    }
}

/// The interface by which this host reaches the world.
pub fn way_out() -> Option<Link> {
    let mut links = Links::open().ok()?;
    let routes = links.routes().ok()?;
    let index = routes.iter().find(|route| route.destination.prefix_len() == 0)?.index?;
    links.by_index(index).ok()?
}

fn mtu(settings: &Settings) -> Finding {
    const CHECK: &str = "MTU of new networks";
    let mtu = settings.embedded.mtu;
    match way_out() {
        Some(link) if link.mtu < mtu => {
            let text = format!("{mtu}, but {} has {}: large packets to the outside are lost", link.name, link.mtu);
            Finding::warning(CHECK, text, format!("mtu = {} in [cloud] of kuryr.conf", link.mtu))
        }
        Some(link) => Finding::fine(CHECK, format!("{mtu}, which fits {} ({})", link.name, link.mtu)),
        None => Finding::fine(CHECK, format!("{mtu}; this host has no default route")),
    }
}

/// What an earlier Kuryr left, where none runs that minds it.
pub fn leftovers(settings: &Settings, is_up: bool) -> Option<Finding> {
    const CHECK: &str = "leftovers";
    let is_minded = is_up && settings.cloud.is_none();
    let namespace =
        Layout::of_this_host().ok().map(|layout| layout.namespace).filter(|path| path.exists() && !is_minded);
    let runs = std::os::unix::net::UnixStream::connect(&settings.embedded.api_socket).is_ok();
    if let Some(path) = namespace.filter(|_| !runs) {
        let text = format!("an embedded cloud that does not run left its networks in {}", path.display());
        return Some(Finding::warning(CHECK, text, "sudo kuryr up, to go on with them, or sudo kuryr cloud purge"));
    }
    if is_up {
        return None; // Compared with Neutron below.
    }
    let links = Links::open().and_then(|mut links| links.list()).unwrap_or_default();
    let waiting: Vec<&str> =
        links.iter().filter(|link| link.name.starts_with("t_c") && !link.up).map(|link| link.name.as_str()).collect();
    let first = waiting.first()?;
    let text = format!("{} interfaces wait for containers that nobody starts: {}", waiting.len(), waiting.join(", "));
    Some(Finding::warning(CHECK, text, format!("sudo kuryr gc, or sudo ip link delete {first}")))
}
