//! What Docker forgot while Kuryr was away goes from Neutron and from the kernel, and nothing else does.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{Port, Subnet};
use kuryr_openstack::Query;
use kuryr_tests::{Rig, until_within, with_rig};

fn containers(rig: &Rig) -> Result<Vec<Port>> {
    rig.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"))
}

fn in_step(rig: &Rig) -> Result<()> {
    let found = rig.differences()?;
    ensure!(found == (Some(0), vec![]), "{found:?}");
    Ok(())
}

#[test]
fn a_container_removed_while_kuryr_was_away_leaves_nothing() -> Result<()> {
    with_rig(|rig| {
        rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
        rig.engine.container("stays", "blue", &[])?;
        rig.engine.container("goes", "blue", &["--expose", "80"])?;
        let stays = rig.engine.endpoint("stays", "blue")?;
        // A virtual machine's port beside them.
        let subnet = rig.cloud.list::<Subnet>(&Query::new())?.pop().context("no subnet")?;
        let vm = rig.cloud.create::<Port>(&kuryr_neutron::NewPort {
            network_id: Some(subnet.network_id),
            device_owner: Some("compute:nova".to_owned()),
            ..Default::default()
        })?;
        in_step(rig)?;
        rig.without_kuryr(|rig| rig.engine.docker(&["rm", "--force", "goes"]).map(drop))?;
        rig.kuryr.start(&rig.host)?;
        // By the first comparison: the second one is a minute later.
        until_within(Duration::from_secs(20), "what Docker forgot to go", || {
            let left = containers(rig)?;
            ensure!(left.len() == 1 && left[0].mac_address.to_string() == stays.mac, "{left:?}");
            let groups = rig.cloud.list::<kuryr_neutron::SecurityGroup>(&Query::new())?;
            ensure!(groups.iter().all(|group| group.name == "default"), "{groups:?}");
            Ok(())
        })?;
        ensure!(rig.cloud.list::<Port>(&Query::new().eq("id", vm.id))?.len() == 1, "a virtual machine lost its port");
        let taps: Vec<String> = rig.kernel()?.into_iter().filter(|name| name.starts_with("kuryr:tap")).collect();
        ensure!(taps == [format!("kuryr:{}", containers(rig)?[0].id.tap_name())], "{taps:?}");
        in_step(rig)?;
        // Docker that restarts is not a Docker without containers.
        rig.engine.container("third", "blue", &[])?;
        rig.engine.ping("third", &stays.address)
    })
}

#[test]
fn the_commands_tell_and_mend_what_differs() -> Result<()> {
    with_rig(|rig| {
        rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
        rig.engine.container("web", "blue", &[])?;
        let port = containers(rig)?.pop().context("no port")?;
        rig.cloud.delete::<Port>(port.id)?;
        let (status, found) = rig.differences()?;
        ensure!(status == Some(3) && found == ["not_in_neutron"], "{status:?} {found:?}");
        let text = rig.kuryr.command(&rig.host, &["diff"])?;
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        ensure!(text.contains("web") && text.contains("not in Neutron") && text.contains("1 in step"), "{text}");
        // Docker is right unless somebody says otherwise.
        let kept = rig.kuryr.command(&rig.host, &["gc"])?;
        ensure!(kept.status.success() && kept.stdout == b"nothing to remove\n", "{kept:?}");
        let told = rig.kuryr.command(&rig.host, &["gc", "--dry-run", "--source-of-truth", "neutron"])?;
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        ensure!(told.contains("would remove port web") && rig.engine.endpoint("web", "blue").is_ok(), "{told}");
        let done = rig.kuryr.command(&rig.host, &["gc", "--source-of-truth", "neutron"])?;
        let done = String::from_utf8_lossy(&done.stdout).into_owned();
        ensure!(done.contains("removed port web") && rig.engine.endpoint("web", "blue").is_err(), "{done}");
        in_step(rig)?;
        rig.engine.docker(&["network", "connect", "blue", "web"])?;
        ensure!(containers(rig)?.len() == 1);
        Ok(())
    })
}
