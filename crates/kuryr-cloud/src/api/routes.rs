//! The table of routes: what is served, and what the OpenAPI document says of it, side by side.
//!
//! A route cannot be added without its description, so the document has neither a path too many nor one too few.

use crate::api::{Api, openapi::Operation};
use axum::{
    Router,
    handler::Handler,
    routing::{MethodFilter, on},
};
use http::Method;
use std::sync::Arc;

/// Routes with their descriptions.
#[derive(Default)]
pub struct Routes {
    router: Router<Arc<Api>>,
    /// By path and method, in the order in which they were added.
    described: Vec<Described>,
}

/// A route as the document has it.
pub struct Described {
    /// With variable parts in braces.
    pub path: String,
    /// Of the request.
    pub method: Method,
    /// What it does.
    pub operation: Operation,
}

macro_rules! methods {
    ($($name:ident $method:ident),+ $(,)?) => {$(
        #[doc = concat!("Serves `", stringify!($method), "` at a path.")]
        pub fn $name<H, T>(self, path: &str, handler: H, operation: Operation) -> Self
        where
            H: Handler<T, Arc<Api>>,
            T: 'static,
        {
            self.on(MethodFilter::$method, Method::$method, path, handler, operation)
        }
    )+};
}

impl Routes {
    methods!(get GET, post POST, put PUT, patch PATCH, delete DELETE);

    /// These and those.
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.described.extend(other.described);
        self
    }

    /// What serves them.
    pub fn into_router(self) -> Router<Arc<Api>> {
        self.router
    }

    /// What describes them.
    pub fn into_described(self) -> Vec<Described> {
        self.described
    }

    fn on<H, T>(mut self, filter: MethodFilter, method: Method, path: &str, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, Arc<Api>>,
        T: 'static,
    {
        self.router = self.router.route(path, on(filter, handler));
        self.described.push(Described { path: path.to_owned(), method, operation });
        self
    }
}
