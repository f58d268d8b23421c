//! Files of configuration.

use kuryr_config::{Files, Settings, Sources};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// The only file there is.
struct Only(&'static str, Vec<u8>);

impl Files for Only {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if path == Path::new(self.0) { Ok(self.1.clone()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn list(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn load(path: &'static str, content: &[u8], environment: BTreeMap<String, String>) {
    let files = Box::new(Only(path, content.to_vec()));
    let sources =
        Sources { files, environment, home: None, explicit: Vec::new(), overrides: Vec::new(), defaults: true };
    match Settings::load(&sources) {
        // What is shown of it is shown, too.
        Ok(settings) => drop(format!("{settings:?} {}", settings.warnings)),
        Err(problems) => assert!(!problems.to_string().is_empty() && !problems.render(true).is_empty()),
    }
}

/// `kuryr.conf` gives settings or says what is wrong.
pub fn kuryr_conf(content: &[u8]) {
    load("/etc/kuryr/kuryr.conf", content, BTreeMap::new());
}

/// So does `clouds.yaml`, asked for the cloud `a`.
pub fn clouds_yaml(content: &[u8]) {
    load("/etc/openstack/clouds.yaml", content, BTreeMap::from([("OS_CLOUD".to_owned(), "a".to_owned())]));
}
