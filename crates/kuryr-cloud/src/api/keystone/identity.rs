//! The identity service itself: who there is, which tokens count, and which were taken back.

use crate::{
    api::keystone::{
        Fault,
        directory::{ADMIN, DOMAIN_ID, Directory, PasswordHash, Role, User},
        document,
        password::{self, PasswordError, Verifier},
        throttle::{Origin, Throttle},
        token::{Claims, KEY_BYTES, Signer},
    },
    engine::Engine,
    store,
};
use jiff::Timestamp;
use secrecy::SecretString;
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::sync::Mutex;

/// Keys of the store's settings. Their values are secrets.
const DIRECTORY: &str = "keystone.directory";
const SIGNING_KEY: &str = "keystone.signing_key";
const REVOKED: &str = "keystone.revoked";

/// The identity service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A password could not be made.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The administrator's password is another.
    #[error("the known password is not the administrator's")]
    WrongPassword,
    /// A setting of the store is not what we wrote.
    #[error("the database's setting {key} cannot be read: {reason}; restore the database from a backup")]
    Setting {
        /// Its key.
        key: &'static str,
        /// Why.
        reason: String,
    },
}

/// Who a valid token's bearer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// What the token says.
    pub claims: Claims,
    /// What its bearer is where the token is for.
    pub roles: Vec<Role>,
}

impl Principal {
    /// Has the role `admin`.
    pub fn is_admin(&self) -> bool {
        self.has(ADMIN)
    }

    /// Has the role with this name.
    pub fn has(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.name == name)
    }
}

/// The identity service.
#[derive(Debug)]
pub struct Identity {
    engine: Engine,
    directory: Arc<RwLock<Arc<Directory>>>,
    pub(super) signer: Signer,
    pub(super) verifier: Verifier,
    pub(super) throttle: Throttle,
    /// Audit ids of tokens taken back, until they would have expired anyway (seconds since 1970).
    revoked: RwLock<BTreeMap<String, i64>>,
    /// Held while something is stored, so that an older one never replaces a newer one.
    storing: Arc<Mutex<()>>,
    pub(super) lifetime: Duration,
}

/// What an identity service was opened with.
#[derive(Debug)]
pub struct Opened {
    /// The service.
    pub identity: Identity,
    /// The administrator's password.
    pub password: SecretString,
    /// The password is new although there were users: who had the old one needs the new one.
    pub password_replaced: bool,
}

impl Identity {
    /// Loads users and key from the store, or makes them. `known` is the administrator's password if it is known; if not,
    /// a new one is made, and the old one counts no more.
    pub async fn open(
        engine: Engine,
        lifetime: Duration,
        known: Option<SecretString>,
    ) -> Result<Opened, IdentityError> {
        let stored = read(&engine, DIRECTORY).await?.map(Directory::completed);
        let password_replaced = stored.is_some() && known.is_none();
        let (directory, password) = match (stored, known) {
            (Some(directory), Some(password)) => {
                let hash = directory.user_named(DOMAIN_ID, ADMIN).and_then(|user| user.password.clone());
                let verifier = Verifier::new(hash.clone().unwrap_or_default());
                if !verifier.verify(hash, password.clone(), Origin::Trusted).await {
                    return Err(IdentityError::WrongPassword);
                }
                // What was completed gets its ids now, for good.
                write(&engine, DIRECTORY, &directory).await?;
                (directory, password)
            }
            (stored, known) => {
                let password = known.map_or_else(password::random, Ok)?;
                let hash = Verifier::new(PasswordHash::default()).hash(password.clone()).await?;
                let directory = with_admin(stored, hash);
                write(&engine, DIRECTORY, &directory).await?;
                (directory, password)
            }
        };
        let nobody = directory.users.iter().find_map(|user| user.password.clone()).unwrap_or_default();
        let identity = Self {
            signer: Signer::new(&signing_key(&engine).await?),
            revoked: RwLock::new(read(&engine, REVOKED).await?.unwrap_or_default()),
            verifier: Verifier::new(nobody),
            throttle: Throttle::default(),
            storing: Arc::default(),
            engine,
            directory: Arc::new(RwLock::new(Arc::new(directory))),
            lifetime,
        };
        Ok(Opened { identity, password, password_replaced })
    }

