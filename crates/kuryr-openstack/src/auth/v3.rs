//! Identity API v3. A new method is one more arm of [`body`].

use kuryr_config::{ApplicationCredential, Auth, Domain, Project, Scope, User};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

/// The body of `POST /v3/auth/tokens`. It holds the secret: for sending only.
///
/// # Errors
/// The method has nothing to do with Keystone.
pub(crate) fn body(auth: &Auth) -> Result<Value, &'static str> {
    let (identity, scope) = match auth {
        Auth::Password { user, password, scope: wanted } => {
            let mut user = named_user(user);
            user["password"] = password.expose_secret().into();
            (json!({ "methods": ["password"], "password": { "user": user } }), scope(wanted))
        }
        Auth::Token { token, scope: wanted } => {
            (json!({ "methods": ["token"], "token": { "id": token.expose_secret() } }), scope(wanted))
        }
        Auth::ApplicationCredential { credential, secret } => {
            let mut credential = match credential {
                ApplicationCredential::Id(id) => json!({ "id": id }),
                ApplicationCredential::Name { name, user } => json!({ "name": name, "user": named_user(user) }),
            };
            credential["secret"] = secret.expose_secret().into();
            let identity = json!({ "methods": ["application_credential"], "application_credential": credential });
            // It brings its own, and Keystone refuses any other.
            (identity, None)
        }
        Auth::Nobody | Auth::AdminToken(_) | Auth::Basic { .. } => return Err("is not asked by this method"),
    };
    let mut auth = json!({ "identity": identity });
    if let Some(scope) = scope {
        auth["scope"] = scope;
    }
    Ok(json!({ "auth": auth }))
}

fn scope(scope: &Scope) -> Option<Value> {
    match scope {
        Scope::Unscoped => None,
        Scope::Project(Project::Id(id)) => Some(json!({ "project": { "id": id } })),
        Scope::Project(Project::Name { name, domain }) => Some(json!({ "project": in_domain(name, domain) })),
        Scope::Domain(domain) => Some(json!({ "domain": named_domain(domain) })),
        Scope::System => Some(json!({ "system": { "all": true } })),
        Scope::Trust(id) => Some(json!({ "OS-TRUST:trust": { "id": id } })),
    }
}

fn named_user(user: &User) -> Value {
    match user {
        User::Id(id) => json!({ "id": id }),
        User::Name { name, domain } => in_domain(name, domain),
    }
}

fn named_domain(domain: &Domain) -> Value {
    match domain {
        Domain::Id(id) => json!({ "id": id }),
        Domain::Name(name) => json!({ "name": name }),
    }
}

fn in_domain(name: &str, domain: &Domain) -> Value {
    json!({ "name": name, "domain": named_domain(domain) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kuryr() -> User {
        User::Name { name: "kuryr".into(), domain: Domain::Name("Default".into()) }
    }

    #[test]
    fn bodies_are_as_the_identity_api_says() {
        let service = Project::Name { name: "service".into(), domain: Domain::Id("default".into()) };
        let password = |scope| Auth::Password { user: kuryr(), password: "p".into(), scope };
        assert_eq!(
            body(&password(Scope::Project(service))).unwrap(),
            json!({"auth": {
                "identity": {"methods": ["password"],
                    "password": {"user": {"name": "kuryr", "domain": {"name": "Default"}, "password": "p"}}},
                "scope": {"project": {"name": "service", "domain": {"id": "default"}}},
            }})
        );
        let token = Auth::Token { token: "t".into(), scope: Scope::Project(Project::Id("42".into())) };
        assert_eq!(
            body(&token).unwrap(),
            json!({"auth": {"identity": {"methods": ["token"], "token": {"id": "t"}},
                "scope": {"project": {"id": "42"}}}})
        );
        let credential = ApplicationCredential::Name { name: "c".into(), user: kuryr() };
        assert_eq!(
            body(&Auth::ApplicationCredential { credential, secret: "s".into() }).unwrap(),
            json!({"auth": {"identity": {"methods": ["application_credential"], "application_credential":
                {"name": "c", "user": {"name": "kuryr", "domain": {"name": "Default"}}, "secret": "s"}}}})
        );
        for (scope, wanted) in [
            (Scope::Unscoped, Value::Null),
            (Scope::System, json!({"system": {"all": true}})),
            (Scope::Domain(Domain::Id("d".into())), json!({"domain": {"id": "d"}})),
            (Scope::Trust("t".into()), json!({"OS-TRUST:trust": {"id": "t"}})),
        ] {
            assert_eq!(body(&password(scope)).unwrap()["auth"]["scope"], wanted);
        }
    }
}
