//! The token: who has it may look.

use crate::Error;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, header::AUTHORIZATION};
use secrecy::{ExposeSecret, SecretString};
use std::net::SocketAddr;
use subtle::ConstantTimeEq;

/// Bytes of chance in a token: nobody guesses them.
const BYTES: usize = 32;
const SCHEME: &str = "Bearer ";

/// A secret that a process makes when it starts, and tells in the address of its page.
#[derive(Debug, Clone)]
pub struct Token(SecretString);

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn random() -> Result<Self, Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(Error::Random)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes).into()))
    }

    /// The page's address with the token in it. It stands behind `#`: browsers keep that part to themselves, so that it
    /// is in no request and in no log.
    pub fn url(&self, listening: SocketAddr) -> String {
        format!("http://{listening}/#token={}", self.0.expose_secret())
    }

    /// Whether a request has it (`Authorization: Bearer …`). How long that takes says nothing about a wrong one.
    pub(crate) fn is_in(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes).unwrap_or_default();
        let Some(given) = given.strip_prefix(SCHEME.as_bytes()) else { return false };
        given.ct_eq(self.0.expose_secret().as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_the_whole_token_is_taken() {
        let token = Token::random().unwrap();
        let text = token.0.expose_secret().to_owned();
        let is_taken = |value: &str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())]);
            token.is_in(&headers)
        };
        assert!(is_taken(&format!("Bearer {text}")));
        for wrong in [format!("Bearer {}", &text[1..]), format!("Bearer {text}x"), text.clone(), "Bearer ".to_owned()] {
            assert!(!is_taken(&wrong), "{wrong}");
        }
        assert!(!token.is_in(&HeaderMap::new()));
        assert_ne!(Token::random().unwrap().0.expose_secret(), text);
    }

    #[test]
    fn it_is_told_in_the_address_and_nowhere_else() {
        let token = Token::random().unwrap();
        let url = url::Url::parse(&token.url("[::1]:9695".parse().unwrap())).unwrap();
        let text = url.fragment().unwrap().strip_prefix("token=").unwrap();
        assert_eq!((text.len(), url.path(), url.query()), (43, "/", None));
        assert!(!format!("{token:?}").contains(text));
    }
}
