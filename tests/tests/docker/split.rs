//! The plugin and the cloud as two processes: as with an OpenStack, only that the cloud is the embedded one.

use std::fs;

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{Port, PortUpdate};
use kuryr_tests::{Engine, Host, Kuryr, Paths, Started, binary, get, request, until, with_host};

fn cloud(host: &Host) -> Result<Started> {
    let process = host.start(&[&binary()?.to_string_lossy(), "cloud"], &[], Paths::LOG)?;
    until("the API to answer", || {
        ensure!(get(&host.path(Paths::API), "/")?.status < 400);
        Ok(())
    })?;
    Ok(process)
}

fn plugin(host: &Host) -> Result<Started> {
    let environment = [("OS_CLOUD", "kuryr"), ("OS_CLIENT_CONFIG_FILE", Paths::CLOUDS)];
    let process = host.start(&[&binary()?.to_string_lossy(), "docker"], &environment, "/run/kuryr-docker.log")?;
    until("the plugin to answer", || {
        ensure!(request(&host.path(Paths::PLUGIN), "/Plugin.Activate", b"")?.status == 200);
        Ok(())
    })?;
    Ok(process)
}

fn create_network(engine: &Engine) -> Result<()> {
    let create = ["network", "create", "-d", "kuryr", "--ipam-driver", "kuryr", "--subnet", "10.10.0.0/24"];
    engine.docker(&[create.as_slice(), &["--gateway", "10.10.0.1", "blue"]].concat()).map(drop)
}

#[test]
fn the_plugin_finds_its_cloud_by_clouds_yaml() -> Result<()> {
    with_host(|host, engine| {
        let mut api = cloud(host)?;
        let _plugin = plugin(host)?;
        create_network(engine)?;
        engine.container("one", "blue", &[])?;
        engine.container("two", "blue", &[])?;
        let two = engine.endpoint("two", "blue")?.address;
        engine.ping("one", &two)?;

        // Without its cloud the plugin refuses, and says so; with it, it goes on.
        host.signal(api.pid, "-KILL")?;
        api.wait()?;
        let run = ["run", "-d", "--name", "three", "--network", "blue", "kuryr-busybox", "sleep", "1000000"];
        engine.refused(&run)?;
        engine.docker(&["rm", "--force", "three"])?;
        engine.ping("one", &two)?;
        let _api = cloud(host)?;
        engine.container("three", "blue", &[])?;
        engine.ping("three", &two)?;

        engine.docker(&["rm", "--force", "one", "two", "three"])?;
        engine.docker(&["network", "rm", "blue"])?;
        let left = Kuryr::cloud(host)?.inventory()?;
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
}

/// No comparison and no request has to come first.
#[test]
fn what_a_killed_plugin_owed_its_cloud_is_written_at_the_next_start() -> Result<()> {
    with_host(|host, engine| {
        let config = host.path(Paths::CONFIG);
        fs::create_dir_all(config.parent().context("a file is in a folder")?)?;
        fs::write(config, "[docker]\nreconcile_interval = 0\n")?;
        let _api = cloud(host)?;
        let mut first = plugin(host)?;
        create_network(engine)?;
        engine.container("one", "blue", &[])?;
        let cloud = Kuryr::cloud(host)?;
        let mac = engine.endpoint("one", "blue")?.mac;
        let marked = || -> Result<Port> {
            let port = cloud.port_by_mac(&mac)?;
            ensure!(port.device_id.len() == 64 && port.tags.len() == 3, "{port:?}");
            Ok(port)
        };
        let port = until("the port to get its endpoint", marked)?;
        host.signal(first.pid, "-KILL")?;
        first.wait()?;
        // As it is when the process ends in the second after its answer.
        cloud.update::<Port>(port.id, &PortUpdate { device_id: Some(String::new()), ..PortUpdate::default() })?;
        cloud.call(async |neutron| neutron.set_tags::<Port>(port.id, &[]).await)?;
        let _second = plugin(host)?;
        let again = until("the port to get its endpoint again", marked)?;
        ensure!(again.device_id == port.device_id && again.tags == port.tags, "{port:?} {again:?}");
        engine.docker(&["rm", "--force", "one"])?;
        engine.docker(&["network", "rm", "blue"])?;
        let left = cloud.inventory()?;
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
}
