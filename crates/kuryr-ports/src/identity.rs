//! Identities that Docker gives to networks and endpoints, and the tags that carry them in Neutron.
//!
//! Neutron's tags were once limited to 60 characters, so an identity of 64 is kept as two halves.

use kuryr_neutron::{SecurityGroupId, Tag};
use serde::Serialize;
use std::{fmt, str::FromStr};

/// Key of the tag with the first 32 characters of an identity.
const LOWER_HALF: &str = "kuryr.net.uuid.lh:";
/// Key of the tag with the characters from the 33rd on.
const UPPER_HALF: &str = "kuryr.net.uuid.uh:";
/// Key of the tag of a network that existed before the Docker network which uses it.
const EXISTING_NETWORK: &str = "kuryr.net.existing:";
/// Key of the tag of a network whose Docker network is `--internal`.
const INTERNAL_NETWORK: &str = "kuryr.net.internal:";
/// Key of the tags with the security groups that the ports of a Docker network get.
const SECURITY_GROUP: &str = "kuryr.sg:";
/// First part of the names of networks that Kuryr creates, when tags carry the identity.
pub const NETWORK_NAME_PREFIX: &str = "kuryr-net-";
/// Key of the tag that says how the ports of a Docker network's containers are published.
const PUBLISH: &str = "kuryr.net.publish:";
/// Characters of one half.
const HALF: usize = 32;
/// Characters of the network's identity in tags that only tell networks apart.
const SHORT: usize = 12;

/// What Docker calls a network or an endpoint: 64 hexadecimal digits, or the 25 characters of Swarm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct DockerId(String);

/// A text is not such an identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is neither 64 hexadecimal digits (lower case) nor 25 lower-case letters and digits")]
pub struct DockerIdError(pub String);

impl FromStr for DockerId {
    type Err = DockerIdError;

    fn from_str(s: &str) -> Result<Self, DockerIdError> {
        let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let plain = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase();
        let right = match s.len() {
            64 => s.bytes().all(hexadecimal),
            25 => s.bytes().all(plain),
            _ => false,
        };
        if right { Ok(Self(s.to_owned())) } else { Err(DockerIdError(s.chars().take(80).collect())) }
    }
}

impl fmt::Display for DockerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl DockerId {
    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tags that say "this is it", on a network or on a port. One for Swarm's short identities.
    pub fn tags(&self) -> Vec<Tag> {
        let (lower, upper) = self.0.split_at(HALF.min(self.0.len()));
        let mut tags = vec![tag(LOWER_HALF, lower)];
        if !upper.is_empty() {
            tags.push(tag(UPPER_HALF, upper));
        }
        tags
    }

    /// Both tags as Neutron's filter and Kuryr's messages write them.
    pub fn tag_text(&self) -> String {
        self.tags().iter().map(Tag::as_str).collect::<Vec<_>>().join(",")
    }

    /// The tag of a network that Kuryr must never delete on behalf of this Docker network.
    pub fn existing_network_tag(&self) -> Tag {
        tag(EXISTING_NETWORK, self.short())
    }

    /// The tag of a network whose Docker network has no way out, so that Join gives no gateway.
    pub fn internal_network_tag(&self) -> Tag {
        tag(INTERNAL_NETWORK, self.short())
    }

    /// The tag of a network whose ports get this security group when they are this Docker network's.
    pub fn security_group_tag(&self, group: SecurityGroupId) -> Tag {
        tag(SECURITY_GROUP, &format!("{}:{group}", self.short()))
    }

    /// The security groups that a network's tags name for this Docker network.
    pub fn security_groups_in(&self, tags: &[Tag]) -> Vec<SecurityGroupId> {
        let mine = format!("{SECURITY_GROUP}{}:", self.short());
        tags.iter().filter_map(|tag| tag.as_str().strip_prefix(&mine)?.parse().ok()).collect()
    }

    /// The tag of a network whose Docker network publishes in this way.
    pub fn publish_tag(&self, way: &str) -> Tag {
        tag(PUBLISH, &format!("{}:{way}", self.short()))
    }

    /// The way that a network's tags name for this Docker network.
    pub fn publish_in<'a>(&self, tags: &'a [Tag]) -> Option<&'a str> {
        let mine = format!("{PUBLISH}{}:", self.short());
        tags.iter().find_map(|tag| tag.as_str().strip_prefix(&mine))
    }

    /// Name of the network that Kuryr creates, when tags carry the identity.
    pub fn network_name(&self) -> String {
        format!("{NETWORK_NAME_PREFIX}{}", &self.0[..8])
    }

    /// Name of the port of this endpoint when names carry the identity.
    pub fn port_name(&self) -> String {
        format!("{}-port", self.0)
    }

    /// As much as a network's tags tell for certain of the Docker network whose identity begins so, when they cannot
    /// tell which second half is its own: its first half, or no more than its beginning. Its tags are those that can be
    /// no other's. `None` for a beginning that is too short to tell networks apart.
    pub fn beginning_with(short: &str, tags: &[Tag]) -> Option<Self> {
        let halves = tags.iter().filter_map(|tag| tag.as_str().strip_prefix(LOWER_HALF));
        let known = halves.filter(|half| half.starts_with(short)).max().unwrap_or(short);
        (short.len() >= SHORT && known.is_ascii()).then(|| Self(known.to_owned()))
    }

    /// True when the tags that only tell networks apart are the same, whatever is known of the rest.
    pub fn begins_like(&self, other: &Self) -> bool {
        self.short() == other.short()
    }

    /// The part that only tells networks apart.
    pub(crate) fn short(&self) -> &str {
        &self.0[..SHORT]
    }
}

