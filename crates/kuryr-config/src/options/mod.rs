//! The option table: every option Kuryr knows, said once.
//!
//! From it come reading and checking, the names of environment variables, the sample file and the messages about
//! names that are nearly right.

mod authentication;
mod binding;
mod default;
mod docker;
mod embedded;
mod logging;
mod metrics;
mod neutron;

use crate::diagnostic::nearest;

/// What an option's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// The path of a file or folder.
    Path,
    /// A URL with scheme and host.
    Url,
    /// `true`, `1`, `on`, `yes` or their opposites, in any case.
    Boolean,
    /// A whole number within bounds, both included.
    Integer {
        /// Smallest value allowed.
        min: i64,
        /// Largest value allowed.
        max: i64,
    },
    /// A number, as Python's `float` reads it.
    Float,
    /// One of these words.
    Choice {
        /// The words.
        words: &'static [&'static str],
        /// Whether `Days` is `days`.
        any_case: bool,
    },
    /// Words separated by commas.
    List,
    /// An IP address and a TCP port: `127.0.0.1:9696`, `[::1]:9696`.
    SocketAddress,
}

impl Kind {
    /// Any whole number.
    pub(crate) const INTEGER: Self = Self::Integer { min: i64::MIN, max: i64::MAX };

    /// As oslo.config's sample generator names the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text | Self::Choice { .. } => "string value",
            Self::Path => "path value",
            Self::Url => "URI value",
            Self::Boolean => "boolean value",
            Self::Integer { .. } => "integer value",
            Self::Float => "floating point value",
            Self::List => "list value",
            Self::SocketAddress => "address and port value",
        }
    }
}

/// Whether an option does anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It does what its help says.
    Used,
    /// It is read and checked, so that existing files stay valid, and changes nothing; here is why.
    Accepted(&'static str),
    /// It never was an option of Kuryr, but documents and deployment tools write it; reading it is worth a warning.
    Stray(&'static str),
}

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// The section it belongs to.
    pub group: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Its value when nothing sets it, as a file would write it; `None`: unset.
    pub default: Option<&'static str>,
    /// An environment variable that replaces the default (a file's value still wins).
    pub default_variable: Option<&'static str>,
    /// What it does, in a sentence or two.
    pub help: &'static str,
    /// Older names that still work.
    pub deprecated: &'static [&'static str],
    /// Its value is never shown.
    pub secret: bool,
    /// Whether it does anything.
    pub usage: Use,
}

impl OptionSpec {
    const fn new(group: &'static str, name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self {
            group,
            name,
            kind,
            default: None,
            default_variable: None,
            help,
            deprecated: &[],
            secret: false,
            usage: Use::Used,
        }
    }

    const fn default(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }

    const fn default_variable(mut self, name: &'static str) -> Self {
        self.default_variable = Some(name);
        self
    }

    const fn deprecated(mut self, names: &'static [&'static str]) -> Self {
        self.deprecated = names;
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    const fn accepted(mut self, why: &'static str) -> Self {
        self.usage = Use::Accepted(why);
        self
    }

    const fn stray(mut self, why: &'static str) -> Self {
        self.usage = Use::Stray(why);
        self
    }

    /// Whether a file may call it that.
    pub(crate) fn answers_to(&self, name: &str) -> bool {
        self.name == name || self.is_deprecated_name(name)
    }

    /// Whether that is one of its older names.
    pub(crate) fn is_deprecated_name(&self, name: &str) -> bool {
        self.deprecated.iter().any(|old| *old == name || (name.contains('-') && *old == name.replace('-', "_")))
    }

    /// Its variable in the manner of oslo.config's environment driver: `OS_NEUTRON__AUTH_URL`.
    pub fn variable(&self) -> String {
        format!("OS_{}__{}", self.group.to_uppercase(), self.name.to_uppercase())
    }
}

/// Words that settings are made of: enumerations read from a file or a variable.
pub(crate) trait Keyword: Sized {
    /// What to say when the word is another.
    const EXPECTED: &'static str;

    /// Reads the word.
    fn from_keyword(text: &str) -> Option<Self>;
}

/// The sections of the table, in the order of the sample file.
pub const GROUPS: &[&str] = &["DEFAULT", "neutron", "binding", "docker", "vif_pool", "metrics", "cloud"];

/// Every option, grouped by section.
pub fn all() -> impl Iterator<Item = &'static OptionSpec> {
    [
        default::OPTIONS,
        logging::OPTIONS,
        neutron::OPTIONS,
        authentication::SESSION,
        authentication::CREDENTIALS,
        authentication::OTHER_METHODS,
        neutron::STRAY,
        binding::OPTIONS,
        docker::OPTIONS,
        docker::POOLS,
        metrics::OPTIONS,
        embedded::OPTIONS,
    ]
    .into_iter()
    .flatten()
}

/// The section a file means: names are compared without case, except `DEFAULT`.
pub(crate) fn group(name: &str) -> Option<&'static str> {
    GROUPS.iter().copied().find(|group| match *group {
        "DEFAULT" => name == "DEFAULT",
        other => other == name.to_lowercase(),
    })
}

/// The option a file means by this name in this section.
pub(crate) fn find(group: &str, name: &str) -> Option<&'static OptionSpec> {
    all().find(|option| option.group == group && option.answers_to(name))
}

/// The option that the section named by `auth_section` means by this name.
pub(crate) fn find_authentication(name: &str) -> Option<&'static OptionSpec> {
    find("neutron", name).filter(|option| is_credential(option) || is_session(option))
}

/// Whether `auth_section` moves the option elsewhere.
pub(crate) fn is_credential(option: &OptionSpec) -> bool {
    option.name != "auth_section"
        && option.group == "neutron"
        && credentials().any(|candidate| candidate.name == option.name)
}

/// What says who we are, `auth_section` included.
pub(crate) fn credentials() -> impl Iterator<Item = &'static OptionSpec> {
    authentication::CREDENTIALS.iter().chain(authentication::OTHER_METHODS)
}

/// Whether the option is about connections to the cloud.
pub(crate) fn is_session(option: &OptionSpec) -> bool {
    option.group == "neutron" && authentication::SESSION.iter().any(|candidate| candidate.name == option.name)
}

/// The option whose name is nearest: in the section first, then in the others.
pub(crate) fn nearest_option(group: &str, name: &str) -> Option<&'static OptionSpec> {
    let own = || all().filter(|option| option.group == group);
    if let Some(right) = nearest(name, own().map(|option| option.name)) {
        return own().find(|option| option.name == right);
    }
    all().find(|option| option.answers_to(name))
}

#[cfg(test)]
mod tests;
