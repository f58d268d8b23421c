//! The cloud that `kuryr status` asks: the one that is configured, else the embedded one, which must be running.

use crate::failure::Failure;
use anyhow::{Context, anyhow};
use kuryr_config::{CloudSettings, Disk, EmbeddedSettings, Settings, Sources};
use kuryr_openstack::{Neutron, Session, SessionOptions, Unix};
use std::{
    collections::BTreeMap, io, net::TcpStream, os::unix::net::UnixStream, path::Path, sync::Arc, time::Duration,
};

/// Time for the embedded cloud's socket to take a connection: it is on this machine.
const PATIENCE: Duration = Duration::from_secs(1);

/// A cloud that can be asked.
pub struct Connection {
    pub neutron: Neutron,
    /// Where its settings come from.
    pub source: String,
    /// Its Keystone's address, without user information.
    pub auth_url: String,
}

impl Connection {
    pub fn to(settings: &Settings) -> Result<Self, Failure> {
        match &settings.cloud {
            Some(cloud) => Ok(Self::new(Session::from_settings(cloud)?, cloud)),
            None => Self::embedded(&settings.embedded),
        }
    }

    fn new(session: Session, cloud: &CloudSettings) -> Self {
        let mut url = cloud.auth_url.clone();
        // These fail for URLs that cannot have such parts, which then have none.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Self { neutron: Neutron::new(session), source: cloud.source.clone(), auth_url: url.to_string() }
    }

    fn embedded(embedded: &EmbeddedSettings) -> Result<Self, Failure> {
        let clouds_yaml = embedded.state_dir.join("clouds.yaml");
        match std::fs::File::open(&clouds_yaml) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(never_ran(&clouds_yaml)),
            Err(error) => Err(error).with_context(|| {
                format!("cannot read the embedded cloud's credentials in '{}'; run as root", clouds_yaml.display())
            })?,
        }
        let cloud = credentials(&clouds_yaml)?;
        // The socket first: it answers even where the TCP address is somebody else's.
        if UnixStream::connect(&embedded.api_socket).is_ok() {
            let options = SessionOptions::from_settings(&cloud);
            let transport = Arc::new(Unix::new(&embedded.api_socket)?);
            let session = Session::new(transport, cloud.auth_url.clone(), cloud.auth.clone(), options);
            return Ok(Self::new(session, &cloud));
        }
        if TcpStream::connect_timeout(&embedded.api_listen, PATIENCE).is_ok() {
            return Ok(Self::new(Session::from_settings(&cloud)?, &cloud));
        }
        Err(Failure::Failed(anyhow!(
            "the embedded cloud is not running: nothing answers at {} or at {}; start it with 'sudo kuryr up', or name \
             another cloud in kuryr.conf, with OS_CLOUD or with OS_AUTH_URL",
            embedded.api_socket.display(),
            embedded.api_listen
        )))
    }
}

fn never_ran(clouds_yaml: &Path) -> Failure {
    Failure::Failed(anyhow!(
        "no cloud is configured, and the embedded one never ran here (there is no '{}'); start it with 'sudo kuryr up', \
         or name a cloud in kuryr.conf, with OS_CLOUD or with OS_AUTH_URL",
        clouds_yaml.display()
    ))
}

/// Reads the embedded cloud's clouds.yaml, which has one cloud.
fn credentials(clouds_yaml: &Path) -> Result<CloudSettings, Failure> {
    let variable = ("OS_CLIENT_CONFIG_FILE".to_owned(), clouds_yaml.to_string_lossy().into_owned());
    let sources = Sources { files: Box::new(Disk), environment: BTreeMap::from([variable]), ..Sources::of_files([]) };
    let settings = Settings::load(&sources).map_err(|problems| Failure::Failed(problems.into()))?;
    let cloud = settings.cloud.with_context(|| format!("'{}' names no cloud", clouds_yaml.display()))?;
    Ok(CloudSettings { source: "embedded cloud".to_owned(), ..cloud })
}
