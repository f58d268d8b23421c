//! The demo: Kuryr at work beside the machine's own engine, told step by step, with every claim checked.

mod clean;
mod outside;
mod place;
mod process;
mod story;

use std::process::ExitCode;

use anyhow::{Result, bail};

use place::Place;

use crate::narrator::Narrator;

/// Run with the program's arguments: nothing, `--keep`, `--clean` or `--revive`.
pub fn main(arguments: &[String]) -> ExitCode {
    let narrator = Narrator::new();
    match run(&narrator, arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            narrator.failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(narrator: &Narrator, arguments: &[String]) -> Result<()> {
    let place = Place::from_environment();
    match arguments {
        [] => story::tell(narrator, &place, false),
        [flag] if flag == "--keep" => story::tell(narrator, &place, true),
        [flag] if flag == "--clean" => clean::remove(narrator, &place),
        [flag] if flag == "--revive" => clean::revive(narrator, &place),
        _ => bail!("unknown arguments {arguments:?}; there are --keep, --clean and --revive"),
    }
}
