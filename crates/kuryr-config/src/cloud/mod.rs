//! Which cloud is configured: `OS_*` variables, a cloud of clouds.yaml or `[neutron]` of kuryr.conf, in this order.
//!
//! One source gives everything. A password of one source is never sent to an address of another.

mod authentication;
mod clouds_yaml;
mod environment;
mod settings;

pub use settings::{
    ApplicationCredential, Auth, CloudSettings, Domain, IdentityVersion, Interface, Project, Scope, Tls, User,
};

use crate::{diagnostic::Diagnostic, options, sources::Sources, value, values::Values};
use authentication::Fields;

/// The cloud to use; `None`: none is configured, or what is configured is wrong and said to be so in `problems`.
pub(crate) fn select(sources: &Sources, values: &Values<'_>, problems: &mut Vec<Diagnostic>) -> Option<CloudSettings> {
    let neutron = Neutron { values };
    let in_file = options::credentials().find_map(|option| values.file_of("neutron", option.name));
    let environment = environment::Environment::new(sources);
    // A file of clouds alone chooses none: OS_AUTH_URL does, as in openstacksdk.
    let chosen = sources.variable("OS_CLOUD").is_some() || !environment.names_a_cloud();
    if let Some(cloud) = chosen.then(|| clouds_yaml::selected(sources, problems)).flatten() {
        warn_about_file(in_file, "OS_CLOUD", problems);
        return cloud.and_then(|cloud| authentication::cloud(&cloud, problems));
    }
    let configured = options::credentials().any(|option| values.text("neutron", option.name).is_some());
    if environment.names_a_cloud() || (environment.has_credentials() && !configured) {
        warn_about_file(in_file, "OS_AUTH_URL", problems);
        return authentication::cloud(&environment, problems);
    }
    if configured { authentication::cloud(&neutron, problems) } else { None }
}

fn warn_about_file(file: Option<String>, variable: &str, problems: &mut Vec<Diagnostic>) {
    if let Some(file) = file {
        problems.push(
            Diagnostic::warning(format!("{variable} in the environment is used instead of [neutron] in {file}"))
                .help(format!("unset {variable} to use the file")),
        );
    }
}

/// `[neutron]`, or the section it refers to.
struct Neutron<'a> {
    values: &'a Values<'a>,
}

impl Fields for Neutron<'_> {
    fn get(&self, name: &'static str) -> Option<String> {
        match name {
            "interface" => self.values.text("neutron", "endpoint_type").map(str::to_owned),
            "insecure" => Some(self.values.boolean("neutron", "insecure").to_string()),
            "timeout" => self.values.number("neutron", "timeout").map(|seconds| seconds.to_string()),
            name => self.values.text("neutron", name).map(str::to_owned),
        }
    }

    fn problem(&self, name: &'static str, message: String, label: &str) -> Diagnostic {
        self.values.problem_with("neutron", option_name(name), &message, label)
    }

    fn called(&self, name: &'static str) -> String {
        option_name(name).to_owned()
    }

    fn shown(&self, name: &'static str) -> Option<String> {
        self.values.written("neutron", option_name(name)).map(str::to_owned)
    }

    fn is_wrong(&self, name: &'static str) -> bool {
        self.values.is_wrong("neutron", option_name(name))
    }

    fn source(&self) -> String {
        let file = options::credentials().find_map(|option| self.values.file_of("neutron", option.name));
        match file {
            Some(file) => format!("[neutron] in {file}"),
            None => "OS_NEUTRON__* in the environment".to_owned(),
        }
    }
}

/// keystoneauth's name of a field in kuryr.conf.
fn option_name(name: &'static str) -> &'static str {
    if name == "interface" { "endpoint_type" } else { name }
}

/// What a field's text must be when it is a boolean.
fn boolean(fields: &dyn Fields, name: &'static str, problems: &mut Vec<Diagnostic>) -> bool {
    let Some(text) = fields.get(name) else { return false };
    value::boolean(&text).unwrap_or_else(|| {
        problems.push(authentication::wrong(fields, name, "expected 'true' or 'false'"));
        false
    })
}
