//! What Docker asks.

use super::Rig;
use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

impl Rig {
    pub async fn ask(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::post(path).body(Body::from(body.to_string())).unwrap();
        let answer = self.plugin.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// An answer without error.
    pub async fn ok(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(path, body.clone()).await;
        assert!(status == StatusCode::OK && answer.get("Err").is_none(), "{path} {body}: {status} {answer}");
        answer
    }

    /// The text of an error.
    pub async fn err(&self, path: &str, body: Value) -> (u16, String) {
        let (status, answer) = self.ask(path, body.clone()).await;
        match answer.get("Err").and_then(Value::as_str) {
            Some(text) if !text.is_empty() => (status.as_u16(), text.to_owned()),
            _ => panic!("{path} {body} should fail: {status} {answer}"),
        }
    }

    pub async fn request_pool(&self, cidr: &str, options: Value) -> String {
        let body =
            json!({"AddressSpace": "", "Pool": cidr, "SubPool": "", "Options": options, "V6": cidr.contains(':')});
        let answer = self.ok("/IpamDriver.RequestPool", body).await;
        assert_eq!(answer["Pool"], cidr);
        answer["PoolID"].as_str().unwrap().to_owned()
    }

    pub async fn gateway(&self, pool: &str, address: &str) -> String {
        let options = json!({"RequestAddressType": "com.docker.network.gateway"});
        let answer =
            self.ok("/IpamDriver.RequestAddress", json!({"PoolID": pool, "Address": address, "Options": options}));
        answer.await["Address"].as_str().unwrap().to_owned()
    }

    pub fn address_request(pool: &str, address: &str, mac: &str) -> Value {
        let options = json!({"com.docker.network.endpoint.macaddress": mac});
        json!({"PoolID": pool, "Address": address, "Options": options})
    }

    pub async fn request_address(&self, pool: &str, address: &str, mac: &str) -> String {
        let answer = self.ok("/IpamDriver.RequestAddress", Self::address_request(pool, address, mac)).await;
        answer["Address"].as_str().unwrap().to_owned()
    }

    pub async fn release_address(&self, pool: &str, address: &str) {
        let address = address.split('/').next().unwrap();
        let answer = self.ok("/IpamDriver.ReleaseAddress", json!({"PoolID": pool, "Address": address})).await;
        assert_eq!(answer, json!({}));
    }

    pub async fn release_pool(&self, pool: &str) {
        assert_eq!(self.ok("/IpamDriver.ReleasePool", json!({"PoolID": pool})).await, json!({}));
    }

    pub fn network_request(id: &str, ranges: &[(&str, &str)], options: Value) -> Value {
        let data = |v6: bool| -> Vec<Value> {
            let own = ranges.iter().filter(|(pool, _)| pool.contains(':') == v6);
            own.map(|(pool, gateway)| json!({"AddressSpace": "", "Pool": pool, "Gateway": gateway})).collect()
        };
        let options = json!({"com.docker.network.enable_ipv6": false, "com.docker.network.generic": options});
        json!({"NetworkID": id, "IPv4Data": data(false), "IPv6Data": data(true), "Options": options})
    }

    pub async fn create_network(&self, id: &str, ranges: &[(&str, &str)], options: Value) {
        let body = Self::network_request(id, ranges, options);
        assert_eq!(self.ok("/NetworkDriver.CreateNetwork", body).await, json!({}));
        self.make_bridges().await;
    }

    pub async fn delete_network(&self, id: &str) {
        assert_eq!(self.ok("/NetworkDriver.DeleteNetwork", json!({"NetworkID": id})).await, json!({}));
    }

    pub fn endpoint_request(network: &str, endpoint: &str, v4: &str, v6: &str, mac: &str) -> Value {
        let interface = json!({"Address": v4, "AddressIPv6": v6, "MacAddress": mac});
        json!({"NetworkID": network, "EndpointID": endpoint, "Options": {}, "Interface": interface})
    }

    pub async fn create_endpoint(&self, network: &str, endpoint: &str, v4: &str, v6: &str, mac: &str) {
        let body = Self::endpoint_request(network, endpoint, v4, v6, mac);
        assert_eq!(self.ok("/NetworkDriver.CreateEndpoint", body).await, json!({"Interface": {}}));
    }

    pub async fn join(&self, network: &str, endpoint: &str) -> Value {
        let key = "/var/run/docker/netns/052b9aa6e9cd";
        let body = json!({"NetworkID": network, "EndpointID": endpoint, "SandboxKey": key, "Options": null});
        self.ok("/NetworkDriver.Join", body).await
    }

    /// A request that names a network and an endpoint and is answered by `{}`.
    pub async fn endpoint(&self, method: &str, network: &str, endpoint: &str) {
        let body = json!({"NetworkID": network, "EndpointID": endpoint});
        assert_eq!(self.ok(&format!("/NetworkDriver.{method}"), body).await, json!({}));
    }
}