/// How many identities a network's tags carry.
pub(crate) fn identities(tags: &[Tag]) -> usize {
    tags.iter().filter(|tag| tag.as_str().starts_with(LOWER_HALF)).count()
}

/// The identities of others that a network's tags carry besides this one, shortened.
pub(crate) fn other_identities<'a>(tags: &'a [Tag], own: &DockerId) -> Vec<&'a str> {
    let mine = own.tags();
    let others = tags.iter().filter(|tag| !mine.contains(tag));
    let halves = others.filter_map(|tag| tag.as_str().strip_prefix(LOWER_HALF));
    halves.map(|half| half.get(..SHORT).unwrap_or(half)).collect()
}

/// True for the two tags that carry the identity of an endpoint.
pub fn is_identity_tag(tag: &Tag) -> bool {
    tag.as_str().starts_with(LOWER_HALF) || tag.as_str().starts_with(UPPER_HALF)
}

/// The identity that tags carry, when they carry exactly one whole identity.
pub fn identity_of(tags: &[Tag]) -> Option<DockerId> {
    let half = |key: &str| {
        let mut found = tags.iter().filter_map(|tag| tag.as_str().strip_prefix(key));
        let first = found.next();
        if found.next().is_some() { None } else { Some(first.unwrap_or_default()) }
    };
    let (lower, upper) = (half(LOWER_HALF)?, half(UPPER_HALF)?);
    format!("{lower}{upper}").parse().ok()
}

/// All identities that tags carry. Halves do not tell which of them belong together: every first half is tried with
/// every second one, and alone. A caller that knows its identities finds them among these.
pub fn identities_of(tags: &[Tag]) -> Vec<DockerId> {
    let halves = |key: &'static str| tags.iter().filter_map(move |tag| tag.as_str().strip_prefix(key));
    let pairs = halves(LOWER_HALF)
        .flat_map(|lower| std::iter::once("").chain(halves(UPPER_HALF)).map(move |upper| format!("{lower}{upper}")));
    pairs.filter_map(|text| text.parse().ok()).collect()
}

/// A tag made of a key and checked characters.
fn tag(key: &str, value: &str) -> Tag {
    static_tag(&format!("{key}{value}"))
}

/// A tag of characters that are known to be right: letters, digits, dots, colons and hyphens.
pub(crate) fn static_tag(text: &str) -> Tag {
    match text.parse() {
        Ok(tag) => tag,
        Err(_) => unreachable!("keys and identities hold neither commas nor slashes: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabcde";

    #[test]
    fn tags_and_names_are_what_other_hosts_write() {
        let id: DockerId = ID.parse().unwrap();
        assert_eq!(
            id.tag_text(),
            "kuryr.net.uuid.lh:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,kuryr.net.uuid.uh:aaaaaaaaaaaaaaaaaaaaaaaaaaaabcde"
        );
        assert_eq!(id.existing_network_tag().as_str(), "kuryr.net.existing:aaaaaaaaaaaa");
        assert_eq!(id.network_name(), "kuryr-net-aaaaaaaa");
        assert_eq!(id.port_name(), format!("{ID}-port"));
    }

    #[test]
    fn a_swarm_identity_has_one_tag() {
        let id: DockerId = "p2zd1s1sfyh3tnt9lzhv6gyxu".parse().unwrap();
        assert_eq!(id.tag_text(), "kuryr.net.uuid.lh:p2zd1s1sfyh3tnt9lzhv6gyxu");
    }

    #[test]
    fn others_are_counted() {
        let mine: DockerId = ID.parse().unwrap();
        let other: DockerId = "b".repeat(64).parse().unwrap();
        let mut tags = mine.tags();
        assert!(other_identities(&tags, &mine).is_empty());
        tags.extend(other.tags());
        assert_eq!(other_identities(&tags, &mine), ["b".repeat(12)]);
        assert_eq!(identity_of(&tags), None, "two identities are none");
        let part = DockerId::beginning_with(&ID[..SHORT], &tags).unwrap();
        assert_eq!((part.tags(), part.short()), (mine.tags()[..1].to_vec(), mine.short()), "its half, and no other's");
        let beginning = DockerId::beginning_with(&ID[..SHORT], &other.tags()).unwrap();
        assert_eq!(beginning.as_str(), mine.short(), "its half went first");
        assert_eq!(DockerId::beginning_with("aaaa", &tags), None);
        let all = identities_of(&tags);
        assert!(all.contains(&mine) && all.contains(&other), "{all:?}");
    }

    proptest! {
        #[test]
        fn what_is_tagged_can_be_read(text in "[0-9a-f]{64}|[0-9a-z]{25}") {
            let id: DockerId = text.parse().unwrap();
            prop_assert_eq!(identity_of(&id.tags()), Some(id.clone()));
            prop_assert_eq!(identities_of(&id.tags()), vec![id.clone()]);
            prop_assert!(id.tags().iter().all(|tag| tag.as_str().len() <= 60 && is_identity_tag(tag)));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<DockerId>();
        }

        #[test]
        fn wrong_lengths_and_letters_are_refused(text in "[0-9a-f]{0,24}|[0-9a-f]{26,63}|[0-9A-F]{65,70}|[g-z]{64}") {
            prop_assert!(text.parse::<DockerId>().is_err());
        }
    }
}
