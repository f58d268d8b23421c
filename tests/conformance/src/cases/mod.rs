//! The cases, one file for each group.

mod address_groups;
mod application_credentials;
mod bulk;
mod default_rules;
mod directory;
mod docker;
mod domains;
mod fixture;
mod floating;
mod forwardings;
mod groups;
mod isolation;
mod lists;
mod networks;
mod people;
mod policy;
mod pools;
mod port_security;
mod ports;
mod projects;
mod qos;
mod quotas;
mod rbac;
mod revisions;
mod roles;
mod routers;
mod rules;
mod sharing;
mod subnets;
mod subports;
mod tags;
mod tokens;
mod trunks;
mod typed;
mod users;
mod versions;

use crate::suite::Case;

/// All cases.
pub fn all() -> Vec<Case> {
    [
        versions::CASES,
        tokens::CASES,
        networks::CASES,
        subnets::CASES,
        pools::CASES,
        ports::CASES,
        port_security::CASES,
        directory::CASES,
        users::CASES,
        projects::CASES,
        domains::CASES,
        roles::CASES,
        application_credentials::CASES,
        groups::CASES,
        rules::CASES,
        address_groups::CASES,
        default_rules::CASES,
        routers::CASES,
        floating::CASES,
        forwardings::CASES,
        tags::CASES,
        lists::CASES,
        bulk::CASES,
        revisions::CASES,
        docker::CASES,
        typed::CASES,
        isolation::CASES,
        policy::CASES,
        quotas::CASES,
        qos::CASES,
        rbac::CASES,
        sharing::CASES,
        trunks::CASES,
        subports::CASES,
    ]
    .concat()
}
