//! The registry and everything in it.

use crate::{process::Process, sample::Sampled};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};
use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::{Duration, SystemTime},
};

/// Upper bounds of the buckets in seconds: a start is milliseconds from a pool, and seconds from a slow cloud.
const BUCKETS: [f64; 16] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0];

/// Start of the names of what is ours.
const PREFIX: &str = "kuryr";

/// A request of Docker's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct PluginLabels {
    pub method: String,
    pub status: u16,
}

/// A call to the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct CloudLabels {
    pub method: &'static str,
    pub resource: String,
    /// The status of HTTP; `none` where no answer came.
    pub status: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DifferenceLabels {
    difference: String,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

/// What came of one comparison of Docker, Neutron and the kernel.
#[derive(Debug, Clone, Default)]
pub struct Reconciliation {
    /// How long it took.
    pub took: Duration,
    /// Neutron and Docker answered.
    pub complete: bool,
    /// Things removed.
    pub removed: u64,
    /// Things that could not be removed.
    pub failed: u64,
    /// How many things are out of step, by how.
    pub differences: Vec<(&'static str, i64)>,
}

/// All measurements. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    pub(crate) plugin: Histograms<PluginLabels>,
    pub(crate) cloud: Histograms<CloudLabels>,
    reconciliations: Family<ResultLabels, Counter>,
    collected: Family<ResultLabels, Counter>,
    out_of_step: Family<DifferenceLabels, Gauge>,
    reconciliation_time: Histogram,
    last_reconciliation: Gauge<f64, AtomicU64>,
}

impl Metrics {
    /// Nothing measured yet. `version` is told to whoever asks.
    pub fn new(version: &str) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process::default()));
        let all = registry.sub_registry_with_prefix(PREFIX);
        let metrics = Self {
            registry: Arc::default(),
            plugin: Family::new_with_constructor(histogram),
            cloud: Family::new_with_constructor(histogram),
            reconciliations: Family::default(),
            collected: Family::default(),
            out_of_step: Family::default(),
            reconciliation_time: histogram(),
            last_reconciliation: Gauge::default(),
        };
        all.register("build", "What runs", Info::new([("version", version.to_owned())]));
        let seconds = || Unit::Seconds;
        all.register_with_unit("plugin_request_duration", "Docker's requests", seconds(), metrics.plugin.clone());
        all.register_with_unit("cloud_request_duration", "Calls to the cloud", seconds(), metrics.cloud.clone());
        let help = "Comparisons of Docker, Neutron and the kernel";
        all.register("reconciliations", help, metrics.reconciliations.clone());
        all.register_with_unit("reconciliation_duration", help, seconds(), metrics.reconciliation_time.clone());
        let help = "When the last comparison with answers from all sides ended";
        all.register("reconciliation_last_timestamp_seconds", help, metrics.last_reconciliation.clone());
        all.register("collected", "Things that nobody had any more", metrics.collected.clone());
        all.register(
            "out_of_step",
            "Things on which Docker, Neutron and the kernel differ",
            metrics.out_of_step.clone(),
        );
        *metrics.all() = registry;
        metrics
    }

    /// Adds a number that is looked up whenever somebody asks for the metrics. Must be quick.
    pub fn sample(&self, sampled: Sampled) {
        self.all().sub_registry_with_prefix(PREFIX).register_collector(Box::new(sampled));
    }

    /// Notes what came of a comparison.
    pub fn reconciled(&self, outcome: &Reconciliation) {
        let count = |family: &Family<ResultLabels, Counter>, result, by| {
            family.get_or_create(&ResultLabels { result }).inc_by(by);
        };
        count(&self.reconciliations, if outcome.complete { "complete" } else { "incomplete" }, 1);
        count(&self.collected, "removed", outcome.removed);
        count(&self.collected, "failed", outcome.failed);
        self.reconciliation_time.observe(outcome.took.as_secs_f64());
        if !outcome.complete {
            return;
        }
        if let Ok(now) = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            self.last_reconciliation.set(now.as_secs_f64());
        }
        self.out_of_step.clear();
        for (difference, number) in &outcome.differences {
            let labels = DifferenceLabels { difference: (*difference).to_owned() };
            self.out_of_step.get_or_create(&labels).set(*number);
        }
    }

    /// Everything in OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.all()) {
            tracing::warn!(%error, "the metrics cannot be written");
        }
        text
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
