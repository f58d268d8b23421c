//! How to log in: the file `clouds.yaml` that OpenStack's clients read.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The cloud's name in `clouds.yaml`.
pub const CLOUD_NAME: &str = "kuryr";

/// The administrator's way in.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Where Keystone is.
    pub auth_url: String,
    /// User.
    pub username: String,
    /// Password.
    pub password: SecretString,
    /// Project.
    pub project_name: String,
    /// The user's domain.
    pub user_domain_name: String,
    /// The project's domain.
    pub project_domain_name: String,
    /// Region of the endpoints.
    pub region_name: String,
}

/// `clouds.yaml` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// It cannot be read or written.
    #[error("{path}: could not {action}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// It is there, and not what we wrote.
    #[error(
        "{path}: {reason}; correct it, or remove it: at the next start a new password is made and written there, and the \
         old one counts no more"
    )]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
struct File {
    clouds: Clouds,
}

#[derive(Serialize, Deserialize)]
struct Clouds {
    kuryr: Entry,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    auth: Auth,
    region_name: String,
    identity_api_version: u32,
}

#[derive(Serialize, Deserialize)]
struct Auth {
    auth_url: String,
    username: String,
    password: String,
    project_name: String,
    user_domain_name: String,
    project_domain_name: String,
}

impl Credentials {
    /// Reads the file; `None` if there is none. One that everybody may read is closed.
    pub fn read(path: &Path) -> Result<Option<Self>, CredentialsError> {
        tighten(path).map_err(|source| CredentialsError::File { path: path.to_owned(), action: "close it", source })?;
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CredentialsError::File { path: path.to_owned(), action: "read it", source }),
        };
        let file: File = serde_norway::from_str(&text).map_err(|error| CredentialsError::Content {
            path: path.to_owned(),
            reason: format!("the cloud '{CLOUD_NAME}' cannot be read from it: {error}"),
        })?;
        let Entry { auth, region_name, .. } = file.clouds.kuryr;
        Ok(Some(Self {
            auth_url: auth.auth_url,
            username: auth.username,
            password: SecretString::from(auth.password),
            project_name: auth.project_name,
            user_domain_name: auth.user_domain_name,
            project_domain_name: auth.project_domain_name,
            region_name,
        }))
    }

    /// Writes the file, mode 0600 from its first byte, all or nothing.
    pub fn write(&self, path: &Path) -> Result<(), CredentialsError> {
        let failed = |action, source| CredentialsError::File { path: path.to_owned(), action, source };
        let auth = Auth {
            auth_url: self.auth_url.clone(),
            username: self.username.clone(),
            password: self.password.expose_secret().to_owned(),
            project_name: self.project_name.clone(),
            user_domain_name: self.user_domain_name.clone(),
            project_domain_name: self.project_domain_name.clone(),
        };
        let kuryr = Entry { auth, region_name: self.region_name.clone(), identity_api_version: 3 };
        let text = serde_norway::to_string(&File { clouds: Clouds { kuryr } })
            .map_err(|error| failed("write it", io::Error::other(error)))?;
        let beside = path.with_extension("yaml.new");
        let _ = fs::remove_file(&beside);
        let written = (|| {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
            file.write_all(
                b"# The embedded cloud's administrator. Use: export OS_CLOUD=kuryr OS_CLIENT_CONFIG_FILE=<this file>\n",
            )?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, path)
        })();
        written.map_err(|source| failed("write it", source))
    }
}

/// Takes what everybody may do with the file; what a group may is its owner's choice.
fn tighten(path: &Path) -> io::Result<()> {
    let mode = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?.mode(),
    };
    if mode & 0o007 != 0 {
        tracing::warn!(path = %path.display(), "everybody could read the administrator's password; the file is closed now");
        fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o770))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nobody_else_reads_it() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("clouds.yaml");
        assert!(Credentials::read(&path).unwrap().is_none());
        let text = |text: &str| text.to_owned();
        let credentials = Credentials {
            auth_url: text("http://127.0.0.1:9696/identity/v3"),
            username: text("admin"),
            password: SecretString::from("p: #w"),
            project_name: text("admin"),
            user_domain_name: text("Default"),
            project_domain_name: text("Default"),
            region_name: text("RegionOne"),
        };
        credentials.write(&path).unwrap();
        let mode = || fs::metadata(&path).unwrap().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let read = Credentials::read(&path).unwrap().unwrap();
        assert_eq!(mode(), 0o640, "it is closed to everybody");
        assert_eq!(read.password.expose_secret(), "p: #w");
        assert_eq!(read.auth_url, credentials.auth_url);

        fs::write(&path, "clouds: {other: {}}").unwrap();
        let error = Credentials::read(&path).unwrap_err().to_string();
        assert!(error.contains("remove it"), "{error}");
    }
}
