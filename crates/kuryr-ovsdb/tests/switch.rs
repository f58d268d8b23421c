//! The client against a real ovsdb-server and a real ovs-vswitchd.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod rig;

use kuryr_netlink::{Links, PeerSpec, VethSpec};
use kuryr_ovsdb::{Address, Change, Client, Condition, Datum, Deadlines, Error, PortSpec, Vswitch};
use rig::Switch;
use std::time::{Duration, Instant};

const ID: &str = "0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
const IDS: [(&str, &str); 3] = [("attached-mac", "fa:16:3e:01:02:03"), ("iface-id", ID), ("owner", "kuryr")];

fn vswitch(switch: &Switch) -> Vswitch {
    Vswitch::new(Client::new(Address::Unix(switch.socket()), Deadlines::default()))
}

fn device(switch: &Switch, name: &str) {
    let peer = format!("p-{name}");
    let peer = PeerSpec { name: &peer, mtu: 1450, ..PeerSpec::default() };
    let spec = VethSpec { name, mtu: 1450, up: true, peer, ..VethSpec::default() };
    Links::open_in(&switch.namespace).unwrap().create_veth(&spec).unwrap();
}

fn port<'a>(name: &'a str) -> PortSpec<'a> {
    PortSpec { bridge: "br-int", name, external_ids: &IDS }
}

#[tokio::test]
async fn a_port_is_added_once_and_removed_once_however_often_it_is_asked_for() {
    let Some(switch) = Switch::start() else { return };
    let vswitch = vswitch(&switch);
    device(&switch, "tap1");
    for _ in 0..2 {
        vswitch.add_port(&port("tap1")).await.unwrap();
        let expected = format!("{{attached-mac=\"fa:16:3e:01:02:03\", iface-id=\"{ID}\", owner=kuryr}}");
        assert_eq!(switch.external_ids("tap1"), expected);
        assert_eq!(switch.ports(), ["tap1"]);
    }
    assert_eq!(vswitch.interfaces(ID, "kuryr").await.unwrap(), ["tap1"]);
    assert!(vswitch.interfaces(ID, "nova").await.unwrap().is_empty());
    assert_eq!(vswitch.remove_ports(ID, "kuryr").await.unwrap(), ["tap1"]);
    assert!(switch.ports().is_empty());
    assert_eq!(switch.vsctl(["--columns=name", "--no-heading", "list", "Interface"]).lines().count(), 1, "br-int's");
    assert!(vswitch.remove_ports(ID, "kuryr").await.unwrap().is_empty());
}

#[tokio::test]
async fn what_ovs_vsctl_added_is_adopted_and_its_other_ids_stay() {
    let Some(switch) = Switch::start() else { return };
    device(&switch, "tap1");
    let theirs = [
        "add-port",
        "br-int",
        "tap1",
        "--",
        "set",
        "Interface",
        "tap1",
        "external_ids:owner=old",
        "external_ids:extra=stays",
    ];
    switch.vsctl(theirs);
    vswitch(&switch).add_port(&port("tap1")).await.unwrap();
    let expected = format!("{{attached-mac=\"fa:16:3e:01:02:03\", extra=stays, iface-id=\"{ID}\", owner=kuryr}}");
    assert_eq!(switch.external_ids("tap1"), expected);
}

#[tokio::test]
async fn strangers_and_missing_things_are_told_by_name() {
    let Some(switch) = Switch::start() else { return };
    let vswitch = vswitch(&switch);
    device(&switch, "tap1");
    let error = vswitch.add_port(&PortSpec { bridge: "br-lost", ..port("tap1") }).await.unwrap_err();
    assert!(matches!(&error, Error::BridgeMissing { bridge } if bridge == "br-lost"), "{error}");

    switch.vsctl(["add-br", "br-other", "--", "set", "Bridge", "br-other", "datapath_type=netdev"]);
    switch.vsctl(["add-port", "br-other", "tap1"]);
    let error = vswitch.add_port(&port("tap1")).await.unwrap_err();
    assert!(matches!(&error, Error::PortElsewhere { found, .. } if found == "br-other"), "{error}");

    switch.vsctl(["set", "Interface", "tap1", "external_ids:iface-id=another"]);
    let error = vswitch.add_port(&port("tap1")).await.unwrap_err();
    assert!(matches!(&error, Error::PortTaken { owner, .. } if owner == "another"), "{error}");

    let error = vswitch.add_port(&port("tap-nothing")).await.unwrap_err();
    assert!(matches!(&error, Error::Unusable { reason, .. } if reason.contains("tap-nothing")), "{error}");
}

