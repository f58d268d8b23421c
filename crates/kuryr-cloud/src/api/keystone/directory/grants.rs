//! Roles, and who has which of them where.

use crate::api::keystone::{
    Fault,
    directory::{ADMIN, Assignment, Directory, Domain, Project, Role, Target, new_id},
};

impl Directory {
    /// Makes a role. It means nothing to Neutron, unless it has the name of one of Keystone's own.
    pub fn create_role(&mut self, name: String, description: Option<String>) -> Result<Role, Fault> {
        self.check_role_name(&name, "")?;
        let role = Role { id: new_id(), name, description };
        self.roles.push(role.clone());
        Ok(role)
    }

    /// Changes a role that is not Keystone's own.
    pub fn update_role(
        &mut self,
        id: &str,
        name: Option<String>,
        description: Option<Option<String>>,
    ) -> Result<Role, Fault> {
        self.changeable_role(id, "update")?;
        if let Some(name) = &name {
            self.check_role_name(name, id)?;
        }
        let role = self.roles.iter_mut().find(|role| role.id == id).ok_or_else(|| Fault::missing("role", id))?;
        role.name = name.unwrap_or_else(|| role.name.clone());
        role.description = description.unwrap_or_else(|| role.description.clone());
        Ok(role.clone())
    }

    /// Deletes a role that is not Keystone's own; nobody has it any more.
    pub fn delete_role(&mut self, id: &str) -> Result<(), Fault> {
        self.changeable_role(id, "delete")?;
        self.roles.retain(|role| role.id != id);
        self.assignments.retain(|assignment| assignment.role_id != id);
        Ok(())
    }

    fn check_role_name(&self, name: &str, own_id: &str) -> Result<(), Fault> {
        if self.roles.iter().any(|role| role.name == name && role.id != own_id) {
            return Err(Fault::conflict("role", &format!("Duplicate entry found with name {name}")));
        }
        Ok(())
    }

    fn changeable_role(&self, id: &str, verb: &str) -> Result<(), Fault> {
        let role = self.role(id).ok_or_else(|| Fault::missing("role", id))?;
        if role.is_built_in() {
            return Err(Fault::Refused(format!(
                "Unable to {verb} immutable role resource: `{id}. Set resource option \"immutable\" to false first."
            )));
        }
        Ok(())
    }

    /// Gives a user a role somewhere; twice is once.
    pub fn grant(&mut self, assignment: Assignment) -> Result<(), Fault> {
        self.check_grant(&assignment)?;
        if !self.assignments.contains(&assignment) {
            self.assignments.push(assignment);
        }
        Ok(())
    }

    /// Takes a role from a user.
    pub fn revoke_grant(&mut self, assignment: &Assignment) -> Result<(), Fault> {
        self.has_grant(assignment)?;
        let own = self.user(&assignment.user_id).is_some_and(|user| {
            user.is_own_administrator() && user.default_project_id.as_deref() == Some(assignment.target.id())
        });
        if own && self.role(&assignment.role_id).is_some_and(|role| role.name == ADMIN) {
            let message = "The cloud's own administrator keeps its role: without it nobody could give it back.";
            return Err(Fault::Refused(message.to_owned()));
        }
        self.assignments.retain(|had| had != assignment);
        Ok(())
    }

    /// 404 unless the user has exactly this role there.
    pub fn has_grant(&self, assignment: &Assignment) -> Result<(), Fault> {
        self.check_grant(assignment)?;
        if self.assignments.contains(assignment) {
            return Ok(());
        }
        Err(Fault::NotFound(format!(
            "Could not find role assignment with role: {}, user or group: {}, project, domain, or system: {}.",
            assignment.role_id,
            assignment.user_id,
            assignment.target.id()
        )))
    }

    fn check_grant(&self, assignment: &Assignment) -> Result<(), Fault> {
        self.role(&assignment.role_id).ok_or_else(|| Fault::missing("role", &assignment.role_id))?;
        self.check_holder(&assignment.user_id, &assignment.target)
    }

    /// 404 unless user and place are there.
    pub fn check_holder(&self, user_id: &str, target: &Target) -> Result<(), Fault> {
        self.user(user_id).ok_or_else(|| Fault::missing("user", user_id))?;
        match target {
            Target::Project(id) => self.project(id).map(drop).ok_or_else(|| Fault::missing("project", id)),
            Target::Domain(id) => self.domain(id).map(drop).ok_or_else(|| Fault::missing("domain", id)),
        }
    }

    /// The roles a user was given somewhere.
    pub fn granted(&self, user_id: &str, target: &Target) -> impl Iterator<Item = &Role> {
        let has = move |role: &&Role| {
            self.assignments.iter().any(|a| a.user_id == user_id && a.target == *target && a.role_id == role.id)
        };
        let granted: Vec<&Role> = self.roles.iter().filter(has).collect();
        granted.into_iter()
    }

    /// A user's roles somewhere, with those they imply.
    pub fn roles_of(&self, user_id: &str, target: &Target) -> Vec<&Role> {
        self.with_implied(self.granted(user_id, target).collect())
    }

    /// Roles with those they imply.
    pub fn with_implied(&self, roles: Vec<&Role>) -> Vec<&Role> {
        let has =
            |role: &&Role| roles.iter().any(|had| had.id == role.id || had.implied().contains(&role.name.as_str()));
        self.roles.iter().filter(has).collect()
    }

    /// Roles that a role implies at once, and not only by another of them.
    pub fn implied_by(&self, role: &Role) -> Option<&Role> {
        let first = role.implied().first()?;
        self.roles.iter().find(|role| role.name == *first)
    }

    /// Enabled projects on which a user has a role.
    pub fn projects_of(&self, user_id: &str) -> impl Iterator<Item = &Project> {
        self.projects.iter().filter(move |project| project.enabled && self.has_role(user_id, &project.id))
    }

    /// Enabled domains on which a user has a role.
    pub fn domains_of(&self, user_id: &str) -> impl Iterator<Item = &Domain> {
        self.domains.iter().filter(move |domain| domain.enabled && self.has_role(user_id, &domain.id))
    }

    fn has_role(&self, user_id: &str, place: &str) -> bool {
        self.assignments.iter().any(|a| a.user_id == user_id && a.target.id() == place)
    }
}
