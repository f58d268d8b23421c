//! Who there is: domains, users, projects, roles, who has which role where, and application credentials.
//!
//! A cloud of one machine has tens of them: the whole is one value, kept in memory and stored as one.

mod application_credentials;
mod grants;
mod people;
mod places;

use serde::{Deserialize, Serialize};
use std::fmt;

pub use application_credentials::NewApplicationCredential;
pub use people::{NewUser, UserUpdate};
pub use places::{NewPlace, PlaceUpdate};

/// Id of the domain that every Keystone has.
pub const DOMAIN_ID: &str = "default";
/// Its name.
pub const DOMAIN_NAME: &str = "Default";
/// The role that may do everything, and the name of who has it first, and of where.
pub const ADMIN: &str = "admin";
/// May change what its project has.
pub const MEMBER: &str = "member";
/// May look at what its project has.
pub const READER: &str = "reader";
/// May do in a domain what [`ADMIN`] does in the cloud; here no more than [`MEMBER`].
const MANAGER: &str = "manager";
/// The roles that every Keystone has.
const BUILT_IN_ROLES: [&str; 5] = [ADMIN, MANAGER, MEMBER, READER, "service"];

/// A space of names for users and projects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// 32 hexadecimal digits, or `default`.
    pub id: String,
    /// Unique.
    pub name: String,
    /// For people.
    pub description: String,
    /// Its users may log in.
    pub enabled: bool,
}

impl Domain {
    fn first() -> Self {
        Self {
            id: DOMAIN_ID.to_owned(),
            name: DOMAIN_NAME.to_owned(),
            description: "The default domain".to_owned(),
            enabled: true,
        }
    }
}

/// A person or a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Unique in its domain.
    pub name: String,
    /// Its domain.
    #[serde(default = "first_domain")]
    pub domain_id: String,
    /// May log in.
    pub enabled: bool,
    /// What a token without scope is for.
    pub default_project_id: Option<String>,
    /// Checks a password; none: nobody can log in by one.
    pub password: Option<PasswordHash>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Tokens of an earlier generation count no more: it grows with each new password and each time the user is disabled.
    #[serde(default)]
    pub generation: u64,
}

/// An Argon2id hash in PHC form. Its `Debug` hides it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// A project (tenant).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Unique in its domain.
    pub name: String,
    /// Its domain.
    #[serde(default = "first_domain")]
    pub domain_id: String,
    /// For people.
    pub description: String,
    /// May be used.
    pub enabled: bool,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Such as `member`.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Role {
    fn new(name: &str) -> Self {
        Self { id: new_id(), name: name.to_owned(), description: None }
    }

    /// Every Keystone has it: it cannot be changed.
    pub fn is_built_in(&self) -> bool {
        BUILT_IN_ROLES.contains(&self.name.as_str())
    }

    /// Names of the roles that whoever has this one has too.
    fn implied(&self) -> &'static [&'static str] {
        match self.name.as_str() {
            ADMIN => &[MANAGER, MEMBER, READER],
            MANAGER => &[MEMBER, READER],
            MEMBER => &[READER],
            _ => &[],
        }
    }
}

/// Where a role counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// On a project.
    #[serde(rename = "project_id")]
    Project(String),
    /// On a domain.
    #[serde(rename = "domain_id")]
    Domain(String),
}

impl Target {
    /// Id of the project or domain.
    pub fn id(&self) -> &str {
        match self {
            Self::Project(id) | Self::Domain(id) => id,
        }
    }
}

/// A user has a role somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Who.
    pub user_id: String,
    /// Where.
    #[serde(flatten)]
    pub target: Target,
    /// What.
    pub role_id: String,
}

/// A secret by which a program acts for a user on one project, with no more than some of the user's roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationCredential {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Unique among the user's.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Whose it is.
    pub user_id: String,
    /// The project it is for.
    pub project_id: String,
    /// Its roles, none of them only implied.
    pub role_ids: Vec<String>,
    /// Seconds since 1970 at which it ends.
    pub expires_at: Option<i64>,
    /// It may make and delete further ones; not said is no.
    pub unrestricted: Option<bool>,
    /// Checks the secret.
    pub secret: PasswordHash,
}

