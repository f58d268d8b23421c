//! Every method of authentication and every verb on a real Keystone and Neutron: the cloud that `OS_*` names, such as
//! `rig/openstack/run cargo test -p kuryr-openstack --test real_keystone` has. Without one nothing is shown.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests may")]

use kuryr_config::{Settings, Sources};
use kuryr_neutron::{
    Network, NewNetwork, NewPort, NewRouter, NewSecurityGroup, NewSubnet, NewSubnetPool, Port, PortUpdate, ProjectId,
    Resource, Router, RouterInterface, SecurityGroup, Subnet, SubnetPool, Tag,
};
use kuryr_openstack::{
    ApplicationCredential, Auth, CloudSettings, Error, IdentityVersion, Neutron, Project, Query, Scope, Session, User,
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

/// Keystone as its administrator sees it.
struct Keystone {
    http: reqwest::Client,
    base: String,
    token: String,
    user: String,
    project: String,
    roles: Vec<Value>,
}

impl Keystone {
    async fn open(cloud: &CloudSettings) -> Self {
        let Auth::Password { user: User::Name { name, .. }, password, scope } = &cloud.auth else {
            panic!("OS_* should name a user with a password")
        };
        let Scope::Project(Project::Name { name: project, .. }) = scope else { panic!("OS_* should name a project") };
        let base = cloud.auth_url.as_str().trim_end_matches('/').to_owned();
        let domain = json!({"id": "default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"],
                "password": {"user": {"name": name, "domain": domain, "password": password.expose_secret()}}},
            "scope": {"project": {"name": project, "domain": domain}},
        }});
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http.post(format!("{base}/auth/tokens")).json(&body).send().await.unwrap();
        let token = answer.headers()["x-subject-token"].to_str().unwrap().to_owned();
        let body: Value = answer.json().await.unwrap();
        let text = |path: &str| body.pointer(path).and_then(Value::as_str).unwrap().to_owned();
        Self {
            http,
            base,
            token,
            user: text("/token/user/id"),
            project: text("/token/project/id"),
            roles: body["token"]["roles"].as_array().unwrap().clone(),
        }
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.base));
        let answer = request.header("x-auth-token", &self.token).json(&body).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }
}

/// The cloud that `OS_*` names.
fn cloud() -> Option<CloudSettings> {
    let settings = Settings::load(&Sources::of_process(Vec::new(), Vec::new()));
    let cloud = settings.ok().and_then(|settings| settings.cloud).filter(|cloud| cloud.auth_url.path().ends_with("v3"));
    if cloud.is_none() {
        eprintln!("skipped: no OS_AUTH_URL that ends in /v3 names a cloud; rig/openstack/run has one");
    }
    cloud
}

/// Logs in, asks Neutron something, and says for which project.
async fn log_in(cloud: &CloudSettings, auth: Auth, version: IdentityVersion) -> Result<Option<ProjectId>, Error> {
    let settings = CloudSettings { auth, identity_version: version, ..cloud.clone() };
    let neutron = Neutron::new(Session::from_settings(&settings)?);
    neutron.list::<Network>(&Query::new()).await?;
    neutron.session().project_id().await
}

