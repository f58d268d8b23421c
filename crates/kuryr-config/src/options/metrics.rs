//! `[metrics]`: what monitoring asks.

use super::{Kind, OptionSpec};

pub(super) const OPTIONS: &[OptionSpec] = &[OptionSpec::new(
    "metrics",
    "listen",
    Kind::SocketAddress,
    "Address, such as 127.0.0.1:9698, that serves /metrics for Prometheus, /healthz and /readyz, to anybody who reaches \
     it. Unset: none.",
)];
