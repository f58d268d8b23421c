//! The files of the page, which are part of this program.

use axum::{Router, http::header::CONTENT_TYPE, routing::get};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($path:literal $type:ident $file:literal)+) => {
        /// Path, media type and content of each.
        const FILES: &[(&str, &str, &str)] = &[$(($path, $type, include_str!(concat!("../page/", $file)))),+];
    };
}

files! {
    "/" HTML "index.html"
    "/icon.svg" SVG "icon.svg"
    "/theme.css" CSS "theme.css"
    "/diagram.css" CSS "diagram.css"
    "/panel.css" CSS "panel.css"
    "/main.js" SCRIPT "main.js"
    "/live.js" SCRIPT "live.js"
    "/dom.js" SCRIPT "dom.js"
    "/model.js" SCRIPT "model.js"
    "/search.js" SCRIPT "search.js"
    "/diagram.js" SCRIPT "diagram.js"
    "/ports.js" SCRIPT "ports.js"
    "/lines.js" SCRIPT "lines.js"
    "/panel.js" SCRIPT "panel.js"
    "/details.js" SCRIPT "details.js"
}

/// Serves them to everybody: there is nothing in them that is not in the program.
pub(crate) fn router() -> Router {
    FILES.iter().fold(Router::new(), |router, &(path, media_type, content)| {
        router.route(path, get(move || async move { ([(CONTENT_TYPE, media_type)], content) }))
    })
}
