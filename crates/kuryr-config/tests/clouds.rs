//! Which cloud is chosen, and what is known about it.

#![allow(clippy::panic, clippy::expect_used, reason = "helpers of tests")]

mod fixture;

use fixture::Machine;
use kuryr_config::{
    ApplicationCredential, Auth, CloudSettings, Domain, IdentityVersion, Interface, Project, Scope, Tls, User,
};
use secrecy::ExposeSecret;
use std::time::Duration;

fn cloud(machine: Machine) -> CloudSettings {
    machine.settings().cloud.expect("a cloud is configured")
}

fn password(cloud: &CloudSettings) -> (&User, &str, &Scope) {
    match &cloud.auth {
        Auth::Password { user, password, scope } => (user, password.expose_secret(), scope),
        other => panic!("{other:?}"),
    }
}

fn user(name: &str, domain: Domain) -> User {
    User::Name { name: name.to_owned(), domain }
}

fn project(name: &str, domain: Domain) -> Scope {
    Scope::Project(Project::Name { name: name.to_owned(), domain })
}

#[test]
fn kuryr_conf_as_kolla_ansible_writes_it() {
    let conf = "[DEFAULT]\nkuryr_uri = http://192.0.2.10:23750\ndebug = False\nlog_dir = /var/log/kolla/kuryr\n\n\
        capability_scope = global\nbindir = /var/lib/kolla/venv/libexec/kuryr\n\n[binding]\n\
        default_driver = kuryr.lib.binding.drivers.veth\n\n[neutron]\nauth_uri = http://192.0.2.1:5000\n\
        auth_url = http://192.0.2.1:35357\nauth_type = password\nendpoint_type = internal\n\
        project_domain_name = Default\nproject_name = service\nuser_domain_name = Default\n\
        project_domain_id = default\nuser_domain_id = default\npassword = k0lla\nusername = kuryr\n\n\
        [oslo_policy]\npolicy_file = policy.json\n";
    let settings = Machine::with_conf(conf).settings();
    let cloud = settings.cloud.unwrap();
    assert_eq!(cloud.source, "[neutron] in /etc/kuryr/kuryr.conf");
    assert_eq!(cloud.auth_url.as_str(), "http://192.0.2.1:35357/");
    assert_eq!(cloud.interface, Interface::Internal);
    let expected = (&user("kuryr", Domain::default()), "k0lla", &project("service", Domain::default()));
    assert_eq!(password(&cloud), expected, "ids win over names");
    let warnings = settings.warnings.to_string();
    assert!(warnings.contains("'auth_uri' is not an option of Kuryr"), "{warnings}");
    assert!(warnings.contains("section 'oslo_policy' is not read"), "{warnings}");
    assert!(!format!("{cloud:?}").contains("k0lla"));
}

#[test]
fn kuryr_conf_as_devstack_writes_it() {
    let conf = "[DEFAULT]\ncapability_scope = local\nbindir = /usr/local/libexec/kuryr\n\
        log_dir = /var/log/kuryr\nprocess_external_connectivity = True\n[neutron]\nauth_type = password\n\
        interface = public\nauth_url = http://192.0.2.1/identity\nusername = kuryr\npassword = secret\n\
        user_domain_name = Default\nproject_name = service\nproject_domain_name = Default\n\
        cafile = \nmemcached_servers = localhost:11211\nwww_authenticate_uri = http://192.0.2.1/identity\n[binding]\n";
    let settings = Machine::with_conf(conf).settings();
    let cloud = settings.cloud.unwrap();
    let domain = || Domain::Name("Default".to_owned());
    assert_eq!(password(&cloud), (&user("kuryr", domain()), "secret", &project("service", domain())));
    assert_eq!(cloud.tls, Tls::default(), "an empty value is none");
    assert_eq!(settings.warnings.iter().count(), 3, "{}", settings.warnings);
}

#[test]
fn every_session_option_arrives() {
    let conf = "[neutron]\nauth_url = https://k\nuser_id = u\npassword = p$$w\ntrust_id = t\nregion_name = r\n\
        endpoint_type = admin\nendpoint_override = https://n:9696/\ncafile = /ca\ncertfile = /cert\nkeyfile = /key\n\
        insecure = 1\ntimeout = 2.5\ntls_min_version = 1.3\n";
    let cloud = cloud(Machine::with_conf(conf));
    assert_eq!(password(&cloud), (&User::Id("u".to_owned()), "p$w", &Scope::Trust("t".to_owned())));
    assert_eq!(cloud.region.as_deref(), Some("r"));
    assert_eq!(cloud.interface, Interface::Admin);
    assert_eq!(cloud.endpoint_override.unwrap().as_str(), "https://n:9696/");
    assert_eq!(cloud.timeout, Some(Duration::from_millis(2500)));
    let tls = Tls {
        insecure: true,
        ca_file: Some("/ca".into()),
        certificate_file: Some("/cert".into()),
        key_file: Some("/key".into()),
        tls13_only: true,
    };
    assert_eq!(cloud.tls, tls);
}

