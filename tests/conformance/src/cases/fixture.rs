//! What many cases begin with.

use anyhow::Result;
use http::Method;
use serde_json::{Value, json};

use crate::lab::{Lab, Outcome, id};

/// One object with the keys of both.
pub fn with(mut base: Value, more: Value) -> Value {
    if let (Value::Object(base), Value::Object(more)) = (&mut base, more) {
        base.extend(more);
    }
    base
}

impl Lab {
    /// A network.
    pub async fn network(&self) -> Result<Value> {
        self.create("networks", json!({"name": self.name()})).await
    }

    /// A subnet of this range, with all else by default.
    pub async fn subnet(&self, network: &Value, cidr: &str) -> Result<Value> {
        self.subnet_with(network, cidr, json!({})).await
    }

    /// A subnet of this range.
    pub async fn subnet_with(&self, network: &Value, cidr: &str, more: Value) -> Result<Value> {
        let version = if cidr.contains(':') { 6 } else { 4 };
        let base = json!({"name": self.name(), "network_id": network["id"], "ip_version": version, "cidr": cidr});
        self.create("subnets", with(base, more)).await
    }

    /// A subnet that must be refused.
    pub async fn no_subnet(&self, network: &Value, more: Value, status: u16, error_type: &str, words: &str) -> Outcome {
        let base = json!({"network_id": network["id"], "ip_version": 4});
        self.no_create("subnets", with(base, more), status, error_type, words).await
    }

    /// A port of this network.
    pub async fn port(&self, network: &Value, more: Value) -> Result<Value> {
        let base = json!({"name": self.name(), "network_id": network["id"]});
        self.create("ports", with(base, more)).await
    }

    /// A port that must be refused.
    pub async fn no_port(&self, network: &Value, more: Value, status: u16, error_type: &str, words: &str) -> Outcome {
        let base = json!({"network_id": network["id"]});
        self.no_create("ports", with(base, more), status, error_type, words).await
    }

    /// A router.
    pub async fn router(&self, more: Value) -> Result<Value> {
        self.create("routers", with(json!({"name": self.name()}), more)).await
    }

    /// Joins a router to a subnet or a port; undone at the end.
    pub async fn join(&self, router: &Value, what: Value) -> Result<Value> {
        let path = |verb: &str| format!("routers/{}/{verb}_router_interface", id(router));
        let joined = self.put(&path("add"), what.clone()).await?;
        self.undo_later(Method::PUT, path("remove"), Some(what));
        Ok(joined)
    }

    /// A security group.
    pub async fn group(&self) -> Result<Value> {
        self.create("security-groups", json!({"name": self.name()})).await
    }

    /// A rule of a group.
    pub async fn rule(&self, group: &Value, more: Value) -> Result<Value> {
        let base = json!({"security_group_id": group["id"], "direction": "ingress"});
        self.create("security-group-rules", with(base, more)).await
    }

    /// Whether the cloud offers this extension.
    pub async fn offers(&self, alias: &str) -> Result<bool> {
        Ok(self.list("extensions").await?.iter().any(|extension| extension["alias"] == alias))
    }
}

/// What stands under one key in each, in order.
pub fn each<'a>(list: &'a [Value], key: &str) -> Vec<&'a str> {
    list.iter().map(|item| item[key].as_str().unwrap_or_default()).collect()
}
