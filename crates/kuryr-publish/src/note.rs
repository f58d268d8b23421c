//! Notes of what is published: one file for each container interface, in a folder.

use crate::{Error, Published, Sandbox};
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsStr,
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

const EXTENSION: &str = "json";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What is published for one container interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The machine's run that it was written in: namespaces do not outlive it.
    pub(crate) boot: String,
    /// Where the ports lead.
    pub(crate) sandbox: Sandbox,
    /// The ports.
    pub(crate) ports: Vec<Published>,
}

/// The folder of the notes.
#[derive(Debug, Clone)]
pub(crate) struct Notes {
    folder: PathBuf,
}

impl Notes {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Which run of the machine this is.
    pub(crate) fn boot() -> String {
        fs::read_to_string(BOOT_ID).map(|id| id.trim().to_owned()).unwrap_or_default()
    }

    /// Writes a note, whole or not at all.
    pub(crate) fn write(&self, key: &str, note: &Note) -> Result<(), Error> {
        let path = self.path(key);
        let write = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
            let draft = path.with_extension("new");
            fs::write(&draft, serde_json::to_vec(note)?)?;
            fs::rename(&draft, &path)
        };
        write().map_err(|reason| Error::Note { path: path.clone(), reason })
    }

    /// Removes a note. One that is not there is removed.
    pub(crate) fn remove(&self, key: &str) -> Result<(), Error> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Err(reason) if reason.kind() != io::ErrorKind::NotFound => Err(Error::Note { path, reason }),
            _ => Ok(()),
        }
    }

    /// All notes that can be read, with their keys and ages; others are told to the log and left.
    pub(crate) fn all(&self) -> Result<Vec<(String, Note, Duration)>, Error> {
        let unreadable = |reason| Error::Note { path: self.folder.clone(), reason };
        let files = match fs::read_dir(&self.folder) {
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            files => files.map_err(unreadable)?,
        };
        let mut notes = Vec::new();
        for file in files {
            let path = file.map_err(unreadable)?.path();
            let Some(key) =
                path.file_stem().and_then(OsStr::to_str).filter(|_| path.extension() == Some(EXTENSION.as_ref()))
            else {
                continue;
            };
            let read = || {
                let age = fs::metadata(&path)?.modified()?.elapsed().unwrap_or_default();
                Ok::<_, io::Error>((key.to_owned(), serde_json::from_slice(&fs::read(&path)?)?, age))
            };
            match read() {
                Ok(note) => notes.push(note),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "a note of published ports makes no sense")
                }
            }
        }
        Ok(notes)
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.{EXTENSION}"))
    }
}
