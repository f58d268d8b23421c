//! From the command line to settings.

use crate::{
    cli::{DEBUG, EmbeddedPlace, FILE, FOLDER, LOG_FORMAT, LogFormat, Sockets},
    failure::Failure,
};
use clap::ArgMatches;
use kuryr_config::{Explicit, Override, Settings, Sources};
use std::path::{Path, PathBuf};

/// The options of every command, from before and behind the command's name.
#[derive(Debug, Clone, Default)]
pub struct Given {
    explicit: Vec<Explicit>,
    overrides: Vec<Override>,
}

impl Given {
    /// Gathers them in the order in which they were given: among files and folders the later one wins.
    pub fn new(matches: &ArgMatches) -> Self {
        let mut given = Self::default();
        let mut level = Some(matches);
        while let Some(matches) = level {
            given.add(matches);
            level = matches.subcommand().map(|(_, matches)| matches);
        }
        given
    }

    fn add(&mut self, matches: &ArgMatches) {
        let mut places: Vec<(usize, Explicit)> = Vec::new();
        for id in [FILE, FOLDER] {
            // Commands without these options have no such id.
            let Ok(Some(paths)) = matches.try_get_many::<PathBuf>(id) else { continue };
            let explicit = if id == FILE { Explicit::File } else { Explicit::Folder };
            places.extend(matches.indices_of(id).into_iter().flatten().zip(paths.cloned().map(explicit)));
        }
        places.sort_by_key(|(index, _)| *index);
        self.explicit.extend(places.into_iter().map(|(_, explicit)| explicit));
        if let Ok(Some(true)) = matches.try_get_one::<bool>(DEBUG) {
            self.set("DEFAULT", "debug", "true", "--debug");
        }
        if let Ok(Some(format)) = matches.try_get_one::<LogFormat>(LOG_FORMAT) {
            for (option, wanted) in [("use_json", LogFormat::Json), ("use_journal", LogFormat::Journal)] {
                self.set("DEFAULT", option, &(*format == wanted).to_string(), "--log-format");
            }
        }
    }

    /// Sets one option as the command line does; `flag` is what messages call it.
    pub fn set(&mut self, group: &'static str, name: &'static str, value: &str, flag: &'static str) {
        self.overrides.push(Override { group, name, value: value.to_owned(), flag });
    }

    /// The same for a path, in which a dollar means nothing.
    pub fn set_path(&mut self, group: &'static str, name: &'static str, path: Option<&Path>, flag: &'static str) {
        if let Some(path) = path {
            // A dollar on the command line is the shell's matter, not ours.
            self.set(group, name, &path.to_string_lossy().replace('$', "$$"), flag);
        }
    }

    /// Adds where the embedded cloud is.
    pub fn with_place(mut self, place: &EmbeddedPlace) -> Self {
        self.set_path("cloud", "state_dir", place.state_dir.as_deref(), "--state-dir");
        self.set_path("cloud", "api_socket", place.api_socket.as_deref(), "--api-socket");
        if let Some(address) = place.api_listen {
            self.set("cloud", "api_listen", &address.to_string(), "--api-listen");
        }
        self
    }

    /// Adds where the embedded cloud's database is.
    pub fn with_state_dir(mut self, state_dir: Option<&Path>) -> Self {
        self.set_path("cloud", "state_dir", state_dir, "--state-dir");
        self
    }

    /// Adds where Docker finds the plugin.
    pub fn with_sockets(mut self, sockets: &Sockets) -> Self {
        self.set_path("docker", "plugin_socket", sockets.plugin_socket.as_deref(), "--plugin-socket");
        self
    }

    /// What this process was started with.
    pub fn sources(self) -> Sources {
        Sources::of_process(self.explicit, self.overrides)
    }

    /// These files, after those of `--config-file` and `--config-dir`; without any, what [`Given::sources`] gives.
    pub fn sources_with(mut self, files: &[PathBuf]) -> Sources {
        if files.is_empty() {
            return self.sources();
        }
        self.explicit.extend(files.iter().cloned().map(Explicit::File));
        Sources { explicit: self.explicit, overrides: self.overrides, ..Sources::of_files([]) }
    }

    /// Reads the settings; what is merely worth knowing goes to standard error.
    pub fn settings(self) -> Result<Settings, Failure> {
        let settings = Settings::load(&self.sources()).map_err(Failure::Configuration)?;
        if !settings.warnings.is_empty() {
            anstream::eprintln!("{}\n", settings.warnings.render(crate::failure::colour()));
        }
        Ok(settings)
    }
}
