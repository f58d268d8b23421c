//! Who is let in, and what browsers may do with what they get.

use axum::{
    extract::Request,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
        },
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::net::IpAddr;

/// Nothing but this server's own files: no script or style within the page, nothing from elsewhere, in no frame, and text
/// never becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 7] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Refuses what was sent to a name, and gives every answer the headers that keep a browser careful.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let mut answer = if is_for_us(request.headers()) {
        next.run(request).await
    } else {
        let told = "this is served by address only: use http://127.0.0.1 or http://localhost with its port\n";
        (StatusCode::MISDIRECTED_REQUEST, told).into_response()
    };
    for (name, value) in HEADERS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Whoever owns a name can have it lead here, and a page of that name could then ask as if it were ours (DNS rebinding).
/// Nobody can do so with an address, or with `localhost`. The port may be another: that of a tunnel.
fn is_for_us(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Some(host) = host.to_str().ok().and_then(|host| host.parse::<http::uri::Authority>().ok()) else {
        return false;
    };
    if host.as_str().contains('@') {
        return false;
    }
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_ours_and_names_are_not() {
        let is_ours =
            |host: &str| is_for_us(&HeaderMap::from_iter([(HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap())]));
        for host in ["127.0.0.1:9695", "localhost", "LOCALHOST:80", "[::1]:9695", "192.0.2.1:1"] {
            assert!(is_ours(host), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example:9695", "", "localhost.", "a@127.0.0.1", "127.0.0.1:x y"] {
            assert!(!is_ours(host), "{host}");
        }
        assert!(!is_for_us(&HeaderMap::new()));
        let twice = [(HOST, HeaderValue::from_static("127.0.0.1")), (HOST, HeaderValue::from_static("localhost"))];
        let mut headers = HeaderMap::new();
        for (name, value) in twice {
            headers.append(name, value);
        }
        assert!(!is_for_us(&headers));
    }
}
