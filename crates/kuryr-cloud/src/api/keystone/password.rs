//! Passwords: made at random, kept as Argon2id, hashed and checked one at a time.

use crate::api::keystone::{directory::PasswordHash, throttle::Origin};
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHash as Parsed, PasswordHasher, PasswordVerifier, SaltString},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Why a password could not be made or checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The system gave no random bytes.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
    /// The hash could not be made.
    #[error("a password could not be hashed: {0}")]
    Hash(String),
}

/// A new password of 192 random bits.
pub fn random() -> Result<SecretString, PasswordError> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(PasswordError::Random)?;
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bytes)))
}

/// Memory of a hash in KiB, and passes over it. OWASP holds this for as strong as 19 MiB and two passes; the smaller memory
/// is kinder to a daemon that is idle most of the time.
const MEMORY_KIB: u32 = 7 * 1024;
const PASSES: u32 = 5;

/// Hashes a password with Argon2id. Takes tens of milliseconds: not for an async thread.
fn hash(password: &SecretString) -> Result<PasswordHash, PasswordError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(PasswordError::Random)?;
    let wrong = |error: argon2::password_hash::Error| PasswordError::Hash(error.to_string());
    let salt = SaltString::encode_b64(&salt).map_err(wrong)?;
    let parameters =
        Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| PasswordError::Hash(error.to_string()))?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
    let hashed = argon.hash_password(password.expose_secret().as_bytes(), &salt).map_err(wrong)?;
    Ok(PasswordHash(hashed.to_string()))
}

/// Checks passwords, one at a time: each takes 7 MiB and a processor for a while. What is trusted has a line of its own, so
/// that it does not wait behind others' guesses.
#[derive(Debug, Clone)]
pub struct Verifier {
    turn: Arc<Semaphore>,
    trusted: Arc<Semaphore>,
    /// Checked for users that do not exist, so that they take as long.
    nobody: PasswordHash,
}

impl Verifier {
    /// `nobody` is any hash made with the same parameters as real ones.
    pub fn new(nobody: PasswordHash) -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), trusted: Arc::new(Semaphore::new(1)), nobody }
    }

    /// Hashes a password, in its turn.
    pub async fn hash(&self, password: SecretString) -> Result<PasswordHash, PasswordError> {
        let wrong = |error: &dyn std::fmt::Display| PasswordError::Hash(error.to_string());
        let permit = Arc::clone(&self.turn).acquire_owned().await.map_err(|error| wrong(&error))?;
        let hashed = tokio::task::spawn_blocking(move || {
            let hashed = hash(&password);
            drop(permit);
            hashed
        });
        hashed.await.map_err(|error| wrong(&error))?
    }

    /// True when the password is right. Without a hash (no such user) it takes as long, and is false.
    pub async fn verify(&self, hash: Option<PasswordHash>, password: SecretString, origin: Origin) -> bool {
        let line = if origin == Origin::Trusted { &self.trusted } else { &self.turn };
        let Ok(permit) = Arc::clone(line).acquire_owned().await else { return false };
        let exists = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let checked = tokio::task::spawn_blocking(move || {
            let right = matches(&hash, &password);
            drop(permit);
            right
        });
        checked.await.unwrap_or(false) && exists
    }
}

/// With the parameters that the hash itself names.
fn matches(hash: &PasswordHash, password: &SecretString) -> bool {
    Parsed::new(&hash.0)
        .is_ok_and(|parsed| Argon2::default().verify_password(password.expose_secret().as_bytes(), &parsed).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_somebody_is_right() {
        let password = random().unwrap();
        let hash = hash(&password).unwrap();
        let verifier = Verifier::new(hash.clone());
        assert!(verifier.verify(Some(hash.clone()), password.clone(), Origin::Trusted).await);
        assert!(!verifier.verify(Some(hash), SecretString::from("wrong"), Origin::Trusted).await);
        assert!(!verifier.verify(None, password, Origin::Trusted).await, "nobody has a password");
    }
}
