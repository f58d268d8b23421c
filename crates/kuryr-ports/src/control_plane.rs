//! Control planes: which Kuryr made a resource, and which ones use a network.
//!
//! Several Kuryrs may share one cloud, and even one network. Who **made** a resource stands in its description from its
//! first moment ([`author`]); who **uses** a network is one tag for each control plane and Docker network
//! ([`ControlPlane::network_tag`]), next to the identity that kuryr-libnetwork writes, which has no such tag.

use crate::{
    identity::{DockerId, identities, other_identities, static_tag},
    within::WITHIN,
};
use kuryr_neutron::Tag;
use kuryr_openstack::CREATED_BY_KURYR;
use ring::hmac;
use std::{fmt, str::FromStr};

/// Key of the tag that says which control plane uses a network, for which Docker network. With the longest id it
/// makes 58 characters: older Neutrons take 60.
const USED_BY: &str = "kuryr.cp:";
/// What stands before the control plane in descriptions.
const ON: &str = " on ";
/// Longest id: that of a UUID with hyphens.
const LONGEST: usize = 36;
/// Stands for a whole Swarm; nobody can be called so.
const SWARM: &str = "~swarm";
/// What a machine's id is mixed with, so that it is not given away (see machine-id(5)):
/// `systemd-id128 machine-id --app-specific=<this>` prints the same.
const APPLICATION: [u8; 16] =
    [0x6b, 0x75, 0x72, 0x79, 0x72, 0x2d, 0x43, 0x50, 0x8d, 0x1f, 0x5a, 0x0e, 0x93, 0xc2, 0x47, 0xb6];

/// The id of a Kuryr among those that share a cloud: 1 to 36 letters, digits, dots, hyphens and underscores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ControlPlane(String);

/// A text is not such an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not 1 to 36 letters, digits, '.', '-' and '_'")]
pub struct ControlPlaneError(pub String);

impl FromStr for ControlPlane {
    type Err = ControlPlaneError;

    fn from_str(s: &str) -> Result<Self, ControlPlaneError> {
        let right = (1..=LONGEST).contains(&s.len()) && s.bytes().all(is_plain);
        if right { Ok(Self(s.to_owned())) } else { Err(ControlPlaneError(s.chars().take(80).collect())) }
    }
}

impl fmt::Display for ControlPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_".contains(&byte)
}

impl ControlPlane {
    /// That of a machine: made from the content of `/etc/machine-id`, or from the host's name where there is none.
    pub fn of_machine(machine_id: Option<&str>, host: &str) -> Self {
        let known = machine_id.and_then(|text| u128::from_str_radix(text.trim(), 16).ok()).filter(|id| *id != 0);
        match known {
            Some(id) => Self(application_specific(id.to_be_bytes())),
            None => {
                let plain = |c: char| u8::try_from(c).is_ok_and(is_plain);
                let name: String = host.chars().map(|c| if plain(c) { c } else { '-' }).take(LONGEST).collect();
                Self(if name.is_empty() { "kuryr".to_owned() } else { name })
            }
        }
    }

    /// The managers of a Swarm together, who keep its networks.
    pub fn swarm() -> Self {
        Self(SWARM.to_owned())
    }

    /// The tag of a network that this control plane uses for a Docker network.
    pub fn network_tag(&self, network: &DockerId) -> Tag {
        static_tag(&format!("{USED_BY}{self}:{}", network.short()))
    }

    /// The Docker networks for which this control plane uses a network, as far as its tags tell: each with the first
    /// characters of its id.
    pub fn uses<'a>(&self, tags: &'a [Tag]) -> Vec<&'a str> {
        let key = format!("{USED_BY}{self}:");
        tags.iter().filter_map(|tag| tag.as_str().strip_prefix(key.as_str())).collect()
    }

    /// What is added to the description of everything this control plane creates.
    pub fn signature(&self) -> String {
        format!("{ON}{self}")
    }
}

/// The first half of a keyed hash, as a UUID of version 4 without hyphens.
fn application_specific(machine: [u8; 16]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &machine);
    let sum = hmac::sign(&key, &APPLICATION);
    let mut bytes = [0; 16];
    for (byte, from) in bytes.iter_mut().zip(sum.as_ref()) {
        *byte = *from;
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Who made a resource, as its description tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// This control plane.
    Kuryr(ControlPlane),
    /// A Kuryr that did not say which it is.
    SomeKuryr,
    /// Somebody else, kuryr-libnetwork among them, or an operator changed it.
    Unknown,
}

