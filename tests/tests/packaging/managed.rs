//! Docker's managed plugin, made from the binary, enabled on a real engine, used by containers.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use kuryr_tests::{Host, Kuryr, Paths, PrivateEngine, Release, Started, binary, get, skip, until, with_host};
use serde_json::Value;

use crate::making;

/// How to log in at the embedded cloud.
pub struct Login {
    pub url: String,
    pub user: String,
    pub password: String,
    pub project: String,
}

impl Login {
    /// Read the embedded cloud's clouds.yaml, once it is there.
    pub fn read(clouds: &Path) -> Result<Self> {
        until("credentials", || {
            let file: Value = serde_norway::from_str(&fs::read_to_string(clouds)?)?;
            let auth = &file["clouds"]["kuryr"]["auth"];
            let text = |key: &str| auth[key].as_str().map(str::to_owned).with_context(|| format!("no {key}"));
            Ok(Self {
                url: text("auth_url")?,
                user: text("username")?,
                password: text("password")?,
                project: text("project_name")?,
            })
        })
    }
}

/// Start the embedded cloud alone, as an OpenStack beside the plugin.
pub fn cloud(host: &Host) -> Result<Started> {
    let process = host.start(&[&binary()?.to_string_lossy(), "cloud"], &[], Paths::LOG)?;
    until("the API to answer", || {
        ensure!(get(&host.path(Paths::API), "/")?.status < 400);
        Ok(())
    })?;
    Ok(process)
}

const PLUGIN: &str = "kuryr:latest";

fn create_network(engine: &PrivateEngine) -> Result<()> {
    let create = ["network", "create", "-d", PLUGIN, "--ipam-driver", PLUGIN];
    engine.docker(&[&create[..], &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1", "blue"]].concat()).map(drop)
}

/// Make the plugin, set it up for the embedded cloud and enable it.
fn install(host: &Host, engine: &PrivateEngine, login: &Login, more: &[&str]) -> Result<()> {
    making::product("docker-plugin", host.scratch())?;
    let folder = host.scratch().join("docker-plugin");
    engine.docker(&["plugin", "create", PLUGIN, &folder.to_string_lossy()])?;

    // A file is there and names another cloud: what is set on the plugin wins.
    fs::create_dir_all(host.path("/etc/kuryr"))?;
    fs::write(host.path(Paths::CONFIG), "[neutron]\nauth_url = http://127.0.0.1:1\nusername = nobody\npassword = x\n")?;
    let values = [
        format!("IDENTITY_URL={}", login.url),
        format!("SERVICE_USER={}", login.user),
        format!("SERVICE_PASSWORD={}", login.password),
        format!("SERVICE_PROJECT_NAME={}", login.project),
        "SERVICE_DOMAIN_NAME=Default".to_owned(),
        "USER_DOMAIN_NAME=Default".to_owned(),
        "LOG_LEVEL=DEBUG".to_owned(),
    ];
    let mut words = vec!["plugin", "set", PLUGIN];
    words.extend(more);
    words.extend(values.iter().map(String::as_str));
    engine.docker(&words)?;
    engine.docker(&["plugin", "enable", PLUGIN]).map(drop)
}

#[test]
fn containers_use_the_managed_plugin_with_a_cloud_outside() -> Result<()> {
    with_host(|host, engine| {
        let mut first = cloud(host)?;
        let login = Login::read(&host.path(Paths::CLOUDS))?;
        install(host, engine, &login, &["CAPABILITY_SCOPE=global"])?;
        // Docker keeps networks of a global driver for swarms.
        let told = create_network(engine).err().map(|error| error.to_string()).unwrap_or_default();
        ensure!(told.contains("swarm"), "CAPABILITY_SCOPE has no effect: {told}");
        engine.docker(&["plugin", "disable", PLUGIN])?;
        engine.docker(&["plugin", "set", PLUGIN, "CAPABILITY_SCOPE="])?;
        // The cloud's network namespace is made anew when the plugin is there already, and the plugin sees it.
        host.signal(first.pid, "-TERM")?;
        first.wait()?;
        host.run(&["ip", "netns", "delete", "kuryr"])?;
        engine.docker(&["plugin", "enable", PLUGIN])?;
        let _cloud = cloud(host)?;
        create_network(engine)?;
        ensure!(PrivateEngine::log(host).contains("DEBUG"), "LOG_LEVEL has no effect");
        ensure!(!PrivateEngine::log(host).contains(&login.password), "the password is in the log");
        engine.container("one", "blue", &[])?;
        engine.container("two", "blue", &[])?;
        let two = engine.endpoint("two", "blue")?;
        engine.ping("one", &two.address)?;
        let port = Kuryr::cloud(host)?.port_by_mac(&two.mac)?;
        ensure!(port.fixed_ips.iter().any(|ip| ip.ip_address.to_string() == two.address), "{port:?}");

        engine.docker(&["rm", "--force", "one", "two"])?;
        engine.docker(&["network", "rm", "blue"])?;
        let left = Kuryr::cloud(host)?.inventory()?;
        ensure!(left.is_empty(), "{left:?}");
        engine.docker(&["plugin", "disable", PLUGIN])?;
        engine.docker(&["plugin", "rm", PLUGIN])?;
        Ok(())
    })
}

/// The current engine takes it too, with its settings in another folder. Containers are left to the other test: the root
/// in which this engine runs does not show it the network namespaces of the machine.
#[test]
fn the_current_engine_takes_the_managed_plugin() -> Result<()> {
    let release = match Release::current() {
        Ok(release) => release,
        Err(reason) => return skip(&format!("{reason:#}")),
    };
    let host = Host::boot()?;
    let engine = PrivateEngine::start_release(&host, release)?;
    let _cloud = cloud(&host)?;
    let login = Login::read(&host.path(Paths::CLOUDS))?;
    fs::create_dir_all(host.path("/run/settings"))?;
    install(&host, &engine, &login, &["config.source=/run/settings"])
        .and_then(|()| create_network(&engine))
        .with_context(|| PrivateEngine::log(&host))?;
    let network = engine.inspect("network", "blue")?;
    ensure!(network["Driver"] == PLUGIN && network["Scope"] == "local", "{network}");
    engine.docker(&["network", "rm", "blue"])?;
    let left = Kuryr::cloud(&host)?.inventory()?;
    ensure!(left.is_empty(), "{left:?}");
    engine.docker(&["plugin", "disable", PLUGIN])?;
    engine.docker(&["plugin", "rm", PLUGIN]).map(drop)
}
