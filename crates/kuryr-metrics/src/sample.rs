//! Numbers that are looked up when somebody asks.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use std::fmt;

/// One value with its labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Names and values of its labels.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: f64,
}

impl Sample {
    /// A number without labels.
    pub fn plain(value: f64) -> Vec<Self> {
        vec![Self { labels: Vec::new(), value }]
    }
}

/// A gauge that is looked up.
pub struct Sampled {
    name: &'static str,
    help: &'static str,
    look: Box<dyn Fn() -> Vec<Sample> + Send + Sync>,
}

impl Sampled {
    /// Under this name, to which `kuryr_` is put in front.
    pub fn new(name: &'static str, help: &'static str, look: impl Fn() -> Vec<Sample> + Send + Sync + 'static) -> Self {
        Self { name, help, look: Box::new(look) }
    }
}

impl fmt::Debug for Sampled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampled").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Collector for Sampled {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut gauge = encoder.encode_descriptor(self.name, self.help, None, MetricType::Gauge)?;
        let samples = (self.look)();
        if let [only] = samples.as_slice()
            && only.labels.is_empty()
        {
            return ConstGauge::new(only.value).encode(gauge);
        }
        for sample in samples {
            let value = ConstGauge::new(sample.value);
            let escaped: Vec<_> = sample.labels.iter().map(|(name, value)| (*name, escape(value))).collect();
            value.encode(gauge.encode_family(&escaped)?)?;
        }
        Ok(())
    }
}

/// A label's value as the text format wants it; names come from whoever may write to the cloud.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
