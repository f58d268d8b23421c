//! Bodies of Docker's requests.

use kuryr_docker::request::{
    endpoint::{CreateEndpoint, EndpointRequest, Join, ProgramExternalConnectivity},
    ipam::{ReleaseAddress, RequestAddress, RequestPool, read_release_pool},
    network::{CreateNetwork, read_delete},
};

/// Every request reads them: there is a request in it or a refusal in words, and never more words than can be read.
pub fn plugin_json(body: &[u8]) {
    let refusals = [
        CreateNetwork::read(body).err(),
        read_delete(body).err(),
        CreateEndpoint::read(body).err(),
        EndpointRequest::read(body).err(),
        Join::read(body).err(),
        ProgramExternalConnectivity::read(body).err(),
        RequestPool::read(body).err(),
        RequestAddress::read(body).err(),
        ReleaseAddress::read(body).err(),
        read_release_pool(body).err(),
    ];
    for refusal in refusals.into_iter().flatten() {
        let text = refusal.to_string();
        assert!(!text.is_empty() && text.len() < 4096, "{} bytes of refusal", text.len());
    }
}