#[test]
fn auth_section_has_the_credentials() {
    let conf = "[neutron]\nauth_section = keystone\nregion_name = r\ncafile = /ca\n\
        [keystone]\nauth_url = http://k\nusername = u\npassword = p\nproject_id = 1\ntimeout = 3\n";
    let cloud = cloud(Machine::with_conf(conf).variable("OS_KEYSTONE__PASSWORD", "q"));
    let scope = Scope::Project(Project::Id("1".to_owned()));
    assert_eq!(password(&cloud), (&user("u", Domain::default()), "q", &scope));
    assert_eq!((cloud.region.as_deref(), cloud.timeout), (Some("r"), Some(Duration::from_secs(3))));
    assert!(cloud.tls.ca_file.is_some());
}

#[test]
fn tokens_and_application_credentials() {
    let token = cloud(Machine::with_conf(
        "[neutron]\nauth_type = v3token\nauth_url = http://k\ntoken = t\nsystem_scope = all\n",
    ));
    assert!(matches!(token.auth, Auth::Token { token, scope: Scope::System } if token.expose_secret() == "t"));
    let by_id = cloud(Machine::with_conf(
        "[neutron]\nauth_url = http://k\napplication_credential_id = i\napplication_credential_secret = s\n",
    ));
    let Auth::ApplicationCredential { credential, secret } = by_id.auth else { panic!("{by_id:?}") };
    assert_eq!((credential, secret.expose_secret()), (ApplicationCredential::Id("i".to_owned()), "s"));
    let by_name = cloud(Machine::with_conf(
        "[neutron]\nauth_type = v3applicationcredential\nauth_url = http://k\napplication_credential_name = n\n\
         username = u\nuser_domain_id = d\napplication_credential_secret = s\n",
    ));
    let Auth::ApplicationCredential { credential, .. } = by_name.auth else { panic!("{by_name:?}") };
    let expected = ApplicationCredential::Name { name: "n".to_owned(), user: user("u", Domain::Id("d".to_owned())) };
    assert_eq!(credential, expected);
}

