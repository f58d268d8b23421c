//! Requests to the embedded cloud: bodies of everything that takes one, and filters of every list.
//!
//! An input is a line, `POST /networking/v2.0/ports` or the like, and the body; or a line that is a query. `$port` is the id of
//! a port that is there.

use axum::{
    Router,
    body::{Body, to_bytes},
};
use http::{Request, Response, StatusCode};
use kuryr_cloud::{Cloud, Options};
use kuryr_neutron::HostId;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::{cell::RefCell, cmp::Reverse, collections::BTreeMap, error::Error};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

/// Requests after which the world begins anew, so that it stays small.
const LIFE: u32 = 400;
/// What is there, in this order: its name, where it is made, and of what.
const RESOURCES: [(&str, &str, &str); 22] = [
    ("domain", "/identity/v3/domains", r#"{"domain": {"name": "there"}}"#),
    ("project", "/identity/v3/projects", r#"{"project": {"name": "there"}}"#),
    ("user", "/identity/v3/users", r#"{"user": {"name": "there"}}"#),
    ("role", "/identity/v3/roles", r#"{"role": {"name": "there"}}"#),
    ("external", "/networking/v2.0/networks", r#"{"network": {"router:external": true}}"#),
    (
        "outside",
        "/networking/v2.0/subnets",
        r#"{"subnet": {"network_id": "$external", "ip_version": 4, "cidr": "192.0.2.0/24"}}"#,
    ),
    ("network", "/networking/v2.0/networks", r#"{"network": {"name": "there"}}"#),
    (
        "subnet",
        "/networking/v2.0/subnets",
        r#"{"subnet": {"network_id": "$network", "ip_version": 4, "cidr": "10.0.0.0/16"}}"#,
    ),
    (
        "port",
        "/networking/v2.0/ports",
        r#"{"port": {"network_id": "$network", "fixed_ips": [{"ip_address": "10.0.7.7"}]}}"#,
    ),
    (
        "subnetpool",
        "/networking/v2.0/subnetpools",
        r#"{"subnetpool": {"name": "there", "prefixes": ["10.64.0.0/10"]}}"#,
    ),
    ("security_group", "/networking/v2.0/security-groups", r#"{"security_group": {"name": "there"}}"#),
    (
        "address_group",
        "/networking/v2.0/address-groups",
        r#"{"address_group": {"name": "there", "addresses": ["10.1.0.0/16"]}}"#,
    ),
    ("policy", "/networking/v2.0/qos/policies", r#"{"policy": {"name": "there"}}"#),
    (
        "bandwidth_limit_rule",
        "/networking/v2.0/qos/policies/$policy/bandwidth_limit_rules",
        r#"{"bandwidth_limit_rule": {"max_kbps": 1000}}"#,
    ),
    (
        "dscp_marking_rule",
        "/networking/v2.0/qos/policies/$policy/dscp_marking_rules",
        r#"{"dscp_marking_rule": {"dscp_mark": 8}}"#,
    ),
    ("router", "/networking/v2.0/routers", r#"{"router": {"external_gateway_info": {"network_id": "$external"}}}"#),
    (
        "rbac_policy",
        "/networking/v2.0/rbac-policies",
        r#"{"rbac_policy": {"object_type": "network", "object_id": "$network", "action": "access_as_shared", "target_tenant": "$project"}}"#,
    ),
    (
        "default_security_group_rule",
        "/networking/v2.0/default-security-group-rules",
        r#"{"default_security_group_rule": {"direction": "ingress", "used_in_default_sg": true, "used_in_non_default_sg": false}}"#,
    ),
    ("subport", "/networking/v2.0/ports", r#"{"port": {"network_id": "$network"}}"#),
    ("parent", "/networking/v2.0/ports", r#"{"port": {"network_id": "$network"}}"#),
    ("trunk", "/networking/v2.0/trunks", r#"{"trunk": {"port_id": "$parent"}}"#),
    ("floatingip", "/networking/v2.0/floatingips", r#"{"floatingip": {"floating_network_id": "$external"}}"#),
];
/// The subnet's floating IPs need its router.
const INSIDE: &str = r#"{"subnet_id": "$subnet"}"#;
/// Every list that takes filters.
const LISTS: [&str; 25] = [
    "/identity/v3/domains",
    "/identity/v3/projects",
    "/identity/v3/users",
    "/identity/v3/roles",
    "/identity/v3/role_assignments",
    "/identity/v3/services",
    "/identity/v3/endpoints",
    "/identity/v3/regions",
    "/identity/v3/users/$user/application_credentials",
    "/networking/v2.0/networks",
    "/networking/v2.0/subnets",
    "/networking/v2.0/subnetpools",
    "/networking/v2.0/ports",
    "/networking/v2.0/routers",
    "/networking/v2.0/trunks",
    "/networking/v2.0/floatingips",
    "/networking/v2.0/security-groups",
    "/networking/v2.0/security-group-rules",
    "/networking/v2.0/default-security-group-rules",
    "/networking/v2.0/address-groups",
    "/networking/v2.0/rbac-policies",
    "/networking/v2.0/qos/policies",
    "/networking/v2.0/quotas",
    "/networking/v2.0/extensions",
    "/networking/v2.0/agents",
];

/// A cloud with one of each.
struct World {
    runtime: Runtime,
    router: Router,
    token: String,
    password: String,
    ids: Vec<(String, String)>,
    requests: u32,
    _cloud: Cloud,
    _state: TempDir,
}

impl World {
    fn new() -> Result<Self, Box<dyn Error>> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let state = TempDir::new()?;
        let host = HostId("here".to_owned());
        let options = Options {
            dataplane: false,
            ..Options::new(state.path().to_owned(), host, "http://cloud.test:9696".parse()?)
        };
        let cloud = runtime.block_on(Cloud::open(options))?;
        let password = cloud.credentials().password.expose_secret().to_owned();
        let user = json!({"name": "admin", "domain": {"id": "default"}, "password": password});
        let login = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}});
        let mut world = Self {
            runtime,
            router: cloud.router(),
            token: String::new(),
            password,
            ids: Vec::new(),
            requests: 0,
            _cloud: cloud,
            _state: state,
        };
        let (issued, _) =
            world.answer("POST", "/identity/v3/auth/tokens", login.to_string().as_bytes()).ok_or("login")?;
        world.token = issued.headers().get("x-subject-token").ok_or("no token")?.to_str()?.to_owned();
        for (name, path, body) in RESOURCES {
            let (path, body) = (world.filled(path), world.filled(body));
            let (made, text) = world.answer("POST", &path, body.as_bytes()).ok_or(name)?;
            assert_eq!(made.status(), StatusCode::CREATED, "{name}: {text}");
            let made: BTreeMap<String, Value> = serde_json::from_str(&text)?;
            let id = made.values().next().and_then(|made| made["id"].as_str()).ok_or(text.clone())?;
            world.ids.push((format!("${name}"), id.to_owned()));
        }
        // `$subnet` begins `$subnetpool`.
        world.ids.sort_by_key(|(name, _)| Reverse(name.len()));
        let inside = [world.filled("/networking/v2.0/routers/$router/add_router_interface"), world.filled(INSIDE)];
        world.ask("PUT", &inside[0], inside[1].as_bytes());
        Ok(world)
    }

    fn filled(&self, text: &str) -> String {
        self.ids.iter().fold(text.to_owned(), |text, (name, id)| text.replace(name, id))
    }

    /// The answer and its body; nothing if this can be no request.
    fn answer(&mut self, method: &str, path: &str, body: &[u8]) -> Option<(Response<()>, String)> {
        self.requests += 1;
        let request = Request::builder().method(method).uri(path).header("x-auth-token", &self.token);
        let request = request.body(Body::from(body.to_vec())).ok()?;
        let router = self.router.clone();
        let answered = self.runtime.block_on(async {
            let Ok(response) = router.oneshot(request).await;
            let (parts, body) = response.into_parts();
            let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
            (Response::from_parts(parts, ()), String::from_utf8_lossy(&bytes).into_owned())
        });
        Some(answered)
    }

    /// No defect, a refusal that can be read, and nothing told that is nobody's business.
    fn ask(&mut self, method: &str, path: &str, body: &[u8]) {
        let Some((response, text)) = self.answer(method, path, body) else { return };
        let status = response.status();
        assert!(!status.is_server_error(), "{method} {path}: {status} {text}");
        assert!(
            ![&self.token, &self.password].iter().any(|secret| text.contains(*secret)),
            "{method} {path}: a secret in {text}"
        );
        if status.is_client_error() && method != "HEAD" {
            let refusal: Value = serde_json::from_str(&text).unwrap_or_default();
            let message = refusal["NeutronError"]["message"].as_str().or(refusal["error"]["message"].as_str());
            assert!(message.is_some_and(|message| !message.is_empty()), "{method} {path}: {status} {text}");
            // What was sent may come back, once or twice, with its characters escaped.
            let sent = path.len() + body.len();
            assert!(text.len() < 4096 + 16 * sent, "{} bytes of refusal for {sent}", text.len());
        }
    }
}

fn with_world(ask: impl FnOnce(&mut World)) {
    thread_local!(static WORLD: RefCell<Option<World>> = const { RefCell::new(None) });
    WORLD.with_borrow_mut(|world| {
        if world.as_ref().is_none_or(|world| world.requests > LIFE) {
            *world = Some(World::new().unwrap_or_else(|error| panic!("{error}")));
        }
        world.as_mut().map(ask);
    });
}

/// A request with a body.
pub fn api_json(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, body) = data.split_at(end);
    let Ok(line) = std::str::from_utf8(line) else { return };
    let Some((method, path)) = line.split_once(' ') else { return };
    with_world(|world| {
        let path = world.filled(path);
        // Text is filled in; what is none goes as it is.
        match std::str::from_utf8(body) {
            Ok(body) => world.ask(method, &path, world.filled(body).as_bytes()),
            Err(_) => world.ask(method, &path, body),
        }
    });
}

/// A query of each list.
pub fn api_filters(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else { return };
    with_world(|world| {
        let query = world.filled(query.trim_end_matches('\n'));
        for list in LISTS {
            let path = format!("{}?{query}", world.filled(list));
            world.ask("GET", &path, b"");
        }
    });
}