    /// Who there is now.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes who there is: durable before it is seen, and before this answers; a refusal leaves all as it was.
    pub async fn change<T>(&self, change: impl FnOnce(&mut Directory) -> Result<T, Fault>) -> Result<T, Fault> {
        let turn = Arc::clone(&self.storing).lock_owned().await;
        let mut next = Directory::clone(&self.directory());
        let done = change(&mut next)?;
        let (engine, place) = (self.engine.clone(), Arc::clone(&self.directory));
        // Its own task: whoever asked may hang up, and what is stored must be seen all the same.
        let stored = tokio::spawn(async move {
            let _turn = turn;
            write(&engine, DIRECTORY, &next).await?;
            *place.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
            Ok::<_, IdentityError>(())
        });
        match stored.await {
            Ok(Ok(())) => Ok(done),
            Ok(Err(error)) => {
                tracing::error!(%error, "a change of users, projects or roles could not be stored");
                Err(not_stored(&error))
            }
            Err(error) => {
                tracing::error!(%error, "a change of users, projects or roles was interrupted");
                Err(Fault::Internal)
            }
        }
    }

    /// Who bears a token, if it is ours, not expired and not taken back, and its bearer still has a role where it is for.
    /// Takes microseconds.
    pub fn principal(&self, token: &str) -> Result<Principal, Fault> {
        let claims = self.signer.read(token).ok_or(Fault::Unauthorized)?;
        if claims.is_expired(Timestamp::now()) || self.is_revoked(&claims) {
            return Err(Fault::Unauthorized);
        }
        let directory = self.directory();
        let user = directory.user(&claims.user_id).filter(|user| directory.is_active(user));
        if user.is_none_or(|user| user.generation != claims.generation) {
            return Err(Fault::Unauthorized);
        }
        let roles: Vec<Role> = document::roles(&directory, &claims).into_iter().cloned().collect();
        let usable = claims.target().is_none_or(|target| directory.is_usable(&target) && !roles.is_empty());
        if !usable {
            return Err(Fault::Unauthorized);
        }
        Ok(Principal { claims, roles })
    }

    fn is_revoked(&self, claims: &Claims) -> bool {
        let revoked = self.revoked.read().unwrap_or_else(PoisonError::into_inner);
        claims.audit_ids.first().is_some_and(|id| revoked.contains_key(id))
    }

    /// Takes a token back, durably.
    pub async fn revoke(&self, claims: &Claims) -> Result<(), Fault> {
        let now = Timestamp::now().as_second();
        let _turn = self.storing.lock().await;
        let list = {
            let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
            revoked.retain(|_, expires_at| *expires_at > now);
            if let Some(id) = claims.audit_ids.first() {
                revoked.insert(id.clone(), claims.expires_at);
            }
            revoked.clone()
        };
        write(&self.engine, REVOKED, &list).await.map_err(|error| {
            tracing::error!(%error, "a token's revocation could not be stored");
            not_stored(&error)
        })
    }
}

fn with_admin(stored: Option<Directory>, hash: PasswordHash) -> Directory {
    match stored {
        None => Directory::seeded(hash),
        Some(mut directory) => {
            let own = |user: &&mut User| user.name == ADMIN && user.domain_id == DOMAIN_ID;
            if let Some(user) = directory.users.iter_mut().find(own) {
                user.password = Some(hash);
                user.generation += 1;
            }
            directory
        }
    }
}

async fn signing_key(engine: &Engine) -> Result<[u8; KEY_BYTES], IdentityError> {
    if let Some(stored) = engine.setting(SIGNING_KEY).await? {
        return stored.as_slice().try_into().map_err(|_| IdentityError::Setting {
            key: SIGNING_KEY,
            reason: format!("it has {} bytes instead of {KEY_BYTES}", stored.len()),
        });
    }
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(PasswordError::Random)?;
    engine.put_setting(SIGNING_KEY, &key).await?;
    Ok(key)
}

async fn read<T: serde::de::DeserializeOwned>(engine: &Engine, key: &'static str) -> Result<Option<T>, IdentityError> {
    let Some(stored) = engine.setting(key).await? else { return Ok(None) };
    let parsed = serde_json::from_slice(&stored);
    parsed.map(Some).map_err(|error| IdentityError::Setting { key, reason: error.to_string() })
}

fn not_stored(error: &IdentityError) -> Fault {
    Fault::Unavailable(format!("The change was not stored: {error}."))
}

/// What is there already is not written again: a start needs no room on the disk.
async fn write(engine: &Engine, key: &'static str, value: &impl serde::Serialize) -> Result<(), IdentityError> {
    let bytes = serde_json::to_vec(value).map_err(|error| IdentityError::Setting { key, reason: error.to_string() })?;
    if engine.setting(key).await?.as_ref() == Some(&bytes) {
        return Ok(());
    }
    Ok(engine.put_setting(key, &bytes).await?)
}
