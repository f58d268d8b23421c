//! What cases about people begin with: calls of Keystone, and users with one role on a project of their own.

use anyhow::{Context, Result};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Call, Client, json_body};
use crate::lab::{Lab, Outcome, id};

/// The password of every user that a case makes.
pub const PASSWORD: &str = "of a case, not secret";

/// A user that a case has made, logged in.
pub struct Person {
    /// The user's way in.
    pub client: Client,
    /// The user's id.
    pub id: String,
    /// Id of the user's only project.
    pub project: String,
    /// Id of the user's only role.
    pub role: String,
}

impl Person {
    /// The path of the role that the user has.
    pub fn grant(&self) -> String {
        format!("projects/{}/users/{}/roles/{}", self.project, self.id, self.role)
    }
}

impl Lab {
    /// A call of Keystone; `path` is below the version.
    pub async fn identity(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer> {
        self.identity_as(Some(&self.client.token), method, path, body).await
    }

    /// A call of Keystone with another token, or none.
    pub async fn identity_as(
        &self,
        token: Option<&str>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer> {
        let url = format!("{}/{path}", self.client.identity);
        let (token, body) = (token.map(str::to_owned), body.as_ref().map(json_body));
        self.client.send(Call { method, url, token, headers: Vec::new(), body }).await
    }

    /// `GET` of Keystone, which must work.
    pub async fn told(&self, path: &str) -> Result<Value> {
        let answer = self.identity(Method::GET, path, None).await?;
        self.check(answer.status == 200, || format!("GET {path}: {} {}", answer.status, answer.body));
        Ok(answer.body)
    }

    /// A call of Keystone that must answer this status, and words that contain these.
    pub async fn answers(&self, method: Method, path: &str, body: Option<Value>, status: u16, words: &str) -> Outcome {
        let shown = body.as_ref().map(Value::to_string).unwrap_or_default();
        let answer = self.identity(method.clone(), path, body).await?;
        let right = answer.status == status && answer.message().contains(words);
        self.check(right, || {
            format!(
                "{method} {path} {shown}\n    wanted {status} \"{words}\"\n    was    {} {}",
                answer.status, answer.body
            )
        });
        Ok(())
    }

    /// `POST` to Keystone of one thing, which must work; it is deleted at the end.
    pub async fn enrol(&self, collection: &str, attributes: Value) -> Result<Value> {
        let member = collection.trim_end_matches('s');
        let answer = self.identity(Method::POST, collection, Some(json!({ member: attributes }))).await?;
        let made = answer.body[member].clone();
        anyhow::ensure!(answer.status == 201, "POST {collection}: {} {}", answer.status, answer.body);
        let url = format!("{}/{collection}/{}", self.client.identity, id(&made));
        self.undo_at(Method::DELETE, url, None);
        Ok(made)
    }

    /// A user with a role on a project made for it.
    pub async fn person(&self, role: &str) -> Result<Person> {
        let project = self.enrol("projects", json!({"name": self.name()})).await?;
        let user = self.enrol("users", json!({"name": self.name(), "password": PASSWORD})).await?;
        let role = id(&self.role(role).await?).to_owned();
        let (user, project) = (id(&user).to_owned(), id(&project).to_owned());
        let grant = format!("projects/{project}/users/{user}/roles/{role}");
        self.answers(Method::PUT, &grant, None, 204, "").await?;
        let client = self.client.log_in_as(&user, PASSWORD, &project).await?;
        Ok(Person { client, id: user, project, role })
    }

    /// The role with a name.
    pub async fn role(&self, name: &str) -> Result<Value> {
        let body = self.told(&format!("roles?name={name}")).await?;
        body["roles"].get(0).cloned().with_context(|| format!("there is no role {name}"))
    }

    /// What an administrator is told of a token: 200 if it counts, 404 if not.
    pub async fn token_is(&self, token: &str, status: u16, when: &str) -> Outcome {
        let url = format!("{}/auth/tokens", self.client.identity);
        let headers = vec![("x-subject-token", token.to_owned())];
        let token = Some(self.client.token.clone());
        let answer = self.client.send(Call { method: Method::GET, url, token, headers, body: None }).await?;
        self.same(&format!("the token {when}"), &json!(answer.status), json!(status));
        Ok(())
    }

    /// The status of a login.
    pub async fn login_is(&self, login: &Value, status: u16, when: &str) -> Result<Answer> {
        let answer = self.client.log_in(login).await?;
        self.check(answer.status == status, || {
            format!("a login {when}: wanted {status}, was {} {}", answer.status, answer.body)
        });
        Ok(answer)
    }
}

/// A login with a password, without scope.
pub fn password_login(user: &str, password: &str) -> Value {
    let user = json!({"id": user, "password": password});
    json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": "unscoped"}})
}
