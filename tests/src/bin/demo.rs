//! The demo program; `cargo xtask demo` prepares the machine for it.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    kuryr_tests::demo::main(&arguments)
}
