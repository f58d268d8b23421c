//! Users: made, changed, deleted.

use crate::api::keystone::{
    Fault,
    directory::{ADMIN, DOMAIN_ID, Directory, PasswordHash, User, new_id},
};

/// What a user is made of.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct NewUser {
    pub name: String,
    pub domain_id: String,
    pub enabled: bool,
    pub default_project_id: Option<String>,
    pub password: Option<PasswordHash>,
    pub description: Option<String>,
    pub email: Option<String>,
}

/// What shall change of a user; `None`: nothing.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct UserUpdate {
    pub name: Option<String>,
    pub enabled: Option<bool>,
    pub default_project_id: Option<Option<String>>,
    pub password: Option<Option<PasswordHash>>,
    pub description: Option<Option<String>>,
    pub email: Option<Option<String>>,
}

impl Directory {
    /// Makes a user.
    pub fn create_user(&mut self, new: NewUser) -> Result<User, Fault> {
        if self.domain(&new.domain_id).is_none() {
            return Err(Fault::missing("domain", &new.domain_id));
        }
        if self.user_named(&new.domain_id, &new.name).is_some() {
            return Err(duplicate(&new.name, &new.domain_id));
        }
        let user = User {
            id: new_id(),
            name: new.name,
            domain_id: new.domain_id,
            enabled: new.enabled,
            default_project_id: new.default_project_id,
            password: new.password,
            description: new.description,
            email: new.email,
            generation: 0,
        };
        self.users.push(user.clone());
        Ok(user)
    }

    /// Changes a user. A new password, and being disabled, ends all its tokens.
    pub fn update_user(&mut self, id: &str, update: UserUpdate) -> Result<User, Fault> {
        let old = self.user(id).ok_or_else(|| Fault::missing("user", id))?;
        if let Some(name) = &update.name
            && self.user_named(&old.domain_id, name).is_some_and(|other| other.id != id)
        {
            return Err(duplicate(name, &old.domain_id));
        }
        let renamed = update.name.as_ref().is_some_and(|name| *name != old.name);
        if old.is_own_administrator() && (renamed || update.enabled == Some(false) || update.password.is_some()) {
            return Err(Fault::Refused(
                "The name and the password of the cloud's own administrator are in its clouds.yaml, by which the cloud \
                 itself is reached: they cannot be changed, nor can the user be disabled. For a new password remove that \
                 file and start the cloud anew."
                    .to_owned(),
            ));
        }
        let user = self.users.iter_mut().find(|user| user.id == id).ok_or_else(|| Fault::missing("user", id))?;
        user.name = update.name.unwrap_or_else(|| user.name.clone());
        user.default_project_id = update.default_project_id.unwrap_or_else(|| user.default_project_id.clone());
        user.description = update.description.unwrap_or_else(|| user.description.clone());
        user.email = update.email.unwrap_or_else(|| user.email.clone());
        let disabled = user.enabled && update.enabled == Some(false);
        user.enabled = update.enabled.unwrap_or(user.enabled);
        if disabled || update.password.is_some() {
            user.generation += 1;
        }
        user.password = update.password.unwrap_or_else(|| user.password.clone());
        Ok(user.clone())
    }

    /// Deletes a user, with its roles and application credentials.
    pub fn delete_user(&mut self, id: &str) -> Result<(), Fault> {
        let user = self.user(id).ok_or_else(|| Fault::missing("user", id))?;
        if user.is_own_administrator() {
            return Err(Fault::Refused("The cloud's own administrator cannot be deleted.".to_owned()));
        }
        self.users.retain(|user| user.id != id);
        self.assignments.retain(|assignment| assignment.user_id != id);
        self.application_credentials.retain(|credential| credential.user_id != id);
        Ok(())
    }
}

impl User {
    /// It is who `clouds.yaml` logs in.
    pub(super) fn is_own_administrator(&self) -> bool {
        self.name == ADMIN && self.domain_id == DOMAIN_ID
    }
}

fn duplicate(name: &str, domain_id: &str) -> Fault {
    Fault::conflict("user", &format!("Duplicate entry found with name {name} at domain ID {domain_id}"))
}
