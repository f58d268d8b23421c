//! What settings come out of files, variables and the command line.

mod fixture;

use fixture::Machine;
use kuryr_config::{BindingDriver, CapabilityScope, Listen, ListenTls, PortPools, sample};
use std::{path::Path, time::Duration};

#[test]
fn nothing_configured_is_the_embedded_cloud() {
    let settings = Machine::new().settings();
    assert!(settings.cloud.is_none());
    assert!(settings.warnings.is_empty());
    assert_eq!(settings.embedded.state_dir, Path::new("/var/lib/kuryr"));
    assert_eq!(settings.embedded.api_listen.to_string(), "127.0.0.1:9696");
    assert_eq!(settings.embedded.api_socket, Path::new("/run/kuryr/api.sock"));
    assert_eq!((settings.embedded.mtu, settings.embedded.region.as_str()), (1500, "RegionOne"));
    assert_eq!(settings.docker.plugin_socket, Path::new("/run/docker/plugins/kuryr.sock"));
    assert_eq!(settings.docker.docker_socket, Path::new("/var/run/docker.sock"));
    assert_eq!(settings.docker.request_timeout, Duration::from_secs(40));
    assert_eq!(settings.docker.port_pools, None);
    let pools = Machine::with_conf("[docker]\nvif_pool_driver = neutron\n[vif_pool]\nports_pool_max = 7\n").settings();
    assert_eq!(pools.docker.port_pools, Some(PortPools { min: 5, max: 7, batch: 10 }));
    assert_eq!(settings.docker.listen, None);
    assert_eq!(settings.docker.capability_scope, CapabilityScope::Local);
    assert!(settings.docker.process_external_connectivity);
    assert!(settings.neutron.enable_dhcp);
    assert_eq!(settings.neutron.default_subnetpool_v4, "kuryr");
    assert_eq!(settings.neutron.default_subnetpool_v6, "kuryr6");
    assert_eq!(settings.neutron.vif_plugging_timeout, None);
    assert_eq!(settings.binding.veth_dst_prefix, "eth");
    assert_eq!((settings.binding.driver, settings.binding.sriov), (BindingDriver::Veth, false));
    assert_eq!(settings.binding.bindir, Path::new("/usr/libexec/kuryr"));
    assert_eq!(settings.logging, kuryr_config::LoggingSettings::default());
}

#[test]
fn the_sample_is_a_file_of_defaults() {
    let text = sample();
    let uncommented: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let count = |text: &str| text.lines().filter(|line| line.contains('=') && !line.starts_with('#')).count();
    assert_eq!(count(&text), 0, "everything is commented out");
    assert!(count(&uncommented) > 100, "every option is there");

    let defaults = Machine::new().settings();
    let from_sample = Machine::with_conf(&uncommented).settings();
    assert_eq!(from_sample.warnings.to_string(), "");
    assert!(from_sample.cloud.is_none());
    let shape = |mut settings: kuryr_config::Settings| {
        settings.files.clear();
        format!("{settings:#?}")
    };
    assert_eq!(shape(from_sample), shape(defaults));
}

#[test]
fn the_sample_as_it_is_changes_nothing() {
    let settings = Machine::with_conf(&sample()).settings();
    assert!(settings.cloud.is_none() && settings.warnings.is_empty());
}

#[test]
fn the_command_line_wins_over_variables_over_files() {
    let machine = Machine::with_conf("[cloud]\nmtu = 1400\nregion = file\nstate_dir = /file\n")
        .variable("OS_CLOUD__REGION", "variable")
        .variable("OS_CLOUD__STATE_DIR", "/variable")
        .flag("cloud", "state_dir", "/flag", "--state-dir");
    let embedded = machine.settings().embedded;
    assert_eq!((embedded.mtu, embedded.region.as_str()), (1400, "variable"));
    assert_eq!(embedded.state_dir, Path::new("/flag"));
}

#[test]
fn default_files_are_found_and_the_later_wins() {
    let machine = Machine::new()
        .file("/etc/kuryr.conf", "[cloud]\nregion = not read, /etc/kuryr comes first\n")
        .file("/etc/kuryr/kuryr.conf", "[cloud]\nregion = a\nmtu = 1400\n[DEFAULT]\ndebug = yes\n")
        .file("/root/kuryr-server.conf", "[cloud]\nregion = b\nstate_dir = /b\n")
        .file("/etc/kuryr/kuryr.conf.d/20.conf", "[cloud]\nregion = d\n")
        .file("/etc/kuryr/kuryr.conf.d/10.conf", "[cloud]\nregion = c\nstate_dir = /c\n")
        .file("/etc/kuryr/kuryr.conf.d/30.txt", "not read")
        .file("/etc/kuryr/kuryr.conf.d/.40.conf", "not read");
    let settings = machine.settings();
    assert_eq!(settings.embedded.region, "d");
    assert_eq!(settings.embedded.state_dir, Path::new("/c"));
    assert_eq!(settings.embedded.mtu, 1400);
    assert!(settings.logging.debug);
    assert_eq!(settings.files.len(), 4);
}

#[test]
fn config_file_replaces_default_files_only() {
    let machine = Machine::with_conf("[cloud]\nregion = default\nmtu = 1400\n")
        .file("/etc/kuryr/kuryr.conf.d/1.conf", "[cloud]\nregion = folder\nmtu = 1401\n")
        .file("/a.conf", "[cloud]\nregion = a\nstate_dir = /a\n")
        .file("/b.conf", "[cloud]\nregion = b\n")
        .config_file("/a.conf")
        .config_file("/b.conf");
    let embedded = machine.settings().embedded;
    assert_eq!((embedded.region.as_str(), embedded.mtu), ("b", 1401));
    assert_eq!(embedded.state_dir, Path::new("/a"));
}

