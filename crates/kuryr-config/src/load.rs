//! From sources to settings.

use crate::{
    Diagnostics, cloud,
    diagnostic::{Diagnostic, Severity},
    discovery, drivers,
    layers::Layers,
    options::Keyword,
    settings::{
        BindingSettings, CapabilityScope, DockerSettings, EmbeddedSettings, Listen, ListenTls, LoggingSettings,
        NeutronSettings, PortPools, Settings,
    },
    sources::Sources,
    value,
    values::Values,
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

impl Settings {
    /// Reads everything and checks it.
    ///
    /// # Errors
    /// All that is wrong, at once, with what is merely worth knowing beside it.
    pub fn load(sources: &Sources) -> Result<Self, Diagnostics> {
        let mut problems = Vec::new();
        let documents = discovery::documents(sources, &mut problems);
        let layers = Layers::new(sources, documents, &mut problems);
        let values = Values::read(&layers, &mut problems);
        let mut settings = Self {
            cloud: cloud::select(sources, &values, &mut problems),
            embedded: embedded(&values),
            docker: docker(&values, &mut problems),
            neutron: neutron(&values, &mut problems),
            binding: binding(&values, &mut problems),
            logging: logging(&values),
            metrics_listen: values.text("metrics", "listen").and_then(|text| text.parse().ok()),
            readings: values.readings(),
            files: layers.documents.iter().map(|document| document.path.to_path_buf()).collect(),
            warnings: Diagnostics::default(),
        };
        // In the order of the files' lines; what has no place comes last.
        problems.sort_by_key(|problem| {
            problem.place().map_or((true, String::new(), 0), |place| (false, place.path().to_owned(), place.line()))
        });
        let found = Diagnostics(problems);
        if found.count(Severity::Error) > 0 {
            return Err(found);
        }
        settings.warnings = found;
        Ok(settings)
    }
}

fn text(values: &Values<'_>, group: &'static str, name: &'static str) -> String {
    values.text(group, name).unwrap_or_default().to_owned()
}

fn path(values: &Values<'_>, group: &'static str, name: &'static str) -> PathBuf {
    PathBuf::from(text(values, group, name))
}

fn embedded(values: &Values<'_>) -> EmbeddedSettings {
    let listen = values.text("cloud", "api_listen").and_then(|text| text.parse().ok());
    EmbeddedSettings {
        state_dir: path(values, "cloud", "state_dir"),
        // The table's default and its kind see to it that there is one.
        api_listen: listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 9696))),
        api_socket: path(values, "cloud", "api_socket"),
        mtu: values.integer("cloud", "mtu").try_into().unwrap_or(1500),
        region: text(values, "cloud", "region"),
    }
}

fn docker(values: &Values<'_>, problems: &mut Vec<Diagnostic>) -> DockerSettings {
    let enable_ssl = values.boolean("DEFAULT", "enable_ssl");
    // Without an address TLS would be asked for in vain: it is served where the plugin always was.
    let uri = values.text("DEFAULT", "kuryr_uri").or(enable_ssl.then_some(USUAL_ADDRESS));
    let (listen, https) = uri.and_then(|uri| listen(values, uri, problems)).unzip();
    // Nobody who writes https means to be heard by everybody.
    let tls = (enable_ssl || https == Some(true)).then(|| ListenTls {
        certificate_file: path(values, "DEFAULT", "ssl_cert_file"),
        key_file: path(values, "DEFAULT", "ssl_key_file"),
        client_ca_file: values.text("DEFAULT", "ssl_client_ca_file").map(PathBuf::from),
    });
    DockerSettings {
        plugin_socket: path(values, "docker", "plugin_socket"),
        docker_socket: path(values, "docker", "docker_socket"),
        port_pools: port_pools(values),
        request_timeout: Duration::from_secs(values.integer("docker", "request_timeout").unsigned_abs()),
        reconcile_interval: u64::try_from(values.integer("docker", "reconcile_interval"))
            .ok()
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs),
        listen,
        tls,
        capability_scope: values
            .text("DEFAULT", "capability_scope")
            .and_then(CapabilityScope::from_keyword)
            .unwrap_or_default(),
        control_plane: control_plane(values, problems),
        local_default_address_space: text(values, "DEFAULT", "local_default_address_space"),
        global_default_address_space: text(values, "DEFAULT", "global_default_address_space"),
        process_external_connectivity: values.boolean("DEFAULT", "process_external_connectivity"),
        publish_ports: values.text("DEFAULT", "publish_ports").and_then(|way| way.parse().ok()).unwrap_or_default(),
        subnetpool_name_prefix: text(values, "DEFAULT", "subnetpool_name_prefix"),
    }
}

