// What the panel says of a port, a network, a router and a security group: plain data.

import { addressKey, compare, countStates, plural, short, STATE_NAMES } from "./model.js";

const USES = {
  container: "a container", router: "a router", service: "the network itself", device: "a device",
  ready: "kept ready for a container", nobody: "nobody",
};
/** As many are listed; a network of hundreds has them in the picture already. */
const LISTED = 100;

const code = (text, note) => ({ code: text, note });
const codes = (...texts) => texts.filter(Boolean).map((text) => code(text));
const texts = (...all) => all.filter((one) => one !== null && one !== undefined && one !== "").map(String);
const row = (name, values) => ({ name, values });
const way = (kind, one, note) => ({ open: `${kind}:${one.id}`, text: one.title ?? (one.name || short(one.id)), state: one.state, note });

export function portDetails(port, model) {
  const { raw } = port;
  const container = raw.container;
  const forwards = port.floating.map((one) => code(one.floating_ip_address, STATE_NAMES[one.status?.toLowerCase()] ?? ""));
  const pairs = raw.allowed_address_pairs.map((pair) => code(pair.ip_address, pair.mac_address ?? ""));
  return {
    icon: raw.used_by, title: port.title, state: port.state,
    sections: [
      { title: "Addresses", rows: [
        row("IP", port.addresses.map(({ address, subnet }) => code(address, subnet?.cidr ?? ""))),
        row("MAC", codes(raw.mac_address)),
        row("Floating IP", forwards),
        row("May send as", pairs),
        row("DNS name", texts(raw.dns_name)),
      ] },
      { title: "Place", rows: [
        row("Network", port.network ? [way("network", port.network)] : codes(raw.network_id)),
        row("Host", texts(raw["binding:host_id"] || "bound to none")),
        row("Interface", codes(raw.interface)),
        row("Wiring", texts([raw["binding:vif_type"], raw["binding:vnic_type"]].filter(Boolean).join(", "))),
      ] },
      { title: "Used by", rows: [
        row("What", texts(USES[raw.used_by])),
        row("Container", texts(container?.name)),
        row("Image", texts(container?.image)),
        row("Container id", codes(container?.id)),
        row("Router", raw.router && model.router.has(raw.router) ? [way("router", model.router.get(raw.router))] : []),
        row("Device", codes(raw.device_id)),
        row("Owner", texts(raw.device_owner)),
      ] },
      raw.port_security_enabled ? null
        : { title: "Security", rows: [row("Port security", ["off: everything is let through"])] },
      raw.port_security_enabled && port.groups.length === 0
        ? { title: "Security", rows: [row("Groups", ["none: nothing is let through"])] } : null,
      ...port.groups.map((group) => groupSection(group, model)),
      identity(raw, [row("State", texts(raw.status, raw.admin_state_up ? "" : "set down"))]),
    ],
  };
}

export function networkDetails(network, model) {
  const { raw } = network;
  const lent = model.topology.floating_ips.filter((one) => one.floating_network_id === network.id);
  const floating = lent.map((one) => {
    const port = model.port.get(one.port_id);
    return port ? way("port", port, one.floating_ip_address) : code(one.floating_ip_address, "not one port’s");
  });
  const provider = [raw["provider:network_type"], raw["provider:physical_network"], raw["provider:segmentation_id"]];
  return {
    icon: network.external ? "outside" : "network", title: network.title, state: network.state,
    sections: [
      { title: "Network", rows: [
        row("In Docker", raw.docker_networks.map((one) => code(one.name))),
        row("MTU", texts(raw.mtu)),
        row("Reaches", texts(network.external ? "the outside" : null)),
        row("Shared", texts(raw.shared ? "with every project" : null)),
        row("Port security", texts(raw.port_security_enabled ? "on" : "off, unless a port says otherwise")),
        row("Provider", texts(provider.filter((one) => one !== null && one !== undefined).join(" "))),
        row("Floating IPs", floating),
        row("Routers", network.legs.map(({ router, leg }) => way("router", router, leg.addresses.join(", ")))),
      ] },
      ...network.subnets.map((subnet) => ({ title: `Subnet ${subnet.cidr}`, rows: [
        row("Name", texts(subnet.name)),
        row("Gateway", subnet.gateway_ip ? codes(subnet.gateway_ip) : ["none"]),
        row("Gives away", texts(...subnet.allocation_pools.map((pool) => `${pool.start} – ${pool.end}`))),
        row("DNS", codes(...subnet.dns_nameservers)),
        row("DHCP", texts(subnet.enable_dhcp ? "on" : "off")),
        row("IPv6 modes", texts(subnet.ipv6_ra_mode, subnet.ipv6_address_mode)),
        row("Routes", texts(...subnet.host_routes.map((one) => `${one.destination} via ${one.nexthop}`))),
        row("Id", codes(subnet.id)),
      ] })),
      { title: plural(network.ports.length, "port"), rows: [
        row("By state", texts(...countStates(network.ports).map((one) => `${one.count} ${STATE_NAMES[one.state]}`))),
      ] },
      identity(raw, [row("State", texts(raw.status, raw.admin_state_up ? "" : "set down"))]),
    ],
  };
}

