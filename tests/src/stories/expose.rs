//! `--expose` opens ports, and nothing else.

use anyhow::{Result, ensure};
use kuryr_neutron::SecurityGroup;
use kuryr_openstack::Query;

use crate::Rig;

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
