//! What only an administrator does, by the HTTP APIs of Keystone and Neutron.

use std::net::TcpStream;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::wire::{Message, Wire};

struct Administrator<'a> {
    address: &'a str,
    token: String,
}

/// Make a project, and a user of the same name with these roles in it; the answer is the project's id.
pub(super) fn add_project(address: &str, password: &str, name: &str, roles: &[&str]) -> Result<String> {
    let administrator = Administrator::log_in(address, password)?;
    let body = json!({ "project": { "name": name, "domain_id": "default" } });
    let project = id(&administrator.ask("POST", "/v3/projects", &body)?, "project")?;
    administrator.add_user(password, &project, name, roles)?;
    Ok(project)
}

/// Make one more user with these roles in a project.
pub(super) fn add_user(address: &str, password: &str, project: &str, name: &str, roles: &[&str]) -> Result<()> {
    Administrator::log_in(address, password)?.add_user(password, project, name, roles)
}

/// Give a user another password, which ends all its tokens.
pub(super) fn change_password(address: &str, password: &str, name: &str, another: &str) -> Result<()> {
    let administrator = Administrator::log_in(address, password)?;
    let body = json!({ "user": { "password": another } });
    administrator.ask("PATCH", &format!("/v3/users/{}", administrator.user(name)?), &body).map(drop)
}

/// Remove a user, which ends all its tokens.
pub(super) fn remove_user(address: &str, password: &str, name: &str) -> Result<()> {
    let administrator = Administrator::log_in(address, password)?;
    administrator.ask("DELETE", &format!("/v3/users/{}", administrator.user(name)?), &Value::Null).map(drop)
}

fn id(answer: &Value, kind: &str) -> Result<String> {
    Ok(answer[kind]["id"].as_str().with_context(|| format!("no id in {answer}"))?.to_owned())
}

/// Allow a project so many ports, by Neutron's API at the other address.
pub(super) fn limit_ports(keystone: &str, neutron: &str, password: &str, project: &str, most: usize) -> Result<()> {
    let Administrator { token, .. } = Administrator::log_in(keystone, password)?;
    let body = json!({ "quota": { "port": most } });
    Administrator { address: neutron, token }.ask("PUT", &format!("/v2.0/quotas/{project}"), &body).map(drop)
}

impl<'a> Administrator<'a> {
    fn log_in(address: &'a str, password: &str) -> Result<Self> {
        let domain = json!({ "id": "default" });
        let body = json!({ "auth": {
            "identity": { "methods": ["password"],
                "password": { "user": { "name": "admin", "domain": domain, "password": password } } },
            "scope": { "project": { "name": "admin", "domain": domain } },
        } });
        let mut one = Self { address, token: String::new() };
        let answer = one.send("POST", "/v3/auth/tokens", &body)?;
        one.token = answer.header("X-Subject-Token").context("Keystone gave no token")?.to_owned();
        Ok(one)
    }

    fn add_user(&self, password: &str, project: &str, name: &str, roles: &[&str]) -> Result<()> {
        let body = json!({ "user": { "name": name, "domain_id": "default", "password": password } });
        let user = id(&self.ask("POST", "/v3/users", &body)?, "user")?;
        for name in roles {
            let roles = self.ask("GET", &format!("/v3/roles?name={name}"), &Value::Null)?;
            let role = roles["roles"][0]["id"].as_str().with_context(|| format!("there is no role {name}"))?;
            self.ask("PUT", &format!("/v3/projects/{project}/users/{user}/roles/{role}"), &Value::Null)?;
        }
        Ok(())
    }

    fn user(&self, name: &str) -> Result<String> {
        let users = self.ask("GET", &format!("/v3/users?name={name}"), &Value::Null)?;
        Ok(users["users"][0]["id"].as_str().with_context(|| format!("there is no user {name}"))?.to_owned())
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let answer = self.send(method, path, body)?;
        if answer.body.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&answer.body)?) }
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Message> {
        let stream = TcpStream::connect(self.address).context("cannot reach Keystone")?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let token = ("X-Auth-Token", self.token.as_str());
        let headers = [("Content-Type", "application/json"), ("Connection", "close"), token];
        let headers = if self.token.is_empty() { &headers[..2] } else { &headers[..] };
        let answer = Wire::new(stream).ask(&Message::request(method, path, headers, body))?;
        ensure!(answer.status()? < 300, "{method} {path}: {} {}", answer.first, String::from_utf8_lossy(&answer.body));
        Ok(answer)
    }
}
