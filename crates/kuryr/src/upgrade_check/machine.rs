//! Checks of this machine: the original that still runs, and where Docker looks for the plugin.

use super::report::{Check, Outcome};
use anyhow::Context;
use kuryr_config::DockerSettings;
use std::{fs, path::Path};

/// Whether the original's server still runs here: two servers would both take Docker's requests.
///
/// # Errors
/// /proc cannot be listed.
pub fn original_server() -> anyhow::Result<Check> {
    let mut running = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot list /proc")? {
        let Ok(entry) = entry else { continue };
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process that has ended meanwhile is none.
        let Ok(words) = fs::read(entry.path().join("cmdline")) else { continue };
        if is_original(&words) {
            running.push(pid.to_string());
        }
    }
    Ok(if running.is_empty() {
        Check::new("Original server", Outcome::Success, "it does not run here")
    } else {
        let pids = running.join(", ");
        let details = format!("kuryr-libnetwork runs here as process {pids}; stop it before Kuryr is started");
        Check::new("Original server", Outcome::Warning, details)
    })
}

/// Whether a command line, its words ended by zeros, is that of the Python program: run by an interpreter or by uWSGI.
fn is_original(command_line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(command_line);
    let mut words = text.split('\0');
    let program = words.next().map(file_name).unwrap_or_default();
    if program.starts_with("python") {
        return words.find(|word| !word.starts_with('-')).is_some_and(|script| file_name(script) == "kuryr-server");
    }
    program.starts_with("uwsgi") && words.any(|word| word.starts_with("kuryr_libnetwork"))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Folders in which Docker looks for descriptions of plugins.
const FOLDERS: [&str; 2] = ["/etc/docker/plugins", "/usr/lib/docker/plugins"];
/// Names of such a description; the first that is there counts.
const FILES: [&str; 4] = ["kuryr.spec", "kuryr/kuryr.spec", "kuryr.json", "kuryr/kuryr.json"];

/// Whether Docker finds this plugin: a description that names an address where nobody will listen leads astray.
pub fn discovery(settings: &DockerSettings) -> Check {
    const NAME: &str = "Docker plugin discovery";
    let socket = settings.plugin_socket.display();
    let Some((path, text)) = description() else {
        return Check::new(NAME, Outcome::Success, format!("Docker finds the plugin at {socket}"));
    };
    let Some(port) = port(&text) else {
        return Check::new(NAME, Outcome::Success, format!("Docker finds the plugin at {socket}"));
    };
    match &settings.listen {
        Some(listen) if listen.port == port => {
            Check::new(NAME, Outcome::Success, format!("{path} names the address of kuryr_uri"))
        }
        _ => Check::new(
            NAME,
            Outcome::Warning,
            format!(
                "{path} names TCP port {port}, where this Kuryr does not listen; remove it (Docker finds {socket} by \
                 itself) or set kuryr_uri to that address"
            ),
        ),
    }
}

fn description() -> Option<(String, String)> {
    FOLDERS.iter().find_map(|folder| {
        FILES.iter().find_map(|file| {
            let path = Path::new(folder).join(file);
            fs::read_to_string(&path).ok().map(|text| (path.display().to_string(), text))
        })
    })
}

/// The TCP port that a description names, whether it is a URL alone or JSON with a URL.
fn port(text: &str) -> Option<u16> {
    let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let address = json.as_ref().and_then(|json| json["Addr"].as_str()).unwrap_or(text);
    url::Url::parse(&address.trim().replacen("tcp://", "http://", 1)).ok()?.port_or_known_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_original_is_known_by_its_command_line() {
        for words in [
            "python3\0/usr/local/bin/kuryr-server\0--config-file\0/etc/kuryr/kuryr.conf\0",
            "/usr/bin/python3.11\0-u\0/opt/venv/bin/kuryr-server\0",
            "/usr/bin/uwsgi\0--plugins\0python\0--wsgi\0kuryr_libnetwork.server:app\0",
        ] {
            assert!(is_original(words.as_bytes()), "{words}");
        }
        for words in ["kuryr-server\0", "/usr/bin/kuryr-server\0--debug\0", "vi\0kuryr-server\0", "python3\0x.py\0", ""]
        {
            assert!(!is_original(words.as_bytes()), "{words}");
        }
    }

    #[test]
    fn ports_of_descriptions() {
        assert_eq!(port("http://127.0.0.1:23750\n"), Some(23750));
        assert_eq!(port("tcp://10.0.0.1:1\n"), Some(1));
        assert_eq!(port(r#"{"Name": "kuryr", "Addr": "https://127.0.0.1:23751"}"#), Some(23751));
        assert_eq!(port("unix:///run/kuryr.sock"), None);
        assert_eq!(port("nonsense"), None);
    }
}
