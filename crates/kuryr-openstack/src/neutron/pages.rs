//! Lists, page by page.

use super::{Neutron, Object, Query, agreement, decode, nonsense};
use crate::{
    Error,
    session::{Repeat, ServiceCall},
};
use http::Method;
use kuryr_neutron::Resource;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Servers refuse longer URLs, the shortest-tempered at 8 KiB with the path and host.
const LONGEST_QUERY: usize = 6 * 1024;
/// A list of more pages than this is taken for endless.
const MOST_PAGES: usize = 10_000;

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    rel: String,
    #[serde(default)]
    href: String,
}

impl Neutron {
    /// All resources that match, each once, in the order of the cloud.
    pub async fn list<R: Resource>(&self, query: &Query) -> Result<Vec<R>, Error> {
        let mut found = Found { resources: Vec::new(), places: BTreeMap::new() };
        if query.matches_nothing() {
            return Ok(found.resources);
        }
        for part in query.clone().split(LONGEST_QUERY) {
            self.list_pages(&part, &mut found).await?;
        }
        Ok(found.resources)
    }

    async fn list_pages<R: Resource>(&self, part: &Query, found: &mut Found<R>) -> Result<(), Error> {
        let links_key = format!("{}_links", R::COLLECTION);
        let mut query = part.encoded();
        for page in 1.. {
            let (query_now, repeat) = (query.clone(), Repeat::Safe);
            let call = ServiceCall { query: query_now, repeat, ..ServiceCall::new(Method::GET, R::PATH) };
            let answer = self.session.call(call).await.result?;
            let mut object: Object<'_> = decode(&answer)?;
            let Some(resources) = object.remove(R::COLLECTION) else {
                return Err(nonsense(&answer, format!("it has no '{}'", R::COLLECTION)));
            };
            let resources: Vec<R> = serde_json::from_str(resources.get())
                .map_err(|error| nonsense(&answer, format!("{}: {error}", R::COLLECTION)))?;
            if let Some((one, filter)) = resources.iter().find_map(|one| Some((one, unasked(one, part)?))) {
                let reason = format!("{} {} does not match the filter '{filter}'", R::MEMBER, one.id());
                return Err(nonsense(&answer, reason));
            }
            let any_new = found.add(resources);
            let links: Vec<Link> = match object.remove(links_key.as_str()) {
                Some(links) => serde_json::from_str(links.get())
                    .map_err(|error| nonsense(&answer, format!("{links_key}: {error}")))?,
                None => Vec::new(),
            };
            let Some(next) = links.into_iter().find(|link| link.rel == "next") else { break };
            if !any_new || page == MOST_PAGES {
                return Err(nonsense(
                    &answer,
                    format!("the list has no end: page {page} brings nothing new or too much"),
                ));
            }
            query = next_query(&next.href, R::PATH).map_err(|reason| nonsense(&answer, reason))?;
        }
        Ok(())
    }
}

/// The filter that a resource does not match: what is done to it would be done to a stranger.
fn unasked<'a, R: Resource>(one: &R, part: &'a Query) -> Option<&'a str> {
    if part.filters().is_empty() {
        return None;
    }
    agreement::mismatch(&serde_json::to_value(one).ok()?, part.filters())
}

/// The query of a link to the next page. Its scheme and host are never used: behind a proxy Neutron often knows
/// neither, and our token goes nowhere but to the endpoint.
fn next_query(href: &str, path: &str) -> Result<String, String> {
    let shown: String = href.chars().take(200).collect();
    let (before, query) = href.split_once('?').ok_or_else(|| format!("the next page has no query: '{shown}'"))?;
    let last = before.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if last.strip_suffix(".json").unwrap_or(last) != path {
        return Err(format!("the next page is of something else: '{shown}'"));
    }
    let query = query.split('#').next().unwrap_or_default();
    if query.is_empty() {
        return Err(format!("the next page has no query: '{shown}'"));
    }
    Ok(query.to_owned())
}

/// What a list has found so far.
struct Found<R: Resource> {
    resources: Vec<R>,
    places: BTreeMap<R::Id, usize>,
}

impl<R: Resource> Found<R> {
    /// Adds what is not there yet; what is there is replaced by its newer state. True when anything was new.
    fn add(&mut self, resources: Vec<R>) -> bool {
        let before = self.resources.len();
        for resource in resources {
            match self.places.get(&resource.id()) {
                Some(&place) => self.resources[place] = resource,
                None => {
                    self.places.insert(resource.id(), self.resources.len());
                    self.resources.push(resource);
                }
            }
        }
        self.resources.len() > before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_query_of_a_link_is_used() {
        for href in [
            "http://elsewhere.test/v2.0/networks?marker=1&limit=2",
            "/v2.0/networks/?marker=1&limit=2#x",
            "networks.json?marker=1&limit=2",
        ] {
            assert_eq!(next_query(href, "networks").unwrap(), "marker=1&limit=2", "{href}");
        }
    }

    proptest! {
        #[test]
        fn no_link_panics(href in ".*") {
            let _ = next_query(&href, "networks");
            let query = next_query(&format!("/networks?{href}"), "networks");
            prop_assert!(query.is_err() || !query.unwrap().contains('#'));
        }
    }
}
