//! The whole embedded cloud: store, engine, data plane and API held together.

use crate::{
    Error,
    api::{
        self, Api, AppliedWaiter, NotApplied, Site,
        keystone::{
            Identity, IdentityError,
            credentials::{Credentials, CredentialsError},
        },
    },
    backup::{self, DATABASE},
    dataplane::{DataPlane, Layout},
    engine::{self, Engine},
    store::SqliteStore,
};
use axum::Router;
use futures_util::future::{BoxFuture, FutureExt};
use kuryr_neutron::HostId;
use std::{
    fs::{self, DirBuilder},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

/// How to log in, in the folder of the state.
const CLOUDS_YAML: &str = "clouds.yaml";

/// What an embedded cloud is opened with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder of the database and of `clouds.yaml`; made with mode 0700 if missing.
    pub state_dir: PathBuf,
    /// The host whose ports are bound: what `gethostname()` says here.
    pub host: HostId,
    /// Network namespace of bridges and host-side interfaces.
    pub namespace: PathBuf,
    /// Folder of the routers' network namespaces.
    pub router_dir: PathBuf,
    /// Where clients reach [`Cloud::router`], such as `http://127.0.0.1:9696`; the catalog tells them.
    pub url: Url,
    /// Make the kernel agree; without it the cloud only answers (tests).
    pub dataplane: bool,
    /// MTU of networks that ask for none, in bytes.
    pub mtu: u32,
    /// Name of the only region.
    pub region: String,
    /// How long tokens last.
    pub token_lifetime: Duration,
}

impl Options {
    /// The usual: `/run/netns/kuryr`, MTU 1500, `RegionOne`, tokens of an hour, with a data plane.
    pub fn new(state_dir: PathBuf, host: HostId, url: Url) -> Self {
        Self {
            state_dir,
            host,
            namespace: PathBuf::from("/run/netns/kuryr"),
            router_dir: PathBuf::from("/run/netns"),
            url,
            dataplane: true,
            mtu: 1500,
            region: "RegionOne".to_owned(),
            token_lifetime: Duration::from_secs(3600),
        }
    }
}

/// The embedded cloud. It answers, and minds the kernel, from when it is opened until it is dropped or [`Cloud::run`] ends.
pub struct Cloud {
    engine: Engine,
    router: Router,
    credentials: Credentials,
    dataplane: Option<Running>,
    /// Ends what hands out backups.
    _backups: DropGuard,
}

/// The data plane, and what stops it; dropped, it is stopped.
struct Running {
    dataplane: DataPlane,
    stop: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Cloud {
    /// Opens the state, or makes it: users, key and `clouds.yaml` at the first start. Starts the data plane if there shall be
    /// one. Must be called within a Tokio runtime, in the host's network namespace.
    pub async fn open(options: Options) -> Result<Self, Error> {
        let engine = open_engine(&options)?;
        let dataplane = if options.dataplane {
            let layout = Layout {
                namespace: options.namespace.clone(),
                router_dir: options.router_dir.clone(),
                ..Layout::of_this_host()?
            };
            let stop = CancellationToken::new();
            let dataplane = DataPlane::start(engine.clone(), layout, stop.clone())?;
            Some(Running { dataplane, stop })
        } else {
            None
        };
        let applied = dataplane.as_ref().map(|running| Arc::new(running.dataplane.clone()) as Arc<dyn AppliedWaiter>);
        Self::assemble(engine, options, applied, dataplane).await
    }

    /// As [`Cloud::open`], with something else in the data plane's place.
    pub async fn open_with(options: Options, applied: Arc<dyn AppliedWaiter>) -> Result<Self, Error> {
        let engine = open_engine(&options)?;
        Self::assemble(engine, options, Some(applied), None).await
    }

    async fn assemble(
        engine: Engine,
        options: Options,
        applied: Option<Arc<dyn AppliedWaiter>>,
        dataplane: Option<Running>,
    ) -> Result<Self, Error> {
        let site = Site::new(&options.url, options.region.clone());
        let (identity, credentials) = open_identity(&engine, &options, &site).await?;
        let stop = CancellationToken::new();
        backup::serve(&options.state_dir, engine.downgrade(), stop.clone());
        let router = api::router(Api { engine: engine.clone(), identity, applied, site });
        Ok(Self { engine, router, credentials, dataplane, _backups: stop.drop_guard() })
    }

    /// Everything the cloud answers; a clone costs little.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// The administrator's way in.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The embedded Neutron.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The data plane, if there is one: how far it is, and what it could not do.
    pub fn dataplane(&self) -> Option<&DataPlane> {
        self.dataplane.as_ref().map(|running| &running.dataplane)
    }

    /// Minds the kernel until told to stop, then leaves everything in place. Ends earlier, with an error, if the data plane
    /// ended: then nobody minds the kernel, and the process had better be started anew.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), Error> {
        let Some(running) = &self.dataplane else {
            stop.cancelled().await;
            return Ok(());
        };
        tokio::select! {
            () = stop.cancelled() => {
                running.stop.cancel();
                running.dataplane.stopped().await;
                Ok(())
            }
            () = running.dataplane.stopped() => Err(Error::DataPlaneEnded),
        }
    }
}

