//! Lists: filter, order, page.

use crate::{
    api::neutron::{exposed::Exposed, filter, query::Query},
    engine::{Context, Record, State},
};
use kuryr_neutron::Fault;
use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

/// A page of a list.
pub struct Page<R: Exposed> {
    /// What is on it, in order.
    pub items: Vec<R>,
    /// There is more after it.
    pub next: bool,
    /// There is more before it.
    pub previous: bool,
}

/// Finds what a query asks for among what is `within` and the asker may see.
pub fn page<R: Exposed>(
    state: &State,
    context: &Context,
    query: &Query,
    within: impl Fn(&R::Row) -> bool,
) -> Result<Page<R>, Fault> {
    let wanted = filter::predicates::<R>(&query.filters, state, context)?;
    let order = ordering::<R>(&query.sort)?;
    let table = R::Row::table(state);
    let mut rows: Vec<&Arc<R::Row>> = candidates::<R>(table, &query.filters)
        .filter(|row| {
            let resource = R::of(row);
            within(row) && wanted.iter().all(|wanted| wanted(resource)) && resource.is_visible(state, context)
        })
        .collect();
    if !query.sort.is_empty() {
        // The table is in order of ids, and the sort is stable: ids decide between equals, as in Neutron.
        rows.sort_by(|a, b| order(R::of(a), R::of(b)));
    }
    // Without a limit there are no pages, and a marker says nothing.
    let position = match query.marker.as_ref().filter(|_| query.limit.is_some()) {
        None => None,
        Some(marker) => {
            let id = marker.parse::<R::Id>().map_err(|_| R::not_found(marker))?;
            let marked = table.get(&id).filter(|row| R::of(row).is_visible(state, context));
            let marked = marked.ok_or_else(|| R::not_found(marker))?;
            // The marker itself may not fit the filters; its place in the order is what counts.
            let before = |row: &&Arc<R::Row>| {
                order(R::of(row), R::of(marked)).then_with(|| row.key().cmp(&id)) == Ordering::Less
            };
            let start = rows.iter().position(|row| !before(row)).unwrap_or(rows.len());
            let after = rows.get(start).map_or(start, |row| if row.key() == id { start + 1 } else { start });
            Some((start, after))
        }
    };
    let (start, end) = match (query.page_reverse, position, query.limit) {
        (false, position, limit) => {
            let start = position.map_or(0, |(_, after)| after);
            (start, limit.map_or(rows.len(), |limit| start.saturating_add(limit).min(rows.len())))
        }
        (true, position, limit) => {
            let end = position.map_or(rows.len(), |(at, _)| at);
            (limit.map_or(0, |limit| end.saturating_sub(limit)), end)
        }
    };
    let rows_of_page = rows.get(start..end).unwrap_or_default();
    let items = rows_of_page.iter().map(|row| R::of(row).shown(state, context)).collect();
    Ok(Page { items, next: end < rows.len(), previous: start > 0 })
}

type Rows<'a, R> = Box<dyn Iterator<Item = &'a Arc<<R as Exposed>::Row>> + 'a>;

/// All rows, or only those the ids in the query name.
fn candidates<'a, R: Exposed>(
    table: &'a BTreeMap<R::Id, Arc<R::Row>>,
    filters: &BTreeMap<String, Vec<String>>,
) -> Rows<'a, R> {
    match filters.get("id") {
        Some(ids) if ids.iter().any(|id| !id.is_empty()) => {
            let mut ids: Vec<R::Id> = ids.iter().filter_map(|id| id.parse().ok()).collect();
            ids.sort_unstable();
            ids.dedup();
            Box::new(ids.into_iter().filter_map(|id| table.get(&id)))
        }
        _ => Box::new(table.values()),
    }
}

type Order<R> = Box<dyn Fn(&R, &R) -> Ordering>;

fn ordering<R: Exposed>(sort: &[(String, bool)]) -> Result<Order<R>, Fault> {
    let mut keys = Vec::new();
    for (name, descending) in sort {
        let wanted = if name == "tenant_id" { "project_id" } else { name };
        match R::attributes().iter().find(|attribute| attribute.name == wanted) {
            Some(attribute) => keys.push((attribute.get, *descending)),
            None => {
                let name: String = name.chars().take(100).collect();
                let message = format!("['{name}'] is invalid attribute for sort_keys");
                return Err(Fault::bad_request("HTTPBadRequest", message));
            }
        }
    }
    Ok(Box::new(move |a, b| {
        keys.iter().fold(Ordering::Equal, |order, (get, descending)| {
            order.then_with(|| {
                let by_key = get(a).cmp(&get(b));
                if *descending { by_key.reverse() } else { by_key }
            })
        })
    }))
}
