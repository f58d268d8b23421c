//! What a broken or hostile client sends to the plugin and to the API: an answer in its protocol, and nothing else.

use anyhow::{Result, ensure};
use kuryr_tests::{Kuryr, Paths, Rig, raw, request, with_rig};
use serde_json::{Value, json};

const METHODS: &[&str] = &[
    "NetworkDriver.CreateNetwork",
    "NetworkDriver.DeleteNetwork",
    "NetworkDriver.CreateEndpoint",
    "NetworkDriver.EndpointOperInfo",
    "NetworkDriver.DeleteEndpoint",
    "NetworkDriver.Join",
    "NetworkDriver.Leave",
    "IpamDriver.RequestPool",
    "IpamDriver.RequestAddress",
    "IpamDriver.ReleaseAddress",
    "IpamDriver.ReleasePool",
];

/// Nothing changed, nothing crashed, and it still serves.
fn ensure_unharmed(rig: &Rig, before: &[String], after_what: &str) -> Result<()> {
    let log = Kuryr::log(&rig.host);
    ensure!(!log.contains("panicked"), "{after_what}: {log}");
    let now = rig.cloud.inventory()?;
    ensure!(now == before, "{after_what}: before: {before:?}; after: {now:?}");
    ensure!(rig.kernel()?.is_empty(), "{after_what}: {:?}", rig.kernel()?);
    let answer = request(&rig.host.path(Paths::PLUGIN), "/Plugin.Activate", b"{}")?;
    ensure!(answer.json()?["Implements"] == json!(["NetworkDriver", "IpamDriver"]), "{after_what}: {answer:?}");
    Ok(())
}

#[test]
fn bodies_that_are_no_requests_are_refused_in_dockers_words() -> Result<()> {
    with_rig(|rig| {
        let socket = rig.host.path(Paths::PLUGIN);
        let before = rig.cloud.inventory()?;
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let long = format!("{{\"NetworkID\": \"{}\"}}", "a".repeat(1_000_000));
        let bodies: [&[u8]; 12] = [
            b"",
            b"{",
            b"[]",
            b"null",
            b"\"x\"",
            b"{}",
            b"{\"NetworkID\": 7, \"PoolID\": 7, \"AddressSpace\": 7}",
            b"{\"NetworkID\": \"../../etc/passwd\", \"PoolID\": \"'; DROP TABLE ports; --\"}",
            b"{\"NetworkID\": \"\xff\xfe\"}",
            b"{\"NetworkID\": \"\\u0000\", \"PoolID\": \"\\ud800\"}",
            deep.as_bytes(),
            long.as_bytes(),
        ];
        for method in METHODS {
            for body in bodies {
                let shown = format!("{method} {:?}", String::from_utf8_lossy(&body[..body.len().min(80)]));
                let answer = request(&socket, &format!("/{method}"), body)?;
                ensure!((400..500).contains(&answer.status), "{shown}: {answer:?}");
                ensure!(!answer.err().is_empty(), "{shown}: {answer:?}");
            }
        }
        ensure_unharmed(rig, &before, "bad bodies")
    })
}

#[test]
fn a_refusal_names_the_field_and_what_was_expected() -> Result<()> {
    with_rig(|rig| {
        let socket = rig.host.path(Paths::PLUGIN);
        let before = rig.cloud.inventory()?;
        let id = "a".repeat(64);
        let data = |pool: &str| json!([{ "AddressSpace": "x", "Pool": pool }]);
        let cases: Vec<(&str, Value, &str)> = vec![
            ("NetworkDriver.DeleteNetwork", json!({ "NetworkID": "abc" }), "NetworkID"),
            ("NetworkDriver.DeleteEndpoint", json!({ "NetworkID": id, "EndpointID": "A".repeat(64) }), "EndpointID"),
            (
                "NetworkDriver.CreateNetwork",
                json!({ "NetworkID": id, "IPv4Data": data("10.0.0.0/99"), "IPv6Data": [] }),
                "Pool",
            ),
            (
                "NetworkDriver.CreateNetwork",
                json!({ "NetworkID": id, "IPv4Data": data("fd00::/64"), "IPv6Data": [] }),
                "Pool",
            ),
            (
                "IpamDriver.RequestPool",
                json!({ "AddressSpace": "x", "Pool": "10.0.0.5/24", "SubPool": "", "V6": false }),
                "10.0.0.5/24",
            ),
            (
                "IpamDriver.RequestPool",
                json!({ "AddressSpace": "x", "Pool": "10.0.0.0/24", "SubPool": "", "V6": "false" }),
                "V6",
            ),
            ("IpamDriver.RequestAddress", json!({ "PoolID": "", "Address": "", "Options": {} }), "PoolID"),
            (
                "IpamDriver.ReleaseAddress",
                json!({ "PoolID": "00000000-0000-0000-0000-000000000001", "Address": "300.1.1.1" }),
                "Address",
            ),
            (
                "NetworkDriver.CreateEndpoint",
                json!({ "NetworkID": id, "EndpointID": id, "Options": {}, "Interface": { "MacAddress": "zz:zz" } }),
                "MacAddress",
            ),
        ];
        for (method, body, field) in cases {
            let answer = request(&socket, &format!("/{method}"), body.to_string().as_bytes())?;
            ensure!(answer.status >= 400, "{method} {body}: {answer:?}");
            ensure!(answer.err().contains(field), "{method} {body}: does not name {field}: {answer:?}");
        }
        ensure_unharmed(rig, &before, "bad fields")
    })
}

