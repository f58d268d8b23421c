//! What Neutron said a moment ago, so that a burst of containers does not ask the same again and again.
//!
//! Only for what hardly ever changes, and forgotten as soon as this host changes it or a use of it fails.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Longer than a burst of containers, shorter than an operator's patience.
const LIFETIME: Duration = Duration::from_secs(15);

/// Answers of the last seconds, by what they were asked for.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    known: Mutex<HashMap<K, (Instant, V)>>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { known: Mutex::new(HashMap::new()) }
    }
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// The answer, if it is young enough.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.known().get(key).map(|(_, value)| value.clone())
    }

    /// Remembers an answer.
    pub(crate) fn put(&self, key: K, value: V) {
        self.known().insert(key, (Instant::now(), value));
    }

    /// Forgets one answer.
    pub(crate) fn forget(&self, key: &K) {
        self.known().remove(key);
    }

    /// Forgets all.
    pub(crate) fn clear(&self) {
        self.known().clear();
    }

    fn known(&self) -> MutexGuard<'_, HashMap<K, (Instant, V)>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (since, _)| since.elapsed() < LIFETIME);
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_known_until_it_is_forgotten_or_old() {
        let recent = Recent::default();
        recent.put("a", 1);
        recent.put("b", 2);
        assert_eq!((recent.get(&"a"), recent.get(&"c")), (Some(1), None));
        recent.forget(&"a");
        assert_eq!((recent.get(&"a"), recent.get(&"b")), (None, Some(2)));
        recent.clear();
        assert_eq!(recent.get(&"b"), None);
        let long_ago = Instant::now().checked_sub(LIFETIME).unwrap();
        recent.known.lock().unwrap().insert("d", (long_ago, 4));
        assert_eq!(recent.get(&"d"), None);
    }
}
