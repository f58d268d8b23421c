//! Many containers at once.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow, ensure};
use kuryr_neutron::Port;
use kuryr_openstack::Query;

use crate::Rig;

/// So many start together and end together.
pub fn many_at_once(rig: &mut Rig, many: usize) -> Result<()> {
    rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
    let names: Vec<String> = (0..many).map(|number| format!("c{number:02}")).collect();
    let engine = &*rig.engine;
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            names.iter().map(|name| scope.spawn(move || engine.container(name, "blue", &[]))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
    })?;
    let mut addresses = BTreeSet::new();
    let mut macs = BTreeSet::new();
    for name in &names {
        let endpoint = engine.endpoint(name, "blue")?;
        ensure!(addresses.insert(endpoint.address.clone()), "{} twice", endpoint.address);
        ensure!(macs.insert(endpoint.mac.clone()), "{} twice", endpoint.mac);
        let port = rig.cloud.port_by_mac(&endpoint.mac)?;
        ensure!(port.fixed_ips[0].ip_address.to_string() == endpoint.address, "{port:?}");
    }
    ensure!(rig.cloud.list::<Port>(&Query::new().eq("device_owner", "compute:kuryr"))?.len() == many);
    let last = engine.endpoint(&names[many - 1], "blue")?.address;
    rig.ping(&names[0], &last)?;
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            names.iter().map(|name| scope.spawn(move || engine.docker(&["rm", "--force", name]))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?.map(drop))
    })?;
    engine.docker(&["network", "rm", "blue"])?;
    ensure!(rig.cloud.all::<Port>()?.is_empty());
    Ok(())
}
