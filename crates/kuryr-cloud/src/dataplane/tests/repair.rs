//! Damage is repaired, and a restart is not noticed.

use super::{traffic::*, world::*};
use crate::{
    dataplane::{DataPlane, Error, hold},
    engine::{self, Engine, Options},
    store::MemoryStore,
};
use kuryr_netlink::{
    Links, Namespace,
    nftables::{Expression, Family, Rule, Session, Verdict},
};
use kuryr_neutron::{HostId, PortUpdate, Status};
use serde_json::json;
use std::{
    net::UdpSocket,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

async fn pair(world: &World) -> (Container, Container) {
    let network = world.net("10.0.0.0/24").await;
    let group = world.group().await;
    world.allow(&group, json!({"direction": "ingress", "protocol": "icmp"})).await;
    let body = || json!({"security_groups": [group.id]});
    (world.container(network.id, body()).await, world.container(network.id, body()).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn flushed_and_changed_rules_come_back() {
    let world = World::new().await;
    let (a, b) = pair(&world).await;
    let _server = serve(&b.namespace, 80);
    assert_ping(&a.namespace, b.ip(), true);
    let bridges = world.bridges();
    let mut session = Session::open_in(&bridges).unwrap();
    // The chain that names the generation is another after each change.
    let shape = |session: &mut Session| {
        let mut shape = session.shape_of(Family::Bridge, "kuryr").unwrap()?;
        shape.chains.retain(|name, _| !name.starts_with("generation-"));
        Some(shape)
    };
    let right = shape(&mut session);
    assert!(session.delete_table(Family::Bridge, "kuryr").unwrap());
    assert!(session.delete_table(Family::Inet, "kuryr").unwrap());
    assert!(eventually(|| shape(&mut session) == right));
    assert!(eventually(|| session.shape_of(Family::Inet, "kuryr").unwrap().is_some()));
    assert_ping(&a.namespace, b.ip(), true);
    assert_tcp(&a.namespace, b.ip(), 80, false);
    for command in [
        "add rule bridge kuryr ingress accept",
        "insert rule bridge kuryr egress drop",
        "flush ruleset",
        "add chain bridge kuryr foreign",
        "flush map bridge kuryr source",
    ] {
        let arguments: Vec<&str> = command.split(' ').collect();
        let nft = bridges.run(|| std::process::Command::new("nft").args(&arguments).output()).unwrap();
        let Ok(output) = nft else {
            eprintln!("SKIPPED: the nft program is not installed (apt install nftables)");
            return;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(eventually(|| shape(&mut session) == right), "after {command}");
    }
    assert_ping(&a.namespace, b.ip(), true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_comes_back_with_all_that_was_on_it_and_taps_tell_the_status() {
    let world = World::new().await;
    let (a, b) = pair(&world).await;
    assert_ping(&a.namespace, b.ip(), true);
    world.status(a.port.id, Status::Active).await;
    let mut links = Links::open_in(&world.bridges()).unwrap();
    assert!(links.delete_by_name(&a.port.network_id.bridge_name()).unwrap());
    assert!(eventually(|| Pinger::new(&a.namespace, b.ip()).ping(false)), "{:?}", world.plane.status());
    world.status(a.port.id, Status::Active).await;
    assert!(links.delete_by_name(&a.port.id.tap_name()).unwrap());
    world.status(a.port.id, Status::Down).await;
    let again = world.plug(a.port.clone());
    world.status(a.port.id, Status::Active).await;
    assert_ping(&again.namespace, b.ip(), true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_changes_nothing_and_loses_nothing() {
    let mut world = World::new().await;
    let (a, b) = pair(&world).await;
    let group = b.port.security_groups[0];
    for status in [&a, &b] {
        world.status(status.port.id, Status::Active).await;
    }
    let (stop, sent) = (AtomicBool::new(false), AtomicU32::new(0));
    let flood = || {
        let mut pinger = Pinger::new(&a.namespace, b.ip());
        let mut lost = 0;
        while !stop.load(Ordering::Relaxed) {
            sent.fetch_add(1, Ordering::Relaxed);
            lost += u32::from(!pinger.ping(true));
        }
        lost
    };
    // However busy the machine: packets are under way before, between and after the restarts.
    let some_more_are_sent = || {
        let before = sent.load(Ordering::Relaxed);
        assert!(eventually(|| sent.load(Ordering::Relaxed) >= before + 20));
    };
    let mut session = Session::open_in(&world.bridges()).unwrap();
    let before = session.generation().unwrap();
    let lost = std::thread::scope(|scope| {
        let flood = scope.spawn(flood);
        some_more_are_sent();
        for _ in 0..5 {
            let runtime = tokio::runtime::Handle::current();
            tokio::task::block_in_place(|| runtime.block_on(world.restart()));
            some_more_are_sent();
        }
        assert_eq!(session.generation().unwrap(), before, "nothing had changed, so nothing is written");
        stop.store(true, Ordering::Relaxed);
        flood.join().unwrap()
    });
    assert_eq!(lost, 0, "of {sent:?} packets");
    // What changes while it is away is in force after its return.
    let rule = world.engine.read(|s| s.rules_of_group(group).find(|r| r.protocol.is_some()).unwrap().id);
    world.write(move |txn, context| engine::security_group_rule::delete(txn, context, rule)).await;
    world.restart().await;
    assert_ping(&a.namespace, b.ip(), false);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_changed_while_it_was_away_is_repaired_at_its_return() {
    let mut world = World::new().await;
    let (a, b) = pair(&world).await;
    let _server = serve(&b.namespace, 80);
    world.stop().await;
    let mut session = Session::open_in(&world.bridges()).unwrap();
    let admit = Rule::new([Expression::Verdict(Verdict::Accept)], "not ours");
    session.change_foreign_chain(Family::Bridge, "kuryr", "ingress", &[admit], &[]).unwrap();
    assert_tcp(&a.namespace, b.ip(), 80, true);
    world.restart().await;
    assert_tcp(&a.namespace, b.ip(), 80, false);
    assert_ping(&a.namespace, b.ip(), true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_began_while_the_rules_were_away_ends_with_their_return() {
    let mut world = World::new().await;
    let (a, b) = pair(&world).await;
    let _server = serve(&b.namespace, 80);
    assert_tcp(&a.namespace, b.ip(), 80, false);
    world.stop().await;
    // What decides goes, what tracks connections stays.
    let arguments = ["flush", "chain", "bridge", "kuryr", "ingress"];
    let Ok(output) = world.bridges().run(|| std::process::Command::new("nft").args(arguments).output()).unwrap() else {
        eprintln!("SKIPPED: the nft program is not installed (apt install nftables)");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut stream = connect(&a.namespace, b.ip(), 80, true).unwrap();
    assert!(still_open(&mut stream, true));
    world.restart().await;
    assert!(eventually(|| !still_open(&mut stream, false)), "a connection that no rule allows goes on");
    assert_ping(&a.namespace, b.ip(), true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_firewall_that_loads_its_own_rules_leaves_ours_away_for_a_moment_only() {
    // What firewalld and a `nft -f` with the usual first line do, within the bridges' namespace.
    const RELOAD: &str = "flush ruleset\n\
        table inet foreign { chain forward { type filter hook forward priority 10; policy accept; ct state invalid drop; }\n }\n";
    let world = World::new().await;
    let (a, b) = pair(&world).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), RELOAD).unwrap();
    let denied = |host: &Container| host.namespace.run(|| UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
    let (sender, receiver) = (denied(&a), denied(&b));
    receiver.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let to = (b.ip(), receiver.local_addr().unwrap().port());
    let bridges = world.bridges();
    let mut session = Session::open_in(&bridges).unwrap();
    let right = session.shape_of(Family::Inet, "kuryr").unwrap();
    let stop = AtomicBool::new(false);
    for _ in 0..5 {
        let nft = bridges.run(|| std::process::Command::new("nft").arg("-f").arg(file.path()).output()).unwrap();
        let Ok(output) = nft else {
            eprintln!("SKIPPED: the nft program is not installed (apt install nftables)");
            return;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // Packets that no rule allows, all the time.
        let back = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let _ = sender.send_to(b"through", to);
                    std::thread::sleep(Duration::from_micros(200));
                }
            });
            let back = eventually(|| {
                session.has_chain(Family::Bridge, "kuryr", "ingress").unwrap()
                    && session.shape_of(Family::Inet, "kuryr").unwrap() == right
            });
            stop.store(true, Ordering::Relaxed);
            back
        });
        stop.store(false, Ordering::Relaxed);
        assert!(back, "{:?}", world.plane.status());
        // What came through meanwhile is taken out; from now on nothing comes.
        let mut bytes = [0; 8];
        while receiver.recv_from(&mut bytes).is_ok() {}
        for _ in 0..100 {
            sender.send_to(b"through", to).unwrap();
        }
        assert!(receiver.recv_from(&mut bytes).is_err(), "a denied packet passes when the rules are back");
        assert!(session.shape_of(Family::Inet, "foreign").unwrap().is_some(), "another's rules are left alone");
        assert_ping(&a.namespace, b.ip(), true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_leaves_nothing() {
    let world = World::new().await;
    let network = world.network(json!({"router:external": true})).await;
    world.subnet(network.id, "203.0.113.0/24").await;
    let (_a, _b) = pair(&world).await;
    let layout = world.layout();
    let mut host = Links::open_in(&world.host).unwrap();
    assert!(host.get(&format!("ext{}", network.id.short())).unwrap().is_some());
    world.stop().await;
    crate::dataplane::purge(&layout).unwrap();
    assert!(!layout.namespace.exists());
    assert_eq!(host.list().unwrap().iter().filter(|link| link.kind.is_some()).count(), 0);
    assert_eq!(Session::open_in(&world.host).unwrap().shape_of(Family::Inet, "kuryr").unwrap(), None);
    crate::dataplane::purge(&layout).unwrap();
    assert!(Namespace::open(&layout.namespace).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_whose_name_was_removed_gets_it_back_with_all_that_is_in_it() {
    let world = World::new().await;
    let (a, b) = pair(&world).await;
    assert_ping(&a.namespace, b.ip(), true);
    Namespace::remove(&world.layout().namespace).unwrap();
    let one_more = world.container(a.port.network_id, json!({"security_groups": a.port.security_groups})).await;
    assert_ping(&one_more.namespace, b.ip(), true);
    assert_ping(&a.namespace, one_more.ip(), true);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_a_port_end_with_it() {
    let world = World::new().await;
    let (a, b) = pair(&world).await;
    assert_ping(&a.namespace, b.ip(), true);
    let bridges = world.bridges();
    let tracked = || {
        let flows = kuryr_netlink::conntrack::entries(&bridges, None).unwrap();
        flows.iter().filter(|flow| flow.source == b.ip() || flow.destination == b.ip()).count()
    };
    assert_ne!(tracked(), 0);
    let id = b.port.id;
    world.write(move |txn, context| engine::port::delete(txn, context, id)).await;
    // Neighbour discovery aside, what it had is forgotten: its address may be another's tomorrow.
    assert!(eventually(|| tracked() == 0), "{:?}", kuryr_netlink::conntrack::entries(&bridges, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tap_whose_port_went_while_it_was_away_goes_at_its_return() {
    let mut world = World::new().await;
    let (a, b) = pair(&world).await;
    let idle = world.container(a.port.network_id, json!({})).await;
    let update = PortUpdate { binding_host_id: Some(HostId::default()), ..PortUpdate::default() };
    let unbound = idle.port.id;
    world.write(move |txn, context| engine::port::update(txn, context, unbound, update, None)).await;
    world.stop().await;
    let id = b.port.id;
    let network = b.port.network_id;
    let context = world.context.clone();
    world.engine.write(move |txn| engine::port::delete(txn, &context, id)).await.unwrap();
    world.restart().await;
    let mut links = Links::open_in(&world.bridges()).unwrap();
    assert!(eventually(|| links.get(&id.tap_name()).unwrap().is_none()));
    for there in [a.port.id.tap_name(), unbound.tap_name(), network.bridge_name()] {
        assert!(links.get(&there).unwrap().is_some(), "{there}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_data_plane_is_refused_while_the_first_runs() {
    let mut world = World::new().await;
    let (a, b) = pair(&world).await;
    let empty = Engine::open(Box::<MemoryStore>::default(), Options::new(HostId(HOST.to_owned()))).unwrap();
    let second = DataPlane::start(empty, world.layout(), CancellationToken::new());
    assert!(matches!(second, Err(Error::InUse { .. })), "{second:?}");
    assert!(matches!(hold(&world.layout()), Err(Error::InUse { .. })));
    assert_ping(&a.namespace, b.ip(), true);

    world.stop().await;
    // Whatever another test has forked holds the lock too, until it executes its program.
    assert!(eventually(|| matches!(hold(&world.layout()), Ok(Some(_)))), "the namespace stays, and nobody holds it");
    world.restart().await;
    assert_ping(&a.namespace, b.ip(), true);
}
