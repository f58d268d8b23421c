//! clouds.yaml and secure.yaml, as openstacksdk reads them.

use super::authentication::Fields;
use crate::{
    diagnostic::{Diagnostic, Place, nearest, visible},
    discovery,
    sources::Sources,
    value,
};
use serde_norway::{Mapping, Value};
use std::path::{Path, PathBuf};

/// One cloud of a clouds.yaml.
pub(super) struct Cloud<'a> {
    sources: &'a Sources,
    name: String,
    path: PathBuf,
    lines: Vec<String>,
    fields: Mapping,
}

/// The cloud that the environment asks for. `None`: it asks for none. `Some(None)`: what it asks for cannot be had,
/// and `problems` says why.
pub(super) fn selected<'a>(sources: &'a Sources, problems: &mut Vec<Diagnostic>) -> Option<Option<Cloud<'a>>> {
    let name = sources.variable("OS_CLOUD");
    let explicit = sources.variable("OS_CLIENT_CONFIG_FILE");
    if name.is_none() && explicit.is_none() {
        return None;
    }
    Some(load(sources, name, explicit.map(PathBuf::from), problems))
}

fn load<'a>(
    sources: &'a Sources,
    name: Option<&str>,
    explicit: Option<PathBuf>,
    problems: &mut Vec<Diagnostic>,
) -> Option<Cloud<'a>> {
    let found = match explicit {
        Some(path) => {
            let content = sources.files.read(&path);
            Some((path, content))
        }
        None => sources.first(places(sources, "clouds")),
    };
    let Some((path, content)) = found else {
        problems.push(
            Diagnostic::error(format!(
                "OS_CLOUD is '{}' and there is no clouds.yaml",
                visible(name.unwrap_or_default())
            ))
            .note("looked in the current folder, ~/.config/openstack and /etc/openstack")
            .help("OS_CLIENT_CONFIG_FILE may name the file; unset OS_CLOUD to do without"),
        );
        return None;
    };
    let text = discovery::text(&path, content, problems)?;
    let file = parse(&path, &text, problems)?;
    let mut cloud = choose(&path, &file, name, problems)?;
    let secure = match sources.variable("OS_CLIENT_SECURE_FILE").map(PathBuf::from) {
        Some(path) => {
            let content = sources.files.read(&path);
            Some((path, content))
        }
        None => sources.first(places(sources, "secure")),
    };
    if let Some((secure_path, content)) = secure {
        let text = discovery::text(&secure_path, content, problems)?;
        let secure = parse(&secure_path, &text, problems)?;
        if let Some(Value::Mapping(more)) = secure.get("clouds").and_then(|clouds| clouds.get(&cloud.0)) {
            merge(&mut cloud.1, more);
        }
    }
    let (name, fields) = cloud;
    Some(Cloud { sources, name, path, lines: text.lines().map(str::to_owned).collect(), fields })
}

fn places(sources: &Sources, name: &str) -> impl Iterator<Item = PathBuf> {
    let user = sources.home.as_ref().map(|home| home.join(".config/openstack"));
    let folders = [Some(PathBuf::from(".")), user, Some(PathBuf::from("/etc/openstack"))];
    let files = ["yaml", "yml", "json"].map(|extension| format!("{name}.{extension}"));
    folders.into_iter().flatten().flat_map(move |folder| files.clone().map(|file| folder.join(file)))
}

fn parse(path: &Path, text: &str, problems: &mut Vec<Diagnostic>) -> Option<Value> {
    match serde_norway::from_str::<Value>(text) {
        Ok(value) => Some(value),
        Err(error) => {
            let problem = Diagnostic::error(format!("'{}' is not YAML", path.display()));
            problems.push(match error.location() {
                Some(location) => {
                    // The line may hold a password: only its key is shown.
                    let line = text.lines().nth(location.line().saturating_sub(1)).unwrap_or_default();
                    let key = line.find(':').map_or(0, |at| at + 1);
                    let shown = format!("{}…", &line[..key]);
                    let indent = shown.len() - shown.trim_start().len();
                    let end = shown.len();
                    problem.at(Place::new(path, location.line(), &shown, indent..end), error.to_string())
                }
                None => problem.note(error.to_string()),
            });
            None
        }
    }
}

/// The cloud of that name; without a name, the only one.
fn choose(path: &Path, file: &Value, name: Option<&str>, problems: &mut Vec<Diagnostic>) -> Option<(String, Mapping)> {
    let file_name = path.display();
    let Some(Value::Mapping(clouds)) = file.get("clouds") else {
        problems.push(
            Diagnostic::error(format!("'{file_name}' has no clouds")).note("expected a mapping 'clouds:' at the top"),
        );
        return None;
    };
    let names: Vec<&str> = clouds.keys().filter_map(Value::as_str).collect();
    let name = match (name, names.as_slice()) {
        (Some(name), _) => name,
        (None, [only]) => only,
        (None, _) => {
            problems.push(
                Diagnostic::error(format!("OS_CLOUD is not set and '{file_name}' has {} clouds", names.len()))
                    .help(format!("set OS_CLOUD to one of: {}", visible(&names.join(", ")))),
            );
            return None;
        }
    };
    match clouds.get(name) {
        Some(Value::Mapping(fields)) => Some((name.to_owned(), fields.clone())),
        Some(_) => {
            problems.push(Diagnostic::error(format!("cloud '{}' in '{file_name}' is not a mapping", visible(name))));
            None
        }
        None => {
            let problem = Diagnostic::error(format!("there is no cloud '{}' in '{file_name}'", visible(name)))
                .note("OS_CLOUD names it");
            problems.push(match nearest(name, names.iter().copied()) {
                Some(right) => problem.help(format!("did you mean '{}'?", visible(right))),
                None => problem.help(format!("it has: {}", visible(&names.join(", ")))),
            });
            None
        }
    }
}

