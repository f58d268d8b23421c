//! What TCP and Unix sockets share: one `reqwest` client, bounded bodies, and errors told apart.

use super::TransportError;
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use std::{error::Error as StdError, io};

/// A client with a limit for the bodies it reads.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) inner: reqwest::Client,
    pub(super) response_limit: usize,
}

impl Client {
    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let request = reqwest::Request::try_from(request)
            .map_err(|error| TransportError::Request { reason: chain(&error.without_url()) })?;
        let mut answer = self.inner.execute(request).await.map_err(classify)?;
        let too_large = TransportError::TooLarge { limit: self.response_limit };
        if answer.content_length().is_some_and(|length| length > self.response_limit as u64) {
            return Err(too_large);
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(classify)? {
            if body.len() + chunk.len() > self.response_limit {
                return Err(too_large);
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(body.freeze());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

/// Tells what was certainly not sent from what may have been carried out.
fn classify(error: reqwest::Error) -> TransportError {
    let error = error.without_url();
    let reason = chain(&error);
    match tls_error(&error) {
        Some(tls) if error.is_connect() || refuses_certificate(tls) => return TransportError::Tls { reason },
        _ => {}
    }
    if error.is_connect() {
        return TransportError::Connect { reason };
    }
    if error.is_builder() {
        return TransportError::Request { reason };
    }
    TransportError::Interrupted { reason }
}

/// The words of an error and of all its causes, without repetition.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // `io::Error::source` skips the error it wraps.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = wrapped.and_then(|inner| tls_error(inner)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// With TLS 1.3 a server refuses our certificate, or the lack of one, only when we already wait for the answer:
/// it has refused the connection and not looked at the request.
fn refuses_certificate(error: &rustls::Error) -> bool {
    use rustls::AlertDescription as Alert;
    let rustls::Error::AlertReceived(alert) = error else { return false };
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
            | Alert::HandshakeFailure
            | Alert::NoCertificate
    )
}
