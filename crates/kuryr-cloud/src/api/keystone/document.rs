//! Keystone's documents: versions, catalog, tokens, and what there is.

use crate::api::{
    Site,
    keystone::{
        directory::{DOMAIN_ID, DOMAIN_NAME, Directory, Project, Role, User},
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

/// The only domain.
pub fn domain(site: &Site) -> Value {
    json!({
        "id": DOMAIN_ID, "name": DOMAIN_NAME, "description": "The default domain", "enabled": true, "tags": [],
        "options": {}, "links": {"self": site.url("/identity/v3/domains/default")},
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
        "domain_id": DOMAIN_ID, "parent_id": DOMAIN_ID, "is_domain": false, "tags": [], "options": {},
        "links": {"self": site.url(&format!("/identity/v3/projects/{}", project.id))},
    })
}

/// A user.
pub fn user(site: &Site, user: &User) -> Value {
    json!({
        "id": user.id, "name": user.name, "enabled": user.enabled, "domain_id": DOMAIN_ID,
        "default_project_id": user.default_project_id, "password_expires_at": null, "options": {},
        "links": {"self": site.url(&format!("/identity/v3/users/{}", user.id))},
    })
}

/// A role.
pub fn role(site: &Site, role: &Role) -> Value {
    json!({
        "id": role.id, "name": role.name, "domain_id": null, "description": null, "options": {},
        "links": {"self": site.url(&format!("/identity/v3/roles/{}", role.id))},
    })
}

/// What a token says, as `POST` and `GET /v3/auth/tokens` answer it.
pub fn token(site: &Site, directory: &Directory, claims: &Claims, with_catalog: bool) -> Value {
    let domain = json!({"id": DOMAIN_ID, "name": DOMAIN_NAME});
    let name = directory.user(&claims.user_id).map(|user| user.name.as_str());
    let mut token = json!({
        "methods": claims.methods,
        "user": {"id": claims.user_id, "name": name, "domain": domain, "password_expires_at": null},
        "audit_ids": claims.audit_ids,
        "issued_at": instant(claims.issued_at),
        "expires_at": instant(claims.expires_at),
    });
    let project = claims.project_id.as_deref().and_then(|id| directory.project(id));
    if let (Some(project), Some(token)) = (project, token.as_object_mut()) {
        let role = |role: &&Role| json!({"id": role.id, "name": role.name});
        let roles: Vec<_> = directory.roles_of(&claims.user_id, &project.id).iter().map(role).collect();
        token.insert("project".to_owned(), json!({"id": project.id, "name": project.name, "domain": domain}));
        token.insert("is_domain".to_owned(), false.into());
        token.insert("roles".to_owned(), roles.into());
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
