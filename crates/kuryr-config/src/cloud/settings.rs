//! Which cloud to talk to and how to prove who we are, whatever it was configured with.

use crate::options::Keyword;
use secrecy::SecretString;
use std::{fmt, path::PathBuf, time::Duration};
use url::Url;

/// One cloud: where its Keystone is and how to authenticate there.
///
/// All of it comes from one source (kuryr.conf, a cloud of clouds.yaml, or `OS_*` variables): a
/// password of one is never sent to the address of another.
#[derive(Debug, Clone)]
pub struct CloudSettings {
    /// Where these settings come from, for logs and for people: `[neutron] of /etc/kuryr/kuryr.conf`.
    pub source: String,
    /// Keystone's address, with or without its version; Neutron's own for the methods without Keystone.
    pub auth_url: Url,
    /// How to authenticate.
    pub auth: Auth,
    /// Which version of Keystone's API is asked for tokens.
    pub identity_version: IdentityVersion,
    /// The region whose endpoints are used; `None`: the first in the catalog.
    pub region: Option<String>,
    /// Which of a service's endpoints are used.
    pub interface: Interface,
    /// Neutron's address, used instead of the catalog's.
    pub endpoint_override: Option<Url>,
    /// How TLS connections are checked and which certificate we show.
    pub tls: Tls,
    /// Longest time one call may take; `None`: the client's own default.
    pub timeout: Option<Duration>,
}

/// Which version of the Identity API gives the token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IdentityVersion {
    /// The one that `auth_url` names; else v3 where Keystone has it, else v2.0.
    #[default]
    Any,
    /// v2.0, which no Keystone since 2018 has.
    V2,
    /// v3.
    V3,
}

/// A way to authenticate, with Keystone or without.
#[derive(Debug, Clone)]
pub enum Auth {
    /// A user's name (or id) and password.
    Password {
        /// Who.
        user: User,
        /// The user's password.
        password: SecretString,
        /// What the token shall be good for.
        scope: Scope,
    },
    /// A token that exists already. It cannot be renewed beyond its own end.
    Token {
        /// The token.
        token: SecretString,
        /// What the new token shall be good for.
        scope: Scope,
    },
    /// An application credential; its project is part of it, so it has no scope of its own.
    ApplicationCredential {
        /// Which one.
        credential: ApplicationCredential,
        /// Its secret.
        secret: SecretString,
    },
    /// Nothing is said: for a Neutron that asks nobody who he is (`none`).
    Nobody,
    /// A token that the service itself knows (`admin_token`).
    AdminToken(SecretString),
    /// HTTP's own basic authentication (`http_basic`).
    Basic {
        /// The user's name.
        username: String,
        /// The user's password.
        password: SecretString,
    },
}

impl Auth {
    /// Whether it needs a Keystone; without one there is no catalog either, and Neutron's address must be known.
    pub fn uses_keystone(&self) -> bool {
        !matches!(self, Self::Nobody | Self::AdminToken(_) | Self::Basic { .. })
    }
}

/// Names an application credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplicationCredential {
    /// By its id.
    Id(String),
    /// By its name, which is unique for its user only.
    Name {
        /// The credential's name.
        name: String,
        /// Whose it is.
        user: User,
    },
}

/// Names a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    /// By id.
    Id(String),
    /// By name within a domain.
    Name {
        /// The user's name.
        name: String,
        /// The domain that has the user.
        domain: Domain,
    },
}

/// Names a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Domain {
    /// By id.
    Id(String),
    /// By name.
    Name(String),
}

impl Default for Domain {
    /// Keystone's first domain, whose id is `default` wherever nobody changed it.
    fn default() -> Self {
        Self::Id("default".to_owned())
    }
}

/// Names a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Project {
    /// By id.
    Id(String),
    /// By name within a domain.
    Name {
        /// The project's name.
        name: String,
        /// The domain that has the project.
        domain: Domain,
    },
}

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Keystone decides: the user's default project.
    Unscoped,
    /// One project.
    Project(Project),
    /// One domain.
    Domain(Domain),
    /// The whole system.
    System,
    /// The trust with this id.
    Trust(String),
}

/// Which of a service's endpoints in the catalog are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Interface {
    /// For everybody.
    #[default]
    Public,
    /// For the cloud's own machines.
    Internal,
    /// For administrators.
    Admin,
}

impl Interface {
    /// As the catalog spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
    }
}

impl Keyword for Interface {
    const EXPECTED: &'static str = "'public', 'internal' or 'admin'";

    /// Also reads the old spellings `publicURL`, `internalURL` and `adminURL` of clouds.yaml and `OS_*`.
    fn from_keyword(text: &str) -> Option<Self> {
        match text.strip_suffix("URL").unwrap_or(text) {
            "public" => Some(Self::Public),
            "internal" => Some(Self::Internal),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// TLS towards the cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Accept any certificate. For tests.
    pub insecure: bool,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM file of our own certificate; it may hold the key too.
    pub certificate_file: Option<PathBuf>,
    /// PEM file of our own certificate's key.
    pub key_file: Option<PathBuf>,
    /// Refuse TLS 1.2.
    pub tls13_only: bool,
}