#[tokio::test]
async fn every_method_gets_a_token_that_neutron_takes() {
    let Some(cloud) = cloud() else { return };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let keystone = Keystone::open(&cloud).await;
    let own = Some(ProjectId(keystone.project.clone()));

    // Password, with the version named, asked for, and found out.
    let mut unversioned = cloud.auth_url.clone();
    unversioned.set_path(cloud.auth_url.path().trim_end_matches("/v3"));
    let unversioned = CloudSettings { auth_url: unversioned, ..cloud.clone() };
    for (cloud, version) in
        [(&cloud, IdentityVersion::Any), (&unversioned, IdentityVersion::Any), (&unversioned, IdentityVersion::V3)]
    {
        assert_eq!(log_in(cloud, cloud.auth.clone(), version).await.unwrap(), own, "{}", cloud.auth_url);
    }
    let error = log_in(&unversioned, cloud.auth.clone(), IdentityVersion::V2).await.unwrap_err().to_string();
    assert!(error.contains("/v2.0/tokens") && error.contains("check auth_url"), "{error}");

    // Token, scoped anew.
    let scope = Scope::Project(Project::Id(keystone.project.clone()));
    let token = Auth::Token { token: keystone.token.clone().into(), scope };
    assert_eq!(log_in(&cloud, token, IdentityVersion::V3).await.unwrap(), own);

    // Application credential, by id and by name.
    let name = format!("kuryr-test-{}", uuid::Uuid::new_v4());
    let path = format!("/users/{}/application_credentials", keystone.user);
    let made = keystone.call("POST", &path, json!({"application_credential": {"name": name}})).await;
    let made = &made["application_credential"];
    let (id, secret) = (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned());
    let by_name = ApplicationCredential::Name { name, user: User::Id(keystone.user.clone()) };
    for credential in [ApplicationCredential::Id(id.clone()), by_name.clone()] {
        let auth = Auth::ApplicationCredential { credential, secret: secret.clone().into() };
        assert_eq!(log_in(&cloud, auth, IdentityVersion::V3).await.unwrap(), own);
    }
    keystone.call("DELETE", &format!("{path}/{id}"), json!({})).await;
    let gone = Auth::ApplicationCredential { credential: by_name, secret: secret.into() };
    let error = log_in(&cloud, gone, IdentityVersion::V3).await.unwrap_err().to_string();
    assert!(error.contains("application credential"), "{error}");

    // Trust: a user without any role of its own acts for the administrator.
    let (name, password) = (format!("kuryr-test-{}", uuid::Uuid::new_v4()), uuid::Uuid::new_v4().to_string());
    let body = json!({"user": {"name": name, "password": password, "domain_id": "default"}});
    let trustee = keystone.call("POST", "/users", body).await["user"]["id"].as_str().unwrap().to_owned();
    let roles: Vec<_> = keystone.roles.iter().map(|role| json!({ "id": role["id"] })).collect();
    let trust = json!({"trust": {"trustor_user_id": keystone.user, "trustee_user_id": trustee,
        "project_id": keystone.project, "impersonation": false, "roles": roles}});
    let trust = keystone.call("POST", "/OS-TRUST/trusts", trust).await["trust"]["id"].as_str().unwrap().to_owned();
    let as_trustee =
        |scope| Auth::Password { user: User::Id(trustee.clone()), password: password.clone().into(), scope };
    let with_trust = log_in(&cloud, as_trustee(Scope::Trust(trust.clone())), IdentityVersion::Any).await;
    let project = Scope::Project(Project::Id(keystone.project.clone()));
    let without = log_in(&cloud, as_trustee(project), IdentityVersion::Any).await;
    keystone.call("DELETE", &format!("/OS-TRUST/trusts/{trust}"), json!({})).await;
    keystone.call("DELETE", &format!("/users/{trustee}"), json!({})).await;
    assert_eq!(with_trust.unwrap(), own);
    let error = without.unwrap_err().to_string();
    assert!(error.contains("answered 401"), "{error}");
}

/// Its description names the request, and it is found by that alone.
async fn is_marked<R: Resource>(neutron: &Neutron, one: &R) {
    let description = serde_json::to_value(one).unwrap()["description"].as_str().unwrap().to_owned();
    assert!(description.starts_with("Created by Kuryr, req-"), "{description}");
    let found = neutron.list::<R>(&Query::new().eq("description", &description)).await.unwrap();
    assert!(found.len() == 1 && found[0].id() == one.id(), "{} {description}: {}", R::MEMBER, found.len());
}

