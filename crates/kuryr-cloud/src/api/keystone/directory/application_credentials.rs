//! Application credentials: made and deleted by their users, never changed.

use crate::api::keystone::{
    Fault,
    directory::{ApplicationCredential, Directory, PasswordHash, Role, Target, new_id},
};

/// What an application credential is made of.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct NewApplicationCredential {
    pub name: String,
    pub description: Option<String>,
    pub user_id: String,
    pub project_id: String,
    /// Ids or names; empty: all that the asker has.
    pub roles: Vec<String>,
    pub expires_at: Option<i64>,
    pub unrestricted: Option<bool>,
    pub secret: PasswordHash,
}

impl Directory {
    /// Makes an application credential. `held`: the roles of the token by which it is asked for.
    pub fn create_application_credential(
        &mut self,
        new: NewApplicationCredential,
        held: &[String],
    ) -> Result<ApplicationCredential, Fault> {
        if self.application_credentials_of(&new.user_id).any(|other| other.name == new.name) {
            let reason = format!("Duplicate entry found with name {}", new.name);
            return Err(Fault::conflict("application_credential", &reason));
        }
        let role_ids = if new.roles.is_empty() {
            held.to_vec()
        } else {
            let id = |wanted: &String| {
                let found = self.roles.iter().find(|role| role.id == *wanted || role.name == *wanted);
                found.map(|role| role.id.clone()).filter(|id| held.contains(id))
            };
            new.roles.iter().map(id).collect::<Option<Vec<_>>>().ok_or_else(|| {
                Fault::BadRequest(
                    "Invalid application credential: Cannot create an application credential with unassigned role"
                        .to_owned(),
                )
            })?
        };
        let credential = ApplicationCredential {
            id: new_id(),
            name: new.name,
            description: new.description,
            user_id: new.user_id,
            project_id: new.project_id,
            role_ids,
            expires_at: new.expires_at,
            unrestricted: new.unrestricted,
            secret: new.secret,
        };
        self.application_credentials.push(credential.clone());
        Ok(credential)
    }

    /// Deletes one of a user's application credentials; its tokens end with it.
    pub fn delete_application_credential(&mut self, user_id: &str, id: &str) -> Result<(), Fault> {
        let is_it = |credential: &ApplicationCredential| credential.id == id && credential.user_id == user_id;
        if !self.application_credentials.iter().any(is_it) {
            return Err(Fault::missing("Application Credential", id));
        }
        self.application_credentials.retain(|credential| !is_it(credential));
        Ok(())
    }

    /// A user's application credentials.
    pub fn application_credentials_of(&self, user_id: &str) -> impl Iterator<Item = &ApplicationCredential> {
        self.application_credentials.iter().filter(move |credential| credential.user_id == user_id)
    }

    /// The roles by an application credential: none once its user has lost one of them, or it has ended.
    pub fn roles_by(&self, credential: &ApplicationCredential, now: i64) -> Vec<&Role> {
        let held = self.roles_of(&credential.user_id, &Target::Project(credential.project_id.clone()));
        let given: Option<Vec<&Role>> =
            credential.role_ids.iter().map(|id| held.iter().find(|role| role.id == *id).copied()).collect();
        let lasts = credential.expires_at.is_none_or(|end| end > now);
        given.filter(|_| lasts).map(|given| self.with_implied(given)).unwrap_or_default()
    }
}
