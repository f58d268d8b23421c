//! Tokens: self-contained and signed, so a restart invalidates none of them.

use crate::api::keystone::directory::Target;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::hmac;
use serde::{Deserialize, Serialize};

/// Bytes of a signing key.
pub const KEY_BYTES: usize = 32;
/// Longer texts are no tokens of ours and are not looked at.
const MAX_TOKEN_BYTES: usize = 2048;

/// What a token says of its bearer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who.
    #[serde(rename = "u")]
    pub user_id: String,
    /// On which project; none: unscoped.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// On which domain, instead of a project.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub domain_id: Option<String>,
    /// By which application credential.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub application_credential_id: Option<String>,
    /// The user's generation when it was given.
    #[serde(rename = "g", default, skip_serializing_if = "is_first")]
    pub generation: u64,
    /// How they proved it: `password`, `token`, `application_credential`.
    #[serde(rename = "m")]
    pub methods: Vec<String>,
    /// Seconds since 1970.
    #[serde(rename = "i")]
    pub issued_at: i64,
    /// Seconds since 1970.
    #[serde(rename = "e")]
    pub expires_at: i64,
    /// Its own id, and the id of the first in its chain.
    #[serde(rename = "a")]
    pub audit_ids: Vec<String>,
}

fn is_first(generation: &u64) -> bool {
    *generation == 0
}

impl Claims {
    /// Where the bearer's roles count; `None`: nowhere.
    pub fn target(&self) -> Option<Target> {
        let project = self.project_id.clone().map(Target::Project);
        project.or_else(|| self.domain_id.clone().map(Target::Domain))
    }

    /// True once it no longer counts.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now.as_second() >= self.expires_at
    }
}

/// Signs tokens and reads its own.
#[derive(Debug, Clone)]
pub struct Signer(hmac::Key);

impl Signer {
    /// With a secret key.
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// `claims.signature`, both in base64 that suits headers and paths.
    pub fn sign(&self, claims: &Claims) -> Result<String, serde_json::Error> {
        let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?);
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, claims.as_bytes()));
        Ok(format!("{claims}.{signature}"))
    }

    /// The claims of a token that we signed; says nothing of expiry and revocation.
    pub fn read(&self, token: &str) -> Option<Claims> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let (claims, signature) = token.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.0, claims.as_bytes(), &signature).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }
}

/// A new audit id, as Keystone writes them: 128 random bits in base64.
pub fn audit_id() -> String {
    URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claims() -> Claims {
        Claims {
            user_id: "u".to_owned(),
            project_id: None,
            domain_id: None,
            application_credential_id: None,
            generation: 0,
            methods: vec!["password".to_owned()],
            issued_at: 10,
            expires_at: 20,
            audit_ids: vec![audit_id()],
        }
    }

    #[test]
    fn a_token_is_read_by_its_signer_alone_and_expires() {
        let (signer, other) = (Signer::new(&[1; KEY_BYTES]), Signer::new(&[2; KEY_BYTES]));
        let token = signer.sign(&claims()).unwrap();
        let read = signer.read(&token).unwrap();
        assert_eq!(read.user_id, "u");
        assert!(!read.is_expired(Timestamp::from_second(19).unwrap()));
        assert!(read.is_expired(Timestamp::from_second(20).unwrap()));
        assert_eq!(other.read(&token), None);
    }

    proptest! {
        #[test]
        fn a_changed_token_is_none(position: prop::sample::Index, byte in 0x21u8..0x7f) {
            let signer = Signer::new(&[1; KEY_BYTES]);
            let mut token = signer.sign(&claims()).unwrap().into_bytes();
            let at = position.index(token.len());
            prop_assume!(token[at] != byte);
            token[at] = byte;
            prop_assert_eq!(signer.read(std::str::from_utf8(&token).unwrap()), None);
        }

        #[test]
        fn no_text_panics(text in ".*") {
            prop_assert_eq!(Signer::new(&[1; KEY_BYTES]).read(&text), None);
        }
    }
}
