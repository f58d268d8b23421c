//! What Docker asks of a plugin, in its order.

use axum::{
    Json, Router,
    body::Body,
    http::{Request, StatusCode},
    routing::get,
};
use http_body_util::BodyExt;
use kuryr_docker::{
    Plugin,
    reconcile::{Outcome, Reconciler, Truth, Young},
};
use serde_json::{Value, json};
use tower::ServiceExt;

/// A container's place, as Docker knows it.
#[derive(Debug, Clone)]
pub struct Container {
    pub endpoint: String,
    pub address: String,
    /// Name of the interface that Docker moves.
    pub interface: String,
}

/// A Docker with one network.
pub struct Docker {
    plugin: Router,
    network: String,
    pool: String,
}

/// As Docker makes them up.
fn random_id() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

impl Docker {
    pub fn new(plugin: Router) -> Self {
        Self { plugin, network: random_id(), pool: String::new() }
    }

    /// Name of the network that Kuryr would make in Neutron.
    pub fn network_name(&self) -> String {
        format!("kuryr-net-{}", &self.network[..8])
    }

    async fn ask(&self, path: &str, body: Value) -> Result<Value, String> {
        let request = Request::post(path).body(Body::from(body.to_string())).unwrap();
        let answer = self.plugin.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let body: Value = serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap();
        match body.get("Err").and_then(Value::as_str) {
            None if status == StatusCode::OK => Ok(body),
            told => Err(format!("{path}: {status} {}", told.unwrap_or_default())),
        }
    }

    async fn ok(&self, path: &str, body: Value) -> Value {
        self.ask(path, body).await.unwrap()
    }

    pub async fn create_network(&mut self, range: &str, gateway: &str) {
        let pool = json!({"AddressSpace": "", "Pool": range, "SubPool": "", "Options": {}, "V6": false});
        self.pool = self.ok("/IpamDriver.RequestPool", pool).await["PoolID"].as_str().unwrap().to_owned();
        let options = json!({"RequestAddressType": "com.docker.network.gateway"});
        let body = json!({"PoolID": self.pool, "Address": gateway, "Options": options});
        let gateway = self.ok("/IpamDriver.RequestAddress", body).await["Address"].clone();
        let data = json!([{"AddressSpace": "", "Pool": range, "Gateway": gateway}]);
        let body = json!({"NetworkID": self.network, "IPv4Data": data, "IPv6Data": [], "Options": {}});
        self.ok("/NetworkDriver.CreateNetwork", body).await;
    }

    /// A container up to the point at which its interface is moved.
    pub async fn start(&self, number: u8) -> Result<Container, String> {
        let mac = format!("02:42:c0:00:02:{number:02x}");
        let options = json!({"com.docker.network.endpoint.macaddress": mac});
        let body = json!({"PoolID": self.pool, "Address": "", "Options": options});
        let address = self.ok("/IpamDriver.RequestAddress", body).await["Address"].as_str().unwrap().to_owned();
        let endpoint = random_id();
        let interface = json!({"Address": address, "AddressIPv6": "", "MacAddress": mac});
        let ids = json!({"NetworkID": self.network, "EndpointID": endpoint});
        let mut body = ids.clone();
        body["Options"] = json!({});
        body["Interface"] = interface;
        // Docker asks again when an answer was lost: the same comes of it.
        for _ in 0..2 {
            if let Err(told) = self.ask("/NetworkDriver.CreateEndpoint", body.clone()).await {
                self.release(&address).await;
                return Err(told);
            }
        }
        let mut body = ids;
        body["SandboxKey"] = json!("/var/run/docker/netns/052b9aa6e9cd");
        let joined = self.ok("/NetworkDriver.Join", body).await;
        let interface = joined["InterfaceName"]["SrcName"].as_str().unwrap().to_owned();
        Ok(Container { endpoint, address, interface })
    }

    pub async fn stop(&self, container: &Container) {
        let ids = json!({"NetworkID": self.network, "EndpointID": container.endpoint});
        for method in ["Leave", "DeleteEndpoint", "DeleteEndpoint"] {
            self.ok(&format!("/NetworkDriver.{method}"), ids.clone()).await;
        }
        self.release(&container.address).await;
    }

    async fn release(&self, address: &str) {
        let address = address.split('/').next().unwrap();
        self.ok("/IpamDriver.ReleaseAddress", json!({"PoolID": self.pool, "Address": address})).await;
    }

    /// An address for a container that is never heard of again.
    pub async fn ask_in_vain(&self, number: u8) {
        let options = json!({"com.docker.network.endpoint.macaddress": format!("02:42:c0:00:02:{number:02x}")});
        let body = json!({"PoolID": self.pool, "Address": "", "Options": options});
        self.ok("/IpamDriver.RequestAddress", body).await;
    }

    /// Removes what this Docker, which has its network, another one's and no container, has no use for.
    pub async fn collect(&self, plugin: &Plugin, other: &Self) -> Outcome {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let network = |id: &str| json!({"Id": id, "Name": id, "Driver": "kuryr", "Scope": "local"});
        let networks = json!([network(&self.network), network(&other.network)]);
        let router = Router::new()
            .route("/networks", get(move || async move { Json(networks) }))
            .route("/networks/{id}", get(|| async { Json(json!({"Containers": {}})) }));
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let server = tokio::spawn(axum::serve(listener, router).into_future());
        let outcome = Reconciler::new(plugin, &socket, Young::Remembered).collect(Truth::Docker).await;
        server.abort();
        outcome.unwrap()
    }

    pub async fn delete_network(&self) {
        self.ok("/IpamDriver.ReleasePool", json!({"PoolID": self.pool})).await;
        self.ok("/NetworkDriver.DeleteNetwork", json!({"NetworkID": self.network})).await;
    }
}
