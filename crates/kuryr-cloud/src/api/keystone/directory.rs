//! Who there is: users, projects, roles, and who has which role where. All in the domain `Default`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Id of the only domain.
pub const DOMAIN_ID: &str = "default";
/// Name of the only domain.
pub const DOMAIN_NAME: &str = "Default";
/// The role that may do everything.
pub const ADMIN: &str = "admin";

/// A person or a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Unique in its domain.
    pub name: String,
    /// May log in.
    pub enabled: bool,
    /// What a token without scope is for.
    pub default_project_id: Option<String>,
    /// Checks a password.
    pub password: PasswordHash,
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
}

/// A user has a role on a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Who.
    pub user_id: String,
    /// Where.
    pub project_id: String,
    /// What.
    pub role_id: String,
}

/// Everything Keystone knows of people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// Users.
    pub users: Vec<User>,
    /// Projects.
    pub projects: Vec<Project>,
    /// Roles.
    pub roles: Vec<Role>,
    /// Who has which role where.
    pub assignments: Vec<Assignment>,
}

impl Directory {
    /// What a new cloud has: user and project `admin`, a project `service`, Keystone's usual roles.
    pub fn seeded(password: PasswordHash) -> Self {
        let project = |name: &str, description: &str| Project {
            id: new_id(),
            name: name.to_owned(),
            description: description.to_owned(),
            enabled: true,
        };
        let projects = vec![
            project("admin", "Bootstrap project for initializing the cloud."),
            project("service", "Service project"),
        ];
        let role = |name: &str| Role { id: new_id(), name: name.to_owned() };
        let roles: Vec<Role> = [ADMIN, "member", "reader", "service"].map(role).into();
        let admin_project = projects.first().map(|project| project.id.clone());
        let user = User {
            id: new_id(),
            name: ADMIN.to_owned(),
            enabled: true,
            default_project_id: admin_project.clone(),
            password,
        };
        let assignments = roles
            .first()
            .zip(admin_project)
            .map(|(role, project_id)| Assignment { user_id: user.id.clone(), project_id, role_id: role.id.clone() })
            .into_iter()
            .collect();
        Self { users: vec![user], projects, roles, assignments }
    }

    /// The user with an id.
    pub fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    /// The user with a name.
    pub fn user_named(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The project with an id.
    pub fn project(&self, id: &str) -> Option<&Project> {
        self.projects.iter().find(|project| project.id == id)
    }

    /// The project with a name.
    pub fn project_named(&self, name: &str) -> Option<&Project> {
        self.projects.iter().find(|project| project.name == name)
    }

    /// A user's roles on a project, with those they imply: admin implies member, member implies reader.
    pub fn roles_of(&self, user_id: &str, project_id: &str) -> Vec<&Role> {
        let has = |role: &Role| {
            self.assignments.iter().any(|a| a.user_id == user_id && a.project_id == project_id && a.role_id == role.id)
        };
        let named = |name: &str| self.roles.iter().any(|role| role.name == name && has(role));
        let (admin, member) = (named(ADMIN), named("member"));
        self.roles
            .iter()
            .filter(|role| {
                has(role) || (role.name == "member" && admin) || (role.name == "reader" && (admin || member))
            })
            .collect()
    }

    /// Projects on which a user has a role.
    pub fn projects_of(&self, user_id: &str) -> impl Iterator<Item = &Project> {
        self.projects
            .iter()
            .filter(move |project| self.assignments.iter().any(|a| a.user_id == user_id && a.project_id == project.id))
    }
}

/// A new random id as Keystone writes them: 32 hexadecimal digits.
pub fn new_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_is_member_and_reader_too_on_its_own_project_only() {
        let directory = Directory::seeded(PasswordHash("secret".to_owned()));
        let user = directory.user_named("admin").unwrap();
        let names = |project: &str| -> Vec<&str> {
            let project = directory.project_named(project).unwrap();
            directory.roles_of(&user.id, &project.id).iter().map(|role| role.name.as_str()).collect()
        };
        assert_eq!(names("admin"), ["admin", "member", "reader"]);
        assert!(names("service").is_empty());
        assert!(!format!("{directory:?}").contains("secret"));
    }
}
