//! One lock per network or endpoint, so that a repeated request waits for the first and others do not.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
};
use tokio::sync::OwnedMutexGuard;

/// Locks by key; a key that nobody holds takes no memory for long.
#[derive(Debug)]
pub struct KeyedLocks<K> {
    locks: Mutex<HashMap<K, Weak<tokio::sync::Mutex<()>>>>,
}

impl<K> Default for KeyedLocks<K> {
    fn default() -> Self {
        Self { locks: Mutex::new(HashMap::new()) }
    }
}

impl<K: Eq + Hash> KeyedLocks<K> {
    /// Waits for the key's lock, in the order of asking. It is free again when the guard is dropped.
    pub async fn lock(&self, key: K) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            match locks.get(&key).and_then(Weak::upgrade) {
                Some(lock) => lock,
                None => {
                    locks.retain(|_, lock| lock.strong_count() > 0);
                    let lock = Arc::new(tokio::sync::Mutex::new(()));
                    locks.insert(key, Arc::downgrade(&lock));
                    lock
                }
            }
        };
        lock.lock_owned().await
    }

    /// Whether somebody holds or awaits the lock of such a key.
    pub fn is_asked_for(&self, is_meant: impl Fn(&K) -> bool) -> bool {
        let locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.iter().any(|(key, lock)| lock.strong_count() > 0 && is_meant(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn one_key_excludes_and_another_does_not() {
        let locks = KeyedLocks::default();
        let held = locks.lock("a").await;
        assert!(locks.lock("a").now_or_never().is_none());
        assert!(locks.lock("b").now_or_never().is_some());
        assert!(locks.is_asked_for(|key| *key == "a") && !locks.is_asked_for(|key| *key == "b"));
        drop(held);
        assert!(!locks.is_asked_for(|key| *key == "a"));
        assert!(locks.lock("a").now_or_never().is_some());
    }

    #[tokio::test]
    async fn forgotten_keys_are_dropped() {
        let locks = KeyedLocks::default();
        for key in 0..1000 {
            drop(locks.lock(key).await);
        }
        assert!(locks.locks.lock().unwrap().len() < 3);
    }
}