/// Everything Keystone knows of people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// Domains.
    #[serde(default)]
    pub domains: Vec<Domain>,
    /// Users.
    pub users: Vec<User>,
    /// Projects.
    pub projects: Vec<Project>,
    /// Roles.
    pub roles: Vec<Role>,
    /// Who has which role where.
    pub assignments: Vec<Assignment>,
    /// Application credentials.
    #[serde(default)]
    pub application_credentials: Vec<ApplicationCredential>,
}

impl Directory {
    /// What a new cloud has: user and project `admin`, a project `service`, Keystone's usual roles.
    pub fn seeded(password: PasswordHash) -> Self {
        let project = |name: &str, description: &str| Project {
            id: new_id(),
            name: name.to_owned(),
            domain_id: first_domain(),
            description: description.to_owned(),
            enabled: true,
        };
        let home = project(ADMIN, "Bootstrap project for initializing the cloud.");
        let user = User {
            id: new_id(),
            name: ADMIN.to_owned(),
            domain_id: first_domain(),
            enabled: true,
            default_project_id: Some(home.id.clone()),
            password: Some(password),
            description: None,
            email: None,
            generation: 0,
        };
        let role = Role::new(ADMIN);
        let target = Target::Project(home.id.clone());
        let assignment = Assignment { user_id: user.id.clone(), target, role_id: role.id.clone() };
        let seeded = Self {
            users: vec![user],
            projects: vec![home, project("service", "Service project")],
            roles: vec![role],
            assignments: vec![assignment],
            ..Self::default()
        };
        seeded.completed()
    }

    /// With what every Keystone has and an older one of ours had not.
    pub fn completed(mut self) -> Self {
        if self.domain(DOMAIN_ID).is_none() {
            self.domains.insert(0, Domain::first());
        }
        for name in BUILT_IN_ROLES {
            if !self.roles.iter().any(|role| role.name == name) {
                self.roles.push(Role::new(name));
            }
        }
        self
    }

    /// The domain with an id.
    pub fn domain(&self, id: &str) -> Option<&Domain> {
        self.domains.iter().find(|domain| domain.id == id)
    }

    /// The user with an id.
    pub fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    /// The user with a name.
    pub fn user_named(&self, domain_id: &str, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name && user.domain_id == domain_id)
    }

    /// The project with an id.
    pub fn project(&self, id: &str) -> Option<&Project> {
        self.projects.iter().find(|project| project.id == id)
    }

    /// The project with a name.
    pub fn project_named(&self, domain_id: &str, name: &str) -> Option<&Project> {
        self.projects.iter().find(|project| project.name == name && project.domain_id == domain_id)
    }

    /// The role with an id.
    pub fn role(&self, id: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.id == id)
    }

    /// The application credential with an id.
    pub fn application_credential(&self, id: &str) -> Option<&ApplicationCredential> {
        self.application_credentials.iter().find(|credential| credential.id == id)
    }

    /// The user may log in: it is enabled, and so is its domain.
    pub fn is_active(&self, user: &User) -> bool {
        user.enabled && self.is_domain_enabled(&user.domain_id)
    }

    /// The place may be used: it is there and enabled, and so is its domain.
    pub fn is_usable(&self, target: &Target) -> bool {
        match target {
            Target::Domain(id) => self.is_domain_enabled(id),
            Target::Project(id) => {
                self.project(id).is_some_and(|project| project.enabled && self.is_domain_enabled(&project.domain_id))
            }
        }
    }

    fn is_domain_enabled(&self, id: &str) -> bool {
        self.domain(id).is_some_and(|domain| domain.enabled)
    }
}

fn first_domain() -> String {
    DOMAIN_ID.to_owned()
}

/// A new random id as Keystone writes them: 32 hexadecimal digits.
pub fn new_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests;
