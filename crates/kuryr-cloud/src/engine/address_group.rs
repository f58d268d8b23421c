//! Address groups.

use crate::engine::{
    Context, Txn,
    faults::check_text,
    rbac,
    row::{expect_revision, find_own, owner},
};
use ipnet::IpNet;
use kuryr_neutron::{AddressGroup, AddressGroupId, AddressGroupUpdate, Fault, FaultKind, NewAddressGroup, Shareable};
use std::collections::BTreeSet;

/// Creates an address group.
pub fn create(txn: &mut Txn, context: &Context, new: NewAddressGroup) -> Result<AddressGroup, Fault> {
    check_text("name", Some(&new.name))?;
    check_text("description", new.description.as_deref())?;
    let group = AddressGroup {
        id: AddressGroupId::random(),
        name: new.name,
        project_id: owner(context, new.project_id, "create_address_group")?,
        description: new.description.unwrap_or_default(),
        addresses: new.addresses.iter().map(IpNet::trunc).collect(),
        revision_number: 0,
        created_at: None,
        updated_at: None,
    };
    Ok(AddressGroup::clone(&txn.insert(group)))
}

/// Changes an address group's texts. With `expected_revision`, only if it still has that revision.
pub fn update(
    txn: &mut Txn,
    context: &Context,
    id: AddressGroupId,
    update: AddressGroupUpdate,
    expected_revision: Option<u64>,
) -> Result<AddressGroup, Fault> {
    let old = find_own::<AddressGroup>(txn, context, id, "update_address_group")?;
    expect_revision(&*old, expected_revision)?;
    check_text("name", update.name.as_deref())?;
    check_text("description", update.description.as_deref())?;
    let mut group = AddressGroup::clone(&old);
    group.name = update.name.unwrap_or(group.name);
    group.description = update.description.unwrap_or(group.description);
    Ok(AddressGroup::clone(&txn.save(&old, group)))
}

/// Adds ranges, none of which may be there.
pub fn add_addresses(
    txn: &mut Txn,
    context: &Context,
    id: AddressGroupId,
    more: &BTreeSet<IpNet>,
) -> Result<AddressGroup, Fault> {
    change(txn, context, id, |has| {
        let known: Vec<&IpNet> = more.iter().filter(|net| has.contains(net)).collect();
        if !known.is_empty() {
            let message = format!("Addresses {} already exist in the address group {id}.", listed(&known));
            return Err(Fault::bad_request("AddressesAlreadyExist", message));
        }
        has.extend(more);
        Ok(())
    })
}

/// Removes ranges, all of which must be there.
pub fn remove_addresses(
    txn: &mut Txn,
    context: &Context,
    id: AddressGroupId,
    these: &BTreeSet<IpNet>,
) -> Result<AddressGroup, Fault> {
    change(txn, context, id, |has| {
        let unknown: Vec<&IpNet> = these.iter().filter(|net| !has.contains(net)).collect();
        if !unknown.is_empty() {
            let message = format!("Addresses {} not found in the address group {id}.", listed(&unknown));
            return Err(Fault::new(FaultKind::NotFound, "AddressesNotFound", message));
        }
        has.retain(|net| !these.contains(net));
        Ok(())
    })
}

fn change(
    txn: &mut Txn,
    context: &Context,
    id: AddressGroupId,
    edit: impl FnOnce(&mut BTreeSet<IpNet>) -> Result<(), Fault>,
) -> Result<AddressGroup, Fault> {
    let old = find_own::<AddressGroup>(txn, context, id, "update_address_group")?;
    let mut group = AddressGroup::clone(&old);
    edit(&mut group.addresses)?;
    Ok(AddressGroup::clone(&txn.save(&old, group)))
}

/// As Neutron prints a list.
fn listed(nets: &[&IpNet]) -> String {
    let quoted: Vec<String> = nets.iter().map(|net| format!("'{net}'")).collect();
    format!("[{}]", quoted.join(", "))
}

/// Deletes an address group that no rule names.
pub fn delete(txn: &mut Txn, context: &Context, id: AddressGroupId) -> Result<(), Fault> {
    find_own::<AddressGroup>(txn, context, id, "delete_address_group")?;
    if txn.rules_naming_addresses(id).next().is_some() {
        let message = format!("Address group {id} is in use on one or more security group rules.");
        return Err(Fault::conflict("AddressGroupInUse", message));
    }
    rbac::remove(txn, Shareable::AddressGroup(id), |_| true);
    txn.remove::<AddressGroup>(id);
    Ok(())
}