#[tokio::test]
async fn every_verb_is_answered_as_the_client_expects() {
    let Some(cloud) = cloud() else { return };
    let neutron = Neutron::new(Session::from_settings(&cloud).unwrap());
    let name = format!("kuryr-test-{}", uuid::Uuid::new_v4());
    let network = NewNetwork { name: name.clone(), ..NewNetwork::default() };
    let network = neutron.create::<Network>(&network).await.unwrap();
    let pool =
        NewSubnetPool { name: name.clone(), prefixes: vec!["10.99.0.0/16".parse().unwrap()], ..Default::default() };
    let pool = neutron.create::<SubnetPool>(&pool).await.unwrap();
    let subnet = NewSubnet { network_id: Some(network.id), ip_version: Some(4), ..NewSubnet::default() };
    let subnet =
        NewSubnet { cidr: Some("10.99.1.0/24".parse().unwrap()), subnetpool_id: Some(Some(pool.id)), ..subnet };
    let subnet = neutron.create_many::<Subnet>(&[subnet]).await.unwrap().remove(0);
    let port = NewPort { network_id: Some(network.id), name: name.clone(), ..NewPort::default() };
    let port = neutron.create::<Port>(&port).await.unwrap();
    let group = NewSecurityGroup { name: name.clone(), ..NewSecurityGroup::default() };
    let group = neutron.create::<SecurityGroup>(&group).await.unwrap();
    let own = Some("Docker exposed ports created by Kuryr.".to_owned());
    let described = NewSecurityGroup { name: format!("{name}-2"), description: own.clone(), ..Default::default() };
    let described = neutron.create::<SecurityGroup>(&described).await.unwrap();
    assert_eq!(Some(described.description), own);
    let router = neutron.create::<Router>(&NewRouter { name: name.clone(), ..NewRouter::default() }).await.unwrap();
    is_marked(&neutron, &network).await;
    is_marked(&neutron, &pool).await;
    is_marked(&neutron, &subnet).await;
    is_marked(&neutron, &port).await;
    is_marked(&neutron, &group).await;
    is_marked(&neutron, &router).await;

    let tags: [Tag; 2] = ["a".parse().unwrap(), "b:c".parse().unwrap()];
    neutron.set_tags::<Port>(port.id, &tags).await.unwrap();
    neutron.add_tag::<Port>(port.id, &"d".parse().unwrap()).await.unwrap();
    neutron.remove_tag::<Port>(port.id, &tags[0]).await.unwrap();
    let found = neutron.list::<Port>(&Query::new().eq("name", &name).tags(&tags[1..])).await.unwrap();
    assert_eq!(found.len(), 1);
    let address = port.fixed_ips[0].ip_address;
    let found = neutron.list::<Port>(&Query::new().fixed_ip(subnet.id, address)).await.unwrap();
    assert_eq!(found.len(), 1);
    let update = PortUpdate { name: Some(format!("{name}-2")), ..PortUpdate::default() };
    let revision = neutron.get::<Port>(port.id).await.unwrap().revision_number;
    neutron.update_if::<Port>(port.id, revision, &update).await.unwrap();
    let interface = || RouterInterface { subnet_id: Some(subnet.id), ..RouterInterface::default() };
    neutron.add_router_interface(router.id, interface()).await.unwrap();
    neutron.remove_router_interface(router.id, interface()).await.unwrap();

    neutron.delete::<Router>(router.id).await.unwrap();
    neutron.delete::<Port>(port.id).await.unwrap();
    assert!(!neutron.delete_if_exists::<Port>(port.id).await.unwrap());
    neutron.delete::<SecurityGroup>(group.id).await.unwrap();
    neutron.delete::<SecurityGroup>(described.id).await.unwrap();
    neutron.delete::<Subnet>(subnet.id).await.unwrap();
    neutron.delete::<SubnetPool>(pool.id).await.unwrap();
    neutron.delete::<Network>(network.id).await.unwrap();
}
