//! The story itself: what is shown, in which order, and how each claim is checked.

use anyhow::{Context, Result, ensure};
use kuryr_neutron::SecurityGroupRule;

use super::place::{CIDR, CLIENT, GATEWAY, NETWORK, Place, SERVER};
use super::{clean, outside, process};
use crate::cloud::Cloud;
use crate::engine::Engine;
use crate::narrator::Narrator;
use crate::{plugin, until};

/// Port of the service in the demo.
const PORT: u16 = 8080;

/// Tell it; with `keep` everything is left running.
pub fn tell(narrator: &Narrator, place: &Place, keep: bool) -> Result<()> {
    let engine = Engine::new(&place.engine());
    narrator.explain_with(&place.log());
    narrator.chapter("Kuryr's demo: real containers on Neutron networks, on this machine, with no OpenStack");
    narrator.step("nobody else's Kuryr is in the way", || ensure_alone(place))?;
    clean::leftovers(narrator, place)?;
    narrator.step("an image from this machine's busybox", || engine.image(&std::env::temp_dir()))?;

    narrator.chapter("1. Kuryr starts: an embedded cloud (Keystone, Neutron) and Docker's plugin in one process");
    narrator.command(&format!("kuryr --config-file {} up    # a debug build", place.config().display()));
    narrator.step("Kuryr answers Docker and Neutron's clients", || process::start(place))?;
    let cloud = Cloud::connect(&place.api(), &place.clouds())?;
    let before = cloud.inventory()?;

    narrator.chapter("2. A Docker network is a Neutron network, a container's interface is a Neutron port");
    create(narrator, &engine)?;
    reach(narrator, &engine)?;
    guard(narrator, &engine, &cloud)?;
    let edge = leave(narrator, &engine, &cloud)?;
    agree(narrator, place, &engine, &cloud)?;
    if keep {
        try_next(narrator, place);
        return Ok(());
    }

    narrator.chapter("7. Everything goes, and nothing is left");
    narrator.command(&format!("docker rm --force {CLIENT} {SERVER}"));
    narrator.step("containers are removed", || engine.docker(&["rm", "--force", CLIENT, SERVER]).map(drop))?;
    narrator.step("the router is removed", || cloud.remove_router(&edge, &[cloud.subnet(CIDR)?.id]))?;
    narrator.step("the security groups are removed", || clean::groups(&cloud))?;
    narrator.command(&format!("docker network rm {NETWORK}"));
    narrator.step("the network is removed", || engine.docker(&["network", "rm", NETWORK]).map(drop))?;
    narrator.step("Neutron has what it had before, and no more", || {
        let after = cloud.inventory()?;
        ensure!(after == before, "before: {before:?}; after: {after:?}");
        Ok(())
    })?;
    narrator.step("the kernel has no interface, no router and no rule of ours", || {
        until("the kernel to be clean", || {
            let left = clean::kernel()?;
            ensure!(left.is_empty(), "{}", left.join(", "));
            Ok(())
        })
    })?;
    narrator.end("That was the demo.");
    Ok(())
}

/// Two data planes cannot share one machine, and whoever was here first stays undisturbed.
fn ensure_alone(place: &Place) -> Result<()> {
    if process::is_running(place) {
        return Ok(());
    }
    let answers = plugin::request(&place.plugin(), "/Plugin.Activate", b"").is_ok();
    ensure!(
        !answers,
        "a Kuryr runs on this machine already (it answers on {}). The demo would be in its way, so it does not start; \
         stop that one first, or use another machine",
        place.plugin().display()
    );
    let left = clean::kernel()?;
    ensure!(
        left.is_empty() || place.run.exists(),
        "another Kuryr's interfaces are on this machine ({}). The demo would be in their way, so it does not start",
        left.join(", ")
    );
    Ok(())
}

fn create(narrator: &Narrator, engine: &Engine) -> Result<()> {
    narrator.command(&format!(
        "docker network create -d kuryr --ipam-driver kuryr --subnet {CIDR} --gateway {GATEWAY} {NETWORK}"
    ));
    let create = ["network", "create", "-d", "kuryr", "--ipam-driver", "kuryr"];
    let options = ["--subnet", CIDR, "--gateway", GATEWAY, NETWORK];
    narrator.step("the network is there", || engine.docker(&[create.as_slice(), &options].concat()).map(drop))?;
    for name in [CLIENT, SERVER] {
        narrator.command(&format!("docker run -d --network {NETWORK} --name {name} kuryr-busybox"));
        narrator.step("the container runs", || engine.container(name, NETWORK, &[]))?;
        let endpoint = engine.endpoint(name, NETWORK)?;
        narrator.note(&format!("address {}, MAC {}", endpoint.address, endpoint.mac));
    }
    Ok(())
}

fn reach(narrator: &Narrator, engine: &Engine) -> Result<()> {
    narrator.chapter("3. Containers reach each other");
    let address = engine.endpoint(SERVER, NETWORK)?.address;
    narrator.command(&format!("docker exec {CLIENT} ping {address}"));
    narrator.step("ping", || engine.ping(CLIENT, &address))?;
    narrator.command(&format!("docker exec {CLIENT} nc {address} {PORT}"));
    narrator.step("TCP", || {
        engine.serve(SERVER, PORT)?;
        let answer = engine.fetch(CLIENT, &address, PORT)?;
        ensure!(answer == SERVER, "the service answered {answer:?}");
        Ok(())
    })
}

