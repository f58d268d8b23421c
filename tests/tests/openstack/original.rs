//! A host with the original and a host with this Kuryr on one cloud.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use kuryr_neutron::{Network, Port, Subnet};
use kuryr_openstack::Query;
use kuryr_tests::{Cloud, Engine, Host, OpenStack, Original, Place, PrivateEngine, Release, Rig, binary, skip, until};

fn create(engine: &Engine, name: &str, cidr: &str, options: &[String]) -> Result<()> {
    let gateway = cidr.replace(".0/24", ".1");
    let create =
        ["network", "create", "-d", "kuryr", "--ipam-driver", "kuryr", "--subnet", cidr, "--gateway", &gateway];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    engine.docker(&[&create[..], &options, &[name]].concat()).map(drop)
}

/// The options by which Docker uses what another host has made.
fn options_of(cloud: &Cloud, cidr: &str) -> Result<(Network, Subnet, Vec<String>)> {
    let subnet = cloud.subnet(cidr)?;
    let network: Network = cloud.one(&Query::new().eq("id", subnet.network_id))?;
    let (net, sub) = (format!("neutron.net.uuid={}", network.id), format!("neutron.subnet.uuid={}", subnet.id));
    let words = ["-o", &net, "-o", &sub, "--ipam-opt", &sub].map(str::to_owned).to_vec();
    Ok((network, subnet, words))
}

fn pings(engine: &Engine, container: &str, address: &str) -> Result<()> {
    until("an answer to a ping", || engine.ping(container, address))
}

/// Each network is made by one of them and used by both; the guest goes first, and the owner's containers do not notice.
/// Then this Kuryr takes the place of the original, under its containers.
fn share(rig: &Rig, old: &Host, engine: &PrivateEngine, original: Original, address: &str) -> Result<()> {
    // The original takes any pool of a range for its own, so the range must be new to this cloud.
    let number = uuid::Uuid::new_v4().as_bytes()[0];
    let (blue, red) = (format!("10.40.{number}.0/24"), format!("10.41.{number}.0/24"));
    // The original's network.
    create(engine, "blue", &blue, &[])?;
    engine.container("old1", "blue", &[])?;
    engine.container("old2", "blue", &["--expose", "80"])?;
    let (network, subnet, options) = options_of(&rig.cloud, &blue)?;
    let before = rig.cloud.inventory()?;
    create(&rig.engine, "blue", &blue, &options)?;
    rig.engine.container("new1", "blue", &[])?;
    let port = rig.port("new1", "blue")?;
    ensure!(port.network_id == network.id && port.fixed_ips[0].subnet_id == subnet.id, "{port:?}");
    let old2 = engine.endpoint("old2", "blue")?.address;
    rig.ping("new1", &old2)?;
    pings(engine, "old1", &rig.engine.endpoint("new1", "blue")?.address)?;
    rig.engine.docker(&["rm", "--force", "new1"])?;
    rig.engine.docker(&["network", "rm", "blue"])?;
    let after = rig.cloud.inventory()?;
    ensure!(after == before, "before: {before:?}; after: {after:?}");
    pings(engine, "old1", &old2)?;
    engine.container("old3", "blue", &[])?;
    pings(engine, "old3", &old2)?;

    // Ours.
    create(&rig.engine, "red", &red, &[])?;
    rig.engine.container("new1", "red", &[])?;
    rig.engine.container("new2", "red", &[])?;
    let (network, subnet, options) = options_of(&rig.cloud, &red)?;
    create(engine, "red", &red, &options)?;
    engine.container("guest", "red", &[])?;
    let new2 = rig.engine.endpoint("new2", "red")?.address;
    pings(engine, "guest", &new2)?;
    rig.ping("new1", &engine.endpoint("guest", "red")?.address)?;
    engine.docker(&["rm", "--force", "guest"])?;
    engine.docker(&["network", "rm", "red"])?;
    let still = rig.cloud.subnet(&red)?;
    ensure!(still.id == subnet.id && still.network_id == network.id, "{still:?}");
    rig.ping("new1", &new2)?;
    rig.engine.container("new3", "red", &[])?;
    rig.ping("new3", &new2)?;
    rig.engine.docker(&["rm", "--force", "new1", "new2", "new3"])?;
    rig.engine.docker(&["network", "rm", "red"])?;
    ensure!(rig.cloud.list::<Network>(&Query::new().eq("id", network.id))?.is_empty(), "{}", network.name);

    // Taken over.
    let mut original = original;
    old.signal(original.process.pid, "-TERM")?;
    original.process.wait()?;
    let ours = Query::new().eq("device_owner", "compute:kuryr");
    let before = rig.cloud.list::<Port>(&ours)?;
    let place = rig.openstack.as_ref().context("the machine is on no OpenStack")?;
    Original::configure(
        old,
        None,
        address,
        &place.openstack.configuration(&place.tenant, Some(&place.tenant.user), ""),
    )?;
    let _ours = Original::serve(old, &[&binary()?.to_string_lossy(), "docker"], address, "/usr/bin")?;
    pings(engine, "old1", &old2)?;
    let after = rig.cloud.list::<Port>(&ours)?;
    ensure!(before.iter().map(|port| port.id).eq(after.iter().map(|port| port.id)), "{before:?} {after:?}");
    engine.docker(&["restart", "--time", "0", "old2"])?;
    pings(engine, "old1", &engine.endpoint("old2", "blue")?.address)?;
    engine.container("new", "blue", &[])?;
    pings(engine, "new", &engine.endpoint("old2", "blue")?.address)?;
    engine.docker(&["rm", "--force", "old1", "old2", "old3", "new"])?;
    engine.docker(&["network", "rm", "blue"])?;
    let left = rig.cloud.inventory()?;
    ensure!(left.is_empty(), "{left:?}");
    rig.is_clean()
}

#[test]
fn the_original_and_we_share_networks_and_we_take_over_what_it_made() -> Result<()> {
    let openstack = match OpenStack::find() {
        Ok(openstack) => openstack,
        Err(reason) => return skip(&format!("{reason:#}")),
    };
    let environment = match Original::environment(Path::new(env!("CARGO_TARGET_TMPDIR"))) {
        Ok(environment) => environment,
        Err(reason) => return skip(&format!("{reason:#}")),
    };
    let tenant = openstack.tenant(&["admin"])?;
    let old = Host::boot_in(&openstack)?;
    let engine = PrivateEngine::start(&old)?;
    let address = openstack.free_address()?;
    let config = openstack.configuration(&tenant, None, "");
    Original::configure(&old, Some(&environment), &address, &config)?;
    let server = environment.join("bin/kuryr-server");
    let commands = openstack.folder.join("bin").display().to_string();
    let original = Original::serve(&old, &[&server.to_string_lossy()], &address, &commands)?;
    let rig = {
        // Nothing tells the original's ports from those of an earlier Kuryr on this host, which it is not.
        let plane = format!("{}-new", tenant.name);
        let apart = "\n[docker]\nreconcile_interval = 0\n";
        Rig::start_on(Place { openstack, tenant, plane }, Release::Installed, apart)?
    };
    share(&rig, &old, &engine, original, &address)
        .with_context(|| format!("original: {}\nours: {}", Original::log(&old), kuryr_tests::Kuryr::log(&rig.host)))
}
