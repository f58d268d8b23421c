//! What people see when something is wrong.

mod fixture;

use fixture::Machine;
use insta::assert_snapshot;
use proptest::prelude::*;

#[test]
fn unknown_names() {
    assert_snapshot!(Machine::with_conf(
        "[DEFAULT]\ncapabilty_scope = global\nauth_url = http://k\nflavour = sweet\n\n[nuetron]\nuser = x\n\n[fish]\n"
    ).problems());
}

#[test]
fn wrong_types() {
    assert_snapshot!(
        Machine::with_conf(
            "[DEFAULT]\ndebug = perhaps\ncapability_scope = Global\nkuryr_uri = 127.0.0.1:23750\n\n[cloud]\nmtu = 100\n\
         api_listen = localhost:80\n\n[neutron]\ntimeout = soon\n[binding]\nveth_dst_prefix = a/b\n"
        )
        .problems()
    );
}

#[test]
fn syntax() {
    assert_snapshot!(
        Machine::with_conf("kuryr_uri = x\n[DEFAULT\nhello world\n[cloud]\nmtu = 1400\n\n  1500\n= x\n").problems()
    );
}

#[test]
fn credentials_that_do_not_fit() {
    let problems = [
        "[neutron]\nusername = kuryr\npassword = s3cret\n",
        "[neutron]\nauth_url = http://k\nproject_name = p\n",
        "[neutron]\nauth_type = v3oidcpassword\nauth_url = http://k\nusername = u\npassword = s3cret\n",
        "[neutron]\nauth_type = pasword\nauth_url = http://k\nusername = u\npassword = s3cret\n",
        "[neutron]\nauth_url = ftp://k\nusername = u\npassword = s3cret\nproject_id = p\ndomain_id = d\ntimeout = 0\n",
        "[neutron]\nauth_url = k\nusername = u\npassword = s3cret\nkeyfile = /k\n",
    ]
    .map(|conf| Machine::with_conf(conf).problems())
    .join("\n=====\n");
    assert!(!problems.contains("s3cret"));
    assert_snapshot!(problems);
}

#[test]
fn the_environment_and_the_command_line() {
    assert_snapshot!(
        Machine::new()
            .variable("OS_CLOUD__MTU", "wide")
            .variable("OS_NEUTRON__AUTHURL", "http://k")
            .variable("OS_USERNAME", "demo")
            .variable("OS_INTERFACE", "outer")
            .flag("cloud", "api_listen", "nowhere", "--listen")
            .problems()
    );
}

#[test]
fn clouds_yaml() {
    let clouds = "clouds:\n  one:\n    auth:\n      auth_url: ftp://one\n      username: u\n    interface: outer\n";
    let problems = [
        Machine::new().file("/etc/openstack/clouds.yaml", clouds).variable("OS_CLOUD", "one").problems(),
        Machine::new().file("/etc/openstack/clouds.yaml", clouds).variable("OS_CLOUD", "onne").problems(),
        Machine::new().variable("OS_CLOUD", "one").problems(),
        Machine::new().file("/c.yaml", "clouds:\n  a: {\n").variable("OS_CLIENT_CONFIG_FILE", "/c.yaml").problems(),
        Machine::new().variable("OS_CLIENT_CONFIG_FILE", "/c.yaml").problems(),
    ];
    assert_snapshot!(problems.join("\n=====\n"));
}

#[test]
fn files_that_cannot_be_read() {
    assert_snapshot!(
        Machine::new()
            .unreadable("/etc/kuryr/kuryr.conf.d/1.conf")
            .file("/etc/kuryr/kuryr.conf.d/2.conf", b"[cloud]\nregion = \xff\n")
            .config_file("/absent.conf")
            .problems()
    );
}

#[test]
fn references() {
    assert_snapshot!(
        Machine::with_conf(
            "[DEFAULT]\nlog_dir = $nowhere/x\nlog_file = $log_file\n[neutron]\nauth_url = http://k\nusername = u\n\
         password = s3$cret\n[cloud]\nmtu = ${neutron.password}\n"
        )
        .problems()
    );
}

#[test]
fn references_cannot_make_a_value_huge() {
    let problems = Machine::with_conf(&format!(
        "[neutron]\nusername = {}\nuser_id = {}\nproject_id = {}\n",
        "x".repeat(1000),
        "$username".repeat(60),
        "$user_id".repeat(60)
    ))
    .problems();
    assert!(problems.contains("'project_id' is too long"), "{problems}");
}

#[test]
fn secrets_are_in_no_message() {
    for line in
        ["Password = s3cret", "passwd: s3cret", "password = $s3cret", "password s3cret", "token = s3cret\n token2"]
    {
        let conf = format!("[neutron]\nauth_url = x\nauth_type = nothing\n{line}\n\n  s3cret\n");
        let problems = Machine::with_conf(&conf).problems();
        assert!(!problems.contains("s3cret"), "{line}: {problems}");
        assert!(problems.contains("kuryr.conf:2:12"), "{problems}");
    }
}

fn line() -> impl Strategy<Value = String> {
    let name = prop::sample::select(
        kuryr_config::options::all().flat_map(|o| o.deprecated.iter().copied().chain([o.name])).collect::<Vec<_>>(),
    );
    let value = prop_oneof!["\\PC{0,20}", "[$a-z{}._\"']{0,12}", Just("http://a:1".to_owned()), Just("all".to_owned())];
    let section = prop::sample::select(vec!["DEFAULT", "neutron", "binding", "cloud", "docker", "x"]);
    prop_oneof![
        8 => (name, value).prop_map(|(name, value)| format!("{name} = {value}")),
        2 => section.prop_map(|name| format!("[{name}]")),
        1 => "\\PC{0,20}",
        1 => " \\PC{0,20}",
    ]
}

proptest! {
    #[test]
    fn no_file_panics(lines in prop::collection::vec(line(), 0..20)) {
        if let Err(problems) = Machine::with_conf(&lines.join("\n")).load() {
            prop_assert!(problems.has_errors());
            problems.render(true);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cloud in "\\PC{0,10}") {
        let machine = Machine::new().file("/etc/kuryr/kuryr.conf", &bytes).file("/c.yaml", &bytes);
        if let Err(problems) = machine.variable("OS_CLIENT_CONFIG_FILE", "/c.yaml").variable("OS_CLOUD", &cloud).load() {
            problems.render(true);
        }
    }

    #[test]
    fn no_variable_panics(name in "OS_[A-Z_]{0,20}", value in "\\PC{0,20}") {
        let machine = Machine::new().variable("OS_AUTH_URL", "http://k").variable(&name, &value);
        if let Err(problems) = machine.load() {
            problems.render(false);
        }
    }
}
