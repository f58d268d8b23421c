//! Every option's value: substituted, checked, and with the place it comes from.

use crate::{
    Readings,
    diagnostic::{Diagnostic, visible},
    layers::{Layers, Origin, Raw, is_unset},
    options::{self, OptionSpec, Use},
    substitution::{Piece, pieces, unescape},
    value::{self, Value},
};
use std::collections::BTreeMap;

/// Longest value that substitution may make, in bytes.
const LONGEST: usize = 1 << 16;

/// The values of all options.
pub(crate) struct Values<'a> {
    layers: &'a Layers<'a>,
    values: BTreeMap<(&'static str, &'static str), (Raw, Option<Value>)>,
}

impl<'a> Values<'a> {
    /// Reads every option. A wrong one is a problem and keeps its default.
    pub(crate) fn read(layers: &'a Layers<'a>, problems: &mut Vec<Diagnostic>) -> Self {
        let mut values = Self { layers, values: BTreeMap::new() };
        for option in options::all().filter(|option| !matches!(option.usage, Use::Stray(_))) {
            let Some(raw) = layers.raw(option) else { continue };
            let read = values.read_option(option, &raw).unwrap_or_else(|problem| {
                problems.push(*problem);
                option.default.and_then(|default| value::read(option.kind, default).ok())
            });
            values.values.insert((option.group, option.name), (raw, read));
        }
        values
    }

    fn read_option(&self, option: &OptionSpec, raw: &Raw) -> Result<Option<Value>, Box<Diagnostic>> {
        if option.default.is_none() && is_unset(&raw.text) {
            return Ok(None);
        }
        let text = Expansion { layers: self.layers, open: Vec::new() }
            .expand(option, &raw.text)
            .map_err(|wrong| Box::new(self.wrong_reference(option, raw, wrong)))?;
        if option.default.is_none() && is_unset(&text) {
            return Ok(None);
        }
        value::read(option.kind, &text).map(Some).map_err(|expected| Box::new(self.wrong_value(option, raw, &expected)))
    }

    fn wrong_reference(&self, option: &OptionSpec, raw: &Raw, wrong: WrongReference) -> Diagnostic {
        let problem = if option.secret {
            // A name after a dollar may be part of a password: it is not repeated.
            let label = "a '$' in it refers to an option, and that does not work";
            self.problem(option, raw, format!("wrong value for '{}'", option.name), label)
        } else {
            let (message, label) = match wrong {
                WrongReference::Unknown(name) => {
                    (format!("'{}' refers to '{}'", option.name, visible(&name)), "there is no such option")
                }
                WrongReference::Within(name) => {
                    let message = format!("'{}' refers to '{name}', whose own value is wrong", option.name);
                    (message, "cannot be made out")
                }
                WrongReference::Circle => (format!("'{}' refers to itself", option.name), "a circle of references"),
                WrongReference::TooLong => (format!("'{}' is too long", option.name), "its references make it huge"),
            };
            self.problem(option, raw, message, label)
        };
        problem.help("write '$$' for a dollar sign")
    }

    /// A problem with the value of an option that is set.
    pub(crate) fn wrong_value(&self, option: &OptionSpec, raw: &Raw, expected: &str) -> Diagnostic {
        let message = if option.secret {
            format!("wrong value for '{}'", option.name)
        } else {
            format!("wrong value for '{}': '{}'", option.name, visible(&raw.text))
        };
        self.problem(option, raw, message, expected)
    }

    fn problem(&self, option: &OptionSpec, raw: &Raw, message: String, label: &str) -> Diagnostic {
        let problem = Diagnostic::error(message);
        match &raw.origin {
            Origin::Default => problem.note(label.to_owned()),
            Origin::Variable(name) => {
                problem.note(label.to_owned()).note(format!("from the environment variable {name}"))
            }
            Origin::Flag(flag) => problem.note(label.to_owned()).note(format!("from {flag}")),
            Origin::File(document, entry) => {
                let document = &self.layers.documents[*document];
                let entry = &document.entries[*entry];
                let hidden = option.secret || entry.value_span.start == entry.value_span.end;
                let place = if hidden { document.place_of_key(entry) } else { document.place(entry.value_span) };
                problem.at(place, label)
            }
        }
    }

    /// A problem with an option, wherever it is set.
    pub(crate) fn problem_with(&self, group: &str, name: &str, message: &str, label: &str) -> Diagnostic {
        let found = options::find(group, name)
            .and_then(|option| Some((option, self.values.get(&(option.group, option.name))?)));
        match found {
            Some((option, (raw, _))) => self.problem(option, raw, message.to_owned(), label),
            None => Diagnostic::error(message).note(label.to_owned()),
        }
    }

