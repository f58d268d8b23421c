//! Which source sets an option: command line, then environment, then files, then the default.

use crate::{
    diagnostic::{Diagnostic, nearest, visible},
    ini::{Document, Entry},
    options::{self, OptionSpec, Use},
    sources::Sources,
};
use std::collections::BTreeSet;

/// All that was read, before anything is made of it.
pub(crate) struct Layers<'a> {
    pub sources: &'a Sources,
    pub documents: Vec<Document>,
    /// The section that has the credentials instead of `[neutron]`.
    pub auth_section: Option<String>,
}

/// What sets an option.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    Default,
    Variable(String),
    Flag(&'static str),
    /// Index of the document and of its entry.
    File(usize, usize),
}

/// An option's text as it was written, and where.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    pub text: String,
    pub origin: Origin,
}

impl<'a> Layers<'a> {
    /// Puts the layers together and finds what no option answers to.
    pub(crate) fn new(sources: &'a Sources, documents: Vec<Document>, problems: &mut Vec<Diagnostic>) -> Self {
        let mut layers = Self { sources, documents, auth_section: None };
        layers.auth_section = options::find("neutron", "auth_section")
            .and_then(|option| layers.raw(option))
            .map(|raw| raw.text)
            .filter(|section| !is_unset(section) && options::group(section) != Some("neutron"));
        for document in &layers.documents {
            layers.check_names(document, problems);
        }
        layers.check_variables(problems);
        layers
    }

    /// What sets the option; `None`: nothing does, and it has no default.
    pub(crate) fn raw(&self, option: &OptionSpec) -> Option<Raw> {
        let given = self.sources.overrides.iter().rfind(|o| o.group == option.group && o.name == option.name);
        if let Some(given) = given {
            return Some(Raw { text: given.value.clone(), origin: Origin::Flag(given.flag) });
        }
        for section in self.sections_of(option) {
            for name in [option.name].iter().chain(option.deprecated) {
                let variable = format!("OS_{}__{}", section.to_uppercase(), name.to_uppercase());
                if let Some(text) = self.sources.environment.get(&variable) {
                    return Some(Raw { text: text.clone(), origin: Origin::Variable(variable) });
                }
            }
        }
        for section in self.sections_of(option) {
            if let Some(raw) = self.raw_in_files(option, section) {
                return Some(raw);
            }
        }
        if let Some(name) = option.default_variable
            && let Some(text) = self.sources.variable(name)
        {
            return Some(Raw { text: text.to_owned(), origin: Origin::Variable(name.to_owned()) });
        }
        // A default is written as a file would write it, but a dollar in it means nothing.
        option.default.map(|text| Raw { text: text.replace('$', "$$"), origin: Origin::Default })
    }

    /// The section that has an option: credentials may be elsewhere, sessions may be in both places.
    fn sections_of(&self, option: &OptionSpec) -> Vec<&str> {
        match &self.auth_section {
            Some(section) if options::is_credential(option) => vec![section],
            Some(section) if options::is_session(option) => vec![section, option.group],
            _ => vec![option.group],
        }
    }

    /// The newest file wins; in a file the option's own name wins over its old names, and the last line over others.
    fn raw_in_files(&self, option: &OptionSpec, section: &str) -> Option<Raw> {
        self.documents.iter().enumerate().rev().find_map(|(number, document)| {
            let find = |wanted: &dyn Fn(&str) -> bool| {
                document.entries.iter().rposition(|entry| same_section(&entry.section, section) && wanted(&entry.key))
            };
            let at = find(&|key| key == option.name).or_else(|| find(&|key| option.is_deprecated_name(key)))?;
            Some(Raw { text: document.entries[at].value.clone(), origin: Origin::File(number, at) })
        })
    }

