//! `cargo xtask openapi`: is docs/openapi.json what the code says of itself? With `--write` it becomes so.

use anyhow::Result;

use crate::command::Run;
use crate::screen::Screen;
use crate::workspace::{Workspace, cargo};

/// Compare, or write.
pub fn run(screen: &Screen, workspace: &Workspace, write: bool) -> Result<()> {
    screen.step("docs/openapi.json", |progress| {
        let words = ["test", "--package", "kuryr-cloud", "--test", "openapi"];
        let run = Run::new(cargo()).args(words).dir(&workspace.root);
        let run = if write { run.env("KURYR_WRITE_OPENAPI", "1") } else { run };
        run.run(progress)
    })
}
