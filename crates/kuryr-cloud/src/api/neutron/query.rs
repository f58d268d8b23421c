//! The query of a list: filters, `fields`, order and page.

use kuryr_neutron::Fault;
use std::collections::BTreeMap;

/// What a list call asks for, in the order of the query where it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// By attribute: any of the values. Page and order are not in here.
    pub filters: BTreeMap<String, Vec<String>>,
    /// Attributes to answer; empty: all.
    pub fields: Vec<String>,
    /// Attribute, and true for descending.
    pub sort: Vec<(String, bool)>,
    /// Items of a page; none: all.
    pub limit: Option<usize>,
    /// The id after which the page starts.
    pub marker: Option<String>,
    /// The page lies before the marker.
    pub page_reverse: bool,
}

impl Query {
    /// Reads the part of a URL after the question mark. Bytes that are not UTF-8 become replacement characters.
    pub fn parse(query: &str) -> Result<Self, Fault> {
        let mut found = Self::default();
        let (mut keys, mut directions) = (Vec::new(), Vec::new());
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match key.as_ref() {
                "fields" if value.is_empty() => {}
                "fields" => found.fields.push(value),
                "sort_key" => keys.push(value),
                "sort_dir" => directions.push(descending(&value)?),
                "limit" => found.limit = limit(&value)?,
                "marker" => found.marker = Some(value).filter(|marker| !marker.is_empty()),
                "page_reverse" => found.page_reverse = value.eq_ignore_ascii_case("true"),
                _ => found.filters.entry(key.into_owned()).or_default().push(value),
            }
        }
        if keys.len() != directions.len() {
            return Err(Fault::bad_request("HTTPBadRequest", "The number of sort_keys and sort_dirs must be same"));
        }
        found.sort = keys.into_iter().zip(directions).collect();
        Ok(found)
    }
}

fn descending(value: &str) -> Result<bool, Fault> {
    match value {
        "asc" => Ok(false),
        "desc" => Ok(true),
        other => Err(Fault::bad_request(
            "HTTPBadRequest",
            format!("['{other}'] is invalid value for sort_dirs, valid value is 'asc' and 'desc'"),
        )),
    }
}

fn limit(value: &str) -> Result<Option<usize>, Fault> {
    match value.parse::<usize>() {
        Ok(0) => Ok(None),
        Ok(limit) => Ok(Some(limit)),
        Err(_) if value.is_empty() => Ok(None),
        Err(_) => Err(Fault::bad_request(
            "BadRequest",
            format!("Bad limit request: Limit must be an integer 0 or greater and not '{value}'."),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_query_is_taken_apart() {
        let query = Query::parse("name=a%20b&name=c&fields=id&sort_key=name&sort_dir=desc&limit=2&marker=x").unwrap();
        assert_eq!(query.filters["name"], ["a b", "c"]);
        assert_eq!(query.fields, ["id"]);
        assert_eq!(query.sort, [("name".to_owned(), true)]);
        assert_eq!((query.limit, query.marker.as_deref()), (Some(2), Some("x")));
        assert_eq!(Query::parse("limit=0").unwrap().limit, None);
        for wrong in [
            "limit=-1",
            "limit=x",
            "limit=99999999999999999999999",
            "sort_key=a&sort_dir=up",
            "sort_dir=asc",
            "sort_key=a",
        ] {
            assert!(Query::parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_query_panics(query in ".*") {
            let _ = Query::parse(&query);
        }
    }
}
