//! Standard output.

use crate::failure::Failure;
use anyhow::Context;
use std::io::{self, Write};

/// Writes all of it. A reader that went away, as `head` does, is no failure.
pub fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other.context("cannot write to standard output")?),
    }
}
