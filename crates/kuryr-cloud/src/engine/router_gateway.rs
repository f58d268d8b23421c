//! A router's way outside: its port on an external network.

use crate::engine::{
    Context, NetworkRecord, ROUTER_GATEWAY, Txn,
    faults::bad,
    floating_ip::check_gateway_free,
    port,
    router_interface::{check_overlap, new_port},
    row::find,
};
use kuryr_neutron::{ExternalGateway, Fault, FixedIpRequest, NetworkId, NewPort, Port, Router, RouterId};

/// Gives a router this way outside, or none.
pub(crate) fn set(
    txn: &mut Txn,
    context: &Context,
    router: &mut Router,
    wanted: Option<ExternalGateway>,
) -> Result<(), Fault> {
    let old = txn.router_gateway(router.id).cloned();
    if old.as_ref().is_some_and(|port| wanted.as_ref().is_none_or(|wanted| wanted.network_id != port.network_id)) {
        check_gateway_free(txn, router.id)?;
    }
    let Some(wanted) = wanted else {
        if let Some(old) = old {
            port::remove(txn, old.id);
        }
        router.external_gateway_info = None;
        return Ok(());
    };
    let network = find::<NetworkRecord>(txn, context, wanted.network_id)?;
    if !network.network.router_external {
        return Err(bad("router", format!("Network {} is not an external network", wanted.network_id)));
    }
    let same_network = old.as_ref().is_some_and(|port| port.network_id == wanted.network_id);
    let port = match old.as_deref() {
        Some(port) if same_network && fits(port, &wanted.external_fixed_ips) => port.clone(),
        old => {
            if let Some(old) = old {
                port::remove(txn, old.id);
            }
            connect(txn, router, wanted.network_id, wanted.external_fixed_ips)?
        }
    };
    let had_snat = router.external_gateway_info.as_ref().and_then(|g| g.enable_snat);
    router.external_gateway_info = Some(ExternalGateway {
        network_id: port.network_id,
        enable_snat: Some(wanted.enable_snat.or(had_snat).unwrap_or(true)),
        external_fixed_ips: addresses(&port),
    });
    Ok(())
}

fn addresses(port: &Port) -> Vec<FixedIpRequest> {
    port.fixed_ips.iter().map(|ip| FixedIpRequest::from(*ip)).collect()
}

/// Tells a router the addresses its gateway has now.
pub(crate) fn refresh(txn: &mut Txn, id: RouterId) {
    let Some((old, ips)) = txn.routers.get(&id).cloned().zip(txn.router_gateway(id).map(|p| addresses(p))) else {
        return;
    };
    let mut router = Router::clone(&old);
    if let Some(gateway) = &mut router.external_gateway_info {
        gateway.external_fixed_ips = ips;
        txn.save(&old, router);
    }
}

/// True when a port's addresses are what is asked for.
fn fits(port: &Port, requests: &[FixedIpRequest]) -> bool {
    let meets = |request: &FixedIpRequest| {
        port.fixed_ips.iter().any(|ip| {
            request.subnet_id.is_none_or(|s| s == ip.subnet_id) && request.ip_address.is_none_or(|a| a == ip.ip_address)
        })
    };
    requests.is_empty() || requests.len() == port.fixed_ips.len() && requests.iter().all(meets)
}

fn connect(
    txn: &mut Txn,
    router: &Router,
    network_id: NetworkId,
    requests: Vec<FixedIpRequest>,
) -> Result<Port, Fault> {
    let fixed_ips = (!requests.is_empty()).then_some(requests);
    let port = new_port(
        txn,
        router,
        ROUTER_GATEWAY,
        NewPort { network_id: Some(network_id), fixed_ips, ..NewPort::default() },
    )?;
    for ip in &port.fixed_ips {
        if let Some(subnet) = txn.subnets.get(&ip.subnet_id).cloned() {
            check_overlap(txn, router.id, &subnet, Some(port.id))?;
        }
    }
    Ok(port)
}
