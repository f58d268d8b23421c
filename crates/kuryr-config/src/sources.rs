//! Where settings come from: files, variables and the command line, all handed in, so that nothing here looks around
//! by itself.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// Reads files. [`Disk`] is the machine's own; tests have others.
pub trait Files {
    /// The content of a file.
    ///
    /// # Errors
    /// What the system says.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The paths of what is in a folder, in no order.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;
}

/// This machine's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

/// No configuration file is nearly as large, in bytes; what is larger is something else.
const LARGEST: u64 = 4 << 20;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let about = std::fs::metadata(path)?;
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let mut content = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(std::fs::File::open(path)?, LARGEST + 1), &mut content)?;
        if content.len() as u64 > LARGEST {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 4 MiB"));
        }
        Ok(content)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
    }
}

/// A file or folder that was asked for on the command line. The later one wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Explicit {
    /// `--config-file`
    File(PathBuf),
    /// `--config-dir`: its `*.conf`, sorted by name.
    Folder(PathBuf),
}

/// An option set on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The option's section.
    pub group: &'static str,
    /// The option's name.
    pub name: &'static str,
    /// Its value, as a file would write it.
    pub value: String,
    /// What was given on the command line, for messages: `--debug`.
    pub flag: &'static str,
}

/// Everything settings are made from.
pub struct Sources {
    /// Reads files.
    pub files: Box<dyn Files>,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// The user's home; `None`: it is not looked into.
    pub home: Option<PathBuf>,
    /// Files and folders asked for, in order.
    pub explicit: Vec<Explicit>,
    /// Options set on the command line.
    pub overrides: Vec<Override>,
    /// Whether the default places are looked into: what `kuryr config check FILE` does not want.
    pub defaults: bool,
}

impl Sources {
    /// What this process was started with.
    pub fn of_process(explicit: Vec<Explicit>, overrides: Vec<Override>) -> Self {
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect();
        let home = environment.get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        Self { files: Box::new(Disk), environment, home, explicit, overrides, defaults: true }
    }

    /// These files alone: no variables, no default places.
    pub fn of_files(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            files: Box::new(Disk),
            environment: BTreeMap::new(),
            home: None,
            explicit: paths.into_iter().map(Explicit::File).collect(),
            overrides: Vec::new(),
            defaults: false,
        }
    }

    /// A variable that is set to something.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The first of these files that is there, with its content.
    pub(crate) fn first(&self, paths: impl IntoIterator<Item = PathBuf>) -> Option<(PathBuf, io::Result<Vec<u8>>)> {
        paths.into_iter().find_map(|path| match self.files.read(&path) {
            Err(error) if is_absent(&error) => None,
            other => Some((path, other)),
        })
    }
}

/// Whether an error only says that there is no such file.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
