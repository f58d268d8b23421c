//! The soak program; `cargo xtask soak` builds it and prepares the machine for it.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    kuryr_tests::soak::main(&arguments)
}
