"""Every resource of the embedded cloud, by openstacksdk: made, found, changed, deleted."""

import openstack
from openstack import exceptions

cloud = openstack.connect(cloud="kuryr")
network, identity = cloud.network, cloud.identity


def same(found, expected):
    assert found == expected, f"{found!r} instead of {expected!r}"


def ids(items):
    return [item.id for item in items]


def refused(status, call, *args, **named):
    try:
        call(*args, **named)
    except exceptions.HttpException as refusal:
        same(refusal.status_code, status)
        assert refusal.request_id.startswith("req-"), refusal.request_id
        return str(refusal)
    raise AssertionError(f"{call} was not refused")


def walk(kind, update, filters=None, **new):
    """Makes one of a kind, finds it in all ways, changes it; it stays."""
    made = getattr(network, f"create_{kind}")(**new)
    get, find = getattr(network, f"get_{kind}"), getattr(network, f"find_{kind}")
    plural = kind[:-1] + "ies" if kind.endswith("y") else kind + "s"
    many = getattr(network, plural)
    same(get(made.id).id, made.id)
    same(find(made.id).id, made.id)
    if new.get("name"):
        same(find(new["name"]).id, made.id)
        same(ids(many(name=new["name"])), [made.id])
    assert made.id in ids(many()), kind
    if filters:
        assert made.id in ids(many(**filters)), (kind, filters)
    if update:
        changed = getattr(network, f"update_{kind}")(made, **update)
        for name, value in update.items():
            same(getattr(changed, name), value)
            same(getattr(get(made.id), name), value)
    return made


def gone(kind, made):
    getattr(network, f"delete_{kind}")(made, ignore_missing=False)
    refused(404, getattr(network, f"get_{kind}"), made.id)


def tagged(made):
    network.set_tags(made, ["red", "blue"])
    network.add_tag(made, "green")
    network.remove_tag(made, "red")
    same(sorted(type(made).existing(connection=cloud, id=made.id).fetch(network).tags), ["blue", "green"])