#[test]
fn auth_types_choose_the_version_of_keystone() {
    for (auth_type, version) in [
        ("password", IdentityVersion::Any),
        ("v3password", IdentityVersion::V3),
        ("v2password", IdentityVersion::V2),
        ("token", IdentityVersion::Any),
        ("v3token", IdentityVersion::V3),
        ("v2token", IdentityVersion::V2),
    ] {
        let conf = format!(
            "[neutron]\nauth_type = {auth_type}\nauth_url = http://k:5000\nusername = u\npassword = p\ntoken = t\n\
             tenant_name = service\n"
        );
        let cloud = cloud(Machine::with_conf(&conf));
        assert_eq!(cloud.identity_version, version, "{auth_type}");
        let scope = match &cloud.auth {
            Auth::Password { scope, .. } | Auth::Token { scope, .. } => scope.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(matches!(cloud.auth, Auth::Token { .. }), auth_type.ends_with("token"));
        assert_eq!(scope, project("service", Domain::default()), "tenant_name is an old name of project_name");
    }
}

#[test]
fn without_keystone_neutrons_address_is_all() {
    let with = |rest: &str| Machine::with_conf(&format!("[neutron]\n{rest}"));
    let nobody = cloud(with("auth_type = none\nendpoint = http://n:9696\n"));
    assert!(matches!(nobody.auth, Auth::Nobody));
    assert_eq!(nobody.endpoint_override.unwrap().as_str(), "http://n:9696/");
    let admin = cloud(with("auth_type = admin_token\nurl = http://n:9696\ntoken = t\n"));
    assert!(matches!(admin.auth, Auth::AdminToken(token) if token.expose_secret() == "t"));
    let basic = cloud(with("auth_type = http_basic\nendpoint = http://n\nusername = u\npassword = p\n"));
    assert!(
        matches!(basic.auth, Auth::Basic { username, password } if username == "u" && password.expose_secret() == "p")
    );
    let environment = [("OS_AUTH_TYPE", "none"), ("OS_ENDPOINT", "http://n:9696")];
    assert!(matches!(cloud(Machine::new().variables(environment)).auth, Auth::Nobody));
    for (conf, missing) in [
        ("auth_type = none\n", "'endpoint' is not"),
        ("auth_type = admin_token\nendpoint = http://n\n", "'token' is not"),
        ("auth_type = http_basic\nendpoint = http://n\npassword = p\n", "'username' is not"),
    ] {
        let problems = with(conf).problems();
        assert!(problems.contains(missing), "{problems}");
    }
}

#[test]
fn a_misspelt_verify_does_not_turn_the_checks_off() {
    let with = |verify: &str| {
        let yaml = format!("clouds: {{a: {{auth: {{auth_url: 'http://a', username: u, password: p}}, {verify}}}}}");
        Machine::new().file("/etc/openstack/clouds.yaml", yaml).variable("OS_CLOUD", "a")
    };
    for (verify, insecure) in [("verify: 'No'", true), ("verify: true", false), ("insecure: 1", true), ("", false)] {
        assert_eq!(cloud(with(verify)).tls.insecure, insecure, "{verify}");
    }
    let problems = with("verify: ture").problems();
    assert!(problems.contains("'verify': 'ture'") && problems.contains("'true' or 'false'"), "{problems}");
}

const OPENRC: [(&str, &str); 9] = [
    ("OS_AUTH_URL", "https://openrc:5000/v3"),
    ("OS_USERNAME", "demo"),
    ("OS_PASSWORD", "$not a reference"),
    ("OS_PROJECT_NAME", "demo"),
    ("OS_USER_DOMAIN_NAME", "Default"),
    ("OS_PROJECT_DOMAIN_ID", "default"),
    ("OS_REGION_NAME", "RegionTwo"),
    ("OS_INTERFACE", "internalURL"),
    ("OS_CACERT", "/ca.pem"),
];

#[test]
fn an_openrc_in_the_environment() {
    let cloud = cloud(Machine::new().variables(OPENRC));
    let (user_domain, project_domain) = (Domain::Name("Default".to_owned()), Domain::Id("default".to_owned()));
    let expected = (&user("demo", user_domain), "$not a reference", &project("demo", project_domain));
    assert_eq!(password(&cloud), expected);
    assert_eq!(cloud.region.as_deref(), Some("RegionTwo"));
    assert_eq!(cloud.interface, Interface::Internal);
    assert_eq!(cloud.tls.ca_file.as_deref(), Some("/ca.pem".as_ref()));
}

#[test]
fn the_environment_is_used_instead_of_the_file_as_a_whole() {
    let conf = "[neutron]\nauth_url = http://file\nusername = file\npassword = file\ncafile = /file\n";
    let settings = Machine::with_conf(conf).variable("OS_AUTH_URL", "http://env").variable("OS_TOKEN", "t").settings();
    let cloud = settings.cloud.unwrap();
    assert!(matches!(cloud.auth, Auth::Token { .. }), "the file's password does not go to the other address");
    assert_eq!(cloud.tls.ca_file, None);
    let warnings = settings.warnings.to_string();
    assert!(warnings.contains("OS_AUTH_URL in the environment is used instead of [neutron]"), "{warnings}");
    let stays = self::cloud(Machine::with_conf(conf).variable("OS_USERNAME", "someone"));
    assert_eq!(stays.auth_url.as_str(), "http://file/", "a stray OS_USERNAME alone changes nothing");
}

#[test]
fn keystoneauth_variables_of_oslo_config() {
    let machine =
        Machine::with_conf("[neutron]\nauth_url = http://k\nusername = u\n").variable("OS_NEUTRON__PASSWORD", "p");
    assert_eq!(password(&cloud(machine)).1, "p");
}

const CLOUDS: &str = "clouds:\n  one:\n    auth:\n      auth_url: https://one/v3\n      username: u\n      project-name: p\n      \
    password: 12345\n    region_name: r\n    verify: false\n    cacert: /ca\n  two:\n    auth_type: v3token\n    \
    auth: {auth_url: 'https://two', token: t, project_id: x}\n";

#[test]
fn a_cloud_of_clouds_yaml() {
    let machine = Machine::new().file("/root/.config/openstack/clouds.yaml", CLOUDS);
    assert!(machine.clone().settings().cloud.is_none(), "a file nobody asked for is not used");
    let one = cloud(machine.clone().variable("OS_CLOUD", "one"));
    assert_eq!(one.source, "cloud 'one' of /root/.config/openstack/clouds.yaml");
    assert_eq!(password(&one), (&user("u", Domain::default()), "12345", &project("p", Domain::default())));
    assert_eq!((one.region.as_deref(), one.tls.insecure), (Some("r"), true));
    let two = cloud(machine.variable("OS_CLOUD", "two"));
    assert!(matches!(two.auth, Auth::Token { .. }));
}

#[test]
fn secure_yaml_is_merged() {
    let machine = Machine::new()
        .file("/etc/openstack/clouds.yaml", "clouds: {a: {auth: {auth_url: 'http://a', username: u}}}")
        .file("/etc/openstack/secure.yaml", "clouds: {a: {auth: {password: p}}, b: {auth: {password: q}}}")
        .variable("OS_CLOUD", "a");
    assert_eq!(password(&cloud(machine)).1, "p");
}

#[test]
fn a_named_file_with_one_cloud_needs_no_name() {
    let machine = Machine::new()
        .file("/x.yaml", "clouds: {only: {auth: {auth_url: 'http://a', username: u, password: p}}}")
        .variable("OS_CLIENT_CONFIG_FILE", "/x.yaml");
    assert_eq!(cloud(machine).source, "cloud 'only' of /x.yaml");
    let many = Machine::new().file("/x.yaml", CLOUDS).variable("OS_CLIENT_CONFIG_FILE", "/x.yaml");
    let problems = many.clone().problems();
    assert!(problems.contains("OS_CLOUD to one of: one, two"), "{problems}");
    assert_eq!(cloud(many.clone().variables(OPENRC)).source, "OS_* variables of the environment");
    assert!(cloud(many.variables(OPENRC).variable("OS_CLOUD", "two")).source.contains("'two'"));
}
