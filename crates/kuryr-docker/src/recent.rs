//! What Neutron said a moment ago, so that a burst of containers does not ask the same again and again.
//!
//! Only for what hardly ever changes, and forgotten as soon as this host changes it or a use of it fails.
//! What an operator changes in Neutron, such as a gateway, is noticed after [`LIFETIME`] at the latest: then it is asked for
//! again, when it is needed or, where nobody may wait for it, before.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Longer than the pauses of a busy host, shorter than an operator's patience.
pub(crate) const LIFETIME: Duration = Duration::from_secs(300);

/// Answers of the last seconds, by what they were asked for.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    known: Mutex<HashMap<K, (Instant, V)>>,
    /// Old answers stay until somebody renews them: Neutron may be away.
    is_renewed: bool,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { known: Mutex::new(HashMap::new()), is_renewed: false }
    }
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// Answers that somebody renews before they are old, and which are of use until then, however old.
    pub(crate) fn renewed() -> Self {
        Self { is_renewed: true, ..Self::default() }
    }

    /// What has been known for this long.
    pub(crate) fn older_than(&self, age: Duration) -> Vec<K>
    where
        K: Clone,
    {
        self.known().iter().filter(|(_, (since, _))| since.elapsed() >= age).map(|(key, _)| key.clone()).collect()
    }

    /// A newer answer, unless the older one was forgotten meanwhile; `None`: there is nothing any more.
    pub(crate) fn renew(&self, key: &K, value: Option<V>) {
        let mut known = self.known();
        match (known.get_mut(key), value) {
            (Some(entry), Some(value)) => *entry = (Instant::now(), value),
            (_, None) => drop(known.remove(key)),
            (None, Some(_)) => {}
        }
    }

    /// The answer, if it is young enough.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.known().get(key).map(|(_, value)| value.clone())
    }

    /// What answers are remembered about.
    pub(crate) fn keys(&self) -> Vec<K>
    where
        K: Clone,
    {
        self.known().keys().cloned().collect()
    }

    /// Remembers an answer.
    pub(crate) fn put(&self, key: K, value: V) {
        self.known().insert(key, (Instant::now(), value));
    }

    /// Forgets one answer.
    pub(crate) fn forget(&self, key: &K) {
        self.known().remove(key);
    }

    /// Forgets the answers that are so.
    pub(crate) fn forget_if(&self, is_so: impl Fn(&K, &V) -> bool) {
        self.known().retain(|key, (_, value)| !is_so(key, value));
    }

    /// An answer that is so.
    pub(crate) fn find(&self, is_so: impl Fn(&V) -> bool) -> Option<V> {
        self.known().values().map(|(_, value)| value).find(|value| is_so(value)).cloned()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<K, (Instant, V)>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (since, _)| self.is_renewed || since.elapsed() < LIFETIME);
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
        assert_eq!((recent.find(|v| *v == 2), recent.find(|v| *v == 1)), (Some(2), None));
        recent.forget_if(|key, _| *key == "b");
        assert_eq!(recent.get(&"b"), None);
        let long_ago = Instant::now().checked_sub(LIFETIME).unwrap();
        recent.known.lock().unwrap().insert("d", (long_ago, 4));
        assert_eq!(recent.get(&"d"), None);
    }

    #[test]
    fn what_is_renewed_stays_until_then() {
        let recent = Recent::renewed();
        let long_ago = Instant::now().checked_sub(LIFETIME).unwrap();
        recent.known.lock().unwrap().insert("a", (long_ago, 1));
        recent.put("b", 2);
        assert_eq!((recent.get(&"a"), recent.older_than(LIFETIME)), (Some(1), vec!["a"]));
        recent.renew(&"a", Some(3));
        assert_eq!((recent.get(&"a"), recent.older_than(LIFETIME)), (Some(3), vec![]));
        recent.renew(&"b", None);
        recent.renew(&"c", Some(4));
        assert_eq!((recent.get(&"b"), recent.get(&"c")), (None, None), "gone, and forgotten meanwhile");
    }
}