/// The server gets a group of its own; a rule comes and goes while both containers run.
fn guard(narrator: &Narrator, engine: &Engine, cloud: &Cloud) -> Result<()> {
    narrator.chapter("4. Security groups hold, and change while containers run");
    let server = engine.endpoint(SERVER, NETWORK)?;
    let group = narrator.step("the server is put into a group that lets nothing in", || {
        let group = cloud.group(clean::GROUP)?;
        cloud.put_into(cloud.port_by_mac(&server.mac)?.id, &[group.id])?;
        Ok(group)
    })?;
    let check = |name: &str, wanted: bool| {
        narrator.step(&format!("port {PORT} is {name}"), || {
            let open = engine.reaches(CLIENT, &server.address, PORT)?;
            ensure!(open == wanted, "the port is {}", if open { "open" } else { "closed" });
            Ok(())
        })
    };
    let create = format!("openstack security group rule create --protocol tcp --dst-port {PORT} {}", clean::GROUP);
    check("closed", false)?;
    narrator.command(&create);
    let rule = narrator.step("a rule is added", || cloud.open(group.id, "IPv4", PORT))?;
    check("open", true)?;
    narrator.command(&format!("openstack security group rule delete {}", rule.id));
    narrator.step("the rule is removed", || cloud.delete::<SecurityGroupRule>(rule.id))?;
    check("closed again", false)?;
    Ok(())
}

/// Out of the machine through a router.
fn leave(narrator: &Narrator, engine: &Engine, cloud: &Cloud) -> Result<crate::cloud::Edge> {
    narrator.chapter("5. Through a router's NAT to the outside");
    let world = narrator.step("a neighbour of this machine, which says whom it sees", outside::build)?;
    let mirror = outside::mirror(&world)?;
    let port = mirror.address.port();
    narrator.step("without a router the neighbour is out of reach", || {
        ensure!(!engine.reaches(CLIENT, outside::NEIGHBOUR, port)?, "it is reached");
        Ok(())
    })?;
    narrator.command("openstack router create --external-gateway public edge; openstack router add subnet edge …");
    let edge = narrator.step("a router with an external network", || cloud.router(&[cloud.subnet(CIDR)?.id]))?;
    narrator.step("ping", || engine.ping(CLIENT, outside::NEIGHBOUR))?;
    let seen = narrator.step("TCP", || {
        let seen = engine.fetch(CLIENT, outside::NEIGHBOUR, port)?;
        ensure!(seen == outside::MACHINE, "the neighbour saw {seen}, not this machine's {}", outside::MACHINE);
        Ok(seen)
    })?;
    narrator.note(&format!("the neighbour saw {seen}: this machine, not the container"));
    Ok(edge)
}

fn agree(narrator: &Narrator, place: &Place, engine: &Engine, cloud: &Cloud) -> Result<()> {
    narrator.chapter("6. docker inspect, Neutron and kuryr status agree");
    narrator.command("kuryr status");
    let run = |arguments: &[&str]| -> Result<String> {
        let output =
            process::command(place)?.arg("status").args(arguments).output().context("cannot run kuryr status")?;
        ensure!(output.status.success(), "kuryr status: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    narrator.note(&run(&[])?);
    narrator.step("for each container: address, MAC, port, state", || {
        let status: serde_json::Value = serde_json::from_str(&run(&["--json"])?)?;
        let text = status.to_string();
        for name in [CLIENT, SERVER] {
            let docker = engine.endpoint(name, NETWORK)?;
            let port = cloud.port_by_mac(&docker.mac)?;
            let neutron = port.fixed_ips.first().map(|ip| ip.ip_address.to_string()).unwrap_or_default();
            ensure!(neutron == docker.address, "{name}: Docker says {}, Neutron says {neutron}", docker.address);
            ensure!(port.device_id == docker.id, "{name}: the port belongs to {}", port.device_id);
            for fact in [name, &docker.address, &docker.mac, &port.id.to_string()] {
                ensure!(text.contains(fact), "kuryr status does not tell {fact}: {status:#}");
            }
        }
        Ok(())
    })
}

fn try_next(narrator: &Narrator, place: &Place) {
    narrator.end("Everything is left running.");
    let kuryr = crate::kuryr::binary().map(|path| path.display().to_string()).unwrap_or_else(|_| "kuryr".to_owned());
    let (config, clouds) = (place.config(), place.clouds());
    anstream::println!(
        "\nTry next:
    {kuryr} --config-file {config} status
    docker run --rm -it --network {NETWORK} kuryr-busybox sh
    docker exec {CLIENT} ping {GATEWAY}
    curl http://127.0.0.1:9696/

With the public client (pip install python-openstackclient):
    export OS_CLIENT_CONFIG_FILE={clouds} OS_CLOUD=kuryr
    openstack network list
    openstack port list --device-owner compute:kuryr
    openstack security group rule create --protocol tcp --dst-port {PORT} {group}

Below the surface:
    ip netns exec kuryr ip link
    ip netns exec kuryr nft list ruleset

Its log: {log}
Remove every trace: cargo xtask demo --clean",
        config = config.display(),
        clouds = clouds.display(),
        log = place.log().display(),
        group = clean::GROUP,
    );
}
