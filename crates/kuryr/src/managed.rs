//! `kuryr managed`: the plugin in a container of its own, told by the variables of its image.

use crate::{configuration::Given, docker, docker::Limits, failure::Failure, process};
use rustix::{
    fs::StatVfsMountFlags,
    mount::{MountFlags, mount_remount},
};
use std::path::Path;

/// Runs the plugin until a signal ends it.
pub fn run(given: Given) -> Result<(), Failure> {
    open_settings_of_interfaces();
    let (given, limits) = with_variables(given, &|name| std::env::var(name).ok())?;
    let settings = given.clone().settings()?;
    docker::run_with(given, settings, limits)
}

/// Docker gives its plugins a view of the kernel's settings that is read-only; to plug a port is to set some of its
/// interface's. The view is this container's own.
fn open_settings_of_interfaces() {
    const SETTINGS: &str = "/proc/sys";
    let is_closed = rustix::fs::statvfs(SETTINGS).is_ok_and(|view| view.f_flag.contains(StatVfsMountFlags::RDONLY));
    let flags = MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    if is_closed {
        // Where it fails, each port says which of its settings could not be made.
        let _ = mount_remount(SETTINGS, flags, "");
    }
}

/// Variables that stand for an option: a variable wins over the file, one that is empty says nothing.
const OPTIONS: [(&str, &str, &str); 10] = [
    ("IDENTITY_URL", "neutron", "auth_url"),
    ("SERVICE_USER", "neutron", "username"),
    ("SERVICE_PASSWORD", "neutron", "password"),
    ("SERVICE_PROJECT_NAME", "neutron", "project_name"),
    ("SERVICE_DOMAIN_NAME", "neutron", "project_domain_name"),
    ("USER_DOMAIN_NAME", "neutron", "user_domain_name"),
    ("REGION_NAME", "neutron", "region_name"),
    ("ENDPOINT_TYPE", "neutron", "endpoint_type"),
    ("CA_FILE", "neutron", "cafile"),
    ("CAPABILITY_SCOPE", "DEFAULT", "capability_scope"),
];

fn with_variables(mut given: Given, variable: &dyn Fn(&str) -> Option<String>) -> Result<(Given, Limits), Failure> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    for (name, group, option) in OPTIONS {
        if let Some(value) = variable(name) {
            // A variable's dollar is not the file's.
            given.set(group, option, &value.replace('$', "$$"), name);
        }
    }
    if let Some(socket) = variable("HTTP_SOCKET") {
        listen(&mut given, &socket)?;
    }
    let mut limits = Limits::default();
    if let Some(level) = variable("LOG_LEVEL") {
        limits.level = self::level(&mut given, &level)?;
    }
    if let Some(number) = variable("PROCESSES") {
        limits.threads = threads(&number)?;
    }
    Ok((given, limits))
}

/// A path is a unix socket; `[host]:port` is an address as well.
fn listen(given: &mut Given, socket: &str) -> Result<(), Failure> {
    if socket.starts_with('/') {
        given.set_path("docker", "plugin_socket", Some(Path::new(socket)), "HTTP_SOCKET");
        return Ok(());
    }
    let (host, port) = socket.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).ok_or_else(|| {
        Failure::usage(
            format!("HTTP_SOCKET is '{socket}'"),
            "a path is expected, as /run/docker/plugins/kuryr.sock, or an address, as 127.0.0.1:23750",
        )
    })?;
    let host = if host.is_empty() { "0.0.0.0" } else { host };
    given.set("DEFAULT", "kuryr_uri", &format!("http://{host}:{port}"), "HTTP_SOCKET");
    Ok(())
}

/// Python's names of levels, as the image has always had them.
fn level(given: &mut Given, level: &str) -> Result<Option<&'static str>, Failure> {
    match level.to_ascii_uppercase().as_str() {
        "DEBUG" => given.set("DEFAULT", "debug", "true", "LOG_LEVEL"),
        "INFO" => {}
        "WARN" | "WARNING" => return Ok(Some("warn")),
        "ERROR" | "CRITICAL" | "FATAL" => return Ok(Some("error")),
        _ => {
            let help = "DEBUG, INFO, WARNING or ERROR is expected";
            return Err(Failure::usage(format!("LOG_LEVEL is '{level}'"), help));
        }
    }
    Ok(None)
}

