//! Passwords, secrets and tokens are in no log, whatever is logged, in no refusal and in no command line.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod place;

use kuryr_netlink::Namespace;
use place::{
    Place,
    serving::{PATIENCE, Serving, may_run, notified, post, supervisor},
};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

const ADDRESS: &str = "127.0.0.1:9696";
/// What a token of the embedded cloud begins with: `{"` in Base64.
const TOKEN: &str = "eyJ";
/// What nobody may find again.
const GUESS: &str = "wrong-hunter2";
const NEW: &str = "new-hunter3";
const SECRET: &str = "secret-hunter4";
const STRAY: &str = "eyJ-hunter5";

/// A client of the cloud by TCP, and what it was refused with.
struct Client<'a> {
    namespace: &'a Namespace,
    token: String,
    refusals: String,
}

impl Client<'_> {
    /// The whole answer to a request with this token and body.
    fn send(&mut self, request: &str, token: &str, body: &str) -> String {
        let mut stream = self.namespace.run(|| TcpStream::connect(ADDRESS)).unwrap().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!("{request} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {token}\r\nX-Subject-Token: {token}\r\n");
        write!(stream, "{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        if !answer.starts_with("HTTP/1.1 2") {
            self.refusals.push_str(&answer);
        }
        answer
    }

    fn refused(&mut self, request: &str, token: &str, body: &str) {
        let answer = self.send(request, token, body);
        assert!(answer.starts_with("HTTP/1.1 4"), "{request} {body}: {answer}");
    }

    fn ask(&mut self, request: &str, body: &Value) -> Value {
        let (token, body) = (self.token.clone(), if body.is_null() { String::new() } else { body.to_string() });
        let answer = self.send(request, &token, &body);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 2"), "{request}: {answer}");
        if let Some(token) = head.lines().find_map(|line| line.strip_prefix("x-subject-token: ")) {
            self.token = token.to_owned();
        }
        serde_json::from_str(body).unwrap_or_default()
    }
}

fn login(password: &str) -> Value {
    let user = json!({"name": "admin", "domain": {"id": "default"}, "password": password});
    json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}})
}

/// Everything that is said with a secret in it, right and wrong.
fn say_all(client: &mut Client<'_>, password: &str) -> (String, String) {
    const TOKENS: &str = "POST /identity/v3/auth/tokens";
    client.ask(TOKENS, &login(password));
    client.refused(TOKENS, "", &login(GUESS).to_string());
    // No JSON, JSON of another kind, and a password that is none.
    client.refused(TOKENS, "", &login(GUESS).to_string().replace("}}}", "}}"));
    client.refused(TOKENS, "", &format!("\"{GUESS}\""));
    client.refused(TOKENS, "", &format!("{{\"auth\": {{\"{GUESS}\": [}}"));
    client.refused(
        TOKENS,
        "",
        &login("").to_string().replace("\"password\":\"\"", &format!("\"password\":[\"{GUESS}\"]")),
    );
    client.refused(&format!("GET /networking/v2.0/ports?password={GUESS}&{GUESS}=1"), STRAY, "");
    client.refused("GET /identity/v3/auth/tokens", STRAY, "");
    let token = client.token.clone();
    client.refused(
        TOKENS,
        "",
        &json!({"auth": {"identity": {"methods": ["token"], "token": {"id": STRAY}}}}).to_string(),
    );
    client.refused("POST /networking/v2.0/ports", &token, &format!("{{\"port\": \"{STRAY}\""));

    let new = json!({"user": {"name": "clerk", "password": NEW}});
    let clerk = client.ask("POST /identity/v3/users", &new)["user"]["id"].as_str().unwrap().to_owned();
    client.refused("POST /identity/v3/users", &token, &new.to_string());
    let change = |from: &str| json!({"user": {"original_password": from, "password": NEW}});
    client.refused(&format!("POST /identity/v3/users/{clerk}/password"), "", &change(GUESS).to_string());
    client.ask(&format!("POST /identity/v3/users/{clerk}/password"), &change(NEW));

    let users = client.ask("GET /identity/v3/users?name=admin", &Value::Null);
    let admin = users["users"][0]["id"].as_str().unwrap().to_owned();
    let credential = json!({"application_credential": {"name": "program", "secret": SECRET}});
    let made = client.ask(&format!("POST /identity/v3/users/{admin}/application_credentials"), &credential);
    let credential = made["application_credential"]["id"].as_str().unwrap().to_owned();
    let by = |secret: &str| {
        let credential = json!({"id": credential, "secret": secret});
        json!({"auth": {"identity": {"methods": ["application_credential"], "application_credential": credential}}})
    };
    client.refused(TOKENS, "", &by(GUESS).to_string());
    let admins = client.token.clone();
    client.ask(TOKENS, &by(SECRET));
    (admins, credential)
}