#[test]
fn config_dir_replaces_default_folders_and_order_counts() {
    let machine = Machine::with_conf("[cloud]\nmtu = 1400\n")
        .file("/etc/kuryr/kuryr.conf.d/1.conf", "[cloud]\nmtu = 1401\n")
        .file("/d/1.conf", "[cloud]\nregion = folder\n")
        .file("/f.conf", "[cloud]\nregion = file\n")
        .config_dir("/d")
        .config_file("/f.conf");
    let embedded = machine.settings().embedded;
    assert_eq!(embedded.region, "file");
    assert_eq!(embedded.mtu, 1500, "--config-file given: kuryr.conf is not read; --config-dir given: nor its folder");
}

#[test]
fn substitution_within_and_between_groups() {
    let settings = Machine::with_conf(
        "[DEFAULT]\nlog_dir = /var/log/${cloud.region}\nlog_file = $capability_scope-$$1.log\n\
         [cloud]\nregion = x$mtu-$debug\nmtu = +1_450\nstate_dir = $bindir\n",
    )
    .settings();
    assert_eq!(settings.logging.file.as_deref(), Some(Path::new("/var/log/x1450-False/local-$1.log")));
    assert_eq!(settings.embedded.state_dir, Path::new("/usr/libexec/kuryr"), "[DEFAULT] is looked into too");
}

#[test]
fn sections_in_any_case_and_old_names() {
    let settings = Machine::with_conf(
        "[Binding]\ndriver = kuryr.lib.binding.drivers.veth\n[DEFAULT]\nlogdir = /l\n[CLOUD]\nmtu = 9000\n",
    )
    .settings();
    assert_eq!(settings.embedded.mtu, 9000);
    assert_eq!(settings.logging.file.as_deref(), Some(Path::new("/l/kuryr-server.log")));
    let warnings = settings.warnings.to_string();
    assert!(warnings.contains("'driver' is the old name of 'default_driver'"), "{warnings}");
    assert!(warnings.contains("'logdir' is the old name of 'log_dir'"), "{warnings}");
}

#[test]
fn the_last_of_two_lines_counts_and_is_warned_about() {
    let settings = Machine::with_conf("[cloud]\nmtu = 1400\nmtu = 1450\n").settings();
    assert_eq!(settings.embedded.mtu, 1450);
    assert!(settings.warnings.to_string().contains("/etc/kuryr/kuryr.conf:3:1"), "{}", settings.warnings);
}

#[test]
fn kuryr_uri_makes_the_plugin_listen_on_tcp() {
    let listen = |conf: &str| Machine::with_conf(conf).settings().docker.listen;
    let expected = |host: &str, port| Some(Listen { host: host.to_owned(), port });
    assert_eq!(listen("[DEFAULT]\nkuryr_uri = http://127.0.0.1:23750\n"), expected("127.0.0.1", 23750));
    assert_eq!(listen("[DEFAULT]\nkuryr_uri = tcp://[::1]:1\n"), expected("::1", 1));
    assert_eq!(listen("[DEFAULT]\nkuryr_uri = https://kuryr\n"), expected("kuryr", 443));
    let from_variable = Machine::new().variable("OS_KURYR_URI", "http://h:1").settings();
    assert_eq!(from_variable.docker.listen, expected("h", 1));
    let file_first =
        Machine::with_conf("[DEFAULT]\ncapability_scope = local\n").variable("CAPABILITY_SCOPE", "global").settings();
    assert_eq!(file_first.docker.capability_scope, CapabilityScope::Local, "the variable replaces the default only");
}

#[test]
fn tls_and_time_limits() {
    let settings = Machine::with_conf(
        "[DEFAULT]\nenable_ssl = true\nssl_key_file = /k\n[neutron]\nvif_plugging_timeout = 30\nenable_dhcp = False\n",
    )
    .settings();
    let tls = ListenTls {
        certificate_file: "/var/lib/kuryr/certs/cert.pem".into(),
        key_file: "/k".into(),
        client_ca_file: None,
    };
    assert_eq!(settings.docker.tls, Some(tls));
    let usual = Some(Listen { host: "127.0.0.1".to_owned(), port: 23750 });
    assert_eq!(settings.docker.listen, usual, "TLS asked for without an address is served at the usual one");
    assert_eq!(settings.neutron.vif_plugging_timeout, Some(Duration::from_secs(30)));
    assert!(!settings.neutron.enable_dhcp);
}

#[test]
fn https_in_kuryr_uri_has_tls_and_http_has_it_when_asked_for() {
    let tls = |conf: &str| Machine::with_conf(&format!("[DEFAULT]\n{conf}\n")).settings().docker.tls;
    assert!(tls("kuryr_uri = http://127.0.0.1:23750").is_none());
    assert!(tls("").is_none());
    let https = tls("kuryr_uri = https://127.0.0.1:23750\nssl_client_ca_file = /ca").unwrap();
    assert_eq!(https.client_ca_file.as_deref(), Some("/ca".as_ref()));
    assert!(tls("kuryr_uri = http://127.0.0.1:23750\nenable_ssl = yes").is_some());
}
