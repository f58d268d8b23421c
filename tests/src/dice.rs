//! Chance that can be repeated.

/// Numbers that follow from a seed alone (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The same seed and the same purpose give the same numbers.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut dice = Self(seed);
        for byte in purpose.bytes() {
            dice.0 ^= u64::from(byte);
            dice.next();
        }
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to below this.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % limit).unwrap_or_default()
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of these, if there are any.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }

    /// These, in an order that is left to chance.
    pub fn shuffled<T>(&mut self, all: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut all: Vec<T> = all.into_iter().collect();
        for last in (1..all.len()).rev() {
            all.swap(last, self.below(last + 1));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn chance_repeats_itself_and_reaches_everything() {
        let throw = |seed, purpose| {
            let mut dice = Dice::new(seed, purpose);
            (0..200).map(|_| dice.below(6)).collect::<Vec<_>>()
        };
        assert_eq!(throw(7, "load"), throw(7, "load"));
        assert_ne!(throw(7, "load"), throw(8, "load"));
        assert_ne!(throw(7, "load"), throw(7, "weather"));
        assert!((0..6).all(|side| throw(7, "load").contains(&side)));
        assert_eq!(Dice::new(1, "").pick::<u8>(&[]), None);
        let shuffled = |seed| Dice::new(seed, "").shuffled(0..20);
        assert_ne!(shuffled(1), shuffled(2));
        assert_eq!(BTreeSet::from_iter(shuffled(1)), BTreeSet::from_iter(0..20));
    }
}
