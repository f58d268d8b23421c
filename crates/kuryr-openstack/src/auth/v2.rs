//! Identity API v2.0, which Keystone had until 2018.

use super::IssuedToken;
use crate::catalog::Catalog;
use http::HeaderValue;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use kuryr_config::{Auth, Domain, Project, Scope, User};
use kuryr_neutron::ProjectId;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

/// The body of `POST /v2.0/tokens`. It holds the secret: for sending only. Else what v2.0 cannot say.
pub(crate) fn body(auth: &Auth) -> Result<Value, &'static str> {
    let (mut body, scope) = match auth {
        Auth::Password { user, password, scope } => {
            let mut credentials = match user {
                User::Id(id) => json!({ "userId": id }),
                User::Name { name, domain } => {
                    usual(domain)?;
                    json!({ "username": name })
                }
            };
            credentials["password"] = password.expose_secret().into();
            (json!({ "passwordCredentials": credentials }), scope)
        }
        Auth::Token { token, scope } => (json!({ "token": { "id": token.expose_secret() } }), scope),
        _ => return Err("knows neither application credentials nor anything newer: use a password"),
    };
    match scope {
        Scope::Unscoped => {}
        Scope::Project(Project::Id(id)) => body["tenantId"] = id.as_str().into(),
        Scope::Project(Project::Name { name, domain }) => {
            usual(domain)?;
            body["tenantName"] = name.as_str().into();
        }
        Scope::Trust(id) => body["trust_id"] = id.as_str().into(),
        Scope::Domain(_) | Scope::System => return Err("gives tokens for projects only: set project_name"),
    }
    Ok(json!({ "auth": body }))
}

/// All of v2.0 is in Keystone's first domain.
fn usual(domain: &Domain) -> Result<(), &'static str> {
    let usual = match domain {
        Domain::Id(id) => id == "default",
        Domain::Name(name) => name == "Default",
    };
    if usual { Ok(()) } else { Err("knows no domains but the default one") }
}

#[derive(Deserialize)]
struct Answer {
    access: Access,
}

#[derive(Deserialize)]
struct Access {
    token: Token,
    #[serde(rename = "serviceCatalog", default)]
    catalog: Vec<Service>,
}

#[derive(Deserialize)]
struct Token {
    id: String,
    #[serde(default)]
    issued_at: Option<String>,
    #[serde(default)]
    expires: Option<String>,
    #[serde(default)]
    tenant: Option<Tenant>,
}

#[derive(Deserialize)]
struct Tenant {
    id: ProjectId,
}

/// One service with its endpoints in each region.
#[derive(Deserialize)]
struct Service {
    #[serde(rename = "type", default)]
    service: String,
    #[serde(default)]
    endpoints: Vec<serde_json::Map<String, Value>>,
}

/// A time in UTC, which was often written without saying so.
fn moment(text: Option<String>) -> Option<Timestamp> {
    let text = text?;
    let in_utc = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    text.parse().ok().or_else(in_utc)
}

/// Reads the answer of `POST /v2.0/tokens`, where all is in the body.
pub(crate) fn read(body: &[u8]) -> Result<IssuedToken, String> {
    let Answer { access } =
        serde_json::from_slice(body).map_err(|error| format!("the token is unreadable: {error}"))?;
    let mut header = HeaderValue::from_str(&access.token.id)
        .map_err(|_| "the token has characters no header can have".to_owned())?;
    header.set_sensitive(true);
    let endpoints = access.catalog.into_iter().flat_map(|Service { service, endpoints }| {
        endpoints.into_iter().flat_map(move |endpoint| {
            let text = |key: &str| endpoint.get(key).and_then(Value::as_str).map(str::to_owned);
            let region = text("region");
            let urls = ["public", "internal", "admin"].map(|interface| (interface, text(&format!("{interface}URL"))));
            let service = service.clone();
            urls.into_iter()
                .filter_map(move |(interface, url)| Some((service.clone(), interface, region.clone(), url?)))
        })
    });
    Ok(IssuedToken {
        header,
        lifetime: super::token::lifetime(moment(access.token.issued_at), moment(access.token.expires)),
        catalog: Catalog::of(endpoints),
        project_id: access.token.tenant.map(|tenant| tenant.id),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kuryr_config::ApplicationCredential;
    use kuryr_config::Interface;
    use std::time::Duration;

    fn password(domain: Domain, scope: Scope) -> Auth {
        Auth::Password { user: User::Name { name: "kuryr".into(), domain }, password: "p".into(), scope }
    }

    #[test]
    fn bodies_are_as_the_identity_api_says() {
        let project = |domain| Scope::Project(Project::Name { name: "service".into(), domain });
        assert_eq!(
            body(&password(Domain::default(), project(Domain::Name("Default".into())))).unwrap(),
            json!({"auth": {"passwordCredentials": {"username": "kuryr", "password": "p"}, "tenantName": "service"}})
        );
        let token = Auth::Token { token: "t".into(), scope: Scope::Project(Project::Id("42".into())) };
        assert_eq!(body(&token).unwrap(), json!({"auth": {"token": {"id": "t"}, "tenantId": "42"}}));
        let by_id =
            Auth::Password { user: User::Id("u".into()), password: "p".into(), scope: Scope::Trust("x".into()) };
        assert_eq!(
            body(&by_id).unwrap(),
            json!({"auth": {"passwordCredentials": {"userId": "u", "password": "p"}, "trust_id": "x"}})
        );
    }

    #[test]
    fn what_it_cannot_say_is_told() {
        let elsewhere = || Domain::Name("Elsewhere".into());
        let project = Scope::Project(Project::Name { name: "service".into(), domain: elsewhere() });
        for auth in [password(elsewhere(), Scope::Unscoped), password(Domain::default(), project)] {
            assert!(body(&auth).unwrap_err().contains("no domains"));
        }
        assert!(body(&password(Domain::default(), Scope::System)).unwrap_err().contains("project_name"));
        let credential = ApplicationCredential::Id("c".into());
        assert!(body(&Auth::ApplicationCredential { credential, secret: "s".into() }).is_err());
    }

    #[test]
    fn token_and_catalog_are_read() {
        let answer = json!({"access": {
            "token": {"id": "secret-token", "issued_at": "2014-01-30T15:30:58.819584", "expires": "2014-01-30T16:30:58.819584Z",
                "tenant": {"id": "42", "name": "service", "enabled": true}},
            "serviceCatalog": [{"type": "network", "name": "neutron", "endpoints_links": [], "endpoints": [
                {"region": "One", "id": "1", "publicURL": "http://p:9696", "internalURL": "http://i:9696", "adminURL": 7}]}],
            "user": {"id": "u", "roles": []}, "metadata": {"is_admin": 0},
        }});
        let token = read(answer.to_string().as_bytes()).unwrap();
        assert_eq!((token.lifetime, token.header.to_str().unwrap()), (Some(Duration::from_secs(3600)), "secret-token"));
        assert!(!format!("{token:?}").contains("secret-token"));
        assert_eq!(token.project_id, Some(ProjectId("42".into())));
        let find = |interface| token.catalog.endpoint("network", interface, Some("One")).map(String::from);
        assert_eq!(find(Interface::Public).unwrap(), "http://p:9696/");
        assert_eq!(find(Interface::Internal).unwrap(), "http://i:9696/");
        assert!(find(Interface::Admin).is_err());
    }
}
