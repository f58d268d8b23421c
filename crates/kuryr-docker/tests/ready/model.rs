//! Containers come and go, processes die in the middle of a call, answers are lost, somebody drains: no port of a pool is
//! lost or used twice, and there are never more than there may be.

use super::{
    pairs::{Place, Pools, network_of_both, remove_both, start_both, stop_both},
    *,
};
use std::collections::BTreeSet;

/// The call that makes ready ports, and the one that writes whose a port is, or takes it back.
const MAKE: &str = "POST /networking/v2.0/ports behind";
const WRITE: &str = "PUT /networking/v2.0/ports";
/// More than a step takes to make its call, on a slow machine too; a step may make none.
const SOON: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy)]
enum Step {
    Start,
    Stop,
    /// The process dies, whatever it is doing.
    Kill,
    /// … right before such a call.
    KillBefore(&'static str),
    /// … when such a call was carried out, and not answered.
    KillAfter(&'static str),
    /// The answer to such a call is lost.
    Lose(&'static str),
    Drain,
    /// Time for the filler, and for what is written behind.
    Rest,
}

/// A generator of numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    fn step(&mut self) -> Step {
        let call = if self.roll(2) == 0 { MAKE } else { WRITE };
        match self.roll(16) {
            0..6 => Step::Start,
            6..9 => Step::Stop,
            9 => Step::Kill,
            10 => Step::KillBefore(call),
            11..13 => Step::KillAfter(call),
            13 => Step::Lose(call),
            14 => Step::Drain,
            _ => Step::Rest,
        }
    }
}

/// What addresses containers get.
enum Family {
    /// From this pool.
    Four(String),
    Both(Pools),
}

struct World {
    rig: Rig,
    network: Family,
    containers: Namespace,
    running: Vec<(String, Place)>,
    started: usize,
}

impl World {
    async fn start(&mut self) {
        self.started += 1;
        let endpoint = format!("{:064x}", self.started);
        let place = match &self.network {
            Family::Four(pool) => {
                let (four, mac) = start(&self.rig, pool, &endpoint).await;
                Place { four, six: String::new(), mac }
            }
            Family::Both(pools) => start_both(&self.rig, pools, &endpoint).await,
        };
        carry(&self.rig, place.mac, &self.rig.host, &self.containers).await;
        self.running.push((endpoint, place));
    }

    async fn stop(&mut self, at: usize) {
        let (endpoint, place) = self.running.remove(at);
        carry(&self.rig, place.mac, &self.containers, &self.rig.host).await;
        match &self.network {
            Family::Four(pool) => stop(&self.rig, pool, &endpoint, &place.four).await,
            Family::Both(pools) => stop_both(&self.rig, pools, &endpoint, &place).await,
        }
    }

    fn macs(&self) -> BTreeSet<MacAddr> {
        self.running.iter().map(|(_, place)| place.mac).collect()
    }

    async fn take(&mut self, step: Step, dice: &mut Dice) {
        match step {
            Step::Start if self.running.len() < 6 => self.start().await,
            Step::Start => {}
            Step::Stop if !self.running.is_empty() => {
                let at = dice.roll(self.running.len());
                self.stop(at).await;
            }
            Step::Stop => {}
            Step::Kill => self.rig.kill(),
            Step::KillBefore(call) | Step::KillAfter(call) | Step::Lose(call) => {
                let (reached, released) = self.rig.hold(call, !matches!(step, Step::KillBefore(_)));
                // Something that makes such a call sooner or later.
                if self.running.len() < 6 {
                    self.start().await
                } else {
                    self.stop(0).await
                }
                drop(tokio::time::timeout(SOON, reached.notified()).await);
                match step {
                    Step::Lose(_) => {
                        self.rig.hold_nothing();
                        released.notify_one();
                    }
                    _ => self.rig.kill(),
                }
            }
            Step::Drain => {
                let drained = self.rig.service.drain_ready_ports(None).await.unwrap();
                assert_eq!(drained.left.len(), 0, "{drained:?}");
            }
            Step::Rest => {
                self.rig.service.settle().await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }

    /// Each container has a port of its own, which is there, and is the only one with its address.
    async fn check(&self, told: &str) {
        let ports = self.rig.all::<Port>().await;
        assert_eq!(self.macs().len(), self.running.len(), "{told}: a port is used twice");
        for (endpoint, place) in &self.running {
            let of_it: Vec<&Port> = ports.iter().filter(|port| port.mac_address == place.mac).collect();
            let [port] = of_it.as_slice() else { panic!("{told}: {endpoint} {place:?} has {of_it:?}") };
            assert!(place.is_of(port), "{told}: {place:?} {port:?}");
            assert!(port.device_id.is_empty() || port.device_id == *endpoint, "{told}: {port:?}");
        }
    }
}

async fn live(seed: u64, has_both: bool) {
    let rig = Rig::with(|settings| settings.ready = Some(LIMITS), false).await;
    let network = match has_both {
        true => Family::Both(network_of_both(&rig, json!({})).await),
        false => Family::Four(network(&rig, json!({})).await),
    };
    // Until whose network it is stands in Neutron, a start after a kill makes calls that somebody waits for.
    rig.networks_are_tagged().await;
    rig.subnets_are_tagged().await;
    let containers = Namespace::anonymous().unwrap();
    let mut world = World { rig, network, containers, running: Vec::new(), started: 0 };
    let (mut dice, mut told) = (Dice(seed), format!("seed {seed}"));
    for _ in 0..20 {
        let step = dice.step();
        told.push_str(&format!(", {step:?}"));
        world.take(step, &mut dice).await;
        world.check(&told).await;
    }
    // One more container, so that this process looks at what the earlier ones left. Then nothing happens for a while.
    world.start().await;
    pause_beside(&world.rig, 2).await;
    world.check(&told).await;
    let macs = world.macs();
    let others = async || {
        let mut ports = world.rig.all::<Port>().await;
        ports.retain(|port| !macs.contains(&port.mac_address));
        ports
    };
    world.rig.written_behind(async || others().await.len() <= LIMITS.max).await;
    let others = others().await;
    assert!(others.iter().all(|port| port.device_id.is_empty()), "{told}: lost {others:?}");
    let known: usize = world.rig.service.ready_stock().iter().map(|(_, _, stock)| stock.ready + stock.resting).sum();
    assert_eq!(others.len(), known, "{told}: lost {others:?}");
    while !world.running.is_empty() {
        world.stop(0).await;
    }
    world.rig.service.settle().await;
    match &world.network {
        Family::Four(pool) => remove(&world.rig, pool).await,
        Family::Both(pools) => remove_both(&world.rig, pools).await,
    }
}

const SEEDS: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03, 0x2545_f491_4f6c_dd1d];

#[tokio::test]
async fn whatever_dies_in_the_middle_of_a_call() {
    for seed in SEEDS {
        live(seed, false).await;
    }
}

#[tokio::test]
async fn whatever_dies_in_the_middle_of_a_call_for_both_addresses() {
    for seed in SEEDS {
        live(seed, true).await;
    }
}
