//! From names and passwords, wherever they were written, to a way to authenticate.

use super::{
    boolean,
    settings::{
        ApplicationCredential, Auth, CloudSettings, Domain, IdentityVersion, Interface, Project, Scope, Tls, User,
    },
};
use crate::{
    diagnostic::{Diagnostic, nearest, visible},
    options::Keyword,
    value,
};
use secrecy::SecretString;
use std::{path::PathBuf, time::Duration};
use url::Url;

/// A source of credentials, asked by keystoneauth's names.
pub(super) trait Fields {
    /// A field's text, if it is set to something.
    fn get(&self, name: &'static str) -> Option<String>;
    /// A problem with a field, at its place.
    fn problem(&self, name: &'static str, message: String, label: &str) -> Diagnostic;
    /// What people call the field in this source.
    fn called(&self, name: &'static str) -> String;
    /// What people call the source.
    fn source(&self) -> String;
    /// A field's value as it was written, for messages.
    fn shown(&self, name: &'static str) -> Option<String> {
        self.get(name)
    }
    /// Whether the field is set to something wrong that was told already.
    fn is_wrong(&self, _name: &'static str) -> bool {
        false
    }
}

/// keystoneauth's methods.
const METHODS: &[(&str, Method)] = &[
    ("password", Method::Password(IdentityVersion::Any)),
    ("v3password", Method::Password(IdentityVersion::V3)),
    ("v2password", Method::Password(IdentityVersion::V2)),
    ("token", Method::Token(IdentityVersion::Any)),
    ("v3token", Method::Token(IdentityVersion::V3)),
    ("v2token", Method::Token(IdentityVersion::V2)),
    ("v3applicationcredential", Method::ApplicationCredential),
    ("none", Method::Nobody),
    ("admin_token", Method::AdminToken),
    ("http_basic", Method::Basic),
    ("v3totp", NOT_YET),
    ("v3multifactor", NOT_YET),
    ("v3oidcpassword", NOT_YET),
    ("v3oidcauthcode", NOT_YET),
    ("v3oidcaccesstoken", NOT_YET),
    ("v3oidcclientcredentials", NOT_YET),
    ("v3oidcdeviceauthz", NOT_YET),
    ("v3adfspassword", NOT_YET),
    ("v3samlpassword", NOT_YET),
    ("v3kerberos", NOT_YET),
    ("v3fedkerb", NOT_YET),
    ("v3websso", NOT_YET),
    ("v3oauth1", NOT_YET),
    ("v3oauth2clientcredential", NOT_YET),
    ("v3oauth2mtlsclientcredential", NOT_YET),
    ("v3tokenlessauth", NOT_YET),
];

const NOT_YET: Method = Method::Missing(
    "this version has password, token and v3applicationcredential, and without Keystone none, admin_token and http_basic",
);

#[derive(Clone, Copy)]
enum Method {
    Password(IdentityVersion),
    Token(IdentityVersion),
    ApplicationCredential,
    Nobody,
    AdminToken,
    Basic,
    Missing(&'static str),
}

impl Method {
    fn identity_version(self) -> IdentityVersion {
        match self {
            Self::Password(version) | Self::Token(version) => version,
            Self::ApplicationCredential => IdentityVersion::V3,
            Self::Nobody | Self::AdminToken | Self::Basic | Self::Missing(_) => IdentityVersion::Any,
        }
    }

    fn uses_keystone(self) -> bool {
        !matches!(self, Self::Nobody | Self::AdminToken | Self::Basic)
    }
}

/// Makes a cloud of the fields. `None`: something is wrong, and `problems` says what.
pub(super) fn cloud(fields: &dyn Fields, problems: &mut Vec<Diagnostic>) -> Option<CloudSettings> {
    let before = problems.len();
    let method = method(fields, problems);
    let endpoint_override = url(fields, "endpoint_override", problems);
    let (auth_url, endpoint_override) = match method {
        Some(method) if !method.uses_keystone() => {
            let endpoint = endpoint_override.or_else(|| url(fields, "endpoint", problems));
            if endpoint.is_none() && fields.get("endpoint").is_none() {
                problems.extend(missing(fields, "endpoint", "auth_type"));
            }
            (endpoint.clone(), endpoint)
        }
        _ => (auth_url(fields, problems), endpoint_override),
    };
    let auth = method.and_then(|method| auth(method, fields, problems));
    let interface = match fields.get("interface") {
        Some(text) => Interface::from_keyword(&text).unwrap_or_else(|| {
            problems.push(wrong(fields, "interface", &format!("expected {}", Interface::EXPECTED)));
            Interface::default()
        }),
        None => Interface::default(),
    };
    let timeout = timeout(fields, problems);
    let path = |name| fields.get(name).map(PathBuf::from);
    let tls = Tls {
        insecure: boolean(fields, "insecure", problems),
        ca_file: path("cafile"),
        certificate_file: path("certfile"),
        key_file: path("keyfile"),
        tls13_only: fields.get("tls_min_version").as_deref() == Some("1.3"),
    };
    if tls.key_file.is_some() && tls.certificate_file.is_none() {
        problems.extend(missing(fields, "certfile", "keyfile"));
    }
    let (Some(method), Some(auth_url), Some(auth), true) = (method, auth_url, auth, problems.len() == before) else {
        return None;
    };
    Some(CloudSettings {
        source: fields.source(),
        auth_url,
        auth,
        identity_version: method.identity_version(),
        region: fields.get("region_name"),
        interface,
        endpoint_override,
        tls,
        timeout,
    })
}

fn auth_url(fields: &dyn Fields, problems: &mut Vec<Diagnostic>) -> Option<Url> {
    if fields.get("auth_url").is_some() {
        return url(fields, "auth_url", problems);
    }
    let given = ["username", "user_id", "application_credential_id", "token", "password", "auth_type", "project_name"]
        .into_iter()
        .find(|name| fields.get(name).is_some());
    match given {
        Some(given) => problems.extend(missing(fields, "auth_url", given)),
        None if fields.is_wrong("auth_url") => {}
        None => problems.push(
            Diagnostic::error(format!("'{}' is missing in {}", fields.called("auth_url"), fields.source()))
                .note("expected Keystone's address, as in 'http://controller:5000/v3'"),
        ),
    }
    None
}

fn auth(method: Method, fields: &dyn Fields, problems: &mut Vec<Diagnostic>) -> Option<Auth> {
    match method {
        Method::Password(_) => {
            let user = user(fields, problems);
            let password = secret(fields, "password", problems);
            let scope = scope(fields, problems)?;
            Some(Auth::Password { user: user?, password: password?, scope })
        }
        Method::Token(_) => {
            let token = secret(fields, "token", problems);
            let scope = scope(fields, problems)?;
            Some(Auth::Token { token: token?, scope })
        }
        Method::ApplicationCredential => {
            let credential = match (fields.get("application_credential_id"), fields.get("application_credential_name"))
            {
                (Some(id), _) => Some(ApplicationCredential::Id(id)),
                (None, Some(name)) => user(fields, problems).map(|user| ApplicationCredential::Name { name, user }),
                (None, None) => {
                    problems.extend(missing(fields, "application_credential_id", "application_credential_secret"));
                    None
                }
            };
            let secret = secret(fields, "application_credential_secret", problems);
            Some(Auth::ApplicationCredential { credential: credential?, secret: secret? })
        }
        Method::Nobody => Some(Auth::Nobody),
        Method::AdminToken => secret(fields, "token", problems).map(Auth::AdminToken),
        Method::Basic => {
            let username = fields.get("username");
            if username.is_none() {
                problems.extend(missing(fields, "username", "auth_type"));
            }
            let password = secret(fields, "password", problems);
            Some(Auth::Basic { username: username?, password: password? })
        }
        // `method` gives none of these.
        Method::Missing(_) => None,
    }
}

/// The method that is named, else the one that the other fields suggest.
fn method(fields: &dyn Fields, problems: &mut Vec<Diagnostic>) -> Option<Method> {
    let Some(name) = fields.get("auth_type") else {
        let has = |name| fields.get(name).is_some();
        return Some(if has("application_credential_id") || has("application_credential_secret") {
            Method::ApplicationCredential
        } else if has("token") && !has("password") {
            Method::Token(IdentityVersion::Any)
        } else {
            Method::Password(IdentityVersion::Any)
        });
    };
    let problem = match METHODS.iter().find(|(method, _)| *method == name) {
        Some((_, Method::Missing(why))) => wrong(fields, "auth_type", why),
        Some((_, method)) => return Some(*method),
        None => {
            let expected = "expected password, token or v3applicationcredential";
            let problem = wrong(fields, "auth_type", expected);
            match nearest(&name, METHODS.iter().map(|(method, _)| *method)) {
                Some(right) => problem.help(format!("did you mean '{right}'?")),
                None => problem,
            }
        }
    };
    problems.push(problem);
    None
}

fn user(fields: &dyn Fields, problems: &mut Vec<Diagnostic>) -> Option<User> {
    if let Some(id) = fields.get("user_id") {
        return Some(User::Id(id));
    }
    let Some(name) = fields.get("username") else {
        problems.extend(missing(fields, "username", "auth_url"));
        return None;
    };
    Some(User::Name { name, domain: domain(fields, "user_domain_id", "user_domain_name") })
}

/// A domain by id before name, else the default for user and project.
fn domain(fields: &dyn Fields, id: &'static str, name: &'static str) -> Domain {
    fields
        .get(id)
        .map(Domain::Id)
        .or_else(|| fields.get(name).map(Domain::Name))
        .or_else(|| fields.get("default_domain_id").map(Domain::Id))
        .or_else(|| fields.get("default_domain_name").map(Domain::Name))
        .unwrap_or_default()
}

fn scope(fields: &dyn Fields, problems: &mut Vec<Diagnostic>) -> Option<Scope> {
    let project_domain = || domain(fields, "project_domain_id", "project_domain_name");
    let project = fields
        .get("project_id")
        .map(|id| ("project_id", Project::Id(id)))
        .or_else(|| {
            fields.get("project_name").map(|name| ("project_name", Project::Name { name, domain: project_domain() }))
        })
        .map(|(field, project)| (field, Scope::Project(project)));
    let domain = fields
        .get("domain_id")
        .map(|id| ("domain_id", Scope::Domain(Domain::Id(id))))
        .or_else(|| fields.get("domain_name").map(|name| ("domain_name", Scope::Domain(Domain::Name(name)))));
    let trust = fields.get("trust_id").map(|id| ("trust_id", Scope::Trust(id)));
    let system = fields.get("system_scope").map(|text| {
        if text != "all" {
            problems.push(wrong(fields, "system_scope", "expected 'all'"));
        }
        ("system_scope", Scope::System)
    });
    let mut scopes = [project, domain, trust, system].into_iter().flatten();
    let first = scopes.next();
    if let (Some((first, _)), Some((second, _))) = (&first, scopes.next()) {
        let (first, second) = (fields.called(first), second);
        let message = format!("{first} and {} are both set", fields.called(second));
        problems.push(fields.problem(
            second,
            message,
            "a token is for one project, domain or trust, or for the system",
        ));
        return None;
    }
    Some(first.map_or(Scope::Unscoped, |(_, scope)| scope))
}

fn secret(fields: &dyn Fields, name: &'static str, problems: &mut Vec<Diagnostic>) -> Option<SecretString> {
    let secret = fields.get(name);
    if secret.is_none() {
        let because = ["username", "user_id", "application_credential_id", "auth_type", "auth_url"];
        let because = because.into_iter().find(|name| fields.get(name).is_some()).unwrap_or("auth_url");
        problems.extend(missing(fields, name, because));
    }
    secret.map(SecretString::from)
}

fn url(fields: &dyn Fields, name: &'static str, problems: &mut Vec<Diagnostic>) -> Option<Url> {
    let text = fields.get(name)?;
    match value::http_url(&text) {
        Ok(url) => Some(url),
        Err(expected) => {
            problems.push(wrong(fields, name, &expected));
            None
        }
    }
}

fn timeout(fields: &dyn Fields, problems: &mut Vec<Diagnostic>) -> Option<Duration> {
    let text = fields.get("timeout")?;
    let seconds = text.trim().parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
    let timeout = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    if timeout.is_none() {
        problems.push(wrong(fields, "timeout", "expected a number of seconds above 0"));
    }
    timeout
}

/// A field's value is not right.
pub(super) fn wrong(fields: &dyn Fields, name: &'static str, expected: &str) -> Diagnostic {
    let shown = fields.shown(name).unwrap_or_default();
    fields.problem(name, format!("wrong value for '{}': '{}'", fields.called(name), visible(&shown)), expected)
}

/// A field that another one needs is missing; nothing is said where it is there and wrong.
fn missing(fields: &dyn Fields, name: &'static str, because: &'static str) -> Option<Diagnostic> {
    if fields.is_wrong(name) {
        return None;
    }
    let (name, because_called) = (fields.called(name), fields.called(because));
    let message = format!("'{because_called}' is set but '{name}' is not");
    Some(fields.problem(because, message, &format!("needs '{name}' beside it")))
}