/// More would only wait for each other.
const MOST_THREADS: usize = 64;

/// One process serves all requests; what were processes once are its threads.
fn threads(number: &str) -> Result<usize, Failure> {
    match number.parse() {
        Ok(number @ 1..=MOST_THREADS) => Ok(number.max(process::THREADS)),
        _ => Err(Failure::usage(
            format!("PROCESSES is '{number}'"),
            format!("a number from 1 to {MOST_THREADS} is expected"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kuryr_config::{Auth, Domain, Project, Scope, Settings, Sources, User};
    use std::collections::BTreeMap;

    fn settings(variables: &[(&str, &str)]) -> Result<(Settings, Limits), Failure> {
        let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
        let read = |name: &str| variables.get(name).map(|value| (*value).to_owned());
        let (given, limits) = with_variables(Given::default(), &read)?;
        let sources = Sources { overrides: given.sources().overrides, ..Sources::of_files([]) };
        Ok((Settings::load(&sources).map_err(Failure::Configuration)?, limits))
    }

    const CLOUD: [(&str, &str); 6] = [
        ("IDENTITY_URL", "http://keystone:5000/v3"),
        ("SERVICE_USER", "kuryr"),
        ("SERVICE_PASSWORD", "p$ssword"),
        ("SERVICE_PROJECT_NAME", "service"),
        ("SERVICE_DOMAIN_NAME", "Services"),
        ("USER_DOMAIN_NAME", "Users"),
    ];

    #[test]
    fn the_domains_are_those_of_their_names() {
        let (settings, _) = settings(&CLOUD).unwrap();
        let cloud = settings.cloud.unwrap();
        assert_eq!(cloud.auth_url.as_str(), "http://keystone:5000/v3");
        let Auth::Password { user, scope, .. } = cloud.auth else { panic!("no password") };
        assert!(
            matches!(user, User::Name { name, domain: Domain::Name(domain) } if name == "kuryr" && domain == "Users")
        );
        assert!(matches!(
            scope,
            Scope::Project(Project::Name { name, domain: Domain::Name(domain) }) if name == "service" && domain == "Services"
        ));
    }

    #[test]
    fn an_empty_variable_says_nothing() {
        let empty: Vec<(&str, &str)> = OPTIONS
            .iter()
            .map(|(name, ..)| (*name, ""))
            .chain([("HTTP_SOCKET", ""), ("LOG_LEVEL", ""), ("PROCESSES", "")])
            .collect();
        let (settings, limits) = settings(&empty).unwrap();
        assert!(settings.cloud.is_none());
        assert_eq!(settings.docker.capability_scope.as_str(), "local");
        assert_eq!((limits.level, limits.threads), (None, process::THREADS));
    }

    #[test]
    fn every_variable_takes_effect() {
        let rest = [
            ("CAPABILITY_SCOPE", "global"),
            ("HTTP_SOCKET", "/run/docker/plugins/other.sock"),
            ("LOG_LEVEL", "ERROR"),
            ("PROCESSES", "8"),
            ("REGION_NAME", "North"),
        ];
        let (settings, limits) = settings(&[&CLOUD[..], &rest].concat()).unwrap();
        assert_eq!(settings.docker.capability_scope.as_str(), "global");
        assert_eq!(settings.docker.plugin_socket, Path::new("/run/docker/plugins/other.sock"));
        assert_eq!(settings.cloud.unwrap().region.as_deref(), Some("North"));
        assert_eq!((limits.level, limits.threads), (Some("error"), 8));
    }

    #[test]
    fn a_socket_may_be_an_address() {
        let (settings, _) = settings(&[("HTTP_SOCKET", ":23750"), ("LOG_LEVEL", "debug")]).unwrap();
        let listen = settings.docker.listen.unwrap();
        assert_eq!((listen.host.as_str(), listen.port), ("0.0.0.0", 23750));
        assert!(settings.logging.debug);
    }

    #[test]
    fn what_means_nothing_is_refused_by_name() {
        for (name, value) in [("LOG_LEVEL", "loud"), ("PROCESSES", "0"), ("PROCESSES", "x"), ("HTTP_SOCKET", "here")] {
            let told = settings(&[(name, value)]).err().map(|failure| failure.to_string()).unwrap_or_default();
            assert!(told.contains(name) && told.contains(value), "{told}");
        }
    }
}
