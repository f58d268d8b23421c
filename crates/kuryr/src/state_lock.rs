//! One process for each state folder.

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

/// Holds a state folder for this process until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

impl StateLock {
    /// Makes the folder, mode 0700, if it is not there, and takes it.
    ///
    /// # Errors
    /// Another process has it, which is named, or the folder cannot be used.
    pub fn take(folder: &Path) -> anyhow::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("cannot make the state folder '{}'", folder.display()))?;
        let path = folder.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("cannot open '{}'", path.display()))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => bail!(
                "another Kuryr{} uses the state folder '{}'; stop it, or choose another folder with --state-dir",
                holder(&mut file),
                folder.display()
            ),
            Err(error) => return Err(error).with_context(|| format!("cannot lock '{}'", path.display())),
        }
        // For the message above only, and on a full disk without: the lock itself is the kernel's.
        let _ = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

/// ` (process 17, kuryr)`, as far as it can be known.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = Read::take(&mut *file, 32).read_to_string(&mut text);
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let name = name.trim();
            if name.is_empty() { format!(" (process {pid})") } else { format!(" (process {pid}, {name})") }
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_second_is_told_who_has_it() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("a/b");
        let first = StateLock::take(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        let refusal = StateLock::take(&folder).unwrap_err().to_string();
        assert!(refusal.contains(&format!("(process {}, ", std::process::id())), "{refusal}");
        drop(first);
        StateLock::take(&folder).unwrap();
    }
}
