//! The identity service itself: gives tokens, checks them, and takes them back.

use crate::{
    api::keystone::{
        Fault,
        directory::{ADMIN, Directory, PasswordHash, Project, User},
        password::{self, PasswordError, Verifier},
        request::{AuthRequest, Proof, Reference, Scope},
        throttle::Throttle,
        token::{Claims, KEY_BYTES, Signer, audit_id},
    },
    engine::Engine,
    store,
};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
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
    /// Has the role `admin` on the token's project.
    pub is_admin: bool,
}

/// A new token.
#[derive(Debug)]
pub struct Issued {
    /// The token itself.
    pub token: SecretString,
    /// What it says.
    pub claims: Claims,
}

/// The identity service.
#[derive(Debug)]
pub struct Identity {
    engine: Engine,
    directory: Directory,
    signer: Signer,
    verifier: Verifier,
    throttle: Throttle,
    /// Audit ids of tokens taken back, until they would have expired anyway (seconds since 1970).
    revoked: RwLock<BTreeMap<String, i64>>,
    /// Held while the list is stored, so that an older list never replaces a newer one.
    storing: Mutex<()>,
    lifetime: Duration,
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
        let stored: Option<Directory> = read(&engine, DIRECTORY).await?;
        let password_replaced = stored.is_some() && known.is_none();
        let (directory, password) = match (stored, known) {
            (Some(directory), Some(password)) => {
                let hash = directory.user_named(ADMIN).map(|user| user.password.clone());
                let verifier = Verifier::new(hash.clone().unwrap_or_default());
                if !verifier.verify(hash, password.clone()).await {
                    return Err(IdentityError::WrongPassword);
                }
                (directory, password)
            }
            (stored, known) => {
                let password = known.map_or_else(password::random, Ok)?;
                let hash = hash_off_thread(password.clone()).await?;
                let directory = with_admin(stored, hash);
                write(&engine, DIRECTORY, &directory).await?;
                (directory, password)
            }
        };
        let nobody = directory.users.first().map(|user| user.password.clone()).unwrap_or_default();
        let identity = Self {
            signer: Signer::new(&signing_key(&engine).await?),
            revoked: RwLock::new(read(&engine, REVOKED).await?.unwrap_or_default()),
            verifier: Verifier::new(nobody),
            throttle: Throttle::default(),
            storing: Mutex::default(),
            engine,
            directory,
            lifetime,
        };
        Ok(Opened { identity, password, password_replaced })
    }

    /// Who there is.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Gives a token to who proves who they are.
    pub async fn authenticate(&self, request: AuthRequest) -> Result<Issued, Fault> {
        let now = Timestamp::now().as_second();
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        let (user, methods, expires_at, parent) = match request.proof {
            Proof::Password { user, password } => {
                let user = self.by_password(&user, password).await?;
                (user, vec!["password".to_owned()], now.saturating_add(lifetime), None)
            }
            Proof::Token(token) => {
                let claims = self.principal(token.expose_secret())?.claims;
                let user = self.directory.user(&claims.user_id).ok_or(Fault::Unauthorized)?;
                let mut methods = claims.methods;
                if !methods.iter().any(|method| method == "token") {
                    methods.push("token".to_owned());
                }
                // As Keystone: a token got for a token lives no longer than that.
                (user, methods, claims.expires_at, claims.audit_ids.last().cloned())
            }
        };
        let project_id = self.project_for(user, request.scope)?.map(|project| project.id.clone());
        let audit_ids = std::iter::once(audit_id()).chain(parent).collect();
        let claims = Claims { user_id: user.id.clone(), project_id, methods, issued_at: now, expires_at, audit_ids };
        let token = self.signer.sign(&claims).map_err(|_| Fault::Internal)?;
        Ok(Issued { token: SecretString::from(token), claims })
    }

    async fn by_password(&self, reference: &Reference, password: SecretString) -> Result<&User, Fault> {
        let (user, label) = match reference {
            Reference::Id(id) => (self.directory.user(id), id.as_str()),
            Reference::Name(name) => (self.directory.user_named(name), name.as_str()),
            Reference::Nowhere => (None, ""),
        };
        let user = user.filter(|user| user.enabled);
        let label: String = user.map_or(label, |user| user.id.as_str()).chars().take(64).collect();
        if self.verifier.verify(user.map(|user| user.password.clone()), password).await {
            self.throttle.succeeded(&label);
            return user.ok_or(Fault::Unauthorized);
        }
        let delay = self.throttle.failed(&label);
        tracing::warn!(user = label, delay_ms = delay.as_millis(), "wrong user or password");
        tokio::time::sleep(delay).await;
        Err(Fault::Unauthorized)
    }

    fn project_for(&self, user: &User, scope: Scope) -> Result<Option<&Project>, Fault> {
        let usable = |project: &&Project| project.enabled && !self.directory.roles_of(&user.id, &project.id).is_empty();
        let wanted = match scope {
            Scope::Unscoped => return Ok(None),
            Scope::Default => {
                let id = user.default_project_id.as_deref();
                return Ok(id.and_then(|id| self.directory.project(id)).filter(usable));
            }
            Scope::Elsewhere | Scope::Project(Reference::Nowhere) => None,
            Scope::Project(Reference::Id(id)) => self.directory.project(&id),
            Scope::Project(Reference::Name(name)) => self.directory.project_named(&name),
        };
        wanted.filter(usable).map(Some).ok_or(Fault::Unauthorized)
    }

    /// Who bears a token, if it is ours, not expired and not taken back. Takes microseconds.
    pub fn principal(&self, token: &str) -> Result<Principal, Fault> {
        let claims = self.signer.read(token).ok_or(Fault::Unauthorized)?;
        if claims.is_expired(Timestamp::now()) || self.is_revoked(&claims) {
            return Err(Fault::Unauthorized);
        }
        let known = self.directory.user(&claims.user_id).is_some_and(|user| user.enabled);
        if !known {
            return Err(Fault::Unauthorized);
        }
        let is_admin = claims.project_id.as_deref().is_some_and(|project| {
            self.directory.roles_of(&claims.user_id, project).iter().any(|role| role.name == ADMIN)
        });
        Ok(Principal { claims, is_admin })
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
            Fault::Internal
        })
    }
}

fn with_admin(stored: Option<Directory>, hash: PasswordHash) -> Directory {
    match stored {
        None => Directory::seeded(hash),
        Some(mut directory) => {
            for user in directory.users.iter_mut().filter(|user| user.name == ADMIN) {
                user.password = hash.clone();
            }
            directory
        }
    }
}

async fn hash_off_thread(password: SecretString) -> Result<PasswordHash, IdentityError> {
    let hashed = tokio::task::spawn_blocking(move || password::hash(&password)).await;
    Ok(hashed.map_err(|error| PasswordError::Hash(error.to_string()))??)
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

async fn write(engine: &Engine, key: &'static str, value: &impl serde::Serialize) -> Result<(), IdentityError> {
    let bytes = serde_json::to_vec(value).map_err(|error| IdentityError::Setting { key, reason: error.to_string() })?;
    Ok(engine.put_setting(key, &bytes).await?)
}
