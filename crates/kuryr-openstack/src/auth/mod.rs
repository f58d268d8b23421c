//! How Keystone v3 is asked for a token.
//!
//! A new method is one more [`Identity`], a new scope one more [`Scope`]; neither knows HTTP.
//! Format: OpenStack Identity API v3, `POST /v3/auth/tokens`.

mod discovery;
mod token;

pub(crate) use discovery::{Discovered, identity_url, needs_discovery};
pub(crate) use token::IssuedToken;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

/// Everything that is needed to get a token.
#[derive(Debug, Clone)]
pub struct Auth {
    /// Keystone's URL, with or without `/v3`.
    pub url: Url,
    /// Who we are.
    pub identity: Identity,
    /// What the token shall be good for.
    pub scope: Scope,
}

/// Who we are, and how we prove it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Identity {
    /// A user's password (`auth_type = password` or `v3password`).
    Password {
        /// The user.
        user: UserRef,
        /// The password.
        password: SecretString,
    },
    /// Another token (`auth_type = token` or `v3token`). What it gives ends when the other token does.
    Token {
        /// The other token.
        token: SecretString,
    },
    /// An application credential (`auth_type = v3applicationcredential`). It has a scope of its own.
    ApplicationCredential {
        /// The credential.
        credential: CredentialRef,
        /// Its secret.
        secret: SecretString,
    },
}

/// Names an application credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialRef {
    /// By id.
    Id(String),
    /// By name, which is unique for its user.
    Name {
        /// Its name.
        name: String,
        /// Its user.
        user: UserRef,
    },
}

/// Names a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainRef {
    /// By id.
    Id(String),
    /// By name.
    Name(String),
}

/// Names a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserRef {
    /// By id.
    Id(String),
    /// By name, which is unique in its domain.
    Name {
        /// Its name.
        name: String,
        /// Its domain.
        domain: DomainRef,
    },
}

/// Names a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProjectRef {
    /// By id.
    Id(String),
    /// By name, which is unique in its domain.
    Name {
        /// Its name.
        name: String,
        /// Its domain.
        domain: DomainRef,
    },
}

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// A project: what Neutron wants.
    Project(ProjectRef),
    /// A domain.
    Domain(DomainRef),
    /// The whole cloud.
    System,
    /// Whatever Keystone chooses: the user's default project, or the credential's.
    Unscoped,
}

impl DomainRef {
    fn json(&self) -> Value {
        match self {
            Self::Id(id) => json!({ "id": id }),
            Self::Name(name) => json!({ "name": name }),
        }
    }
}

fn named(name: &str, domain: &DomainRef) -> Value {
    json!({ "name": name, "domain": domain.json() })
}

impl UserRef {
    fn json(&self) -> Value {
        match self {
            Self::Id(id) => json!({ "id": id }),
            Self::Name { name, domain } => named(name, domain),
        }
    }
}

impl ProjectRef {
    fn json(&self) -> Value {
        match self {
            Self::Id(id) => json!({ "id": id }),
            Self::Name { name, domain } => named(name, domain),
        }
    }
}

impl Identity {
    fn json(&self) -> Value {
        match self {
            Self::Password { user, password } => {
                let mut user = user.json();
                user["password"] = password.expose_secret().into();
                json!({ "methods": ["password"], "password": { "user": user } })
            }
            Self::Token { token } => json!({ "methods": ["token"], "token": { "id": token.expose_secret() } }),
            Self::ApplicationCredential { credential, secret } => {
                let mut credential = match credential {
                    CredentialRef::Id(id) => json!({ "id": id }),
                    CredentialRef::Name { name, user } => json!({ "name": name, "user": user.json() }),
                };
                credential["secret"] = secret.expose_secret().into();
                json!({ "methods": ["application_credential"], "application_credential": credential })
            }
        }
    }
}

impl Auth {
    /// The body of `POST /v3/auth/tokens`. It holds the secret: for sending only.
    pub(crate) fn body(&self) -> Value {
        let mut auth = json!({ "identity": self.identity.json() });
        let scope = match &self.scope {
            Scope::Project(project) => json!({ "project": project.json() }),
            Scope::Domain(domain) => json!({ "domain": domain.json() }),
            Scope::System => json!({ "system": { "all": true } }),
            Scope::Unscoped => Value::Null,
        };
        // Keystone refuses any scope beside an application credential: that brings its own.
        if !scope.is_null() && !matches!(self.identity, Identity::ApplicationCredential { .. }) {
            auth["scope"] = scope;
        }
        json!({ "auth": auth })
    }

    /// True when asking again gives a token that lives longer.
    pub(crate) fn can_renew(&self) -> bool {
        !matches!(self.identity, Identity::Token { .. })
    }

    /// What an operator should look at when Keystone answers 401.
    pub(crate) fn what_to_check(&self) -> &'static str {
        match self.identity {
            Identity::Password { .. } => {
                "check username, password, user domain, project and project domain of [neutron]; Keystone does not say which is wrong"
            }
            Identity::Token { .. } => "the given token is wrong or has expired: get a new one, or use a password",
            Identity::ApplicationCredential { .. } => {
                "check the application credential's id or name, its secret, and that it has not expired"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(identity: Identity, scope: Scope) -> Auth {
        Auth { url: Url::parse("http://c/v3").unwrap(), identity, scope }
    }

    fn default_domain() -> DomainRef {
        DomainRef::Name("Default".into())
    }

    #[test]
    fn bodies_are_as_the_identity_api_says() {
        let kuryr = UserRef::Name { name: "kuryr".into(), domain: default_domain() };
        let service = ProjectRef::Name { name: "service".into(), domain: DomainRef::Id("default".into()) };
        let password = Identity::Password { user: kuryr.clone(), password: "p".into() };
        assert_eq!(
            auth(password, Scope::Project(service)).body(),
            json!({"auth": {
                "identity": {"methods": ["password"],
                    "password": {"user": {"name": "kuryr", "domain": {"name": "Default"}, "password": "p"}}},
                "scope": {"project": {"name": "service", "domain": {"id": "default"}}},
            }})
        );
        let token = Identity::Token { token: "t".into() };
        assert_eq!(
            auth(token, Scope::Project(ProjectRef::Id("42".into()))).body(),
            json!({"auth": {"identity": {"methods": ["token"], "token": {"id": "t"}},
                "scope": {"project": {"id": "42"}}}})
        );
        let credential = CredentialRef::Name { name: "c".into(), user: kuryr };
        let credential = Identity::ApplicationCredential { credential, secret: "s".into() };
        assert_eq!(
            auth(credential, Scope::System).body(),
            json!({"auth": {"identity": {"methods": ["application_credential"], "application_credential":
                {"name": "c", "user": {"name": "kuryr", "domain": {"name": "Default"}}, "secret": "s"}}}})
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let identity = Identity::Password { user: UserRef::Id("u".into()), password: "hunter2".into() };
        let shown = format!("{:?}", auth(identity, Scope::Unscoped));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