/// Reads a description.
pub fn author(description: &str) -> Author {
    let Some(rest) = description.strip_prefix(CREATED_BY_KURYR) else { return Author::Unknown };
    let maker = rest.split_once(WITHIN).map_or(rest, |(maker, _)| maker);
    match maker.split_once(ON).map(|(_, plane)| plane.parse()) {
        Some(Ok(plane)) => Author::Kuryr(plane),
        Some(Err(_)) | None => Author::SomeKuryr,
    }
}

/// Who uses a network besides one control plane's Docker network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherUsers {
    /// Other control planes with the same Docker network: hosts of a Swarm.
    pub planes: usize,
    /// Other Docker networks, whoever's.
    pub networks: usize,
    /// Those of them that no control plane has: kuryr-libnetwork's.
    pub strangers: usize,
}

impl OtherUsers {
    /// Counts them by a network's tags.
    pub fn of(tags: &[Tag], plane: &ControlPlane, network: &DockerId) -> Self {
        let users = |short: &str| {
            let ending = format!(":{short}");
            tags.iter().filter(|tag| tag.as_str().starts_with(USED_BY) && tag.as_str().ends_with(&ending)).count()
        };
        let others = other_identities(tags, network);
        Self {
            planes: users(network.short()) - usize::from(tags.contains(&plane.network_tag(network))),
            networks: others.len(),
            strangers: others.iter().filter(|short| users(short) == 0).count(),
        }
    }

    /// Those of a network that this control plane's Docker network has left.
    pub fn remaining(tags: &[Tag]) -> Self {
        let count = identities(tags);
        Self { planes: 0, networks: count, strangers: count }
    }

    /// True when there is none.
    pub fn is_none(self) -> bool {
        self.planes == 0 && self.networks == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(letter: &str) -> DockerId {
        letter.repeat(64).parse().unwrap()
    }

    #[test]
    fn a_machine_is_told_by_its_id_without_giving_it_away() {
        let made = |id: Option<&str>| ControlPlane::of_machine(id, "node 1.example").to_string();
        let machine = "0123456789abcdef0123456789abcdef";
        assert_eq!(made(Some(&format!("{machine}\n"))), "c54c073f02514890a345d383b223ca7f");
        for none in [None, Some(""), Some("uninitialized\n"), Some("00000000000000000000000000000000")] {
            assert_eq!(made(none), "node-1.example");
        }
    }

    #[test]
    fn users_are_counted_by_control_plane_and_docker_network() {
        let (a, b): (ControlPlane, ControlPlane) = ("a".parse().unwrap(), "b".parse().unwrap());
        let mut tags = id("1").tags();
        assert!(OtherUsers::of(&tags, &a, &id("1")).is_none(), "written by kuryr-libnetwork, and taken over");
        tags.push(a.network_tag(&id("1")));
        assert!(OtherUsers::of(&tags, &a, &id("1")).is_none());
        tags.push(b.network_tag(&id("1")));
        assert_eq!(OtherUsers::of(&tags, &a, &id("1")), OtherUsers { planes: 1, networks: 0, strangers: 0 });
        tags.extend(id("2").tags());
        tags.push(b.network_tag(&id("2")));
        assert_eq!(OtherUsers::of(&tags, &a, &id("1")), OtherUsers { planes: 1, networks: 1, strangers: 0 });
        assert_eq!(OtherUsers::of(&tags, &b, &id("2")), OtherUsers { planes: 0, networks: 1, strangers: 0 });
        tags.extend(id("3").tags());
        assert_eq!(OtherUsers::of(&tags, &b, &id("2")), OtherUsers { planes: 0, networks: 2, strangers: 1 });
    }

    #[test]
    fn descriptions_tell_who_made_it() {
        let plane: ControlPlane = "a.b-c_1".parse().unwrap();
        let text = format!("Created by Kuryr, req-1{}", plane.signature());
        assert_eq!(author(&text), Author::Kuryr(plane));
        assert_eq!(author("Created by Kuryr, req-1"), Author::SomeKuryr);
        assert_eq!(author("Created by Kuryr, req-1 on the moon, they say"), Author::SomeKuryr);
        assert_eq!(author(""), Author::Unknown);
    }

    proptest! {
        #[test]
        fn tags_fit_into_older_neutrons(plane in "[a-zA-Z0-9._-]{1,36}", network in "[0-9a-f]{64}|[0-9a-z]{25}") {
            let (plane, network): (ControlPlane, DockerId) = (plane.parse().unwrap(), network.parse().unwrap());
            let tag = plane.network_tag(&network);
            prop_assert!(tag.as_str().len() <= 60);
            prop_assert!(!crate::is_identity_tag(&tag));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = (text.parse::<ControlPlane>(), author(&text));
            let made = ControlPlane::of_machine(Some(&text), &text).to_string();
            prop_assert!(made.parse::<ControlPlane>().is_ok());
        }
    }
}
