//! What one route does.

use crate::api::openapi::Schemas;
use serde_json::{Value, json};
use std::borrow::Cow;

/// Makes a schema.
pub type Shape = Box<dyn Fn(&mut Schemas) -> Value>;

/// Whose words refusals are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `{"error": {…}}`.
    Keystone,
    /// `{"NeutronError": {…}}`.
    Neutron,
}

/// A parameter of the query or a header; the path's follow from the path.
pub struct Parameter {
    /// Its name.
    pub name: Cow<'static, str>,
    /// `query` or `header`.
    pub place: &'static str,
    /// What it says.
    pub description: Cow<'static, str>,
    /// What it can be.
    pub schema: Value,
}

impl Parameter {
    /// A parameter of the query.
    pub fn query(name: impl Into<Cow<'static, str>>, description: impl Into<Cow<'static, str>>, schema: Value) -> Self {
        Self { name: name.into(), place: "query", description: description.into(), schema }
    }

    /// A header.
    pub fn header(name: &'static str, description: &'static str) -> Self {
        let schema = json!({"type": "string"});
        Self { name: name.into(), place: "header", description: description.into(), schema }
    }
}

/// What one route does, as the document tells it.
pub struct Operation {
    /// In one line.
    pub summary: Cow<'static, str>,
    /// Whose words refusals are in.
    pub family: Family,
    /// Of query and headers.
    pub parameters: Vec<Parameter>,
    /// Of the request.
    pub body: Option<Shape>,
    /// Status of the answer. `None`: it is refused always.
    pub status: Option<u16>,
    /// Its body, if it has one.
    pub answer: Option<Shape>,
    /// Where the answer has the id of what was made.
    pub made_at: Option<String>,
    /// Headers of the answer beside the request's id.
    pub headers: &'static [&'static str],
    /// Statuses of refusals, beside 401 of calls that need a token.
    pub refusals: Vec<u16>,
    /// Needs no token.
    pub is_public: bool,
    /// `HEAD` is part of the API too.
    pub has_head: bool,
}

impl Operation {
    fn new(family: Family, summary: Cow<'static, str>) -> Self {
        Self {
            summary,
            family,
            parameters: Vec::new(),
            body: None,
            status: None,
            answer: None,
            made_at: None,
            headers: &[],
            refusals: Vec::new(),
            is_public: false,
            has_head: false,
        }
    }

    /// A call of Keystone.
    pub fn keystone(summary: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Family::Keystone, summary.into())
    }

    /// A call of Neutron, where a token for no project is refused.
    pub fn neutron(summary: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Family::Neutron, summary.into()).refuses(&[403])
    }

    /// With parameters.
    pub fn with(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// Takes a body. What is no JSON or too long is refused.
    pub fn takes(mut self, body: impl Fn(&mut Schemas) -> Value + 'static) -> Self {
        self.body = Some(Box::new(body));
        self.refuses(&[400, 413])
    }

    /// Answers a body.
    pub fn answers(mut self, status: u16, answer: impl Fn(&mut Schemas) -> Value + 'static) -> Self {
        self.status = Some(status);
        self.answer = Some(Box::new(answer));
        self
    }

    /// Answers no body.
    pub fn answers_nothing(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Makes something, whose id the answer has at this place.
    pub fn makes(mut self, place: impl Into<String>) -> Self {
        self.made_at = Some(place.into());
        self
    }

    /// With headers in the answer.
    pub fn with_headers(mut self, headers: &'static [&'static str]) -> Self {
        self.headers = headers;
        self
    }

    /// With these statuses, and reasons that the body tells.
    pub fn refuses(mut self, statuses: &[u16]) -> Self {
        self.refusals.extend(statuses);
        self.refusals.sort_unstable();
        self.refusals.dedup();
        self
    }

    /// Needs no token.
    pub fn public(mut self) -> Self {
        self.is_public = true;
        self.refusals.retain(|status| *status != 403);
        self
    }

    /// `HEAD` is part of the API too.
    pub fn with_head(mut self) -> Self {
        self.has_head = true;
        self
    }
}
