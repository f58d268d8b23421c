//! A series of measured times.

use std::time::Duration;

/// Times, in the order they were measured.
#[derive(Debug, Clone, Default)]
pub struct Series {
    milliseconds: Vec<f64>,
}

impl Series {
    /// Add one.
    pub fn add(&mut self, time: Duration) {
        self.milliseconds.push(time.as_secs_f64() * 1000.0);
    }

    /// Add those of another series.
    pub fn extend(&mut self, other: &Self) {
        self.milliseconds.extend(&other.milliseconds);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.milliseconds.len()
    }

    /// The time that this share of all does not exceed, in milliseconds.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.milliseconds.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        let index = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(index.saturating_sub(1).min(last)).copied().unwrap_or(f64::NAN)
    }

    /// The middle one, in milliseconds.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_members_of_the_series() {
        let mut series = Series::default();
        for milliseconds in (1..=100).rev() {
            series.add(Duration::from_millis(milliseconds));
        }
        assert_eq!((series.median(), series.quantile(0.99), series.quantile(1.0)), (50.0, 99.0, 100.0));
        assert!(Series::default().median().is_nan());
    }
}