/// Starts a plugin in the cloud's network, lets it use the cloud, and ends it; what it has logged.
fn plugin(place: &Place, namespace: &Namespace, number: usize, login: &str) -> String {
    let systemd = supervisor_at(place, number);
    let name = |what: &str| format!("{what}{number}");
    let file = place.write(&name("conf"), &format!("[neutron]\nauth_url = http://{ADDRESS}/identity/v3\n{login}"));
    let log = place.path(&name("log"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_kuryr"));
    command.args(["docker", "--config-file", &file]).env_clear().env("RUST_LOG", "trace");
    command
        .env("OS_DOCKER__PLUGIN_SOCKET", place.path(&name("socket")))
        .env("NOTIFY_SOCKET", place.path(&name("notify")));
    command.env("OS_DOCKER__DOCKER_SOCKET", place.path("none")).current_dir(place.path("."));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
    let docker = Serving(namespace.run(|| command.spawn()).unwrap().unwrap());
    let read = || fs::read_to_string(&log).unwrap();
    let mut buffer = [0; 64];
    let length = systemd.recv(&mut buffer).unwrap_or_else(|error| panic!("{error}: {}", read()));
    assert_eq!(buffer[..length].trim_ascii(), b"READY=1");
    let begun = Instant::now();
    while !read().contains("Neutron answers") && !read().contains("the cloud cannot be used") {
        assert!(begun.elapsed() < PATIENCE, "{}", read());
        sleep(Duration::from_millis(20));
    }
    // One call more with the token, by Docker's wish.
    post(&place.path(&name("socket")), "/IpamDriver.RequestPool");
    let command_line = fs::read(format!("/proc/{}/cmdline", docker.pid().as_raw_nonzero())).unwrap();
    assert_eq!(docker.stop(Signal::TERM), Some(0));
    read() + &String::from_utf8_lossy(&command_line)
}

fn supervisor_at(place: &Place, number: usize) -> std::os::unix::net::UnixDatagram {
    let socket = std::os::unix::net::UnixDatagram::bind(place.path(&format!("notify{number}"))).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn password_in(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let password = text.lines().find_map(|line| line.trim().strip_prefix("password: ")).unwrap();
    password.trim_matches(['"', '\'']).to_owned()
}

#[test]
fn no_secret_is_in_a_log_a_refusal_or_a_command_line() {
    if !may_run() {
        return;
    }
    let place = Place::new();
    let systemd = supervisor(&place);
    let cloud = Serving::start_with(&place, &["cloud", "--api-listen", ADDRESS], |command| {
        command.env("RUST_LOG", "trace");
    });
    assert_eq!(notified(&systemd, &place), "READY=1");
    let pid = cloud.pid().as_raw_nonzero().get();
    let namespace = Namespace::open_pid(pid.cast_unsigned()).unwrap();
    let password = password_in(&place.path("state/clouds.yaml"));
    let mut client = Client { namespace: &namespace, token: String::new(), refusals: String::new() };
    let (token, credential) = say_all(&mut client, &password);

    let project = "project_name = admin\nproject_domain_id = default\nuser_domain_id = default\n";
    let logins = [
        (true, format!("auth_type = password\nusername = admin\npassword = {password}\n{project}")),
        (true, format!("auth_type = v3token\ntoken = {token}\nproject_name = admin\nproject_domain_id = default\n")),
        (
            true,
            format!(
                "auth_type = v3applicationcredential\napplication_credential_id = {credential}\napplication_credential_secret = {SECRET}\n"
            ),
        ),
        (false, format!("auth_type = password\nusername = admin\npassword = {GUESS}\n{project}")),
        (false, format!("auth_type = v3token\ntoken = {STRAY}\nproject_name = admin\nproject_domain_id = default\n")),
        (false, format!("auth_type = admin_token\nendpoint = http://{ADDRESS}/networking\ntoken = {STRAY}\n")),
        (
            false,
            format!(
                "auth_type = http_basic\nendpoint = http://{ADDRESS}/networking\nusername = u\npassword = {GUESS}\n"
            ),
        ),
    ];
    let mut told = String::new();
    for (number, (right, login)) in logins.iter().enumerate() {
        let log = plugin(&place, &namespace, number, login);
        assert_eq!(log.contains("Neutron answers"), *right, "{login}: {log}");
        assert!(log.contains("everybody on this machine can read"), "of its file: {log}");
        told.push_str(&log);
    }
    told.push_str(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).unwrap()));
    assert_eq!(cloud.stop(Signal::TERM), Some(0));
    let cloud = fs::read_to_string(place.path("log")).unwrap();
    assert!(cloud.contains("DEBUG") && told.contains("TRACE"), "it was to log all");
    for (what, text) in [("the cloud's log", &cloud), ("a plugin's log", &told), ("a refusal", &client.refusals)] {
        for secret in [password.as_str(), NEW, SECRET, GUESS, TOKEN] {
            let found = text.lines().find(|line| line.contains(secret));
            assert_eq!(found, None, "{secret} in {what}");
        }
    }
}
