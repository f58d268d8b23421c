//! Logging in: who proves who they are gets a token.

use crate::api::keystone::{
    Fault, Identity, PasswordError,
    directory::{Directory, PasswordHash, Target, User},
    request::{AuthRequest, Credential, Proof, Reference, Scope},
    throttle::Origin,
    token::{Claims, audit_id},
};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use std::time::Instant;

/// A new token.
#[derive(Debug)]
pub struct Issued {
    /// The token itself.
    pub token: SecretString,
    /// What it says.
    pub claims: Claims,
}

/// What is known of who has proved who they are.
struct Proven {
    user: User,
    methods: Vec<String>,
    /// Seconds since 1970.
    expires_at: i64,
    /// Audit id of the token it was proved by.
    parent: Option<String>,
    scope: Scope,
    application_credential_id: Option<String>,
}

impl Identity {
    /// Gives a token to who proves who they are.
    pub async fn authenticate(&self, request: AuthRequest, origin: Origin) -> Result<Issued, Fault> {
        let now = Timestamp::now().as_second();
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        let fresh = |user: User, method: &str, scope: Scope| Proven {
            user,
            methods: vec![method.to_owned()],
            expires_at: now.saturating_add(lifetime),
            parent: None,
            scope,
            application_credential_id: None,
        };
        let proven = match request.proof {
            Proof::Password { user, password } => {
                fresh(self.by_password(&user, password, origin).await?, "password", request.scope)
            }
            Proof::Token(token) => self.by_token(&token, request.scope)?,
            Proof::ApplicationCredential { credential, secret } => {
                if request.scope != Scope::Default {
                    return Err(Fault::NotThisWay(
                        "Error authenticating with application credential: Application credentials cannot request a scope.",
                    ));
                }
                let (user, id, project, end) = self.by_application_credential(&credential, secret, origin, now).await?;
                let proven = fresh(user, "application_credential", Scope::Project(Reference::Id(project)));
                let expires_at = end.map_or(proven.expires_at, |end| end.min(proven.expires_at));
                Proven { application_credential_id: Some(id), expires_at, ..proven }
            }
        };
        self.issue(proven, now)
    }

    fn issue(&self, proven: Proven, now: i64) -> Result<Issued, Fault> {
        let target = target(&self.directory(), &proven.user, proven.scope)?;
        let (project_id, domain_id) = match target {
            None => (None, None),
            Some(Target::Project(id)) => (Some(id), None),
            Some(Target::Domain(id)) => (None, Some(id)),
        };
        let claims = Claims {
            user_id: proven.user.id,
            project_id,
            domain_id,
            application_credential_id: proven.application_credential_id,
            generation: proven.user.generation,
            methods: proven.methods,
            issued_at: now,
            expires_at: proven.expires_at,
            audit_ids: std::iter::once(audit_id()).chain(proven.parent).collect(),
        };
        let token = self.signer.sign(&claims).map_err(|_| Fault::Internal)?;
        Ok(Issued { token: SecretString::from(token), claims })
    }

    /// As Keystone: a token got for a token lives no longer than that.
    fn by_token(&self, token: &SecretString, scope: Scope) -> Result<Proven, Fault> {
        let claims = self.principal(token.expose_secret())?.claims;
        if claims.application_credential_id.is_some() {
            let message = "You are not authorized to perform the requested action: Using a delegated token to create \
                           another token.";
            return Err(Fault::Refused(message.to_owned()));
        }
        let user = self.directory().user(&claims.user_id).cloned().ok_or(Fault::Unauthorized)?;
        let mut methods = claims.methods;
        if !methods.iter().any(|method| method == "token") {
            methods.push("token".to_owned());
        }
        let parent = claims.audit_ids.last().cloned();
        Ok(Proven { user, methods, expires_at: claims.expires_at, parent, scope, application_credential_id: None })
    }

    /// The user whose password this is. Whoever is wrong again and again is answered ever more slowly.
    pub async fn by_password(
        &self,
        reference: &Reference,
        password: SecretString,
        origin: Origin,
    ) -> Result<User, Fault> {
        let directory = self.directory();
        let user = directory.referred(reference).filter(|user| directory.is_active(user));
        let label = user.map_or_else(|| directory.label(reference), |user| user.id.clone());
        let hash = user.and_then(|user| user.password.clone());
        self.check(&label, hash, password, origin).await?;
        user.cloned().ok_or(Fault::Unauthorized)
    }