    fn check_names(&self, document: &Document, problems: &mut Vec<Diagnostic>) {
        let mut passed_over = BTreeSet::new();
        for (section, span) in &document.sections {
            let known = options::group(section).is_some() || self.is_auth_section(section);
            if known || !passed_over.insert(section.clone()) {
                continue;
            }
            let place = document.place(*span);
            if section.starts_with("oslo_") || section.as_ref() == "keystone_authtoken" {
                problems.push(
                    Diagnostic::warning(format!("section '{}' is not read", visible(section)))
                        .at(place, "belongs to another OpenStack library"),
                );
                continue;
            }
            let problem = Diagnostic::error(format!("there is no section '{}'", visible(section)))
                .at(place, "not a section of Kuryr");
            problems.push(match nearest(section, options::GROUPS.iter().copied()) {
                Some(right) => problem.help(format!("did you mean '[{right}]'?")),
                None => problem.help(format!("Kuryr's sections are [{}]", options::GROUPS.join("], ["))),
            });
        }
        let mut seen = BTreeSet::new();
        for entry in &document.entries {
            let is_auth_section = self.is_auth_section(&entry.section);
            let (group, option) = match options::group(&entry.section) {
                Some(group) => (group, options::find(group, &entry.key)),
                None if is_auth_section => ("neutron", options::find_authentication(&entry.key)),
                None => continue,
            };
            match option {
                Some(option) => {
                    check_use(document, entry, option, problems);
                    if !seen.insert((entry.section.to_lowercase(), entry.key.clone())) {
                        problems.push(
                            Diagnostic::warning(format!("'{}' is set more than once", entry.key))
                                .at(document.place_of_key(entry), "the last one counts"),
                        );
                    }
                }
                None => problems.push(unknown_option(document, entry, group)),
            }
        }
    }

    fn is_auth_section(&self, section: &str) -> bool {
        self.auth_section.as_deref().is_some_and(|auth| same_section(section, auth))
    }

    /// Variables of the environment driver that name a section of ours and no option of it.
    fn check_variables(&self, problems: &mut Vec<Diagnostic>) {
        for name in self.sources.environment.keys() {
            let Some((section, option)) = name.strip_prefix("OS_").and_then(|rest| rest.split_once("__")) else {
                continue;
            };
            let group = options::GROUPS.iter().copied().find(|group| group.eq_ignore_ascii_case(section));
            let Some(group) = group else { continue };
            let option = option.to_lowercase();
            if options::find(group, &option).is_some() {
                continue;
            }
            let problem = Diagnostic::warning(format!("the environment variable {} sets no option", visible(name)));
            problems.push(match options::nearest_option(group, &option) {
                Some(right) => problem.help(format!("did you mean {}?", right.variable())),
                None => problem,
            });
        }
    }
}

/// Section names differ by case only where one is `DEFAULT`.
fn same_section(a: &str, b: &str) -> bool {
    a == b || (a != "DEFAULT" && b != "DEFAULT" && a.to_lowercase() == b.to_lowercase())
}

/// Whether a value says that there is none: empty, or as the sample file writes it.
pub(crate) fn is_unset(text: &str) -> bool {
    text.is_empty() || text == "<None>"
}

fn check_use(document: &Document, entry: &Entry, option: &OptionSpec, problems: &mut Vec<Diagnostic>) {
    if let Use::Stray(why) = option.usage {
        problems.push(
            Diagnostic::warning(format!("'{}' is not an option of Kuryr", option.name))
                .at(document.place_of_key(entry), format!("not read: {why}")),
        );
    }
    if option.is_deprecated_name(&entry.key) {
        problems.push(
            Diagnostic::warning(format!("'{}' is the old name of '{}'", visible(&entry.key), option.name))
                .at(document.place_of_key(entry), "still works"),
        );
    }
}

fn unknown_option(document: &Document, entry: &Entry, group: &str) -> Diagnostic {
    let problem = Diagnostic::error(format!("there is no option '{}' in [{}]", visible(&entry.key), entry.section))
        .at(document.place_of_key(entry), "unknown option");
    match options::nearest_option(group, &entry.key) {
        Some(right) if right.group == group => problem.help(format!("did you mean '{}'?", right.name)),
        Some(right) => problem.help(format!("'{}' belongs to [{}]", right.name, right.group)),
        None => problem.help("'kuryr config sample' prints every option"),
    }
}