#[tokio::test]
async fn a_server_that_is_killed_and_started_anew_is_found_again() {
    let Some(mut switch) = Switch::start() else { return };
    let vswitch = vswitch(&switch);
    device(&switch, "tap1");
    vswitch.add_port(&port("tap1")).await.unwrap();
    switch.kill_database();
    let restart = std::thread::spawn(move || {
        switch.start_database();
        switch
    });
    // Asked while nobody listens.
    vswitch.client().echo().await.unwrap();
    let switch = restart.join().unwrap();
    assert_eq!(vswitch.interfaces(ID, "kuryr").await.unwrap(), ["tap1"]);
    vswitch.remove_ports(ID, "kuryr").await.unwrap();
    vswitch.add_port(&port("tap1")).await.unwrap();
    assert_eq!(switch.ports(), ["tap1"]);
}

#[tokio::test]
async fn without_a_server_or_a_switch_there_is_an_error_in_time() {
    let Some(switch) = Switch::database_only() else { return };
    assert!(!switch.vsctl(["--no-wait", "init", "--", "add-br", "br-int"]).contains("error"));
    let deadlines =
        Deadlines { connect: Duration::from_millis(100), take_up: Duration::from_millis(200), ..Deadlines::default() };
    let client = |path: &str| Vswitch::new(Client::new(Address::Unix(switch.directory().join(path)), deadlines));
    let error = client("db.sock").add_port(&port("tap1")).await.unwrap_err();
    assert!(matches!(error, Error::NotTakenUp { .. }), "{error}");
    let error = client("no.sock").add_port(&port("tap1")).await.unwrap_err();
    assert!(error.is_absent() && error.to_string().contains("is ovsdb-server running"), "{error}");
}

#[test]
fn a_server_on_tcp_answers_too() {
    let Some(switch) = Switch::database_only() else { return };
    switch.listen_on(6640);
    let asked = switch.namespace.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = Client::new("tcp:127.0.0.1:6640".parse().unwrap(), Deadlines::default());
            client.echo().await.unwrap();
            Vswitch::new(client).interfaces(ID, "kuryr").await.unwrap()
        })
    });
    assert!(asked.unwrap().is_empty());
}

#[tokio::test]
async fn a_monitor_tells_what_is_there_what_comes_and_what_goes() {
    let Some(mut switch) = Switch::start() else { return };
    let vswitch = vswitch(&switch);
    let rows = [Condition::Equal("name", Datum::text("tap1"))];
    let mut monitor = vswitch.client().monitor("Open_vSwitch", "Interface", &["name", "ofport"], &rows).await.unwrap();
    device(&switch, "tap1");
    vswitch.add_port(&port("tap1")).await.unwrap();
    let Change::Row(id, row) = monitor.next().await.unwrap() else { panic!("a new row comes first") };
    assert_eq!(row.get("name").and_then(Datum::as_text), Some("tap1"));
    let Change::Changed(same, row) = monitor.next().await.unwrap() else { panic!("it is taken up") };
    assert!(same == id && row.get("ofport").and_then(Datum::as_integer).is_some_and(|number| number > 0));
    vswitch.remove_ports(ID, "kuryr").await.unwrap();
    loop {
        match monitor.next().await.unwrap() {
            Change::Gone(gone) => break assert_eq!(gone, id),
            Change::Changed(same, _) => assert_eq!(same, id),
            other => panic!("{other:?}"),
        }
    }
    switch.kill_database();
    assert!(matches!(monitor.next().await, Err(Error::Disconnected { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_ports_come_and_go_side_by_side_on_one_connection() {
    const COUNT: u32 = 30;
    let Some(switch) = Switch::start() else { return };
    let vswitch = vswitch(&switch);
    let names: Vec<String> = (0..COUNT).map(|n| format!("tap{n}")).collect();
    names.iter().for_each(|name| device(&switch, name));
    let add = |name: String| {
        let vswitch = vswitch.clone();
        async move {
            let ids = [("iface-id", name.as_str()), ("owner", "kuryr")];
            vswitch.add_port(&PortSpec { bridge: "br-int", name: &name, external_ids: &ids }).await
        }
    };
    let started = Instant::now();
    for name in &names {
        add(name.clone()).await.unwrap();
    }
    println!("add and wait until it is taken up, one after the other: {:?} a port", started.elapsed() / COUNT);
    let started = Instant::now();
    for name in &names {
        vswitch.remove_ports(name, "kuryr").await.unwrap();
    }
    println!("remove: {:?} a port", started.elapsed() / COUNT);

    let started = Instant::now();
    let tasks: Vec<_> = names.iter().cloned().map(|name| tokio::spawn(add(name))).collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    println!("add, side by side: {:?} a port", started.elapsed() / COUNT);
    assert_eq!(switch.ports().len(), names.len());

    let started = Instant::now();
    switch.vsctl(["--no-wait", "--may-exist", "add-port", "br-int", "tap0"]);
    println!("ovs-vsctl, without waiting: {:?}", started.elapsed());
}
