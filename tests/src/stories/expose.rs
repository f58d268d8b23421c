//! `--expose` opens ports, and nothing else.

use anyhow::{Result, ensure};
use kuryr_neutron::SecurityGroup;
use kuryr_openstack::Query;

use crate::{Rig, sctp};

/// Ranges and protocols are open to containers of other groups until the container goes.
pub fn exposed_to_strangers(rig: &mut Rig) -> Result<()> {
    rig.create_network("blue", &["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"])?;
    rig.engine.container("server", "blue", &["--expose", "8080-8081", "--expose", "5353/udp"])?;
    rig.engine.container("client", "blue", &[])?;
    rig.set_apart("client", "blue", "guests")?;
    let server = rig.engine.endpoint("server", "blue")?;
    let port = rig.cloud.port_by_mac(&server.mac)?;
    for number in [8080, 8081, 8082] {
        rig.engine.serve("server", number)?;
        rig.reaches("client", &server.address, number, number != 8082)?;
    }
    let name = format!("{}-exposed_ports", port.id);
    let group: SecurityGroup = rig.cloud.one(&Query::new().eq("name", &name))?;
    ensure!(port.security_groups.contains(&group.id) && port.security_groups.len() == 2, "{port:?}");
    rig.engine.docker(&["rm", "--force", "server"])?;
    ensure!(rig.cloud.list::<SecurityGroup>(&Query::new().eq("name", &name))?.is_empty(), "{name} is left");
    Ok(())
}

/// IPv6 and SCTP are opened as IPv4 and TCP are.
pub fn every_protocol(rig: &mut Rig) -> Result<()> {
    let four = ["--subnet", "10.10.0.0/24", "--gateway", "10.10.0.1"];
    let six = ["--ipv6", "--subnet", "fd00:10::/64", "--gateway", "fd00:10::1"];
    rig.create_network("blue", &[four.as_slice(), &six].concat())?;
    rig.engine.container("server", "blue", &["--expose", "8080-8081", "--expose", "3868-3869/sctp"])?;
    rig.engine.container("client", "blue", &[])?;
    let server = rig.engine.endpoint("server", "blue")?;
    rig.ping("client", &server.address6)?;
    rig.set_apart("client", "blue", "guests")?;
    for number in [8080, 8081, 8082] {
        rig.engine.serve("server", number)?;
        for address in [&server.address, &server.address6] {
            rig.reaches("client", address, number, number != 8082)?;
        }
    }
    let (from, to) = (rig.sandbox("client")?, rig.sandbox("server")?);
    for number in [3868, 3869, 3870] {
        rig.settles("SCTP", || {
            let open = sctp::arrives(&from, &to, server.address.parse()?, number)?;
            ensure!(open == (number != 3870), "SCTP to port {number} arrives: {open}");
            Ok(())
        })?;
    }
    rig.engine.docker(&["rm", "--force", "server"])?;
    let left = rig.cloud.inventory()?;
    ensure!(!left.iter().any(|it| it.contains("exposed_ports")), "{left:?}");
    Ok(())
}
