//! Packages from PyPI, each in an environment of its own in the target folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

/// Tests of this program run side by side, and several may want one package.
static INSTALLING: Mutex<()> = Mutex::new(());

/// The Python that has a package, such as `name==1.0`; installed now if it was not before. `None`, and said: it cannot be.
pub async fn with(test: &str, package: &'static str) -> Option<PathBuf> {
    match tokio::task::spawn_blocking(move || installed(package)).await.unwrap() {
        Ok(python) => Some(python),
        Err(reason) => {
            eprintln!("skipped: {test}: {package} could not be installed: {reason}");
            None
        }
    }
}

fn installed(package: &str) -> Result<PathBuf, String> {
    let _alone = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let home = place.join(package);
    let python = home.join("bin/python");
    if python.exists() {
        return Ok(python);
    }
    let scratch = place.join(format!("{package}.{}", std::process::id()));
    let run = |program: &Path, words: &[&str]| {
        let output =
            Command::new(program).args(words).output().map_err(|error| format!("{}: {error}", program.display()))?;
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(format!("{} {words:?}: {complaint}", program.display())) }
    };
    let made = run(Path::new("python3"), &["-m", "venv", &scratch.to_string_lossy()]).and_then(|()| {
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", package];
        run(&scratch.join("bin/python"), &pip)
    });
    // Renamed when complete, so that a program that runs beside this one never finds half of it.
    let made = made.and_then(|()| {
        fs::rename(&scratch, &home)
            .or_else(|error| if python.exists() { Ok(()) } else { Err(format!("{}: {error}", home.display())) })
    });
    let _ = fs::remove_dir_all(&scratch);
    made.map(|()| python)
}
