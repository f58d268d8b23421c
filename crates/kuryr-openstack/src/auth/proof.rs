//! The header that proves who we are.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderName, HeaderValue, header::AUTHORIZATION};
use kuryr_config::Auth;
use secrecy::ExposeSecret;

/// One header of each request; `Debug` does not show its value.
#[derive(Debug, Clone)]
pub(crate) struct Proof {
    pub(crate) name: HeaderName,
    /// Marked sensitive.
    pub(crate) value: HeaderValue,
}

impl Proof {
    /// A token of Keystone's.
    pub(crate) fn token(mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        Self { name: HeaderName::from_static("x-auth-token"), value }
    }
}

/// What proves who we are without Keystone; `None`: nothing is said.
///
/// # Errors
/// The secret has characters that no header can have.
pub(crate) fn standing_proof(auth: &Auth) -> Result<Option<Proof>, &'static str> {
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| "it has characters that no header can have");
    match auth {
        Auth::AdminToken(token) => Ok(Some(Proof::token(value(token.expose_secret())?))),
        Auth::Basic { username, password } => {
            let both = BASE64_STANDARD.encode(format!("{username}:{}", password.expose_secret()));
            let mut value = value(&format!("Basic {both}"))?;
            value.set_sensitive(true);
            Ok(Some(Proof { name: AUTHORIZATION, value }))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_become_headers_that_are_not_shown() {
        let admin = standing_proof(&Auth::AdminToken("s3cret".into())).unwrap().unwrap();
        assert_eq!((admin.name.as_str(), admin.value.to_str().unwrap()), ("x-auth-token", "s3cret"));
        let basic = Auth::Basic { username: "Aladdin".into(), password: "open sesame".into() };
        let basic = standing_proof(&basic).unwrap().unwrap();
        assert_eq!(
            (basic.name.as_str(), basic.value.to_str().unwrap()),
            ("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
        );
        assert!(!format!("{admin:?} {basic:?}").contains("s3cret") && !format!("{basic:?}").contains("QWxh"));
        assert!(standing_proof(&Auth::Nobody).unwrap().is_none());
        assert!(standing_proof(&Auth::AdminToken("a\nb".into())).is_err());
    }
}