#[test]
fn requests_about_what_does_not_exist_are_refused_or_done() -> Result<()> {
    with_rig(|rig| {
        let socket = rig.host.path(Paths::PLUGIN);
        let before = rig.cloud.inventory()?;
        let (id, pool) = ("b".repeat(64), "00000000-0000-0000-0000-00000000beef");
        let both = json!({ "NetworkID": id, "EndpointID": id });
        let done = [
            ("NetworkDriver.DeleteNetwork", json!({ "NetworkID": id })),
            ("NetworkDriver.Leave", both.clone()),
            ("IpamDriver.ReleasePool", json!({ "PoolID": pool })),
            ("IpamDriver.ReleaseAddress", json!({ "PoolID": pool, "Address": "10.0.0.1" })),
        ];
        for (method, body) in done {
            let answer = request(&socket, &format!("/{method}"), body.to_string().as_bytes())?;
            ensure!(answer.status == 200 && answer.err().is_empty(), "{method}: {answer:?}");
        }
        let interface = json!({ "Address": "10.0.0.5/24", "MacAddress": "02:42:00:00:00:01" });
        let refused = [
            (
                "NetworkDriver.CreateEndpoint",
                json!({ "NetworkID": id, "EndpointID": id, "Options": {}, "Interface": interface }),
            ),
            (
                "NetworkDriver.Join",
                json!({ "NetworkID": id, "EndpointID": id, "SandboxKey": "/var/run/docker/netns/0123456789ab" }),
            ),
            ("IpamDriver.RequestAddress", json!({ "PoolID": pool, "Address": "", "Options": {} })),
        ];
        for (method, body) in refused {
            let answer = request(&socket, &format!("/{method}"), body.to_string().as_bytes())?;
            ensure!(!answer.err().is_empty(), "{method}: {answer:?}");
        }
        ensure_unharmed(rig, &before, "things that do not exist")
    })
}

#[test]
fn bytes_that_are_no_http_do_no_harm() -> Result<()> {
    with_rig(|rig| {
        let before = rig.cloud.inventory()?;
        let huge = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(4_000_000));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(100_000));
        let streams: [&[u8]; 7] = [
            b"\x00\x01\x02\x03\r\n\r\n",
            b"POST /Plugin.Activate HTTP/1.1\r\nContent-Length: -1\r\nHost: x\r\n\r\n",
            b"POST /Plugin.Activate HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\nHost: x\r\n\r\n123456",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: x\r\n\r\nzz\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            huge.as_bytes(),
            many.as_bytes(),
        ];
        for socket in [Paths::PLUGIN, Paths::API].map(|path| rig.host.path(path)) {
            for bytes in streams {
                // An answer or a closed connection, but an end.
                if let Ok(answer) = raw(&socket, bytes) {
                    ensure!(!answer.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&answer));
                }
            }
            let unknown = request(&socket, "/No.Such", b"{}")?;
            ensure!(unknown.status == 404, "{unknown:?}");
        }
        let wrong = raw(
            &rig.host.path(Paths::PLUGIN),
            b"GET /Plugin.Activate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        )?;
        ensure!(wrong.starts_with(b"HTTP/1.1 405"), "{:?}", String::from_utf8_lossy(&wrong));
        ensure_unharmed(rig, &before, "broken HTTP")
    })
}

#[test]
fn the_sockets_belong_to_root_alone() -> Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    with_rig(|rig| {
        for (path, mode) in
            [(Paths::PLUGIN, 0o600), (Paths::API, 0o600), (Paths::CLOUDS, 0o600), ("/var/lib/kuryr", 0o700)]
        {
            let metadata = std::fs::metadata(rig.host.path(path))?;
            let found = metadata.permissions().mode() & 0o777;
            ensure!(found == mode && metadata.uid() == 0, "{path} has mode {found:o} and owner {}", metadata.uid());
        }
        let password = std::fs::read_to_string(rig.host.path(Paths::CLOUDS))?;
        let password = password.lines().find_map(|line| line.trim().strip_prefix("password:")).unwrap_or_default();
        let password = password.trim().trim_matches(['"', '\'']);
        ensure!(password.len() >= 16, "a short password");
        ensure!(!Kuryr::log(&rig.host).contains(password), "the log tells the password");
        Ok(())
    })
}