fn merge(into: &mut Mapping, more: &Mapping) {
    for (key, value) in more {
        match (into.get_mut(key), value) {
            (Some(Value::Mapping(old)), Value::Mapping(new)) => merge(old, new),
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

impl Cloud<'_> {
    /// A scalar by any of its names, in `auth` and then beside it. openstacksdk takes dashes for underscores.
    fn scalar(&self, names: &[&str]) -> Option<String> {
        let auth = self.fields.get("auth").and_then(Value::as_mapping);
        auth.into_iter().chain([&self.fields]).find_map(|fields| {
            names.iter().find_map(|name| {
                let (_, value) =
                    fields.iter().find(|(key, _)| key.as_str().is_some_and(|key| key.replace('-', "_") == *name))?;
                let text = match value {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.to_string(),
                    Value::Bool(truth) => truth.to_string(),
                    _ => return None,
                };
                Some(text).filter(|text| !text.is_empty())
            })
        })
    }

    /// Where a key of this cloud is written, if it is in block style.
    fn place(&self, names: &[&str]) -> Option<Place> {
        let key_of = |line: &str| {
            line.trim_start().split(':').next().unwrap_or_default().trim_matches(['"', '\'', ' ']).replace('-', "_")
        };
        let indent_of = |line: &str| line.len() - line.trim_start().len();
        let is_text = |line: &&str| !line.trim_start().starts_with('#') && !line.trim().is_empty();
        let own = self.name.replace('-', "_");
        let begin =
            self.lines.iter().position(|line| indent_of(line) > 0 && line.contains(':') && key_of(line) == own)?;
        let depth = indent_of(&self.lines[begin]);
        let (number, line) = self
            .lines
            .iter()
            .enumerate()
            .skip(begin + 1)
            .take_while(|(_, line)| !is_text(&line.as_str()) || indent_of(line) > depth)
            .find(|(_, line)| {
                line.contains(':') && is_text(&line.as_str()) && names.contains(&key_of(line).as_str())
            })?;
        let end = line.find(':')?;
        Some(Place::new(&self.path, number + 1, &format!("{}: …", &line[..end]), indent_of(line)..end))
    }
}

impl Fields for Cloud<'_> {
    fn get(&self, name: &'static str) -> Option<String> {
        match name {
            "insecure" => match self.scalar(&["verify"]) {
                // What is neither true nor false is told to be wrong: a misspelt word must not turn the checks off.
                Some(verify) => Some(value::boolean(&verify).map_or(verify, |verify| (!verify).to_string())),
                None => self.scalar(&["insecure"]),
            },
            "region_name" => {
                self.sources.variable("OS_REGION_NAME").map(str::to_owned).or_else(|| self.scalar(names(name)))
            }
            "interface" => {
                self.sources.variable("OS_INTERFACE").map(str::to_owned).or_else(|| self.scalar(names(name)))
            }
            "auth_url" | "auth_type" | "endpoint_override" | "timeout" | "cafile" | "certfile" | "keyfile" => {
                self.scalar(names(name))
            }
            name => self.scalar(&[name]).or_else(|| self.scalar(names(name))),
        }
    }

    fn problem(&self, name: &'static str, message: String, label: &str) -> Diagnostic {
        let problem = Diagnostic::error(message);
        let names: Vec<&str> = [name].into_iter().chain(names(name).iter().copied()).collect();
        match self.place(&names) {
            Some(place) => problem.at(place, label),
            None => problem.note(label.to_owned()).note(format!("from {}", self.source())),
        }
    }

    fn called(&self, name: &'static str) -> String {
        names(name).first().copied().unwrap_or(name).to_owned()
    }

    fn source(&self) -> String {
        format!("cloud '{}' of {}", visible(&self.name), self.path.display())
    }
}

/// What clouds.yaml calls a field, where that is not keystoneauth's name.
fn names(name: &'static str) -> &'static [&'static str] {
    match name {
        "auth_url" => &["auth_url"],
        "auth_type" => &["auth_type", "auth_plugin"],
        "region_name" => &["region_name"],
        "interface" => &["interface", "endpoint_type"],
        "insecure" => &["verify"],
        "project_name" => &["project_name", "tenant_name"],
        "project_id" => &["project_id", "tenant_id"],
        "username" => &["username", "user_name"],
        "endpoint_override" => &["network_endpoint_override"],
        "timeout" => &["api_timeout"],
        "cafile" => &["cacert"],
        "certfile" => &["cert"],
        "keyfile" => &["key"],
        _ => &[],
    }
}