    /// Whose application credential this is, its id, project and end.
    async fn by_application_credential(
        &self,
        credential: &Credential,
        secret: SecretString,
        origin: Origin,
        now: i64,
    ) -> Result<(User, String, String, Option<i64>), Fault> {
        let directory = self.directory();
        let (found, label) = match credential {
            Credential::Id(id) => {
                let found = directory.application_credential(id);
                (Some(found.ok_or_else(|| Fault::missing("Application Credential", id))?), id.clone())
            }
            Credential::Named { user, name } => {
                let user = directory.referred(user).map_or_else(|| directory.label(user), |user| user.id.clone());
                let found = directory.application_credentials_of(&user).find(|credential| credential.name == *name);
                (found, found.map_or_else(|| format!("{user}/{name}"), |found| found.id.clone()))
            }
        };
        self.check(&label, found.map(|credential| credential.secret.clone()), secret, origin).await?;
        let credential = found.ok_or(Fault::Unauthorized)?;
        let user = directory.user(&credential.user_id).filter(|user| directory.is_active(user));
        let user = user.filter(|_| !directory.roles_by(credential, now).is_empty()).ok_or(Fault::Unauthorized)?;
        Ok((user.clone(), credential.id.clone(), credential.project_id.clone(), credential.expires_at))
    }

    /// The hash of a password or secret.
    pub async fn hash(&self, secret: SecretString) -> Result<PasswordHash, PasswordError> {
        self.verifier.hash(secret).await
    }

    /// Checks a secret when its turn has come. Who exists and who does not wait alike.
    async fn check(
        &self,
        label: &str,
        hash: Option<PasswordHash>,
        secret: SecretString,
        origin: Origin,
    ) -> Result<(), Fault> {
        let attempt = self.throttle.turn(label, origin, Instant::now()).map_err(|later| {
            tracing::warn!(user = shown(label), ?origin, "too many wrong passwords: another one is not looked at");
            Fault::TooMany(later)
        })?;
        tokio::time::sleep(attempt.wait).await;
        if self.verifier.verify(hash, secret, origin).await {
            attempt.succeeded(Instant::now());
            return Ok(());
        }
        let pause = attempt.failed(Instant::now());
        tracing::warn!(user = shown(label), ?origin, next_ms = pause.as_millis(), "wrong user or password");
        Err(Fault::Unauthorized)
    }
}

/// As much of a name as fits into a line.
fn shown(label: &str) -> String {
    label.chars().take(64).collect()
}

impl Directory {
    /// The user that a login names.
    fn referred(&self, reference: &Reference) -> Option<&User> {
        match reference {
            Reference::Id(id) => self.user(id),
            Reference::Name { name, domain } => self.user_named(&self.domain_id(domain)?, name),
        }
    }

    /// What somebody who does not exist is known by, however the domain was named: as one who does by the id.
    fn label(&self, reference: &Reference) -> String {
        match reference {
            Reference::Id(id) => id.clone(),
            Reference::Name { name, domain } => {
                let domain_id = self.domain_id(domain).unwrap_or_else(|| match &**domain {
                    Reference::Id(text) | Reference::Name { name: text, .. } => text.clone(),
                });
                format!("{domain_id}/{name}")
            }
        }
    }

    /// Id of the domain that a login names.
    fn domain_id(&self, reference: &Reference) -> Option<String> {
        match reference {
            Reference::Id(id) => self.domain(id),
            Reference::Name { name, .. } => self.domain_named(name),
        }
        .map(|domain| domain.id.clone())
    }
}

/// Where the token is for: somewhere usable where the user has a role, or nowhere.
fn target(directory: &Directory, user: &User, scope: Scope) -> Result<Option<Target>, Fault> {
    let usable = |target: &Target| directory.is_usable(target) && !directory.roles_of(&user.id, target).is_empty();
    let wanted = match scope {
        Scope::Unscoped => return Ok(None),
        Scope::Default => return Ok(user.default_project_id.clone().map(Target::Project).filter(usable)),
        Scope::System => None,
        Scope::Project(Reference::Id(id)) => Some(Target::Project(id)),
        Scope::Project(Reference::Name { name, domain }) => {
            let domain = directory.domain_id(&domain);
            let project = domain.and_then(|domain| directory.project_named(&domain, &name));
            project.map(|project| Target::Project(project.id.clone()))
        }
        Scope::Domain(domain) => directory.domain_id(&domain).map(Target::Domain),
    };
    wanted.filter(usable).map(Some).ok_or(Fault::Unauthorized)
}
