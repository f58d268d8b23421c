//! Subnet pools.

use crate::engine::{
    Context, Txn,
    faults::{check_prefix, check_text, forbidden, invalid_input},
    quota::{self, Counted},
    rbac,
    row::{expect_revision, find_own, owner},
};
use ipnet::IpNet;
use kuryr_neutron::{Fault, NewSubnetPool, RbacAction, Shareable, SubnetPool, SubnetPoolId, SubnetPoolUpdate};

/// Creates a subnet pool.
pub fn create(txn: &mut Txn, context: &Context, new: NewSubnetPool) -> Result<SubnetPool, Fault> {
    check_text("name", Some(&new.name))?;
    check_text("description", new.description.as_deref())?;
    let project_id = owner(context, new.project_id, "create_subnetpool")?;
    quota::check(txn, &project_id, Counted::SubnetPool, 1)?;
    let (shared, is_default) = (new.shared.unwrap_or(false), new.is_default.unwrap_or(false));
    if (shared || is_default) && !context.is_admin {
        return Err(forbidden(if shared { "create_subnetpool:shared" } else { "create_subnetpool:is_default" }));
    }
    let (prefixes, ip_version) = merge(&new.prefixes)?;
    let min_prefixlen = new.min_prefixlen.unwrap_or(if ip_version == 4 { 8 } else { 64 });
    let pool = SubnetPool {
        id: SubnetPoolId::random(),
        name: new.name,
        project_id,
        prefixes,
        ip_version,
        default_prefixlen: new.default_prefixlen.unwrap_or(min_prefixlen),
        min_prefixlen,
        max_prefixlen: new.max_prefixlen.unwrap_or(bits(ip_version)),
        shared: false,
        is_default,
        default_quota: new.default_quota.flatten(),
        address_scope_id: None,
        description: new.description.unwrap_or_default(),
        tags: Vec::new(),
        revision_number: 0,
        created_at: None,
        updated_at: None,
    };
    check_bounds(&pool)?;
    check_default(txn, &pool)?;
    let pool = txn.insert(pool);
    if shared {
        rbac::allow_all(txn, Shareable::SubnetPool(pool.id), RbacAction::AccessAsShared, &pool.project_id);
    }
    Ok(SubnetPool::clone(&pool))
}

/// Changes a subnet pool. With `expected_revision`, only if it still has that revision.
pub fn update(
    txn: &mut Txn,
    context: &Context,
    id: SubnetPoolId,
    update: SubnetPoolUpdate,
    expected_revision: Option<u64>,
) -> Result<SubnetPool, Fault> {
    let old = find_own::<SubnetPool>(txn, context, id, "update_subnetpool")?;
    expect_revision(&*old, expected_revision)?;
    check_text("name", update.name.as_deref())?;
    check_text("description", update.description.as_deref())?;
    if update.is_default == Some(true) && !context.is_admin {
        return Err(forbidden("update_subnetpool:is_default"));
    }
    let mut pool = SubnetPool::clone(&old);
    if let Some(prefixes) = update.prefixes {
        let (prefixes, ip_version) = merge(&prefixes)?;
        if ip_version != pool.ip_version {
            return Err(version_mismatch());
        }
        if !pool.prefixes.iter().all(|had| prefixes.iter().any(|has| has.contains(had))) {
            return Err(Fault::bad_request(
                "IllegalSubnetPoolPrefixUpdate",
                "Illegal update to prefixes: Existing prefixes must be a subset of the new prefixes.",
            ));
        }
        pool.prefixes = prefixes;
    }
    pool.name = update.name.unwrap_or(pool.name);
    pool.min_prefixlen = update.min_prefixlen.unwrap_or(pool.min_prefixlen);
    pool.max_prefixlen = update.max_prefixlen.unwrap_or(pool.max_prefixlen);
    pool.default_prefixlen = update.default_prefixlen.unwrap_or(pool.default_prefixlen);
    pool.is_default = update.is_default.unwrap_or(pool.is_default);
    pool.default_quota = update.default_quota.unwrap_or(pool.default_quota);
    pool.description = update.description.unwrap_or(pool.description);
    check_bounds(&pool)?;
    check_default(txn, &pool)?;
    Ok(SubnetPool::clone(&txn.save(&old, pool)))
}

/// Deletes a subnet pool, unless subnets are allocated from it.
pub fn delete(txn: &mut Txn, context: &Context, id: SubnetPoolId) -> Result<(), Fault> {
    find_own::<SubnetPool>(txn, context, id, "delete_subnetpool")?;
    if txn.subnets_of_pool(id).next().is_some() {
        return Err(Fault::bad_request(
            "SubnetPoolDeleteError",
            "Unable to delete subnet pool: Subnet pool has existing allocations.",
        ));
    }
    rbac::remove(txn, Shareable::SubnetPool(id), |_| true);
    txn.remove::<SubnetPool>(id);
    Ok(())
}

/// Bits of an address.
pub(crate) fn bits(ip_version: u8) -> u8 {
    if ip_version == 4 { 32 } else { 128 }
}

/// IP version of a range.
pub(crate) fn version(net: &IpNet) -> u8 {
    match net {
        IpNet::V4(_) => 4,
        IpNet::V6(_) => 6,
    }
}

fn version_mismatch() -> Fault {
    Fault::bad_request("PrefixVersionMismatch", "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.")
}

/// Prefixes in order, joined where they touch or overlap, and their IP version.
fn merge(prefixes: &[IpNet]) -> Result<(Vec<IpNet>, u8), Fault> {
    let first = prefixes
        .first()
        .ok_or_else(|| Fault::bad_request("EmptySubnetPoolPrefixList", "Empty subnet pool prefix list."))?;
    let ip_version = version(first);
    for prefix in prefixes {
        check_prefix("prefixes", *prefix)?;
        if version(prefix) != ip_version {
            return Err(version_mismatch());
        }
    }
    let mut merged = IpNet::aggregate(&prefixes.to_vec());
    merged.sort();
    Ok((merged, ip_version))
}

fn check_bounds(pool: &SubnetPool) -> Result<(), Fault> {
    let wrong = |prefix, length, base, base_length| {
        Err(Fault::bad_request(
            "IllegalSubnetPoolPrefixBounds",
            format!("Illegal prefix bounds: {prefix}={length}, {base}={base_length}."),
        ))
    };
    let (min, max, default) = (pool.min_prefixlen, pool.max_prefixlen, pool.default_prefixlen);
    if max > bits(pool.ip_version) {
        wrong("max_prefixlen", max, "ip_version_max", bits(pool.ip_version))
    } else if min > max {
        wrong("min_prefixlen", min, "max_prefixlen", max)
    } else if default < min {
        wrong("default_prefixlen", default, "min_prefixlen", min)
    } else if default > max {
        wrong("default_prefixlen", default, "max_prefixlen", max)
    } else {
        Ok(())
    }
}

fn check_default(txn: &Txn, pool: &SubnetPool) -> Result<(), Fault> {
    let rival = |p: &SubnetPool| p.is_default && p.ip_version == pool.ip_version && p.id != pool.id;
    if pool.is_default && txn.subnetpools.values().any(|p| rival(p)) {
        return Err(invalid_input(
            "A default subnetpool for this IP family has already been set. Only one default may exist per IP family",
        ));
    }
    Ok(())
}
