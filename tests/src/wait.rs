//! Waiting for what another process does, with an end.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long the slowest of the awaited things may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Look again and again until there is something to see; the last refusal is part of the error.
pub fn until<T>(what: &str, look: impl FnMut() -> Result<T>) -> Result<T> {
    until_within(PATIENCE, what, look)
}

/// The same with a limit of one's own.
pub fn until_within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    loop {
        match look() {
            Ok(value) => return Ok(value),
            Err(error) if started.elapsed() >= limit => {
                bail!("waited {:.1} s for {what}: {error:#}", started.elapsed().as_secs_f64());
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}
