//! Slows down who guesses passwords.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Wrong passwords that are answered at once.
const FREE: u32 = 3;
/// The longest delay.
const LONGEST: Duration = Duration::from_secs(5);
/// After this long without a wrong password all is forgotten.
const FORGET: Duration = Duration::from_secs(600);
/// Users remembered; beyond it the whole list starts anew, so guessing names costs no memory.
const REMEMBERED: usize = 1024;

/// Counts wrong passwords by user, and says how long to wait before answering.
///
/// Only wrong answers wait: who knows the password is never locked out by who does not.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<HashMap<String, (u32, Instant)>>);

impl Throttle {
    /// One more wrong password for a user: wait this long before saying so.
    pub fn failed(&self, user: &str) -> Duration {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= REMEMBERED && !failures.contains_key(user) {
            failures.clear();
        }
        let now = Instant::now();
        let (count, last) = failures.entry(user.to_owned()).or_insert((0, now));
        if now.duration_since(*last) > FORGET {
            *count = 0;
        }
        *count = count.saturating_add(1);
        *last = now;
        delay(*count)
    }

    /// The right password: all is forgiven.
    pub fn succeeded(&self, user: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(user);
    }
}

fn delay(failures: u32) -> Duration {
    match failures.checked_sub(FREE + 1) {
        None => Duration::ZERO,
        Some(over) => LONGEST.min(Duration::from_millis(250).saturating_mul(1 << over.min(10))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_gets_slower_and_the_right_password_forgives() {
        let throttle = Throttle::default();
        let waits: Vec<_> = (0..10).map(|_| throttle.failed("admin")).collect();
        assert_eq!(waits[2], Duration::ZERO);
        assert!(waits[3] > Duration::ZERO && waits[4] > waits[3]);
        assert_eq!(waits[9], LONGEST);
        assert_eq!(throttle.failed("other"), Duration::ZERO);
        throttle.succeeded("admin");
        assert_eq!(throttle.failed("admin"), Duration::ZERO);
    }
}
