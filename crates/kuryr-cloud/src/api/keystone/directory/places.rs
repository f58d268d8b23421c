//! Where roles are had: projects and domains, made, changed, deleted.

use crate::api::keystone::{
    Fault,
    directory::{ADMIN, DOMAIN_ID, Directory, Domain, Project, Target, new_id},
};

/// What a project or domain is made of.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct NewPlace {
    pub name: String,
    pub description: String,
    pub enabled: bool,
}

/// What shall change of a project or domain; `None`: nothing.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct PlaceUpdate {
    pub name: Option<String>,
    pub description: Option<String>,
    pub enabled: Option<bool>,
}

impl Directory {
    /// Makes a project in a domain.
    pub fn create_project(&mut self, domain_id: &str, new: NewPlace) -> Result<Project, Fault> {
        if self.domain(domain_id).is_none() {
            return Err(Fault::BadRequest(format!("Could not find domain: {domain_id}.")));
        }
        if self.project_named(domain_id, &new.name).is_some() {
            return Err(duplicate_project(&new.name));
        }
        let NewPlace { name, description, enabled } = new;
        let project = Project { id: new_id(), name, domain_id: domain_id.to_owned(), description, enabled };
        self.projects.push(project.clone());
        Ok(project)
    }

    /// Changes a project.
    pub fn update_project(&mut self, id: &str, update: PlaceUpdate) -> Result<Project, Fault> {
        let old = self.project(id).ok_or_else(|| Fault::missing("project", id))?;
        if let Some(name) = &update.name
            && self.project_named(&old.domain_id, name).is_some_and(|other| other.id != id)
        {
            return Err(duplicate_project(name));
        }
        let renamed = update.name.as_ref().is_some_and(|name| *name != old.name);
        if old.is_own() && (renamed || update.enabled == Some(false)) {
            return Err(own("project", "renamed or disabled"));
        }
        let found = self.projects.iter_mut().find(|project| project.id == id);
        let project = found.ok_or_else(|| Fault::missing("project", id))?;
        project.name = update.name.unwrap_or_else(|| project.name.clone());
        project.description = update.description.unwrap_or_else(|| project.description.clone());
        project.enabled = update.enabled.unwrap_or(project.enabled);
        Ok(project.clone())
    }

    /// Deletes a project with all roles on it and its application credentials. What it has in Neutron stays, as with Keystone.
    pub fn delete_project(&mut self, id: &str) -> Result<(), Fault> {
        if self.project(id).ok_or_else(|| Fault::missing("project", id))?.is_own() {
            return Err(own("project", "deleted"));
        }
        self.projects.retain(|project| project.id != id);
        self.assignments.retain(|assignment| assignment.target != Target::Project(id.to_owned()));
        self.application_credentials.retain(|credential| credential.project_id != id);
        for user in self.users.iter_mut().filter(|user| user.default_project_id.as_deref() == Some(id)) {
            user.default_project_id = None;
        }
        Ok(())
    }

    /// Makes a domain.
    pub fn create_domain(&mut self, new: NewPlace) -> Result<Domain, Fault> {
        if self.domain_named(&new.name).is_some() {
            return Err(duplicate_domain(&new.name));
        }
        let NewPlace { name, description, enabled } = new;
        let domain = Domain { id: new_id(), name, description, enabled };
        self.domains.push(domain.clone());
        Ok(domain)
    }

    /// The domain with a name, in whatever case.
    pub fn domain_named(&self, name: &str) -> Option<&Domain> {
        self.domains.iter().find(|domain| domain.name.eq_ignore_ascii_case(name))
    }

    /// Changes a domain. While it is disabled its users cannot log in, and its projects are for nobody.
    pub fn update_domain(&mut self, id: &str, update: PlaceUpdate) -> Result<Domain, Fault> {
        if let Some(name) = &update.name
            && self.domain_named(name).is_some_and(|other| other.id != id)
        {
            return Err(duplicate_domain(name));
        }
        let found = self.domains.iter_mut().find(|domain| domain.id == id);
        let domain = found.ok_or_else(|| Fault::missing("domain", id))?;
        let renamed = update.name.as_ref().is_some_and(|name| *name != domain.name);
        if id == DOMAIN_ID && (renamed || update.enabled == Some(false)) {
            return Err(own("domain", "renamed or disabled"));
        }
        domain.name = update.name.unwrap_or_else(|| domain.name.clone());
        domain.description = update.description.unwrap_or_else(|| domain.description.clone());
        domain.enabled = update.enabled.unwrap_or(domain.enabled);
        Ok(domain.clone())
    }

    /// Deletes a disabled domain with its users and projects.
    pub fn delete_domain(&mut self, id: &str) -> Result<(), Fault> {
        if self.domain(id).ok_or_else(|| Fault::missing("domain", id))?.enabled {
            let message = "Cannot delete a domain that is enabled, please disable it first.";
            return Err(Fault::Refused(message.to_owned()));
        }
        let users: Vec<String> = self.users.iter().filter(|u| u.domain_id == id).map(|u| u.id.clone()).collect();
        users.iter().try_for_each(|user| self.delete_user(user))?;
        let projects: Vec<String> = self.projects.iter().filter(|p| p.domain_id == id).map(|p| p.id.clone()).collect();
        projects.iter().try_for_each(|project| self.delete_project(project))?;
        self.assignments.retain(|assignment| assignment.target != Target::Domain(id.to_owned()));
        self.domains.retain(|domain| domain.id != id);
        Ok(())
    }
}

impl Project {
    /// It is the one of `clouds.yaml`.
    fn is_own(&self) -> bool {
        self.name == ADMIN && self.domain_id == DOMAIN_ID
    }
}

fn own(kind: &str, what: &str) -> Fault {
    Fault::Refused(format!("The {kind} of the cloud's own administrator cannot be {what}."))
}

fn duplicate_project(name: &str) -> Fault {
    let reason =
        "it is not permitted to have two projects with either the same name or same id in the same domain: name is";
    Fault::conflict("project", &format!("{reason} {name}"))
}

fn duplicate_domain(name: &str) -> Fault {
    let reason = "it is not permitted to have two projects acting as domains with the same name:";
    Fault::conflict("project", &format!("{reason} {name}"))
}
