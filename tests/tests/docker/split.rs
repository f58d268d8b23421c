//! The plugin and the cloud as two processes: as with an OpenStack, only that the cloud is the embedded one.

use anyhow::{Result, ensure};
use kuryr_tests::{Host, Kuryr, Paths, Started, binary, get, request, until, with_host};

fn cloud(host: &Host) -> Result<Started> {
    let process = host.start(&[&binary()?.to_string_lossy(), "cloud"], &[], Paths::LOG)?;
    until("the API to answer", || {
        ensure!(get(&host.path(Paths::API), "/")?.status < 400);
        Ok(())
    })?;
    Ok(process)
}

#[test]
fn the_plugin_finds_its_cloud_by_clouds_yaml() -> Result<()> {
    with_host(|host, engine| {
        let mut api = cloud(host)?;
        let environment = [("OS_CLOUD", "kuryr"), ("OS_CLIENT_CONFIG_FILE", Paths::CLOUDS)];
        let log = "/run/kuryr-docker.log";
        let _plugin = host.start(&[&binary()?.to_string_lossy(), "docker"], &environment, log)?;
        until("the plugin to answer", || {
            ensure!(request(&host.path(Paths::PLUGIN), "/Plugin.Activate", b"")?.status == 200);
            Ok(())
        })?;
        let create = ["network", "create", "-d", "kuryr", "--ipam-driver", "kuryr"];
        engine
            .docker(&[create.as_slice(), &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1", "blue"]].concat())?;
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
