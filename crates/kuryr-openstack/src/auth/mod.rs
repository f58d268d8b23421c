//! How Keystone is asked for a token, and how one does without.
//!
//! [`Auth`] says who we are and what the token shall be good for; here that becomes the body of
//! `POST /v3/auth/tokens` (OpenStack Identity API v3) or of its forerunner `POST /v2.0/tokens`.

mod discovery;
mod proof;
mod token;
mod v2;
mod v3;

pub(crate) use discovery::{Discovered, Identity, identity_url, named_version};
pub(crate) use proof::{Proof, standing_proof};
pub(crate) use token::IssuedToken;

use http::HeaderValue;
use kuryr_config::{Auth, IdentityVersion};
use serde_json::Value;

/// What to post to Keystone, below its URL.
pub(crate) fn request(identity: &Identity, auth: &Auth) -> Result<(&'static str, Value), String> {
    match identity.version {
        IdentityVersion::V2 => {
            let body = v2::body(auth).map_err(|why| format!("version 2.0 of Keystone's API {why}"))?;
            Ok(("tokens", body))
        }
        IdentityVersion::Any | IdentityVersion::V3 => {
            Ok(("auth/tokens", v3::body(auth).map_err(|why| format!("Keystone {why}"))?))
        }
    }
}

/// The token in Keystone's answer.
pub(crate) fn issued(identity: &Identity, header: Option<&HeaderValue>, body: &[u8]) -> Result<IssuedToken, String> {
    match identity.version {
        IdentityVersion::V2 => v2::read(body),
        IdentityVersion::Any | IdentityVersion::V3 => IssuedToken::read(header, body),
    }
}

/// True when asking again gives a token that lives longer: what a token gives ends when that token does.
pub(crate) fn can_renew(auth: &Auth) -> bool {
    auth.uses_keystone() && !matches!(auth, Auth::Token { .. })
}

/// What an operator should look at when Keystone answers 401.
pub(crate) fn what_to_check(auth: &Auth) -> &'static str {
    match auth {
        Auth::Password { .. } => {
            "check user name, password, user domain, project and project domain; Keystone does not say which is wrong"
        }
        Auth::Token { .. } => "the given token is wrong or has expired: get a new one, or use a password",
        Auth::ApplicationCredential { .. } => {
            "check the application credential's id or name, its secret, and that it has not expired"
        }
        Auth::Nobody | Auth::AdminToken(_) | Auth::Basic { .. } => "check auth_type",
    }
}
