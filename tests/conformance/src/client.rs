//! Raw calls of a cloud: what goes out and what comes back, with nothing repeated and nothing interpreted.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use kuryr_config::{Auth, CloudSettings, Domain, Project, Scope, User};
use kuryr_openstack::{Session, SessionOptions, Transport};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use url::Url;

use crate::transcript::Transcript;

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body as JSON; `null` when there is none, its text when it is not JSON.
    pub body: Value,
}

impl Answer {
    /// Neutron's name of the refusal; empty if it is none of Neutron's.
    pub fn error_type(&self) -> &str {
        self.body["NeutronError"]["type"].as_str().unwrap_or_default()
    }

    /// The words of the refusal, Neutron's or Keystone's.
    pub fn message(&self) -> &str {
        let neutron = self.body["NeutronError"]["message"].as_str();
        neutron.or(self.body["error"]["message"].as_str()).unwrap_or_default()
    }

    /// A header as text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A call of a cloud.
#[derive(Debug, Clone)]
pub struct Call {
    /// Method.
    pub method: Method,
    /// The whole URL.
    pub url: String,
    /// The token to show; `None`: none.
    pub token: Option<String>,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Option<Bytes>,
}

/// A cloud with one user's credentials.
pub struct Client {
    transport: Arc<dyn Transport>,
    /// The same credentials in our own client.
    pub session: Session,
    /// Keystone's v3 URL, without a slash at its end.
    pub identity: String,
    /// Neutron's v2.0 URL, without a slash at its end.
    pub network: String,
    /// The user's name.
    pub user: String,
    /// The body that gives a token, with its secret.
    pub login: Value,
    /// A token.
    pub token: String,
    /// The token's body.
    pub about: Value,
    settings: CloudSettings,
    transcript: Mutex<Option<Transcript>>,
}

impl Client {
    /// Logs in.
    pub async fn connect(transport: Arc<dyn Transport>, settings: &CloudSettings) -> Result<Self> {
        let options = SessionOptions::from_settings(settings);
        let session =
            Session::new(transport.clone(), settings.auth_url.clone(), settings.auth.clone(), options.clone());
        let network = session.network_endpoint().await.context("cannot log in")?;
        let login = login(&settings.auth)?;
        let user = login["auth"]["identity"]["password"]["user"]["name"].as_str().unwrap_or_default().to_owned();
        let mut client = Self {
            transport,
            session,
            identity: identity_url(&settings.auth_url),
            network: network.as_str().trim_end_matches('/').to_owned(),
            user,
            login,
            token: String::new(),
            about: Value::Null,
            settings: settings.clone(),
            transcript: Mutex::default(),
        };
        let answer = client.log_in(&client.login).await?;
        if answer.status != 201 {
            bail!("Keystone answered {}: {}", answer.status, answer.message());
        }
        client.token = answer.header("x-subject-token").to_owned();
        client.about = answer.body["token"].clone();
        Ok(client)
    }

    /// Logs another user in to the same cloud, on a project.
    pub async fn log_in_as(&self, user: &str, password: &str, project: &str) -> Result<Self> {
        let auth = Auth::Password {
            user: User::Id(user.to_owned()),
            password: password.to_owned().into(),
            scope: Scope::Project(Project::Id(project.to_owned())),
        };
        Self::connect(self.transport.clone(), &CloudSettings { auth, ..self.settings.clone() }).await
    }

    /// Writes all calls from now on down.
    pub fn record(&self) {
        *self.transcript.lock().unwrap_or_else(PoisonError::into_inner) = Some(Transcript::default());
    }

    /// What was written down since [`Client::record`].
    pub fn recorded(&self) -> String {
        let transcript = self.transcript.lock().unwrap_or_else(PoisonError::into_inner).take();
        transcript.map(Transcript::text).unwrap_or_default()
    }

    /// `POST /v3/auth/tokens`.
    pub async fn log_in(&self, body: &Value) -> Result<Answer> {
        let url = format!("{}/auth/tokens", self.identity);
        self.send(Call { method: Method::POST, url, token: None, headers: Vec::new(), body: Some(json_body(body)) })
            .await
    }

    /// Sends anything.
    pub async fn send(&self, call: Call) -> Result<Answer> {
        let mut request =
            Request::builder().method(call.method.clone()).uri(&call.url).header("accept", "application/json");
        if let Some(token) = &call.token {
            request = request.header("x-auth-token", token);
        }
        if call.body.is_some() && !call.headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let request = request.body(call.body.clone().unwrap_or_default())?;
        let response = self.transport.send(request).await.with_context(|| format!("{} {}", call.method, call.url))?;
        let (head, body) = response.into_parts();
        let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap_or_else(|_| text()) };
        let answer = Answer { status: head.status.as_u16(), headers: head.headers, body };
        if let Some(transcript) = self.transcript.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            transcript.add(&call, &answer);
        }
        Ok(answer)
    }
}

/// A body's bytes.
pub fn json_body(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}

fn identity_url(auth_url: &Url) -> String {
    let url = auth_url.as_str().trim_end_matches('/');
    if url.ends_with("/v3") { url.to_owned() } else { format!("{url}/v3") }
}

fn login(auth: &Auth) -> Result<Value> {
    let Auth::Password { user, password, scope, .. } = auth else {
        bail!("the suite logs in with user name and password; give it a cloud that has them");
    };
    let domain = |domain: &Domain| match domain {
        Domain::Id(id) => json!({"id": id}),
        Domain::Name(name) => json!({"name": name}),
    };
    let mut who = match user {
        User::Id(id) => json!({"id": id}),
        User::Name { name, domain: of } => json!({"name": name, "domain": domain(of)}),
    };
    who["password"] = password.expose_secret().into();
    let Scope::Project(project) = scope else { bail!("the suite needs a project: Neutron's resources belong to one") };
    let project = match project {
        Project::Id(id) => json!({"id": id}),
        Project::Name { name, domain: of } => json!({"name": name, "domain": domain(of)}),
    };
    let identity = json!({"methods": ["password"], "password": {"user": who}});
    Ok(json!({"auth": {"identity": identity, "scope": {"project": project}}}))
}