export function routerDetails(router) {
  const { raw } = router;
  const gateway = router.legs.find((leg) => leg.gateway);
  const snat = raw.external_gateway_info?.enable_snat;
  return {
    icon: "router", title: router.title, state: router.state,
    sections: [
      { title: "Way outside", rows: [
        row("Network", gateway ? [way("network", gateway.network)] : ["none"]),
        row("Address", codes(...(gateway?.addresses ?? []))),
        row("Source NAT", texts(gateway ? (snat === false ? "off" : "on") : null)),
      ] },
      { title: "Networks", rows: [
        row("Interfaces", router.legs.filter((leg) => !leg.gateway).map((leg) => way("network", leg.network, leg.addresses.join(", ")))),
        row("Ports", router.legs.flatMap((leg) => leg.ports).map((port) => way("port", { ...port, title: port.addresses.map((one) => one.address).join(", ") || port.title }, port.network.title))),
        row("Routes", texts(...raw.routes.map((one) => `${one.destination} via ${one.nexthop}`))),
      ] },
      identity(raw, [row("State", texts(raw.status, raw.admin_state_up ? "" : "set down"))]),
    ],
  };
}

export function groupDetails(group, model) {
  const members = group.members ?? [];
  const listed = members.slice(0, LISTED).map((port) => way("port", port, port.addresses.map((one) => one.address).join(", ")));
  const more = members.length > LISTED ? [`and ${members.length - LISTED} more, all lit in the picture`] : [];
  return {
    icon: "group", title: group.name || short(group.id), state: null,
    sections: [
      { ...groupSection(group, model), title: "Rules", isOpen: true, rows: null },
      { title: plural(members.length, "port"), rows: [row("In it", [...listed, ...more])] },
      identity(group, [row("Stateful", texts(group.stateful === false ? "no: replies need a rule too" : "yes"))]),
    ],
  };
}

function groupSection(group, model) {
  const rules = group.security_group_rules.map((rule) => ({ ...ruleOf(rule, model), key: ruleKey(rule) }));
  rules.sort((a, b) => compare(a.key, b.key));
  return {
    title: `Group ${group.name || short(group.id)}`, key: `group ${group.id}`, count: plural(rules.length, "rule"), rules,
    rows: [row("Group", [way("group", group, "its ports")])],
  };
}

const ruleKey = (rule) => `${rule.direction === "ingress" ? 0 : 1} ${rule.ethertype} ${rule.protocol ?? ""} ${rule.remote_ip_prefix ? addressKey(rule.remote_ip_prefix) : ""} ${rule.id}`;

function ruleOf(rule, model) {
  const peer = () => {
    const group = rule.remote_group_id;
    if (group) return { open: `group:${group}`, text: `ports of ${model.group.get(group)?.name ?? short(group)}` };
    return { text: rule.remote_ip_prefix ?? "anybody" };
  };
  const [first, last] = [rule.port_range_min, rule.port_range_max];
  const isIcmp = /icmp|^1$|^58$/.test(rule.protocol ?? "");
  const range = first === null || first === undefined ? "" : isIcmp ? `type ${first}${last === null ? "" : ` code ${last}`}`
    : first === last ? String(first) : `${first}–${last}`;
  const what = [rule.protocol?.toUpperCase() ?? "anything", range, rule.ethertype].filter(Boolean).join(" ");
  return { way: rule.direction === "ingress" ? "in" : "out", what, peer: peer(), note: rule.description };
}

function identity(raw, rows) {
  return { title: "In Neutron", rows: [
    ...rows,
    row("Name", texts(raw.name)),
    row("Id", codes(raw.id)),
    row("Project", codes(raw.project_id)),
    row("Description", texts(raw.description)),
    row("Tags", texts(...raw.tags)),
    row("Created", texts(when(raw.created_at))),
    row("Changed", texts(when(raw.updated_at))),
    row("Revision", texts(raw.revision_number)),
  ] };
}

const when = (time) => (time ? time.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC") : "");