    /// The file that sets an option, if a file does.
    pub(crate) fn file_of(&self, group: &'static str, name: &'static str) -> Option<String> {
        match self.values.get(&(group, name))?.0.origin {
            Origin::File(document, _) => Some(self.layers.documents[document].path.display().to_string()),
            _ => None,
        }
    }

    /// An option's value as it was written, before substitution.
    pub(crate) fn written(&self, group: &'static str, name: &'static str) -> Option<&str> {
        self.values.get(&(group, name)).map(|(raw, _)| raw.text.as_str())
    }

    /// Whether an option is set to something that could not be read.
    pub(crate) fn is_wrong(&self, group: &'static str, name: &'static str) -> bool {
        self.values.get(&(group, name)).is_some_and(|(raw, value)| value.is_none() && !is_unset(&raw.text))
    }

    /// What each option is, for comparing it with another reading.
    pub(crate) fn readings(&self) -> Readings {
        let mut readings = Readings::default();
        for option in options::all() {
            if let Some((_, Some(value))) = self.values.get(&(option.group, option.name)) {
                readings.add(option, format!("{value:?}"));
            }
        }
        readings
    }

    fn get(&self, group: &'static str, name: &'static str) -> Option<&Value> {
        debug_assert!(options::find(group, name).is_some(), "[{group}] {name} is not in the table");
        self.values.get(&(group, name))?.1.as_ref()
    }

    /// The text of an option, if it is set.
    pub(crate) fn text(&self, group: &'static str, name: &'static str) -> Option<&str> {
        match self.get(group, name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn boolean(&self, group: &'static str, name: &'static str) -> bool {
        matches!(self.get(group, name), Some(Value::Boolean(true)))
    }

    pub(crate) fn integer(&self, group: &'static str, name: &'static str) -> i64 {
        match self.get(group, name) {
            Some(Value::Integer(number)) => *number,
            _ => 0,
        }
    }

    pub(crate) fn number(&self, group: &'static str, name: &'static str) -> Option<f64> {
        match self.get(group, name)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn list(&self, group: &'static str, name: &'static str) -> &[String] {
        match self.get(group, name) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }
}

enum WrongReference {
    Unknown(String),
    /// The value of the option referred to has a wrong reference. Which one is not said: that value may be secret.
    Within(&'static str),
    Circle,
    TooLong,
}

/// One value being made, with the options it passes through.
struct Expansion<'a> {
    layers: &'a Layers<'a>,
    open: Vec<(&'static str, &'static str)>,
}

impl Expansion<'_> {
    fn expand(&mut self, option: &OptionSpec, text: &str) -> Result<String, WrongReference> {
        if self.open.contains(&(option.group, option.name)) {
            return Err(WrongReference::Circle);
        }
        self.open.push((option.group, option.name));
        let mut made = String::new();
        for piece in pieces(&unescape(text)) {
            match piece {
                Piece::Text(text) => made.push_str(text),
                Piece::Dollar => made.push('$'),
                Piece::Reference { group, name } => made.push_str(&self.referred(option.group, group, name)?),
            }
            if made.len() > LONGEST {
                return Err(WrongReference::TooLong);
            }
        }
        self.open.pop();
        Ok(made)
    }

    /// The other option's value: in the group named, else in the same group, else in `[DEFAULT]`.
    fn referred(&mut self, own: &'static str, group: Option<&str>, name: &str) -> Result<String, WrongReference> {
        let found = match group {
            Some(group) => options::group(group).and_then(|group| options::find(group, name)),
            None => options::find(own, name).or_else(|| options::find("DEFAULT", name)),
        };
        let Some(option) = found else {
            let name = group.map_or_else(|| name.to_owned(), |group| format!("{group}.{name}"));
            return Err(WrongReference::Unknown(name));
        };
        match self.layers.raw(option) {
            Some(raw) if !(option.default.is_none() && is_unset(&raw.text)) => {
                let text = self.expand(option, &raw.text).map_err(|wrong| match wrong {
                    WrongReference::Unknown(_) => WrongReference::Within(option.name),
                    other => other,
                })?;
                // Numbers and truths appear as Python prints them.
                match value::read(option.kind, &text) {
                    Ok(Value::Integer(number)) => Ok(number.to_string()),
                    Ok(Value::Boolean(truth)) => Ok(if truth { "True" } else { "False" }.to_owned()),
                    Ok(_) => Ok(text),
                    Err(_) => Err(WrongReference::Within(option.name)),
                }
            }
            _ => Ok(String::new()),
        }
    }
}
