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

    /// Keys and values.
    pub(super) fn filters(&self) -> &[(String, String)] {
        &self.pairs
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use url::form_urlencoded::parse;

    fn decoded(query: &Query) -> Vec<(String, String)> {
        parse(query.encoded().as_bytes()).into_owned().collect()
    }

    #[test]
    fn filters_look_as_neutron_reads_them() {
        let subnet: SubnetId = "0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9".parse().unwrap();
        let tags: Vec<Tag> = ["kuryr.net.uuid:1", "a b"].iter().map(|t| t.parse().unwrap()).collect();
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        let query = Query::new()
            .eq("name", "a&b=c+d")
            .eq("shared", true)
            .tags(&tags)
            .tags_any(&tags[..1])
            .fixed_ip(subnet, address)
            .any("id", [1, 2])
            .fields(&["id", "name"])
            .page_size(5);
        assert_eq!(
            query.encoded(),
            "name=a%26b%3Dc%2Bd&shared=true&tags=kuryr.net.uuid%3A1%2Ca%20b&tags-any=kuryr.net.uuid%3A1\
             &fixed_ips=subnet_id%3D0f1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9&fixed_ips=ip_address%3D2001%3Adb8%3A%3A1\
             &id=1&id=2&fields=id&fields=name&limit=5"
        );
    }

    #[test]
    fn one_of_none_matches_nothing() {
        assert!(Query::new().any("id", Vec::<u8>::new()).matches_nothing());
        assert!(Query::new().tags_any(&[]).matches_nothing());
        assert!(!Query::new().tags(&[]).fixed_ip(None, None).matches_nothing());
        assert_eq!(Query::new().tags(&[]), Query::new());
    }

    #[test]
    fn what_has_no_alternatives_is_not_split() {
        let query = Query::new().eq("name", "x".repeat(100));
        assert_eq!(query.clone().split(10), [query]);
    }

    proptest! {
        #[test]
        fn a_server_reads_what_was_written(pairs in prop::collection::vec((".*", ".*"), 0..5)) {
            let query = pairs.iter().fold(Query::new(), |query, (key, value)| query.eq(key, value));
            let encoded = query.encoded();
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%&=".contains(&b)), "{}", encoded);
            // An empty key and value is nothing to form encoding.
            let pairs: Vec<_> = pairs.into_iter().filter(|(key, value)| !key.is_empty() || !value.is_empty()).collect();
            let read: Vec<_> = decoded(&query).into_iter().filter(|(k, v)| !k.is_empty() || !v.is_empty()).collect();
            prop_assert_eq!(read, pairs);
        }

        #[test]
        fn parts_ask_for_each_alternative_once(count in 1usize..300, limit in 100usize..2000) {
            let query = Query::new().eq("name", "n").any("id", 0..count).fields(&["id"]);
            let mut ids = BTreeSet::new();
            for part in query.split(limit) {
                prop_assert!(part.encoded().len() <= limit);
                let pairs = decoded(&part);
                prop_assert!(pairs.contains(&("name".into(), "n".into())));
                prop_assert!(pairs.contains(&("fields".into(), "id".into())));
                let of_part: Vec<_> = pairs.into_iter().filter(|(key, _)| key == "id").collect();
                prop_assert!(!of_part.is_empty());
                for (_, id) in of_part {
                    prop_assert!(ids.insert(id));
                }
            }
            prop_assert_eq!(ids.len(), count);
        }
    }
}