impl AppliedWaiter for DataPlane {
    fn applied(&self, revision: u64) -> BoxFuture<'_, Result<(), NotApplied>> {
        let outcome = async move {
            Self::applied(self, revision).await.map_err(|error| NotApplied { revision, reason: error.to_string() })
        };
        outcome.boxed()
    }
}

fn open_engine(options: &Options) -> Result<Engine, Error> {
    make_state_dir(&options.state_dir)?;
    let store = SqliteStore::open(&options.state_dir.join(DATABASE))?;
    let engine_options = engine::Options {
        mtu: options.mtu,
        namespace: options.namespace.clone(),
        ..engine::Options::new(options.host.clone())
    };
    Ok(Engine::open(Box::new(store), engine_options)?)
}

/// Opens Keystone with the password of `clouds.yaml`, and writes the file where it is missing or out of date.
async fn open_identity(engine: &Engine, options: &Options, site: &Site) -> Result<(Identity, Credentials), Error> {
    let path = options.state_dir.join(CLOUDS_YAML);
    let known = Credentials::read(&path)?;
    let password = known.as_ref().map(|known| known.password.clone());
    let opened = match Identity::open(engine.clone(), options.token_lifetime, password).await {
        Err(IdentityError::WrongPassword) => {
            let reason = "its password is not the administrator's".to_owned();
            return Err(CredentialsError::Content { path, reason }.into());
        }
        other => other?,
    };
    let credentials = Credentials {
        auth_url: site.url("/identity/v3"),
        username: "admin".to_owned(),
        password: opened.password,
        project_name: "admin".to_owned(),
        user_domain_name: "Default".to_owned(),
        project_domain_name: "Default".to_owned(),
        region_name: options.region.clone(),
    };
    if opened.password_replaced {
        tracing::warn!(
            path = %path.display(),
            "the administrator's clouds.yaml was missing: a new password was made and written there; the old one counts no \
             more, so copies of the old file must be replaced"
        );
    }
    let current = known
        .is_some_and(|known| known.auth_url == credentials.auth_url && known.region_name == credentials.region_name);
    if !current {
        credentials.write(&path)?;
    }
    Ok((opened.identity, credentials))
}

fn make_state_dir(path: &Path) -> Result<(), Error> {
    let private = || {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        // The database holds the key that signs tokens: a folder that was made with more rights loses them.
        if fs::metadata(path)?.mode() & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "others could read the cloud's state; the folder is for its owner alone now");
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        }
        Ok(())
    };
    private().map_err(|source| Error::StateDir { path: path.to_owned(), source })
}
