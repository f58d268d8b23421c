//! Filters of a list.

use super::encoding::query_part;
use kuryr_neutron::{SubnetId, Tag};
use std::{fmt::Display, net::IpAddr};

/// Which resources a list shall hold. All filters must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
    /// Keys given by [`Query::any`], whose values may be asked for in several calls.
    alternatives: Vec<String>,
    matches_nothing: bool,
}

impl Query {
    /// Everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Field equals value.
    pub fn eq(mut self, field: &str, value: impl Display) -> Self {
        self.pairs.push((field.to_owned(), value.to_string()));
        self
    }

    /// Field equals one of the values; of none, nothing matches (where Neutron would list everything).
    pub fn any<V: Display>(mut self, field: &str, values: impl IntoIterator<Item = V>) -> Self {
        let before = self.pairs.len();
        self.pairs.extend(values.into_iter().map(|value| (field.to_owned(), value.to_string())));
        self.matches_nothing |= self.pairs.len() == before;
        self.alternatives.push(field.to_owned());
        self
    }

    /// Has all of these tags.
    pub fn tags(self, tags: &[Tag]) -> Self {
        self.tag_filter("tags", tags)
    }

    /// Has at least one of these tags.
    pub fn tags_any(self, tags: &[Tag]) -> Self {
        let mut query = self.tag_filter("tags-any", tags);
        query.matches_nothing |= tags.is_empty();
        query
    }

    fn tag_filter(mut self, filter: &str, tags: &[Tag]) -> Self {
        if !tags.is_empty() {
            let tags: Vec<&str> = tags.iter().map(Tag::as_str).collect();
            self.pairs.push((filter.to_owned(), tags.join(",")));
        }
        self
    }

    /// Ports with an address from this subnet, with this address, or both in one.
    pub fn fixed_ip(mut self, subnet: impl Into<Option<SubnetId>>, address: impl Into<Option<IpAddr>>) -> Self {
        if let Some(subnet) = subnet.into() {
            self.pairs.push(("fixed_ips".to_owned(), format!("subnet_id={subnet}")));
        }
        if let Some(address) = address.into() {
            self.pairs.push(("fixed_ips".to_owned(), format!("ip_address={address}")));
        }
        self
    }

    /// Only these fields are told; those that the resource's type requires must be among them.
    pub fn fields(mut self, fields: &[&str]) -> Self {
        self.pairs.extend(fields.iter().map(|field| ("fields".to_owned(), (*field).to_owned())));
        self
    }

    /// At most this many on a page; the list is whole all the same.
    pub fn page_size(self, size: u32) -> Self {
        self.eq("limit", size)
    }

    pub(super) fn matches_nothing(&self) -> bool {
        self.matches_nothing
    }

    /// As it stands in a URL, without the question mark.
    pub(super) fn encoded(&self) -> String {
        let pairs = self.pairs.iter().map(|(key, value)| format!("{}={}", query_part(key), query_part(value)));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// The same question as several that are no longer than this many bytes each, as far as alternatives allow.
    pub(super) fn split(self, limit: usize) -> Vec<Self> {
        if self.encoded().len() <= limit {
            return vec![self];
        }
        let count = |key: &String| self.pairs.iter().filter(|(k, _)| k == key).count();
        let Some(longest) = self.alternatives.iter().max_by_key(|key| count(key)).cloned() else { return vec![self] };
        let total = count(&longest);
        if total < 2 {
            return vec![self];
        }
        let mut seen = 0;
        let (mut first, mut second) = (self.clone(), self.clone());
        first.pairs.clear();
        second.pairs.clear();
        for pair in self.pairs {
            if pair.0 != longest {
                first.pairs.push(pair.clone());
                second.pairs.push(pair);
                continue;
            }
            seen += 1;
            if seen <= total / 2 { first.pairs.push(pair) } else { second.pairs.push(pair) }
        }
        let mut parts = first.split(limit);
        parts.extend(second.split(limit));
        parts
    }
}
