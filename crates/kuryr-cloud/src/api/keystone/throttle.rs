//! Slows down who guesses passwords.
//!
//! Wrong ones are counted by user and by address. From a few on the attempts of one user, or of one address, get turns that
//! lie ever further apart, and a password is looked at in its turn only, so many connections guess no faster than one. A
//! turn that is too far away is refused at once, with the time to wait. What comes by a unix socket or from this process is
//! root's and does not wait; of loopback the address does not count, and there, as at an address by which the user came in
//! before, others' guesses from elsewhere do not count either.

use http::Extensions;
use kuryr_http::Peer;
use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Wrong passwords of a user that cost nothing yet.
const FREE: u32 = 3;
/// Wrong passwords of an address that cost nothing yet.
const FREE_OF_ADDRESS: u32 = 10;
/// Between the first two turns; it doubles with each wrong password.
const SHORTEST: Duration = Duration::from_millis(250);
/// The longest time between two turns.
const LONGEST: Duration = Duration::from_secs(4);
/// A turn that is further away is refused.
const PATIENCE: Duration = Duration::from_secs(20);
/// Attempts of one user or address that may be under way before any was wrong.
const TOGETHER: u32 = 64;
/// After this long without an attempt all is forgotten.
const FORGET: Duration = Duration::from_secs(600);
/// Users and addresses that are remembered; the one that was quiet for longest makes way.
const REMEMBERED: usize = 4096;
/// Users' addresses that are remembered; the oldest makes way.
const FAMILIAR: usize = 1024;
/// Bytes of a name that tell it from others.
const NAME: usize = 300;

/// Where an attempt comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// This process, or root by a unix socket.
    Trusted,
    /// An address: of IPv6 the network, for a host has a whole one to choose from.
    Address(IpAddr),
}

impl Origin {
    /// By what the listener has said of a request's connection.
    pub fn of(extensions: &Extensions) -> Self {
        match extensions.get::<Peer>() {
            Some(Peer::Tcp(address)) => Self::Address(network(address.ip())),
            Some(Peer::Unix { .. }) | None => Self::Trusted,
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    /// A user; at an address of their own, or wherever they are not known to be.
    User(String, Option<IpAddr>),
    Address(IpAddr),
}

impl Key {
    fn free(&self) -> u32 {
        match self {
            Self::User(..) => FREE,
            Self::Address(_) => FREE_OF_ADDRESS,
        }
    }
}

#[derive(Debug)]
struct Record {
    wrong: u32,
    under_way: u32,
    /// Its next turn.
    next: Instant,
    last: Instant,
}

#[derive(Debug, Default)]
struct Known {
    records: HashMap<Key, Record>,
    familiar: VecDeque<(String, IpAddr)>,
}

/// What is known of who was wrong lately.
#[derive(Debug, Clone, Default)]
pub struct Throttle(Arc<Mutex<Known>>);

/// An attempt that has a turn.
#[derive(Debug)]
#[must_use = "its outcome counts"]
pub struct Attempt {
    throttle: Throttle,
    user: String,
    origin: Origin,
    keys: Vec<Key>,
    /// Until its turn.
    pub wait: Duration,
}

impl Throttle {
    /// A turn for an attempt to be this user.
    ///
    /// # Errors
    /// It would be too far away: that long.
    pub fn turn(&self, user: &str, origin: Origin, now: Instant) -> Result<Attempt, Duration> {
        let user: String = user.chars().take(NAME).collect();
        let mut known = self.known();
        let keys = match origin {
            Origin::Trusted => Vec::new(),
            Origin::Address(address) => {
                let own = address.is_loopback() || known.familiar.contains(&(user.clone(), address));
                let of_user = Key::User(user.clone(), own.then_some(address));
                let of_address = (!address.is_loopback()).then_some(Key::Address(address));
                [Some(of_user), of_address].into_iter().flatten().collect()
            }
        };
        let mut turn = now;
        for key in &keys {
            turn = turn.max(known.record(key, now)?.turn(key, now)?);
        }
        let wait = turn.duration_since(now);
        if wait > PATIENCE {
            return Err(wait);
        }
        for key in &keys {
            if let Some(record) = known.records.get_mut(key) {
                record.under_way += 1;
                record.last = now;
                record.next = record.next.max(turn + pause(key, record.wrong));
            }
        }
        drop(known);
        Ok(Attempt { throttle: self.clone(), user, origin, keys, wait })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn record(&mut self, key: &Key, now: Instant) -> Result<&Record, Duration> {
        let forgotten = |record: &Record| record.under_way == 0 && now.duration_since(record.last) > FORGET;
        if self.records.get(key).is_some_and(forgotten) {
            self.records.remove(key);
        }
        if self.records.len() >= REMEMBERED && !self.records.contains_key(key) {
            let quiet = self.records.iter().filter(|(_, record)| record.under_way == 0);
            let oldest = quiet.min_by_key(|(_, record)| record.last).map(|(key, _)| key.clone());
            self.records.remove(&oldest.ok_or(LONGEST)?);
        }
        let fresh = || Record { wrong: 0, under_way: 0, next: now, last: now };
        Ok(self.records.entry(key.clone()).or_insert_with(fresh))
    }
}

impl Record {
    fn turn(&self, key: &Key, now: Instant) -> Result<Instant, Duration> {
        match self.wrong > key.free() {
            true => Ok(self.next.max(now)),
            false if self.under_way < TOGETHER => Ok(now),
            false => Err(SHORTEST),
        }
    }
}

/// Between two turns of who was wrong this often.
fn pause(key: &Key, wrong: u32) -> Duration {
    match wrong.checked_sub(key.free() + 1) {
        None => Duration::ZERO,
        Some(over) => LONGEST.min(SHORTEST.saturating_mul(1 << over.min(10))),
    }
}

impl Attempt {
    /// It was wrong; how far the next turn is away.
    pub fn failed(self, now: Instant) -> Duration {
        let mut known = self.throttle.known();
        let mut longest = Duration::ZERO;
        for key in &self.keys {
            if let Some(record) = known.records.get_mut(key) {
                record.wrong = record.wrong.saturating_add(1);
                record.last = now;
                record.next = record.next.max(now + pause(key, record.wrong));
                longest = longest.max(record.next.duration_since(now));
            }
        }
        longest
    }

    /// It was right: of this user all is forgiven, and here others' guesses from elsewhere do not matter any more. An
    /// address is not forgiven: it may be right as one user and guess as others.
    pub fn succeeded(self, now: Instant) {
        let mut known = self.throttle.known();
        for key in self.keys.iter().filter(|key| matches!(key, Key::User(..))) {
            if let Some(record) = known.records.get_mut(key) {
                record.wrong = 0;
                record.next = now;
            }
        }
        if let Origin::Address(address) = self.origin {
            let own = (self.user.clone(), address);
            if !known.familiar.contains(&own) {
                known.familiar.push_back(own);
                if known.familiar.len() > FAMILIAR {
                    known.familiar.pop_front();
                }
            }
        }
    }
}

impl Drop for Attempt {
    /// However it ended, also when the client went away.
    fn drop(&mut self) {
        let mut known = self.throttle.known();
        for key in &self.keys {
            if let Some(record) = known.records.get_mut(key) {
                record.under_way = record.under_way.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests;
