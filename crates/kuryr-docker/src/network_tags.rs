//! The tags that a Docker network leaves on its network in Neutron.

use crate::{request::network::CreateNetwork, wish::NetworkWish};
use kuryr_neutron::{Network, Tag};
use kuryr_ports::{ControlPlane, DockerId};

/// Whose it is, who uses it, whether it was there before, whether there is a way out, and what its ports get.
pub(crate) fn membership_tags(
    request: &CreateNetwork,
    wish: &NetworkWish,
    plane: &ControlPlane,
    existing: bool,
) -> Vec<Tag> {
    let mut tags = request.id.tags();
    if existing {
        tags.push(request.id.existing_network_tag());
    }
    if request.internal {
        tags.push(request.id.internal_network_tag());
    }
    tags.extend(request.publish.map(|way| request.id.publish_tag(way.as_str())));
    tags.extend(wish.groups().iter().map(|group| request.id.security_group_tag(*group)));
    tags.push(plane.network_tag(&request.id));
    tags
}

/// Those of a network's tags that this Docker network has left on it, but for its control planes.
pub(crate) fn own_tags(id: &DockerId, network: &Network) -> Vec<Tag> {
    let mut tags = id.tags();
    tags.extend([id.existing_network_tag(), id.internal_network_tag()]);
    tags.extend(id.security_groups_in(&network.tags).into_iter().map(|group| id.security_group_tag(group)));
    tags.extend(id.publish_in(&network.tags).map(|way| id.publish_tag(way)));
    tags.retain(|tag| network.tags.contains(tag));
    tags
}
