//! What the cloud says, read by our own typed client.

use anyhow::Context;
use kuryr_neutron::{
    Network, NewNetwork, NewPort, NewSecurityGroup, NewSubnet, Port, Router, SecurityGroup, SecurityGroupRule, Subnet,
    SubnetPool, Tag,
};
use kuryr_openstack::{Neutron, Query};
use serde_json::json;

use crate::lab::{Lab, Outcome, id};

crate::cases!["client":
    reads_everything_in_the_cloud,
    makes_and_removes_what_the_plugin_makes,
];

async fn reads_everything_in_the_cloud(lab: &Lab) -> Outcome {
    let neutron = Neutron::new(lab.client.session.clone());
    let network = lab.network().await?;
    let subnet = lab.subnet(&network, "10.1.0.0/24").await?;
    lab.subnet(&network, "fd00:1::/64").await?;
    lab.port(&network, json!({})).await?;
    lab.create("subnetpools", json!({"name": lab.name(), "prefixes": ["10.0.0.0/8"]})).await?;
    let group = lab.group().await?;
    lab.rule(&group, json!({"protocol": "vrrp", "remote_ip_prefix": "10.1.2.3/16"})).await?;
    let router = lab.router(json!({})).await?;
    lab.join(&router, json!({"subnet_id": subnet["id"]})).await?;
    let all = Query::new();
    neutron.list::<Network>(&all).await.context("networks")?;
    neutron.list::<Subnet>(&all).await.context("subnets")?;
    neutron.list::<SubnetPool>(&all).await.context("subnet pools")?;
    neutron.list::<Port>(&all).await.context("ports")?;
    neutron.list::<SecurityGroup>(&all).await.context("security groups")?;
    neutron.list::<SecurityGroupRule>(&all).await.context("rules")?;
    neutron.list::<Router>(&all).await.context("routers")?;
    lab.check(neutron.extensions().await?.contains("standard-attr-tag"), || "no tags".to_owned());
    Ok(())
}

async fn makes_and_removes_what_the_plugin_makes(lab: &Lab) -> Outcome {
    let neutron = Neutron::new(lab.client.session.clone());
    let network = neutron.create::<Network>(&NewNetwork { name: lab.name(), ..NewNetwork::default() }).await?;
    lab.undo_later(http::Method::DELETE, format!("networks/{}", network.id), None);
    let tag: Tag = "kuryr.net.uuid.lh:0".parse()?;
    neutron.set_tags::<Network>(network.id, std::slice::from_ref(&tag)).await?;
    neutron.add_tag::<Network>(network.id, &tag).await?;
    let found =
        neutron.list::<Network>(&Query::new().tags(std::slice::from_ref(&tag)).eq("name", &network.name)).await?;
    lab.check(found.len() == 1, || format!("{} by tag", found.len()));
    let cidr = Some("10.1.0.0/24".parse()?);
    let new = NewSubnet { network_id: Some(network.id), ip_version: Some(4), cidr, ..NewSubnet::default() };
    let subnet = neutron.create::<Subnet>(&new).await?;
    let new = NewPort { network_id: Some(network.id), ..NewPort::default() };
    let ports = neutron.create_many::<Port>(&[new.clone(), new]).await?;
    let port = ports.first().context("no port")?;
    let address = port.fixed_ips.first().context("no address")?.ip_address;
    let found = neutron.list::<Port>(&Query::new().fixed_ip(subnet.id, Some(address))).await?;
    lab.check(found.len() == 1 && found[0].id == port.id, || format!("{} by address", found.len()));
    let group =
        neutron.create::<SecurityGroup>(&NewSecurityGroup { name: lab.name(), ..NewSecurityGroup::default() }).await?;
    lab.check(group.security_group_rules.len() == 2, || format!("{group:?}"));
    lab.check(neutron.delete_if_exists::<SecurityGroup>(group.id).await?, || "the group was not there".to_owned());
    lab.check(!neutron.delete_if_exists::<SecurityGroup>(group.id).await?, || "the group is still there".to_owned());
    for port in &ports {
        neutron.delete::<Port>(port.id).await?;
    }
    neutron.delete::<Network>(network.id).await?;
    let network = json!({"id": network.id.to_string()});
    lab.no_delete("networks", &network, 404, "NetworkNotFound", id(&network)).await
}
