//! Checks of the cloud: whether it can be used, what it lacks, and which of its ports are here.

use super::report::{Check, Outcome};
use crate::{plugin, process};
use kuryr_config::Settings;
use kuryr_neutron::{Port, SubnetPool};
use kuryr_openstack::{Neutron, Query, Session};
use std::collections::BTreeSet;

/// Owner of the ports that Kuryr and the original give to containers.
const DEVICE_OWNER: &str = "compute:kuryr";

/// All of them; those that the first one leaves without an answer are left out.
///
/// # Errors
/// The runtime cannot be started.
pub fn checks(settings: &Settings) -> anyhow::Result<Vec<Check>> {
    let Some(cloud) = &settings.cloud else {
        let details = "none is configured: kuryr-server will not start, and kuryr.service runs the embedded one";
        return Ok(vec![Check::new("Cloud", Outcome::Warning, details)]);
    };
    let session = match Session::from_settings(cloud) {
        Ok(session) => session,
        Err(error) => return Ok(vec![Check::new("Cloud", Outcome::Failure, error.to_string())]),
    };
    Ok(process::runtime()?.block_on(asked(Neutron::new(session), &cloud.source, settings)))
}

async fn asked(neutron: Neutron, source: &str, settings: &Settings) -> Vec<Check> {
    let extensions = match neutron.extensions().await {
        Ok(extensions) => extensions,
        Err(error) => {
            return vec![Check::new("Cloud", Outcome::Failure, format!("cannot be used ({source}): {error}"))];
        }
    };
    vec![
        Check::new("Cloud", Outcome::Success, format!("Neutron answers ({source})")),
        self::extensions(&extensions.iter().map(String::as_str).collect()),
        default_pool(&neutron, &settings.neutron.default_subnetpool_v4).await,
        ports(&neutron).await,
    ]
}

fn extensions(present: &BTreeSet<&str>) -> Check {
    const NAME: &str = "Neutron extensions";
    let has = |alias: &str| present.contains(alias);
    if !has("subnet_allocation") {
        return Check::new(
            NAME,
            Outcome::Failure,
            "'subnet_allocation' is missing, which Kuryr needs for subnet pools",
        );
    }
    if has("standard-attr-tag") || has("tag") && has("tag-ext") {
        return Check::new(NAME, Outcome::Success, "");
    }
    let details = "'standard-attr-tag' is missing: networks and ports are recognised by their names alone";
    Check::new(NAME, Outcome::Warning, details)
}

async fn default_pool(neutron: &Neutron, name: &str) -> Check {
    const NAME: &str = "Default subnet pool";
    match neutron.list::<SubnetPool>(&Query::new().eq("name", name)).await {
        Ok(pools) if pools.is_empty() => Check::new(
            NAME,
            Outcome::Success,
            format!("there is no pool '{name}': networks need --subnet (see default_subnetpool_v4)"),
        ),
        Ok(_) => Check::new(NAME, Outcome::Success, format!("'{name}'")),
        Err(error) => Check::new(NAME, Outcome::Failure, error.to_string()),
    }
}

/// Containers' ports on this host: they stay as they are, and are given back when their containers end.
async fn ports(neutron: &Neutron) -> Check {
    const NAME: &str = "Containers' ports";
    let host = plugin::host();
    let query = Query::new().eq("device_owner", DEVICE_OWNER).eq("binding:host_id", &host.0);
    match neutron.list::<Port>(&query).await {
        Ok(ports) => {
            let failed = ports.iter().filter(|port| port.binding_vif_type == "binding_failed").count();
            let details = format!("{} on this host '{}', {failed} of them not wired by the cloud", ports.len(), host.0);
            Check::new(NAME, if failed == 0 { Outcome::Success } else { Outcome::Warning }, details)
        }
        Err(error) => Check::new(NAME, Outcome::Failure, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_neutron_lacks_decides() {
        for (aliases, expected) in [
            (&["subnet_allocation", "standard-attr-tag"][..], Outcome::Success),
            (&["subnet_allocation", "tag", "tag-ext"], Outcome::Success),
            (&["subnet_allocation", "tag"], Outcome::Warning),
            (&["subnet_allocation"], Outcome::Warning),
            (&["standard-attr-tag"], Outcome::Failure),
            (&[], Outcome::Failure),
        ] {
            let present = aliases.iter().copied().collect();
            assert_eq!(extensions(&present).outcome(), expected, "{aliases:?}");
        }
    }
}
