//! Keystone's documents: versions, catalog, tokens, and what there is.

use crate::api::{
    Site,
    keystone::{
        directory::{ApplicationCredential, Directory, Domain, Project, Role, Target, User},
        token::Claims,
    },
};
use jiff::Timestamp;
use ring::digest;
use serde_json::{Map, Value, json};

/// The version document of Keystone v3.
pub fn version(site: &Site) -> Value {
    json!({
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": site.url("/identity/v3/")}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    })
}

/// A service of the catalog.
pub struct Service {
    kind: &'static str,
    name: &'static str,
    path: &'static str,
}

/// The services there are.
pub const SERVICES: [Service; 2] = [
    Service { kind: "identity", name: "keystone", path: "/identity/v3" },
    Service { kind: "network", name: "neutron", path: "/networking" },
];

const INTERFACES: [&str; 3] = ["admin", "internal", "public"];

impl Service {
    fn id(&self) -> String {
        stable_id(&["service", self.kind])
    }

    fn endpoints<'a>(&'a self, site: &'a Site) -> impl Iterator<Item = Map<String, Value>> + 'a {
        INTERFACES.iter().map(|interface| {
            let mut endpoint = Map::new();
            endpoint.insert("id".to_owned(), stable_id(&["endpoint", self.kind, interface]).into());
            endpoint.insert("interface".to_owned(), (*interface).into());
            endpoint.insert("region".to_owned(), site.region.as_str().into());
            endpoint.insert("region_id".to_owned(), site.region.as_str().into());
            endpoint.insert("url".to_owned(), site.url(self.path).into());
            endpoint
        })
    }
}

/// The catalog, as tokens carry it.
pub fn catalog(site: &Site) -> Value {
    let service = |service: &Service| {
        let endpoints: Vec<_> = service.endpoints(site).collect();
        json!({"id": service.id(), "type": service.kind, "name": service.name, "endpoints": endpoints})
    };
    SERVICES.iter().map(service).collect()
}

/// The services, as `/v3/services` lists them.
pub fn services(site: &Site) -> Vec<Value> {
    SERVICES
        .iter()
        .map(|service| {
            let id = service.id();
            let links = json!({"self": site.url(&format!("/identity/v3/services/{id}"))});
            json!({"id": id, "type": service.kind, "name": service.name, "enabled": true, "description": "", "links": links})
        })
        .collect()
}

/// The endpoints, as `/v3/endpoints` lists them.
pub fn endpoints(site: &Site) -> Vec<Value> {
    SERVICES
        .iter()
        .flat_map(|service| {
            service.endpoints(site).map(|mut endpoint| {
                endpoint.insert("service_id".to_owned(), service.id().into());
                endpoint.insert("enabled".to_owned(), true.into());
                let id = endpoint.get("id").and_then(Value::as_str).unwrap_or_default();
                let links = json!({"self": site.url(&format!("/identity/v3/endpoints/{id}"))});
                endpoint.insert("links".to_owned(), links);
                Value::Object(endpoint)
            })
        })
        .collect()
}

/// A domain.
pub fn domain(site: &Site, domain: &Domain) -> Value {
    json!({
        "id": domain.id, "name": domain.name, "description": domain.description, "enabled": domain.enabled, "tags": [],
        "options": {}, "links": {"self": site.url(&format!("/identity/v3/domains/{}", domain.id))},
    })
}

/// The only region.
pub fn region(site: &Site) -> Value {
    json!({
        "id": site.region, "description": "", "parent_region_id": null,
        "links": {"self": site.url(&format!("/identity/v3/regions/{}", site.region))},
    })
}

/// A project.
pub fn project(site: &Site, project: &Project) -> Value {
    json!({
        "id": project.id, "name": project.name, "description": project.description, "enabled": project.enabled,
        "domain_id": project.domain_id, "parent_id": project.domain_id, "is_domain": false, "tags": [], "options": {},
        "links": {"self": site.url(&format!("/identity/v3/projects/{}", project.id))},
    })
}

/// A user.
pub fn user(site: &Site, user: &User) -> Value {
    let mut document = json!({
        "id": user.id, "name": user.name, "enabled": user.enabled, "domain_id": user.domain_id,
        "password_expires_at": null, "options": {},
        "links": {"self": site.url(&format!("/identity/v3/users/{}", user.id))},
    });
    // Keystone leaves out what nobody gave.
    let given =
        [("default_project_id", &user.default_project_id), ("description", &user.description), ("email", &user.email)];
    for (key, value) in given {
        if let (Some(value), Some(document)) = (value, document.as_object_mut()) {
            document.insert(key.to_owned(), value.as_str().into());
        }
    }
    document
}

/// A role.
pub fn role(site: &Site, role: &Role) -> Value {
    let options = if role.is_built_in() { json!({"immutable": true}) } else { json!({}) };
    json!({
        "id": role.id, "name": role.name, "domain_id": null, "description": role.description, "options": options,
        "links": {"self": site.url(&format!("/identity/v3/roles/{}", role.id))},
    })
}

/// An application credential, without its secret.
pub fn application_credential(site: &Site, directory: &Directory, credential: &ApplicationCredential) -> Value {
    let role = |id: &String| {
        let mut document = role(site, directory.role(id)?);
        document.as_object_mut()?.remove("links");
        Some(document)
    };
    let roles: Vec<_> = credential.role_ids.iter().filter_map(role).collect();
    let end = credential.expires_at.map(|second| instant(second).trim_end_matches('Z').to_owned());
    json!({
        "id": credential.id, "name": credential.name, "description": credential.description,
        "user_id": credential.user_id, "project_id": credential.project_id, "system": null, "expires_at": end,
        "unrestricted": credential.unrestricted, "roles": roles,
        "links": {"self": site.url(&format!("/identity/v3/application_credentials/{}", credential.id))},
    })
}

/// The roles that a token gives now.
pub fn roles<'a>(directory: &'a Directory, claims: &Claims) -> Vec<&'a Role> {
    match (&claims.application_credential_id, claims.target()) {
        (Some(id), _) => {
            let credential = directory.application_credential(id);
            credential.map(|it| directory.roles_by(it, Timestamp::now().as_second())).unwrap_or_default()
        }
        (None, Some(target)) => directory.roles_of(&claims.user_id, &target),
        (None, None) => Vec::new(),
    }
}

