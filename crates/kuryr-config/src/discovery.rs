//! Which files are read, in which order: the rules of oslo.config for a project `kuryr` and a program `kuryr-server`.

use crate::{
    diagnostic::{Diagnostic, Place},
    ini::{self, Document},
    sources::{Explicit, Sources, is_absent},
};
use std::{
    io,
    path::{Path, PathBuf},
};

/// Reads every file there is to read; the later one wins.
///
/// `--config-file` replaces the default files and `--config-dir` the default folders, each for itself.
pub(crate) fn documents(sources: &Sources, problems: &mut Vec<Diagnostic>) -> Vec<Document> {
    let mut documents = Vec::new();
    let asks = |wanted: fn(&Explicit) -> bool| sources.explicit.iter().any(wanted);
    if sources.defaults && !asks(|explicit| matches!(explicit, Explicit::File(_))) {
        for name in ["kuryr.conf", "kuryr-server.conf"] {
            if let Some((path, content)) = sources.first(places(sources).map(|place| place.join(name))) {
                documents.extend(document(&path, content, problems));
            }
        }
    }
    if sources.defaults && !asks(|explicit| matches!(explicit, Explicit::Folder(_))) {
        for name in ["kuryr.conf.d", "kuryr-server.conf.d"] {
            let found =
                places(sources).map(|place| place.join(name)).find_map(|folder| match sources.files.list(&folder) {
                    Err(error) if is_absent(&error) => None,
                    other => Some((folder, other)),
                });
            if let Some((folder, content)) = found {
                documents.extend(documents_of(sources, &folder, content, problems));
            }
        }
    }
    for explicit in &sources.explicit {
        match explicit {
            Explicit::File(path) => documents.extend(document(path, sources.files.read(path), problems)),
            Explicit::Folder(path) => {
                documents.extend(documents_of(sources, path, sources.files.list(path), problems));
            }
        }
    }
    documents
}

fn places(sources: &Sources) -> impl Iterator<Item = PathBuf> {
    let home = sources.home.clone();
    home.iter()
        .flat_map(|home| [home.join(".kuryr"), home.clone()])
        .chain([PathBuf::from("/etc/kuryr"), PathBuf::from("/etc")])
        .collect::<Vec<_>>()
        .into_iter()
}

fn documents_of(
    sources: &Sources,
    folder: &Path,
    content: io::Result<Vec<PathBuf>>,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Document> {
    let mut paths = match content {
        Ok(paths) => paths,
        Err(error) => {
            problems.push(Diagnostic::error(format!("cannot list '{}': {error}", folder.display())));
            return Vec::new();
        }
    };
    let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "conf") && !is_hidden(path));
    paths.sort();
    paths.iter().filter_map(|path| document(path, sources.files.read(path), problems)).collect()
}

fn document(path: &Path, content: io::Result<Vec<u8>>, problems: &mut Vec<Diagnostic>) -> Option<Document> {
    if content.as_ref().is_err_and(is_absent) {
        let problem = Diagnostic::error(format!("there is no file '{}'", path.display()));
        problems.push(problem.help("'kuryr config sample' prints one to begin with"));
        return None;
    }
    text(path, content, problems).map(|text| ini::parse(path, &text, problems))
}

/// A file's text. A file that cannot be read or is no text is a problem.
pub(crate) fn text(path: &Path, content: io::Result<Vec<u8>>, problems: &mut Vec<Diagnostic>) -> Option<String> {
    let content = match content {
        Ok(content) => content,
        Err(error) => {
            let problem = Diagnostic::error(format!("cannot read '{}': {error}", path.display()));
            problems.push(match error.kind() {
                io::ErrorKind::PermissionDenied => problem.help("run as root, or as the user who may read this file"),
                _ => problem,
            });
            return None;
        }
    };
    match String::from_utf8(content) {
        Ok(text) => Some(text),
        Err(error) => {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            let start = good.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let before = String::from_utf8_lossy(&good[start..]);
            // What stands before the byte may be a secret: only the name is shown.
            let shown = format!("{}…", before.split_inclusive(['=', ':']).next().unwrap_or_default());
            let end = shown.len();
            let wrong = error.as_bytes().get(good.len()).copied().unwrap_or_default();
            problems.push(
                Diagnostic::error(format!("byte 0x{wrong:02x} is not UTF-8"))
                    .at(Place::new(path, line, &shown, end - '…'.len_utf8()..end), "expected UTF-8 text"),
            );
            None
        }
    }
}
