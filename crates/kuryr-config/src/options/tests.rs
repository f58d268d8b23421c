//! The table of options against what kuryr-libnetwork documents.

use super::*;
use crate::value;
use std::collections::BTreeSet;

#[test]
fn names_are_unique_and_writable() {
    let mut seen = BTreeSet::new();
    for option in all() {
        assert!(GROUPS.contains(&option.group), "{option:?}");
        for name in option.deprecated.iter().chain([&option.name]) {
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
            assert!(seen.insert((option.group, *name)), "[{}] {name} is there twice", option.group);
        }
        assert!(option.help.ends_with('.'), "{option:?}");
    }
}

#[test]
fn every_default_is_right_for_its_own_kind() {
    for option in all() {
        if let Some(default) = option.default {
            value::read(option.kind, default).unwrap_or_else(|expected| panic!("{option:?}: {expected}"));
        }
    }
}

#[test]
fn section_names_are_compared_as_oslo_does() {
    assert_eq!(group("Neutron"), Some("neutron"));
    assert_eq!(group("DEFAULT"), Some("DEFAULT"));
    assert_eq!(group("default"), None);
}

#[test]
fn variables_are_those_of_the_environment_driver() {
    assert_eq!(find("neutron", "auth_url").unwrap().variable(), "OS_NEUTRON__AUTH_URL");
    assert_eq!(find("DEFAULT", "capability_scope").unwrap().variable(), "OS_DEFAULT__CAPABILITY_SCOPE");
}

#[test]
fn old_names_are_found_with_either_dash() {
    assert_eq!(find("neutron", "tenant-name").unwrap().name, "project_name");
    assert_eq!(find("neutron", "tenant_name").unwrap().name, "project_name");
    assert!(find("neutron", "auth-url").is_none(), "oslo.config does not read it either");
    assert_eq!(nearest_option("neutron", "auth-url").unwrap().name, "auth_url");
    assert_eq!(nearest_option("DEFAULT", "auth_url").unwrap().group, "neutron");
}
