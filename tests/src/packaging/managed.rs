//! Docker's managed plugin, made from the binary, on an engine.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::making;
use crate::engine::Engine;
use crate::host::Host;
use crate::openstack::{OpenStack, Tenant};
use crate::until;

/// How to log in at a cloud; both domains are `Default`.
pub struct Login {
    /// Address of Keystone.
    pub url: String,
    /// Name of the user.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// Name of the project.
    pub project: String,
}

impl Login {
    /// Read the embedded cloud's clouds.yaml, once it is there.
    pub fn read(clouds: &Path) -> Result<Self> {
        until("credentials", || {
            let file: Value = serde_norway::from_str(&fs::read_to_string(clouds)?)?;
            let auth = &file["clouds"]["kuryr"]["auth"];
            let text = |key: &str| auth[key].as_str().map(str::to_owned).with_context(|| format!("no {key}"));
            Ok(Self {
                url: text("auth_url")?,
                user: text("username")?,
                password: text("password")?,
                project: text("project_name")?,
            })
        })
    }

    /// That of a tenant of an OpenStack.
    pub fn of(tenant: &Tenant) -> Self {
        let name = || tenant.name.clone();
        let url = format!("http://{}/v3", OpenStack::KEYSTONE);
        Self { url, user: name(), password: tenant.password().to_owned(), project: name() }
    }
}

/// The plugin, created on an engine and not enabled yet.
pub struct Managed<'a> {
    engine: &'a Engine,
}

impl<'a> Managed<'a> {
    /// Its name, and the name of its drivers.
    pub const NAME: &'static str = "kuryr:latest";

    /// Make it and create it.
    pub fn create(host: &Host, engine: &'a Engine) -> Result<Self> {
        making::product("docker-plugin", host.scratch())?;
        let folder = host.scratch().join("docker-plugin");
        engine.docker(&["plugin", "create", Self::NAME, &folder.to_string_lossy()])?;
        Ok(Self { engine })
    }

    /// Tell it its cloud, and more, as `NAME=VALUE`.
    pub fn set(&self, login: &Login, more: &[&str]) -> Result<()> {
        let values = [
            format!("IDENTITY_URL={}", login.url),
            format!("SERVICE_USER={}", login.user),
            format!("SERVICE_PASSWORD={}", login.password),
            format!("SERVICE_PROJECT_NAME={}", login.project),
            "SERVICE_DOMAIN_NAME=Default".to_owned(),
            "USER_DOMAIN_NAME=Default".to_owned(),
            "LOG_LEVEL=DEBUG".to_owned(),
        ];
        let mut words = vec!["plugin", "set", Self::NAME];
        words.extend(more);
        words.extend(values.iter().map(String::as_str));
        self.engine.docker(&words).map(drop)
    }

    /// Start it.
    pub fn enable(&self) -> Result<()> {
        self.engine.docker(&["plugin", "enable", Self::NAME]).map(drop)
    }

    /// Stop it.
    pub fn disable(&self) -> Result<()> {
        self.engine.docker(&["plugin", "disable", Self::NAME]).map(drop)
    }

    /// Stop it under networks that use it.
    pub fn disable_by_force(&self) -> Result<()> {
        self.engine.docker(&["plugin", "disable", "--force", Self::NAME]).map(drop)
    }

    /// Stop and remove it; Docker refuses while a network uses it.
    pub fn remove(self) -> Result<()> {
        self.disable()?;
        self.engine.docker(&["plugin", "rm", Self::NAME]).map(drop)
    }

    /// Make a network with it.
    pub fn create_network(&self, name: &str, cidr: &str) -> Result<()> {
        let gateway = cidr.replace(".0/24", ".1");
        let create = ["network", "create", "-d", Self::NAME, "--ipam-driver", Self::NAME];
        self.engine.docker(&[&create[..], &["--subnet", cidr, "--gateway", &gateway, name]].concat()).map(drop)
    }
}
