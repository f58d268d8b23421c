//! How many calls at a time a cloud does without taking longer for each: that differs from two for the Neutron of a small
//! cloud to hundreds, and nobody says it.
//!
//! The rule is that of gradient limits, as Netflix' concurrency-limits and Envoy's adaptive concurrency have it: as many as
//! before, fewer by as much as they took longer than one that is alone, and a few more.

use http::Method;
use std::{collections::BTreeMap, time::Duration};

/// Fewer would leave processes of a small Neutron without work. It is what is assumed at first.
const FEWEST: f64 = 4.0;
/// More are no faster on any cloud from one host.
const MOST: f64 = 64.0;
/// What takes longer by less than this does not take longer.
const NOISE: Duration = Duration::from_millis(5);

/// Calls that take the same time on the same cloud: a creation or a deletion, of one kind of resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind(String);

impl Kind {
    /// `None` for what takes now this long and now that: lists, and changes of this and that attribute.
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        let (collection, below) = path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
        let is_whole = match *method {
            Method::POST => below.is_none(),
            Method::DELETE => below.is_some_and(|id| !id.contains('/')),
            _ => false,
        };
        is_whole.then(|| Self(format!("{method} {collection}")))
    }
}

/// What is known of a cloud's pace.
#[derive(Debug)]
pub(super) struct Pace {
    limit: f64,
    /// What a call takes that is alone.
    alone: BTreeMap<Kind, Duration>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { limit: FEWEST, alone: BTreeMap::new() }
    }
}

impl Pace {
    /// Most calls that may be under way.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(super) fn limit(&self) -> usize {
        self.limit as usize
    }

    /// A call took so long, which was one of `beside` when it began.
    pub(super) fn learn(&mut self, kind: Kind, took: Duration, beside: usize) {
        let alone = self.alone.entry(kind).or_insert(took);
        if took < *alone {
            *alone = took;
        } else if beside == 1 {
            // The cloud has become slower, or was it by chance.
            *alone = (*alone + took) / 2;
        }
        // Where there were far fewer than might have been, the limit changed nothing.
        if (beside * 2) as f64 <= self.limit {
            return;
        }
        let expected = *alone + NOISE;
        let gradient = (expected.as_secs_f64() / took.max(expected).as_secs_f64()).max(0.5);
        self.limit = (self.limit * gradient + self.limit.sqrt()).clamp(FEWEST, MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A cloud that does so many calls at a time, each in 100 ms when there are no more.
    fn after(at_a_time: usize, calls: usize) -> usize {
        let mut pace = Pace::default();
        pace.learn(Kind("POST ports".to_owned()), Duration::from_millis(100), 1);
        for _ in 0..calls {
            let beside = pace.limit();
            let took = Duration::from_millis(100).mul_f64((beside as f64 / at_a_time as f64).max(1.0));
            pace.learn(Kind("POST ports".to_owned()), took, beside);
        }
        pace.limit()
    }

    #[test]
    fn a_cloud_gets_what_it_does_at_a_time_and_a_few_more() {
        for at_a_time in 1..=50 {
            let found = after(at_a_time, 200);
            let most = at_a_time + 3 + at_a_time / 5;
            assert!((at_a_time.max(4)..=most).contains(&found), "{found} of {at_a_time}");
        }
        assert_eq!(after(1000, 200), 64);
        assert!(after(1000, 16) >= 32, "soon");
    }

    #[test]
    fn a_cloud_that_has_become_slower_is_not_taken_for_a_crowded_one() {
        let kind = || Kind("POST ports".to_owned());
        let mut pace = Pace::default();
        pace.learn(kind(), Duration::from_millis(10), 1);
        for _ in 0..20 {
            pace.learn(kind(), Duration::from_millis(300), 1);
        }
        for _ in 0..50 {
            pace.learn(kind(), Duration::from_millis(300), pace.limit());
        }
        assert_eq!(pace.limit(), 64);
    }

    #[test]
    fn a_few_calls_at_a_time_change_nothing() {
        let mut pace = Pace::default();
        for _ in 0..100 {
            pace.learn(Kind("POST ports".to_owned()), Duration::from_millis(10), 2);
        }
        assert_eq!(pace.limit(), 4);
    }

    #[test]
    fn kinds_are_creations_and_deletions() {
        let kind = |method, path| Kind::of(&method, path).map(|kind| kind.0);
        assert_eq!(kind(Method::POST, "ports").as_deref(), Some("POST ports"));
        assert_eq!(kind(Method::DELETE, "ports/1").as_deref(), Some("DELETE ports"));
        for (method, path) in [
            (Method::GET, "ports"),
            (Method::PUT, "ports/1"),
            (Method::PUT, "ports/1/tags"),
            (Method::DELETE, "ports/1/tags"),
            (Method::POST, "floatingips/1/port_forwardings"),
        ] {
            assert_eq!(kind(method, path), None);
        }
    }

    proptest! {
        #[test]
        fn the_limit_stays_within_its_bounds(samples in prop::collection::vec((any::<u64>(), 0_usize..2000), 0..200)) {
            let mut pace = Pace::default();
            for (took, beside) in samples {
                pace.learn(Kind("POST ports".to_owned()), Duration::from_nanos(took), beside);
                prop_assert!((4..=64).contains(&pace.limit()));
            }
        }
    }
}
