//! SIGHUP: what can change without a restart changes, what is wrong changes nothing, and nothing that runs notices.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kuryr_tests::{Host, IMAGE, Kuryr, Rig, until, with_configured_rig};

const PATIENCE: Duration = Duration::from_secs(5);
const MONITORED: &str = "[metrics]\nlisten = 127.0.0.1:9698\n";

fn connect(rig: &Rig, port: u16) -> Result<TcpStream> {
    let address = SocketAddr::new(Host::ADDRESS.parse()?, port);
    rig.host.world()?.run(|| {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    })
}

/// The sum of a metric's samples with this label.
fn metric(rig: &Rig, name: &str, label: &str) -> Result<f64> {
    let text = rig.host.run(&["busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:9698/metrics"])?;
    let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
    let numbers = lines.map(|line| Ok(line.rsplit(' ').next().unwrap_or_default().parse::<f64>()?));
    numbers.sum()
}

/// Comparisons of Docker, Neutron and the kernel so far.
fn comparisons(rig: &Rig) -> Result<f64> {
    metric(rig, "kuryr_reconciliations_total", "result=\"complete\"")
}

#[test]
fn what_can_change_without_a_restart_changes_and_nothing_that_runs_notices() -> Result<()> {
    let config = format!("{MONITORED}[docker]\nreconcile_interval = 0\n");
    with_configured_rig(&config, |rig| {
        rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
        rig.engine.container("one", "blue", &["-p", "8080:80"])?;
        rig.engine.docker(&["exec", "-d", "one", "nc", "-ll", "-p", "80", "-e", "cat"])?;
        let mut open = until("the published port to answer", || {
            let mut stream = connect(rig, 8080)?;
            exchange(&mut stream, "before")?;
            Ok(stream)
        })?;
        let pid = rig.kuryr.pid()?;
        ensure!(comparisons(rig)?.abs() < f64::EPSILON, "nothing is compared with an interval of 0");

        let wrong = format!("{MONITORED}[docker]\nreconcile_interval = soon\n[DEFAULT]\ndebug = true\n");
        let told = rig.kuryr.reload(&rig.host, &wrong, "the configuration stays as it was")?;
        ensure!(told.contains("kuryr.conf:4:22: wrong value for 'reconcile_interval': 'soon'"), "{told}");
        ensure!(rig.engine.try_docker(&["run", "--rm", "--network", "blue", IMAGE, "true"])?.status.success());
        ensure!(!Kuryr::log(&rig.host).contains("DEBUG"), "an option beside a wrong one is not followed either");

        let other = format!(
            "{MONITORED}[docker]\nreconcile_interval = 1\nplugin_socket = /run/elsewhere.sock\n[DEFAULT]\ndebug = true\n\
             publish_ports = none\n"
        );
        let told = rig.kuryr.reload(&rig.host, &other, "take effect at the next start")?;
        ensure!(
            told.contains("[DEFAULT] publish_ports, [DEFAULT] debug, [docker] reconcile_interval\n")
                && told.contains("[docker] plugin_socket"),
            "{told}"
        );
        until("a comparison, of which there were none", || {
            ensure!(comparisons(rig)? >= 1.0);
            Ok(())
        })?;
        rig.engine.container("two", "blue", &["-p", "8081:80"])?;
        ensure!(connect(rig, 8081).is_err(), "publish_ports = none");
        ensure!(Kuryr::log(&rig.host).contains("DEBUG"), "debug = true");
        exchange(&mut open, "the same connection")?;
        exchange(&mut connect(rig, 8080)?, "a new one")?;

        rig.kuryr.reload(&rig.host, &format!("{MONITORED}[docker]\nreconcile_interval = 0\n"), "was read anew")?;
        rig.engine.container("three", "blue", &["-p", "8082:80"])?;
        rig.engine.docker(&["exec", "-d", "three", "nc", "-ll", "-p", "80", "-e", "cat"])?;
        until("the port of the third to be published", || exchange(&mut connect(rig, 8082)?, "three"))?;
        exchange(&mut open, "the same connection still")?;
        ensure!(rig.kuryr.pid()? == pid, "it is the same process");
        rig.engine.docker(&["rm", "--force", "one", "two", "three"])?;
        ensure!(connect(rig, 8080).is_err() && connect(rig, 8082).is_err(), "nothing stays published");
        rig.engine.docker(&["network", "rm", "blue"])?;
        ensure!(rig.cloud.inventory()?.is_empty(), "{:?}", rig.cloud.inventory()?);
        Ok(())
    })
}

/// Say something over a connection and hear it back.
fn exchange(stream: &mut TcpStream, words: &str) -> Result<()> {
    stream.write_all(words.as_bytes())?;
    let mut heard = vec![0; words.len()];
    stream.read_exact(&mut heard).context("the connection is dead")?;
    ensure!(heard == words.as_bytes(), "{heard:?}");
    Ok(())
}

#[test]
fn more_ports_are_kept_ready_after_a_reload() -> Result<()> {
    let config = |driver: &str, min: usize| {
        format!(
            "{MONITORED}[docker]\nvif_pool_driver = {driver}\n[vif_pool]\nports_pool_min = {min}\nports_pool_batch = 1\n"
        )
    };
    with_configured_rig(&config("neutron", 2), |rig| {
        let ready = |wanted: f64| {
            until("ports to be ready", || {
                let number = metric(rig, "kuryr_ready_ports", "state=\"ready\"")?;
                ensure!((number - wanted).abs() < f64::EPSILON, "there are {number}");
                Ok(())
            })
        };
        rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
        rig.engine.container("one", "blue", &[])?;
        ready(2.0)?;
        let ports = rig.cloud.inventory()?;
        let told = rig.kuryr.reload(&rig.host, &config("neutron", 4), "was read anew")?;
        ensure!(told.contains("changed=[vif_pool] ports_pool_min\n"), "{told}");
        ready(4.0)?;
        let more = rig.cloud.inventory()?;
        ensure!(ports.iter().all(|port| more.contains(port)), "before: {ports:?}; after: {more:?}");

        // Docker has been told already that no MAC is wanted.
        let told = rig.kuryr.reload(&rig.host, &config("noop", 4), "take effect at the next start")?;
        ensure!(told.contains("[docker] vif_pool_driver"), "{told}");
        rig.engine.container("two", "blue", &[])?;
        rig.engine.ping("one", &rig.engine.endpoint("two", "blue")?.address)?;
        rig.engine.docker(&["rm", "--force", "one", "two"])?;
        rig.engine.docker(&["network", "rm", "blue"])?;
        ensure!(rig.cloud.inventory()?.is_empty(), "{:?}", rig.cloud.inventory()?);
        Ok(())
    })
}
