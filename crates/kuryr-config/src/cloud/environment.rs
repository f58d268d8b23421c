//! A cloud from `OS_*` variables, as an openrc file sets them.

use super::authentication::Fields;
use crate::{diagnostic::Diagnostic, sources::Sources};

/// The environment as a source of credentials.
pub(super) struct Environment<'a> {
    sources: &'a Sources,
}

impl<'a> Environment<'a> {
    pub(super) fn new(sources: &'a Sources) -> Self {
        Self { sources }
    }

    /// Whether it says where a cloud is.
    pub(super) fn names_a_cloud(&self) -> bool {
        // Of the methods without Keystone.
        let has_endpoint = || self.get("auth_type").is_some() && self.get("endpoint").is_some();
        self.get("auth_url").is_some() || has_endpoint()
    }

    /// Whether it says who we are.
    pub(super) fn has_credentials(&self) -> bool {
        ["username", "user_id", "password", "token", "application_credential_id", "application_credential_secret"]
            .into_iter()
            .any(|name| self.get(name).is_some())
    }
}

impl Fields for Environment<'_> {
    fn get(&self, name: &'static str) -> Option<String> {
        variables(name).iter().find_map(|variable| self.sources.variable(variable)).map(str::to_owned)
    }

    fn problem(&self, _: &'static str, message: String, label: &str) -> Diagnostic {
        Diagnostic::error(message).note(label.to_owned()).note("from the environment")
    }

    fn called(&self, name: &'static str) -> String {
        let variables = variables(name);
        let set = variables.iter().find(|variable| self.sources.variable(variable).is_some());
        set.or(variables.first()).cloned().unwrap_or_default()
    }

    fn source(&self) -> String {
        "OS_* variables of the environment".to_owned()
    }
}

/// The variables that have a field, the usual one first.
fn variables(name: &str) -> Vec<String> {
    let usual = format!("OS_{}", name.to_uppercase());
    let names: &[&str] = match name {
        "project_name" => &["OS_PROJECT_NAME", "OS_TENANT_NAME"],
        "project_id" => &["OS_PROJECT_ID", "OS_TENANT_ID"],
        "auth_type" => &["OS_AUTH_TYPE", "OS_AUTH_PLUGIN"],
        "interface" => &["OS_INTERFACE", "OS_ENDPOINT_TYPE"],
        "cafile" => &["OS_CACERT"],
        "certfile" => &["OS_CERT"],
        "keyfile" => &["OS_KEY"],
        "endpoint_override" => &["OS_NETWORK_ENDPOINT_OVERRIDE"],
        "timeout" => &["OS_API_TIMEOUT"],
        _ => return vec![usual],
    };
    names.iter().map(|name| (*name).to_owned()).collect()
}