def networks():
    aliases = {extension.alias for extension in network.extensions()}
    assert "standard-attr-tag" in aliases and "router" in aliases, aliases
    same(network.find_extension("router").alias, "router")

    net = walk("network", {"description": "d", "is_admin_state_up": False}, {"is_admin_state_up": True}, name="net")
    pool = walk(
        "subnet_pool", {"description": "d"}, {"ip_version": 4},
        name="pool", prefixes=["10.8.0.0/16"], default_prefix_length=24,
    )
    pooled = walk(
        "subnet", {"dns_nameservers": ["9.9.9.9"]}, {"subnet_pool_id": pool.id},
        name="pooled", network_id=net.id, ip_version=4, subnet_pool_id=pool.id,
    )
    same(pooled.cidr, "10.8.0.0/24")
    refused(400, network.delete_subnet_pool, pool, ignore_missing=False)
    gone("subnet", pooled)
    sub = walk(
        "subnet", {"is_dhcp_enabled": False, "host_routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}]},
        {"cidr": "10.0.0.0/24"},
        name="sub", network_id=net.id, ip_version=4, cidr="10.0.0.0/24", gateway_ip="10.0.0.1",
        allocation_pools=[{"start": "10.0.0.10", "end": "10.0.0.99"}],
    )
    network.update_network(net, is_admin_state_up=True)
    for made in (net, pool, sub):
        tagged(made)
    same(ids(network.networks(tags="blue,green")), [net.id])
    same(ids(network.networks(any_tags="pink")), [])

    port = walk(
        "port", {"device_id": "d", "name": "other"}, {"fixed_ips": "ip_address=10.0.0.20"},
        name="port", network_id=net.id, fixed_ips=[{"subnet_id": sub.id, "ip_address": "10.0.0.20"}],
    )
    tagged(port)
    assert "10.0.0.20" in refused(
        409, network.create_port, network_id=net.id, fixed_ips=[{"ip_address": "10.0.0.20"}]
    )
    bulk = network.create_ports([{"network_id": net.id, "name": f"bulk{i}"} for i in range(3)])
    names = [one.name for one in network.ports(network_id=net.id, sort_key="name", sort_dir="asc", limit=2)]
    same(names, ["bulk0", "bulk1", "bulk2", "other"])
    for one in bulk:
        gone("port", one)
    older = network.get_port(port.id)
    network.update_port(port, description="newer")
    refused(412, network.update_port, older, if_revision=older.revision_number, description="too late")
    return net, sub, pool, port


def groups(port):
    group = walk("security_group", {"description": "d"}, name="web", stateful=True)
    tagged(group)
    addresses = walk("address_group", {"description": "d"}, name="friends", addresses=["10.5.0.0/16"])
    network.add_addresses_to_address_group(addresses, ["10.6.0.0/16"])
    network.remove_addresses_from_address_group(addresses, ["10.5.0.0/16"])
    same(network.get_address_group(addresses).addresses, ["10.6.0.0/16"])
    rule = walk(
        "security_group_rule", None, {"security_group_id": group.id, "protocol": "tcp"},
        security_group_id=group.id, direction="ingress", protocol="tcp", port_range_min=80, port_range_max=90,
        remote_address_group_id=addresses.id,
    )
    network.update_port(port, security_groups=[group.id])
    assert group.id in refused(409, network.delete_security_group, group, ignore_missing=False)
    refused(409, network.delete_address_group, addresses, ignore_missing=False)
    network.update_port(port, security_groups=[])
    gone("security_group_rule", rule)
    gone("address_group", addresses)
    gone("security_group", group)
    default = walk(
        "default_security_group_rule", None, {"direction": "ingress"},
        direction="ingress", ethertype="IPv4", protocol="udp", used_in_default_sg=False, used_in_non_default_sg=True,
    )
    gone("default_security_group_rule", default)


def routers(net, sub, port):
    outside = walk("network", None, {"is_router_external": True}, name="outside", is_router_external=True)
    network.create_subnet(network_id=outside.id, ip_version=4, cidr="172.30.0.0/24", is_dhcp_enabled=False)
    router = walk("router", {"description": "d"}, name="router")
    tagged(router)
    network.add_interface_to_router(router, subnet_id=sub.id)
    network.update_router(router, external_gateway_info={"network_id": outside.id})
    routes = [{"destination": "10.99.0.0/16", "nexthop": "10.0.0.77"}]
    same(network.update_router(router, routes=routes).routes, routes)
    network.update_router(router, routes=[])

    address = walk(
        "ip", {"description": "d"}, {"floating_network_id": outside.id},
        floating_network_id=outside.id, port_id=port.id,
    )
    tagged(address)
    same(network.update_ip(address, port_id=None).port_id, None)
    forwarding = network.create_floating_ip_port_forwarding(
        address, protocol="tcp", external_port=80, internal_port=8080, internal_port_id=port.id,
        internal_ip_address="10.0.0.20",
    )
    same(network.get_port_forwarding(forwarding.id, address).external_port, 80)
    network.update_port_forwarding(forwarding.id, address.id, internal_port=8081)
    same([one.internal_port for one in network.port_forwardings(address)], [8081])
    network.delete_port_forwarding(forwarding.id, address, ignore_missing=False)
    gone("ip", address)
    refused(409, network.delete_router, router, ignore_missing=False)
    network.update_router(router, external_gateway_info=None)
    network.remove_interface_from_router(router, subnet_id=sub.id)
    gone("router", router)
    gone("network", outside)


def shared(net, pool):
    project = identity.create_project(name="friends")
    for kind, thing in (("network", net), ("subnetpool", pool)):
        policy = walk(
            "rbac_policy", {"target_project_id": "*"}, {"object_id": thing.id},
            object_type=kind, object_id=thing.id, action="access_as_shared", target_project_id=project.id,
        )
        gone("rbac_policy", policy)
    network.update_quota(project.id, networks=7)
    same(network.get_quota(project.id).networks, 7)
    same([quota.networks for quota in network.quotas()], [7])
    same(network.get_quota(project.id, details=True).networks["used"], 0)
    same(network.get_quota_default(project.id).networks, -1)
    network.delete_quota(project.id)
    same(network.get_quota(project.id).networks, -1)
    identity.delete_project(project)


def qos(net, port):
    policy = walk("qos_policy", {"description": "d"}, {"is_shared": False}, name="slow", is_shared=False)
    # The library knows that Neutron has these tags elsewhere for this call alone.
    network.set_tags(policy, ["blue"])
    same(network.get_qos_policy(policy).tags, ["blue"])
    limit = network.create_qos_bandwidth_limit_rule(policy, max_kbps=1000, direction="ingress")
    network.update_qos_bandwidth_limit_rule(limit, policy, max_kbps=2000)
    same(network.get_qos_bandwidth_limit_rule(limit, policy).max_kbps, 2000)
    same(ids(network.qos_bandwidth_limit_rules(policy)), [limit.id])
    mark = network.create_qos_dscp_marking_rule(policy, dscp_mark=8)
    network.update_qos_dscp_marking_rule(mark, policy, dscp_mark=46)
    same([rule.dscp_mark for rule in network.qos_dscp_marking_rules(policy)], [46])
    same(sorted(kind.type for kind in network.qos_rule_types()), ["bandwidth_limit", "dscp_marking"])
    same(network.get_qos_rule_type("dscp_marking").type, "dscp_marking")
    network.update_network(net, qos_policy_id=policy.id)
    same(network.update_port(port, qos_policy_id=policy.id).qos_policy_id, policy.id)
    refused(409, network.delete_qos_policy, policy, ignore_missing=False)
    network.update_port(port, qos_policy_id=None)
    network.update_network(net, qos_policy_id=None)
    network.delete_qos_dscp_marking_rule(mark, policy, ignore_missing=False)
    network.delete_qos_bandwidth_limit_rule(limit, policy, ignore_missing=False)
    gone("qos_policy", policy)


def trunks(net, port):
    child, cousin = (network.create_port(network_id=net.id, name=name) for name in ("child", "cousin"))

    def on_vlan(port, vlan):
        return {"port_id": port.id, "segmentation_type": "vlan", "segmentation_id": vlan}

    trunk = walk(
        "trunk", {"description": "d", "is_admin_state_up": True}, {"port_id": port.id},
        name="trunk", port_id=port.id, sub_ports=[on_vlan(child, 5)],
    )
    tagged(trunk)
    network.add_trunk_subports(trunk, [on_vlan(cousin, 6)])
    same(network.get_trunk_subports(trunk)["sub_ports"], [on_vlan(child, 5), on_vlan(cousin, 6)])
    same([one["mac_address"] for one in network.get_port(port).trunk_details["sub_ports"]][:1], [child.mac_address])
    refused(409, network.delete_port, child, ignore_missing=False)
    network.delete_trunk_subports(trunk, [{"port_id": cousin.id}])
    gone("trunk", trunk)
    gone("port", child)
    gone("port", cousin)


def people():
    domain = identity.create_domain(name="branch", description="d")
    project = identity.create_project(name="shop", domain_id=domain.id)
    user = identity.create_user(name="clerk", domain_id=domain.id, password="geheim", email="e@x")
    role = identity.create_role(name="guest")
    same(identity.update_project(project, description="d").description, "d")
    same(identity.update_user(user, description="d").description, "d")
    same(identity.update_role(role, name="visitor").name, "visitor")
    same(identity.find_user("clerk", domain_id=domain.id).id, user.id)
    same(ids(identity.projects(domain_id=domain.id)), [project.id])
    member = identity.find_role("member")
    identity.assign_project_role_to_user(project, user, member)
    assert identity.validate_user_has_project_role(project, user, member)
    identity.assign_domain_role_to_user(domain, user, member)
    assert identity.validate_user_has_domain_role(domain, user, member)
    same(len(list(identity.role_assignments(user_id=user.id))), 2)
    same(ids(identity.user_projects(user)), [project.id])
    identity.unassign_domain_role_from_user(domain, user, member)
    identity.unassign_project_role_from_user(project, user, member)
    same(list(identity.role_assignments(user_id=user.id)), [])
    same(sorted(service.type for service in identity.services()), ["identity", "network"])
    same(len(list(identity.endpoints())), 6)
    same(len(list(identity.regions())), 1)
    identity.delete_role(role, ignore_missing=False)
    identity.delete_user(user, ignore_missing=False)
    identity.delete_project(project, ignore_missing=False)
    identity.update_domain(domain, is_enabled=False)
    identity.delete_domain(domain, ignore_missing=False)

    own = cloud.current_user_id
    program = identity.create_application_credential(own, "program", roles=[{"name": "member"}])
    assert len(program.secret) > 20
    same(ids(identity.application_credentials(own)), [program.id])
    same(identity.find_application_credential(own, "program").id, program.id)
    identity.delete_application_credential(own, program, ignore_missing=False)


net, sub, pool, port = networks()
groups(port)
routers(net, sub, port)
shared(net, pool)
qos(net, port)
trunks(net, port)
people()
for kind, made in (("port", port), ("subnet", sub), ("subnet_pool", pool), ("network", net)):
    gone(kind, made)
for left in (network.networks, network.subnets, network.ports, network.routers, network.ips, network.rbac_policies):
    same(list(left()), [])
print("all done")
