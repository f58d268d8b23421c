//! The attributes of a body, taken out one by one; what remains at the end is not known.

use crate::api::neutron::value::{self, Reason};
use kuryr_neutron::{Fault, FaultKind, ProjectId};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Creation or change: they know different attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `POST`.
    Create,
    /// `PUT`.
    Update,
}

/// The attributes of one resource in a body.
pub struct Attributes<'a> {
    rest: Map<String, Value>,
    purpose: Purpose,
    is_admin: bool,
    own_project: &'a ProjectId,
    member: &'static str,
    asked: Option<BTreeSet<String>>,
}

impl<'a> Attributes<'a> {
    /// `member` is the resource's JSON key, such as `port`.
    pub fn new(
        object: Map<String, Value>,
        purpose: Purpose,
        member: &'static str,
        is_admin: bool,
        own_project: &'a ProjectId,
    ) -> Self {
        Self { rest: object, purpose, is_admin, own_project, member, asked: None }
    }

    /// Notes the names of the attributes that are asked for.
    pub fn recording(self) -> Self {
        Self { asked: Some(BTreeSet::new()), ..self }
    }

    /// The names that were noted.
    pub fn asked(&self) -> impl Iterator<Item = &str> {
        self.asked.iter().flatten().map(String::as_str)
    }

    /// The attributes that nobody has taken.
    pub fn left(&self) -> impl Iterator<Item = &str> {
        self.rest.keys().map(String::as_str)
    }

    fn remove(&mut self, name: &str) -> Option<Value> {
        if let Some(asked) = &mut self.asked {
            asked.insert(name.to_owned());
        }
        self.rest.remove(name)
    }

    /// An attribute that may be absent. `null` is a value like others: the parser judges it.
    pub fn take<T>(&mut self, name: &str, parse: impl FnOnce(&Value) -> Result<T, Reason>) -> Result<Option<T>, Fault> {
        match self.remove(name) {
            None => Ok(None),
            Some(value) => parse(&value).map(Some).map_err(|reason| reason.fault(name)),
        }
    }

    /// An attribute whose `null` means the same as its absence.
    pub fn take_unless_null<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, Reason>,
    ) -> Result<Option<T>, Fault> {
        Ok(self.nullable(name, parse)?.flatten())
    }

    /// An attribute for which absent, `null` and a value are three different things.
    pub fn nullable<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, Reason>,
    ) -> Result<Option<Option<T>>, Fault> {
        match self.remove(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(value) => parse(&value).map(|value| Some(Some(value))).map_err(|reason| reason.fault(name)),
        }
    }

    /// An attribute that must be there.
    pub fn required<T>(&mut self, name: &str, parse: impl FnOnce(&Value) -> Result<T, Reason>) -> Result<T, Fault> {
        self.take(name, parse)?.ok_or_else(|| missing(name))
    }

    /// As [`Attributes::take`], for administrators only.
    pub fn admins<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, Reason>,
    ) -> Result<Option<T>, Fault> {
        self.check_admin(name)?;
        self.take(name, parse)
    }

    /// As [`Attributes::nullable`], for administrators only.
    pub fn admins_nullable<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, Reason>,
    ) -> Result<Option<Option<T>>, Fault> {
        self.check_admin(name)?;
        self.nullable(name, parse)
    }

    /// As [`Attributes::take`]; some of its values are for administrators only.
    pub fn admins_if<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, Reason>,
        reserved: impl FnOnce(&T) -> bool,
    ) -> Result<Option<T>, Fault> {
        let refused = self.check_admin(name);
        let value = self.take(name, parse)?;
        match &value {
            Some(wanted) if reserved(wanted) => refused.map(|()| value),
            _ => Ok(value),
        }
    }

    /// 403 to everybody else, if the attribute is there.
    pub fn check_admin(&self, name: &str) -> Result<(), Fault> {
        if self.is_admin || !self.rest.contains_key(name) {
            return Ok(());
        }
        let verb = if self.purpose == Purpose::Create { "create" } else { "update" };
        let member = self.member;
        Err(Fault::new(
            FaultKind::Forbidden,
            "PolicyNotAuthorized",
            format!("(rule:{verb}_{member} and rule:{verb}_{member}:{name}) is disallowed by policy"),
        ))
    }

    /// The owner, under either of its names; another project than one's own is for administrators.
    pub fn project(&mut self) -> Result<Option<ProjectId>, Fault> {
        let new_name = self.take_unless_null("project_id", value::text(64))?;
        let old_name = self.take_unless_null("tenant_id", value::text(64))?;
        if let (Some(new), Some(old)) = (&new_name, &old_name)
            && new != old
        {
            return Err(Fault::bad_request("HTTPBadRequest", "'project_id' and 'tenant_id' do not match"));
        }
        let project = new_name.or(old_name).filter(|id| !id.is_empty()).map(ProjectId);
        match project {
            Some(id) if !self.is_admin && id != *self.own_project => Err(Fault::bad_request(
                "HTTPBadRequest",
                "Specifying 'project_id' other than the authenticated project in request is not allowed for the current user.",
            )),
            other => Ok(other),
        }
    }

    /// Nothing may be left. `known` are attributes that cannot be set this way, to tell them from unknown ones.
    pub fn finish(self, known: &[&str]) -> Result<(), Fault> {
        if let Some(name) = self.rest.keys().find(|name| known.contains(&name.as_str())) {
            let message = match self.purpose {
                Purpose::Create => format!("Attribute '{name}' not allowed in POST"),
                Purpose::Update => format!("Cannot update read-only attribute {name}"),
            };
            return Err(Fault::bad_request("HTTPBadRequest", message));
        }
        if self.rest.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = self.rest.keys().take(20).map(String::as_str).collect();
        Err(Fault::bad_request("HTTPBadRequest", format!("Unrecognized attribute(s) '{}'", names.join(", "))))
    }
}

/// A required attribute is not there.
pub fn missing(name: &str) -> Fault {
    let message = format!("Failed to parse request. Required attribute '{name}' not specified");
    Fault::bad_request("HTTPBadRequest", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(body: Value, purpose: Purpose, is_admin: bool, project: &ProjectId) -> Attributes<'_> {
        Attributes::new(body.as_object().unwrap().clone(), purpose, "port", is_admin, project)
    }

    #[test]
    fn what_is_for_administrators_is_refused_to_others() {
        let own = ProjectId("own".to_owned());
        let body = json!({"binding:host_id": "h", "shared": false, "tenant_id": "other"});
        let mut attributes = of(body.clone(), Purpose::Update, false, &own);
        let refused = attributes.admins("binding:host_id", value::name).unwrap_err();
        assert_eq!(refused.error_type, "PolicyNotAuthorized");
        assert_eq!(refused.message, "(rule:update_port and rule:update_port:binding:host_id) is disallowed by policy");
        assert_eq!(attributes.admins_if("shared", value::boolean, |shared| *shared).unwrap(), Some(false));
        assert!(attributes.project().unwrap_err().message.contains("not allowed for the current user"));

        let mut attributes = of(body, Purpose::Update, true, &own);
        assert_eq!(attributes.admins("binding:host_id", value::name).unwrap().as_deref(), Some("h"));
        assert_eq!(attributes.project().unwrap(), Some(ProjectId("other".to_owned())));
        assert_eq!(attributes.finish(&[]).unwrap_err().message, "Unrecognized attribute(s) 'shared'");
    }
}