/// An id that goes into tags, which older Neutrons limit to 60 characters.
fn control_plane(values: &Values<'_>, problems: &mut Vec<Diagnostic>) -> Option<String> {
    let text = values.text("DEFAULT", "control_plane").filter(|text| !text.is_empty())?;
    if text.len() > 36 || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
        let message = format!("wrong value for 'control_plane': '{}'", crate::diagnostic::visible(text));
        let expected = "expected 1 to 36 letters, digits, '.', '-' and '_'";
        problems.push(values.problem_with("DEFAULT", "control_plane", &message, expected));
    }
    Some(text.to_owned())
}

fn port_pools(values: &Values<'_>) -> Option<PortPools> {
    let number = |name| usize::try_from(values.integer("vif_pool", name)).unwrap_or_default();
    (values.text("docker", "vif_pool_driver") == Some("neutron")).then(|| PortPools {
        min: number("ports_pool_min"),
        max: number("ports_pool_max"),
        batch: number("ports_pool_batch"),
    })
}

/// Where the plugin listens when TLS is asked for without an address.
const USUAL_ADDRESS: &str = "https://127.0.0.1:23750";

/// The address of a URL, and whether its scheme wants TLS.
fn listen(values: &Values<'_>, uri: &str, problems: &mut Vec<Diagnostic>) -> Option<(Listen, bool)> {
    let url = value::url(uri).ok()?;
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = url.port_or_known_default();
    if port.is_none() {
        let message = "kuryr_uri names no port";
        problems.push(values.problem_with("DEFAULT", "kuryr_uri", message, "expected as in 'http://127.0.0.1:23750'"));
    }
    port.map(|port| (Listen { host, port }, url.scheme() == "https"))
}

fn neutron(values: &Values<'_>, problems: &mut Vec<Diagnostic>) -> NeutronSettings {
    let publish_floating_ip = values.text("neutron", "publish_floating_ip").map(str::parse);
    if matches!(publish_floating_ip, Some(Err(_))) {
        let message = "wrong value for 'publish_floating_ip'";
        problems.push(values.problem_with("neutron", "publish_floating_ip", message, "expected an IP address"));
    }
    NeutronSettings {
        enable_dhcp: values.boolean("neutron", "enable_dhcp"),
        default_subnetpool_v4: text(values, "neutron", "default_subnetpool_v4"),
        default_subnetpool_v6: text(values, "neutron", "default_subnetpool_v6"),
        vif_plugging_is_fatal: values.boolean("neutron", "vif_plugging_is_fatal"),
        vif_plugging_timeout: u64::try_from(values.integer("neutron", "vif_plugging_timeout"))
            .ok()
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs),
        publish_floating_ip: publish_floating_ip.and_then(Result::ok),
    }
}

/// Longest start of an interface's name: the kernel allows 15 bytes and Docker adds a number.
const LONGEST_PREFIX: usize = 12;

fn binding(values: &Values<'_>, problems: &mut Vec<Diagnostic>) -> BindingSettings {
    let prefix = text(values, "binding", "veth_dst_prefix");
    let is_name = !prefix.is_empty()
        && prefix.len() <= LONGEST_PREFIX
        && prefix.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '/' | ':'));
    if !is_name {
        let message = "wrong value for 'veth_dst_prefix'";
        let expected = "expected 1 to 12 characters that an interface's name may have, as in 'eth'";
        problems.push(values.problem_with("binding", "veth_dst_prefix", message, expected));
    }
    let drivers = drivers::read(values, problems);
    BindingSettings {
        veth_dst_prefix: prefix,
        driver: drivers.driver,
        sriov: drivers.sriov,
        link_iface: drivers.link_iface,
        bindir: path(values, "DEFAULT", "bindir"),
        ovsdb_connection: text(values, "binding", "ovsdb_connection"),
    }
}

fn logging(values: &Values<'_>) -> LoggingSettings {
    let directory = values.text("DEFAULT", "log_dir").map(PathBuf::from);
    let file = values.text("DEFAULT", "log_file").map(PathBuf::from);
    let file = match (directory, file) {
        (Some(directory), Some(file)) => Some(directory.join(file)),
        (Some(directory), None) => Some(directory.join("kuryr-server.log")),
        (None, file) => file,
    };
    LoggingSettings {
        debug: values.boolean("DEFAULT", "debug"),
        json: values.boolean("DEFAULT", "use_json"),
        journal: values.boolean("DEFAULT", "use_journal"),
        file,
        stderr: values.boolean("DEFAULT", "use_stderr"),
    }
}
