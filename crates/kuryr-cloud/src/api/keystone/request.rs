//! The body of `POST /v3/auth/tokens`.

use crate::api::keystone::Fault;
use secrecy::SecretString;
use serde_json::{Map, Value};

/// What a client asks for.
#[derive(Debug)]
pub struct AuthRequest {
    /// How it proves who it is.
    pub proof: Proof,
    /// What the token shall be for.
    pub scope: Scope,
}

/// How a client proves who it is.
#[derive(Debug)]
pub enum Proof {
    /// By password.
    Password {
        /// Who.
        user: Reference,
        /// The password.
        password: SecretString,
    },
    /// By a token it already has.
    Token(SecretString),
    /// By an application credential.
    ApplicationCredential {
        /// Which.
        credential: Credential,
        /// Its secret.
        secret: SecretString,
    },
}

/// What a token is for.
#[derive(Debug, PartialEq, Eq)]
pub enum Scope {
    /// Not said: the user's default project.
    Default,
    /// For no project.
    Unscoped,
    /// For a project.
    Project(Reference),
    /// For a domain.
    Domain(Reference),
    /// For the system, where nobody has a role here.
    System,
}

/// A user, project or domain, by id or by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// By id.
    Id(String),
    /// By name.
    Name {
        /// The name.
        name: String,
        /// The domain that it is a name in; a domain's own name is in itself.
        domain: Box<Reference>,
    },
}

/// An application credential, by id, or by name and user.
#[derive(Debug, PartialEq, Eq)]
pub enum Credential {
    /// By id.
    Id(String),
    /// By name among a user's.
    Named {
        /// Whose.
        user: Reference,
        /// Its name.
        name: String,
    },
}

impl AuthRequest {
    /// Reads the body.
    pub fn parse(body: &Map<String, Value>) -> Result<Self, Fault> {
        let auth = object(body, "auth", "request body")?;
        let identity = object(auth, "identity", "auth")?;
        let methods = identity.get("methods").and_then(Value::as_array);
        let methods = methods.ok_or_else(|| Fault::expecting("methods", "identity"))?;
        let proof = match methods.as_slice() {
            [Value::String(method)] if method == "password" => {
                let user = object(object(identity, "password", "identity")?, "user", "password")?;
                let password = text(user, "password", "user")?;
                Proof::Password { user: reference(user, "user")?, password: SecretString::from(password) }
            }
            [Value::String(method)] if method == "token" => {
                Proof::Token(SecretString::from(text(object(identity, "token", "identity")?, "id", "token")?))
            }
            [Value::String(method)] if method == "application_credential" => {
                let given = object(identity, method, "identity")?;
                let credential = credential(given)?;
                // Keystone's answer to none is that of a wrong one.
                let secret = text(given, "secret", method).map_err(|_| Fault::Unauthorized)?;
                Proof::ApplicationCredential { credential, secret: SecretString::from(secret) }
            }
            [Value::String(_)] => return Err(Fault::Unauthorized),
            _ => {
                let one = "one of the methods password, token and application_credential";
                return Err(Fault::expecting(one, "identity.methods"));
            }
        };
        Ok(Self { proof, scope: scope(auth)? })
    }
}

fn scope(auth: &Map<String, Value>) -> Result<Scope, Fault> {
    match auth.get("scope") {
        None | Some(Value::Null) => Ok(Scope::Default),
        Some(Value::String(word)) if word == "unscoped" => Ok(Scope::Unscoped),
        Some(Value::Object(scope)) if scope.contains_key("unscoped") => Ok(Scope::Unscoped),
        Some(Value::Object(scope)) if scope.contains_key("project") => {
            Ok(Scope::Project(reference(object(scope, "project", "scope")?, "project")?))
        }
        Some(Value::Object(scope)) if scope.contains_key("domain") => {
            Ok(Scope::Domain(domain(object(scope, "domain", "scope")?)?))
        }
        Some(Value::Object(scope)) if scope.contains_key("system") => Ok(Scope::System),
        Some(_) => Err(Fault::expecting("project", "scope")),
    }
}

fn credential(given: &Map<String, Value>) -> Result<Credential, Fault> {
    let place = "application credential";
    if given.contains_key("id") {
        return Ok(Credential::Id(text(given, "id", place)?));
    }
    let name = text(given, "name", place)?;
    Ok(Credential::Named { user: reference(object(given, "user", place)?, "user")?, name })
}

fn reference(object: &Map<String, Value>, place: &str) -> Result<Reference, Fault> {
    if object.contains_key("id") {
        return Ok(Reference::Id(text(object, "id", place)?));
    }
    let name = text(object, "name", place)?;
    let domain = Box::new(domain(self::object(object, "domain", place)?)?);
    Ok(Reference::Name { name, domain })
}

fn domain(object: &Map<String, Value>) -> Result<Reference, Fault> {
    match (object.get("id"), object.get("name")) {
        (Some(Value::String(id)), _) => Ok(Reference::Id(id.clone())),
        (None, Some(Value::String(name))) => {
            Ok(Reference::Name { name: name.clone(), domain: Box::new(Reference::Id(String::new())) })
        }
        _ => Err(Fault::expecting("id or name", "domain")),
    }
}

fn object<'a>(parent: &'a Map<String, Value>, key: &str, place: &str) -> Result<&'a Map<String, Value>, Fault> {
    parent.get(key).and_then(Value::as_object).ok_or_else(|| Fault::expecting(key, place))
}

fn text(parent: &Map<String, Value>, key: &str, place: &str) -> Result<String, Fault> {
    parent.get(key).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| Fault::expecting(key, place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(body: Value) -> Result<AuthRequest, Fault> {
        AuthRequest::parse(body.as_object().unwrap())
    }

    #[test]
    fn password_with_names_and_a_project() {
        let request = parse(json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": "admin", "domain": {"name": "Default"}, "password": "geheim"}}},
            "scope": {"project": {"name": "admin", "domain": {"id": "default"}}},
        }}))
        .unwrap();
        assert_eq!(
            request.scope,
            Scope::Project(Reference::Name {
                name: "admin".to_owned(),
                domain: Box::new(Reference::Id("default".to_owned())),
            })
        );
        assert!(!format!("{request:?}").contains("geheim"), "passwords are not printed");
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = [
            (json!({}), "auth in request body"),
            (json!({"auth": 7}), "auth in request body"),
            (json!({"auth": {}}), "identity in auth"),
            (json!({"auth": {"identity": {}}}), "methods in identity"),
            (json!({"auth": {"identity": {"methods": ["password"]}}}), "password in identity"),
            (
                json!({"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "x"}}}}}),
                "password in user",
            ),
            (json!({"auth": {"identity": {"methods": ["token"], "token": {"id": []}}}}), "id in token"),
        ];
        for (body, expected) in missing {
            match parse(body.clone()) {
                Err(Fault::BadRequest(message)) => assert!(message.contains(expected), "{body}: {message}"),
                other => panic!("{body}: {other:?}"),
            }
        }
    }
}
