//! The benchmark program; `cargo xtask bench` builds it with optimisation and prepares the machine for it.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    kuryr_tests::bench::main(&arguments)
}
