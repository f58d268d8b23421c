//! Sets of numbers kept as runs, so that the next number not in the set is found in O(log n).

use std::{collections::BTreeMap, net::IpAddr};

/// A set of numbers as maximal runs: first number → last number. No two runs touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Runs(BTreeMap<u128, u128>);

impl Runs {
    /// The run a number is in.
    fn run(&self, n: u128) -> Option<(u128, u128)> {
        self.0.range(..=n).next_back().map(|(&first, &last)| (first, last)).filter(|&(_, last)| n <= last)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn insert(&mut self, n: u128) {
        if self.run(n).is_some() {
            return;
        }
        let before = n.checked_sub(1).and_then(|b| self.run(b));
        let after = n.checked_add(1).and_then(|a| self.run(a));
        if let Some((first, _)) = after {
            self.0.remove(&first);
        }
        let last = after.map_or(n, |(_, last)| last);
        self.0.insert(before.map_or(n, |(first, _)| first), last);
    }

    pub(crate) fn remove(&mut self, n: u128) {
        let Some((first, last)) = self.run(n) else { return };
        self.0.remove(&first);
        if first < n {
            self.0.insert(first, n - 1);
        }
        if n < last {
            self.0.insert(n + 1, last);
        }
    }

    /// The smallest number of `first..=last` that is not in the set.
    pub(crate) fn first_free(&self, first: u128, last: u128) -> Option<u128> {
        let free = match self.run(first) {
            None => first,
            Some((_, end)) => end.checked_add(1)?,
        };
        (free <= last).then_some(free)
    }
}

/// An address as a number.
pub(crate) fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// A number as an address of the same version as `like`; `None` when it does not fit.
pub(crate) fn address(n: u128, like: IpAddr) -> Option<IpAddr> {
    match like {
        IpAddr::V4(_) => u32::try_from(n).ok().map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(_) => Some(IpAddr::V6(n.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn behaves_like_a_set(ops in prop::collection::vec((any::<bool>(), 0u8..40), 0..200), from in 0u8..40, to in 0u8..40) {
            let (mut runs, mut model) = (Runs::default(), BTreeSet::new());
            for (insert, n) in ops {
                if insert {
                    runs.insert(n.into());
                    model.insert(n);
                } else {
                    runs.remove(n.into());
                    model.remove(&n);
                }
            }
            let held: Vec<u128> = runs.0.iter().flat_map(|(&a, &b)| a..=b).collect();
            prop_assert_eq!(held, model.iter().map(|&n| u128::from(n)).collect::<Vec<_>>());
            let starts: Vec<_> = runs.0.iter().collect();
            prop_assert!(starts.windows(2).all(|w| w[0].1 + 1 < *w[1].0), "runs touch: {:?}", runs);
            let free = (from..=to).find(|n| !model.contains(n)).map(u128::from);
            prop_assert_eq!(runs.first_free(from.into(), to.into()), free);
        }
    }

    #[test]
    fn the_ends_of_the_number_range_are_numbers_like_others() {
        let mut runs = Runs::default();
        runs.insert(u128::MAX);
        runs.insert(0);
        assert_eq!(runs.first_free(u128::MAX, u128::MAX), None);
        assert_eq!(runs.first_free(0, 5), Some(1));
        runs.remove(u128::MAX);
        assert_eq!(runs.first_free(u128::MAX, u128::MAX), Some(u128::MAX));
    }
}
