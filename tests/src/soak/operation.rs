//! What people do with Docker, chosen by chance from what is possible.

use std::collections::BTreeSet;

use super::foreign::Foreign;
use super::machine::Kind;
use super::seen::Seen;
use crate::dice::Dice;
use crate::engine::IMAGE;

/// Containers there may be at once.
const CONTAINERS: usize = 12;
/// Networks there may be at once; the last two are on somebody else's network.
const NETWORKS: usize = 6;
/// Most that is done at the same time.
const AT_ONCE: usize = 6;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// How the report calls it.
    pub name: &'static str,
    /// Words of `docker`.
    pub words: Vec<String>,
}

impl Operation {
    fn new(name: &'static str, words: &[&str]) -> Self {
        Self { name, words: words.iter().map(|word| (*word).to_owned()).collect() }
    }
}

/// What is done at the same time, each on another container or network. Chance is asked as often whatever there is, so
/// that the rest of a run does not depend on how this went.
pub fn choose(dice: &mut Dice, kind: Kind, seen: &Seen, foreign: &Foreign) -> Vec<Operation> {
    let mut all = Vec::new();
    let (number, how) = (dice.below(NETWORKS), dice.below(6));
    let network = format!("n{number}");
    let there = seen.networks.contains(&network);
    let mut busy = BTreeSet::new();
    if !there {
        all.push(create(&network, number, how, foreign));
    } else if how < 3 && !seen.is_used(&network) {
        all.push(Operation::new("network rm", &["network", "rm", &network]));
        busy.insert(network.clone());
    }
    let usable: Vec<&str> = seen.networks.iter().map(String::as_str).filter(|name| !busy.contains(*name)).collect();
    let mut slots: Vec<usize> = (0..CONTAINERS).collect();
    for _ in 0..=dice.below(AT_ONCE) {
        let slot = slots.remove(dice.below(slots.len()));
        let [how, which, option] = [12, 24, 12].map(|sides| dice.below(sides));
        all.extend(on_container(slot, kind, seen, &usable, how, which, option));
    }
    all
}

fn create(network: &str, number: usize, how: usize, foreign: &Foreign) -> Operation {
    let mut words = vec!["network", "create", "--driver", "kuryr", "--ipam-driver", "kuryr"];
    let third = 10 + number;
    let range = [format!("10.{third}.0.0/24"), format!("10.{third}.0.1"), format!("10.{third}.0.0/25")];
    let six = [format!("fd00:{third}::/64"), format!("fd00:{third}::1")];
    let (net, subnet) = (format!("neutron.net.uuid={}", foreign.network), foreign.subnet_option());
    if number + 2 >= NETWORKS {
        words.extend(["--subnet", Foreign::CIDR, "--gateway", Foreign::GATEWAY, "--opt", &net, "--opt", &subnet]);
        words.extend(["--ipam-opt", subnet.as_str(), network]);
        return Operation::new("network create, existing", &words);
    }
    words.extend(["--subnet", &range[0], "--gateway", &range[1]]);
    let name = match how {
        0 => {
            words.push("--internal");
            "network create, internal"
        }
        1 | 2 => {
            words.extend(["--ipv6", "--subnet", &six[0], "--gateway", &six[1]]);
            "network create, dual stack"
        }
        3 => {
            words.extend(["--ip-range", &range[2], "--label", "of=soak"]);
            "network create, with options"
        }
        _ => "network create",
    };
    words.push(network);
    Operation::new(name, &words)
}

/// What is possible with this container; chance says which.
fn on_container(
    slot: usize,
    kind: Kind,
    seen: &Seen,
    usable: &[&str],
    how: usize,
    which: usize,
    option: usize,
) -> Option<Operation> {
    let name = format!("c{slot}");
    let at = |networks: &[&str]| networks.get(which % networks.len().max(1)).copied().map(str::to_owned);
    let Some(container) = seen.containers.get(&name) else {
        return Some(run(&name, slot, kind, &at(usable)?, option));
    };
    let own: Vec<&str> = container.addresses.keys().map(String::as_str).collect();
    let others: Vec<&str> = usable.iter().copied().filter(|network| !own.contains(network)).collect();
    let remove = Operation::new("rm", &["rm", "--force", &name]);
    if !container.running {
        return Some(if how < 6 { Operation::new("start", &["start", &name]) } else { remove });
    }
    Some(match how {
        0..=2 => remove,
        3 | 4 => Operation::new("stop", &["stop", &name]),
        5 | 6 => Operation::new("restart", &["restart", &name]),
        7..=9 => Operation::new("connect", &["network", "connect", &at(&others)?, &name]),
        _ => Operation::new("disconnect", &["network", "disconnect", &at(&own)?, &name]),
    })
}

fn run(name: &str, slot: usize, kind: Kind, network: &str, option: usize) -> Operation {
    let published = match kind {
        Kind::Embedded => format!("{}:80", 20_000 + slot),
        // Its machines share a network namespace, in which nobody can choose a port.
        Kind::OpenStack => "127.0.0.1::80".to_owned(),
    };
    let mut words = vec!["run", "--detach", "--name", name, "--stop-signal", "KILL", "--network", network];
    let told = match option {
        0 | 1 => {
            words.extend(["--expose", "80"]);
            "run, --expose"
        }
        2 | 3 => {
            words.extend(["--publish", &published]);
            "run, --publish"
        }
        _ => "run",
    };
    words.extend([IMAGE, "sleep", "1000000"]);
    Operation::new(told, &words)
}

/// What happens to the processes meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// `kill -9` of Kuryr's plugin.
    KuryrKilled,
    /// It is restarted, and its configuration changed.
    KuryrRestarted,
    /// `kill -9` of the embedded cloud.
    CloudKilled,
    /// Docker is restarted.
    DockerRestarted,
    /// `kill -9` of Docker.
    DockerKilled,
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::KuryrKilled => "kill -9 of kuryr",
            Self::KuryrRestarted => "orderly restart of kuryr",
            Self::CloudKilled => "kill -9 of the embedded cloud",
            Self::DockerRestarted => "restart of dockerd",
            Self::DockerKilled => "kill -9 of dockerd",
        })
    }
}

/// Mostly nothing.
pub fn event(dice: &mut Dice, kind: Kind) -> Option<Event> {
    match dice.below(30) {
        0..=3 => Some(Event::KuryrKilled),
        4 | 5 => Some(Event::KuryrRestarted),
        6 | 7 if kind == Kind::Embedded => Some(Event::CloudKilled),
        8 => Some(Event::DockerRestarted),
        9 => Some(Event::DockerKilled),
        _ => None,
    }
}
