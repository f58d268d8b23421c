//! A real OpenStack: what `rig/openstack` started, as the place where private machines are hosts.

mod keystone;
mod server;
mod veil;

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use kuryr_neutron::ProjectId;
use kuryr_openstack::{Auth, Domain, Http, HttpOptions, Project, Scope, Session, SessionOptions, User};

pub use server::Server;
pub use veil::Veil;

use crate::cloud::Cloud;
use crate::world::run_in;

/// A running rig.
#[derive(Debug, Clone)]
pub struct OpenStack {
    /// Its state: credentials, the switch's socket, commands.
    pub folder: PathBuf,
    /// Its network namespace.
    pub namespace: PathBuf,
    /// The name of its one compute host.
    pub host: String,
    password: String,
}

/// A project of its own with a user, an administrator as services have where nothing else is said. An administrator sees
/// the projects of others too.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub project: ProjectId,
    /// Name of the project.
    pub name: String,
    /// Name of its user.
    pub user: String,
    /// The user's password.
    pub password: String,
}

impl Tenant {
    /// Its user's password.
    pub fn password(&self) -> &str {
        &self.password
    }
}

impl OpenStack {
    /// Where Keystone listens, inside.
    pub const KEYSTONE: &'static str = "127.0.0.1:5000";
    /// Where Neutron listens, inside.
    pub const NEUTRON: &'static str = "127.0.0.1:9696";

    /// The one that `KURYR_OPENSTACK_RIG` names. The error says why there is none.
    pub fn find() -> Result<Self> {
        let name = std::env::var("KURYR_OPENSTACK_RIG").ok().filter(|name| !name.is_empty());
        let name = name.context("KURYR_OPENSTACK_RIG names no OpenStack (rig/openstack/up starts one)")?;
        let folder = PathBuf::from("/run/kuryr-rig").join(&name);
        let folder = std::env::var_os("KURYR_RIG_DIR").map_or(folder, PathBuf::from);
        let text = fs::read_to_string(folder.join("openrc"))
            .with_context(|| format!("the OpenStack {name} is not up in {}", folder.display()))?;
        let word = |key: &str| -> Result<String> {
            let found = text.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
            Ok(found.with_context(|| format!("openrc of {name} has no {key}"))?.to_owned())
        };
        let namespace = PathBuf::from("/run/netns").join(word("KURYR_RIG_NAMESPACE")?);
        ensure!(namespace.exists(), "{} is not there", namespace.display());
        Ok(Self { folder, namespace, host: word("KURYR_RIG_HOST")?, password: word("OS_PASSWORD")? })
    }

    /// A file that is its network namespace.
    pub fn network(&self) -> Result<File> {
        File::open(&self.namespace).with_context(|| format!("cannot open {}", self.namespace.display()))
    }

    /// Do something on a thread inside its network namespace.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        run_in(&self.network()?, work)
    }

    /// A new project, and a user with these roles in it.
    pub fn tenant(&self, roles: &[&str]) -> Result<Tenant> {
        let name = format!("tests-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        let project = self.run(|| keystone::add_project(Self::KEYSTONE, &self.password, &name, roles))?;
        Ok(Tenant { project: ProjectId(project), user: name.clone(), name, password: self.password.clone() })
    }

    /// One more user of a tenant's, with these roles.
    pub fn another_user(&self, tenant: &Tenant, roles: &[&str]) -> Result<Tenant> {
        let user = format!("{}-another", tenant.user);
        self.run(|| keystone::add_user(Self::KEYSTONE, &self.password, &tenant.project.0, &user, roles))?;
        Ok(Tenant { user, password: self.password.clone(), ..tenant.clone() })
    }

    /// Give a tenant's user another password, which ends all its tokens.
    pub fn change_password(&self, tenant: &Tenant, password: &str) -> Result<Tenant> {
        self.run(|| keystone::change_password(Self::KEYSTONE, &self.password, &tenant.user, password))?;
        Ok(Tenant { password: password.to_owned(), ..tenant.clone() })
    }

    /// Remove a tenant's user, which ends all its tokens.
    pub fn remove_user(&self, tenant: &Tenant) -> Result<()> {
        self.run(|| keystone::remove_user(Self::KEYSTONE, &self.password, &tenant.user))
    }

    /// Let a tenant have so many ports and no more.
    pub fn limit_ports(&self, tenant: &Tenant, most: usize) -> Result<()> {
        let project = tenant.project.to_string();
        self.run(|| keystone::limit_ports(Self::KEYSTONE, Self::NEUTRON, &self.password, &project, most))
    }

    /// A client that sees what is this tenant's.
    pub fn cloud(&self, tenant: &Tenant) -> Result<Cloud> {
        let default = || Domain::Id("default".to_owned());
        let auth = Auth::Password {
            user: User::Name { name: tenant.user.clone(), domain: default() },
            password: tenant.password.clone().into(),
            scope: Scope::Project(Project::Name { name: tenant.name.clone(), domain: default() }),
        };
        let transport = Http::new(&HttpOptions::default())?;
        let url = format!("http://{}/v3", Self::KEYSTONE).parse().context("Keystone's address")?;
        let session = Session::new(std::sync::Arc::new(transport), url, auth, SessionOptions::default());
        Cloud::of_project(session, tenant.project.clone(), self.network()?)
    }

    /// The commands of its daemons: `ovs-vsctl`, `ovn-nbctl` and their like.
    pub fn command(&self, name: &str) -> String {
        self.folder.join("bin").join(name).display().to_string()
    }

    /// An address inside where nobody listens.
    pub fn free_address(&self) -> Result<String> {
        self.run(|| Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string()))
    }

    /// A kuryr.conf for one of its hosts, which this version and the original read; `more` goes into `[neutron]`. Several
    /// machines are one host to the cloud, and have one id: a `plane` of its own tells each which things are its own.
    pub fn configuration(&self, tenant: &Tenant, plane: Option<&str>, more: &str) -> String {
        let Tenant { name, user, password, .. } = tenant;
        // A test that is about comparisons says how often; the others leave the cloud in peace.
        let docker = if more.contains("reconcile_interval") { "" } else { "\n[docker]\nreconcile_interval = 0\n" };
        format!(
            "{}[neutron]\nauth_type = password\nauth_url = http://{}/v3\nusername = {user}\npassword = {password}\n\
             project_name = {name}\nproject_domain_id = default\nuser_domain_id = default\n{more}{docker}\n[binding]\n\
             ovsdb_connection = unix:{}\n",
            plane.map(|plane| format!("[DEFAULT]\ncontrol_plane = {plane}\n\n")).unwrap_or_default(),
            Self::KEYSTONE,
            self.folder.join("run/ovs/db.sock").display()
        )
    }
}