/// What a token says, as `POST` and `GET /v3/auth/tokens` answer it.
pub fn token(site: &Site, directory: &Directory, claims: &Claims, with_catalog: bool) -> Value {
    let domain = |id: &str| json!({"id": id, "name": directory.domain(id).map(|domain| domain.name.as_str())});
    let user = directory.user(&claims.user_id);
    let name = user.map(|user| user.name.as_str());
    let home = user.map(|user| domain(&user.domain_id));
    let mut token = json!({
        "methods": claims.methods,
        "user": {"id": claims.user_id, "name": name, "domain": home, "password_expires_at": null},
        "audit_ids": claims.audit_ids,
        "issued_at": instant(claims.issued_at),
        "expires_at": instant(claims.expires_at),
    });
    if let (Some(target), Some(token)) = (claims.target(), token.as_object_mut()) {
        match &target {
            Target::Project(id) => {
                let project = directory.project(id);
                let name = project.map(|project| project.name.as_str());
                let home = project.map(|project| domain(&project.domain_id));
                token.insert("project".to_owned(), json!({"id": id, "name": name, "domain": home}));
                token.insert("is_domain".to_owned(), false.into());
            }
            Target::Domain(id) => drop(token.insert("domain".to_owned(), domain(id))),
        }
        let role = |role: &Role| json!({"id": role.id, "name": role.name});
        let roles: Vec<_> = roles(directory, claims).into_iter().map(role).collect();
        token.insert("roles".to_owned(), roles.into());
        let credential = claims.application_credential_id.as_deref();
        if let Some(credential) = credential.and_then(|id| directory.application_credential(id)) {
            let restricted = credential.unrestricted != Some(true);
            let shown = json!({"id": credential.id, "name": credential.name, "restricted": restricted});
            token.insert("application_credential".to_owned(), shown);
        }
        if with_catalog {
            token.insert("catalog".to_owned(), catalog(site));
        }
    }
    json!({ "token": token })
}

/// Keystone writes microseconds always.
fn instant(second: i64) -> String {
    let instant = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
    instant.strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string()
}

/// An id that is the same at every start, for what is not stored.
fn stable_id(parts: &[&str]) -> String {
    let digest = digest::digest(&digest::SHA256, parts.join("/").as_bytes());
    digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
