//! The names under which this program is started: its own, and those of the programs it stands in for.

use clap::ValueEnum;
use std::path::Path;

/// What the program is asked to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// Itself.
    Kuryr,
    /// The original's server.
    #[value(name = "kuryr-server")]
    Server,
    /// The original's check before an upgrade.
    #[value(name = "kuryr-status")]
    Status,
}

impl Name {
    /// The name by which this process was started.
    pub fn of_process() -> Self {
        std::env::args_os().next().map_or(Self::Kuryr, |name| Self::of(Path::new(&name)))
    }

    fn of(program: &Path) -> Self {
        match program.file_name().and_then(|name| name.to_str()) {
            Some("kuryr-server") => Self::Server,
            Some("kuryr-status") => Self::Status,
            _ => Self::Kuryr,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_the_path_decides() {
        for (program, name) in [
            ("kuryr", Name::Kuryr),
            ("/usr/bin/kuryr", Name::Kuryr),
            ("kuryr-server", Name::Server),
            ("/usr/local/bin/kuryr-server", Name::Server),
            ("./kuryr-status", Name::Status),
            ("kuryr-server/anything", Name::Kuryr),
            ("", Name::Kuryr),
        ] {
            assert_eq!(Name::of(Path::new(program)), name, "{program}");
        }
    }
}
