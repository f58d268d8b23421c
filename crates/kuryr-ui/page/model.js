// From Neutron's words to what is drawn: names for people, states, and who belongs to whom.

/** States of ports, the gravest first. */
export const STATES = ["error", "build", "active", "down", "off", "unknown"];
export const STATE_NAMES = {
  active: "active", build: "being built", down: "down", error: "error", off: "set down", unknown: "unknown",
};
const OF_STATUS = { ACTIVE: "active", DOWN: "down", BUILD: "build", ERROR: "error" };
const SERVICES = {
  "network:dhcp": "DHCP", "network:floatingip": "floating IP", "network:distributed": "metadata", "network:local_ip": "local IP",
};
/** The cloud's own ports come first: they are few, and what is behind them concerns all others. */
const ORDER = { router: 0, service: 1 };

/** Joins a topology: networks with their ports in order, routers with their interfaces, groups with who is in them. */
export function join(topology) {
  const byId = (all) => new Map(all.map((one) => [one.id, one]));
  const subnets = byId(topology.subnets);
  const groups = byId(topology.security_groups);
  const rawRouters = byId(topology.routers);
  const floating = groupBy(topology.floating_ips, (one) => one.port_id);
  const networks = topology.networks.map((raw) => networkOf(raw, topology));
  const network = byId(networks);
  const ports = topology.ports.map((raw) => portOf(raw, { subnets, groups, rawRouters, network, floating }));
  for (const port of ports) network.get(port.raw.network_id)?.ports.push(port);
  for (const one of networks) one.ports.sort(inOrder);
  const routers = topology.routers.map((raw) => routerOf(raw, ports, network));
  const isInside = (router) => (router.legs.some((leg) => leg.gateway) ? 0 : 1);
  routers.sort((a, b) => isInside(a) - isInside(b) || compare(a.title, b.title) || compare(a.id, b.id));
  routers.forEach((router, index) => (router.lane = index));
  for (const router of routers) for (const leg of router.legs) leg.network.legs.push({ router, leg });
  networks.sort(byPlace);
  const members = groupBy(ports.flatMap((port) => port.groups.map((group) => ({ group, port }))), (one) => one.group.id);
  for (const group of groups.values()) group.members = (members.get(group.id) ?? []).map((one) => one.port);
  return { topology, networks, routers, ports, network, port: byId(ports), router: byId(routers), group: groups };
}

function networkOf(raw, topology) {
  const docker = raw.docker_networks;
  const own = raw.name || short(raw.id);
  const subnets = topology.subnets.filter((subnet) => subnet.network_id === raw.id);
  subnets.sort((a, b) => a.ip_version - b.ip_version || compare(addressKey(a.cidr), addressKey(b.cidr)));
  const title = docker.length === 1 ? docker[0].name : own;
  const state = raw.admin_state_up ? (OF_STATUS[raw.status] ?? "unknown") : "off";
  const also = title === own ? docker.map((one) => one.name).join(", ") : own;
  const words = [title, own, raw.id, ...docker.map((one) => one.name), ...subnets.map((one) => one.cidr), ...raw.tags];
  return {
    id: raw.id, raw, title, also, subnets, state, ports: [], legs: [], external: raw["router:external"],
    text: words.join("\n").toLowerCase(),
  };
}

function portOf(raw, { subnets, groups, rawRouters, network, floating }) {
  const net = network.get(raw.network_id);
  const addresses = raw.fixed_ips.map((ip) => ({ address: ip.ip_address, subnet: subnets.get(ip.subnet_id) }));
  const mine = raw.security_groups.map((id) => groups.get(id) ?? { id, name: short(id), security_group_rules: [] });
  const router = raw.router ? rawRouters.get(raw.router) : null;
  const title = portTitle(raw, router);
  const state = portState(raw);
  const lent = floating.get(raw.id) ?? [];
  const words = [
    title, raw.name, raw.id, raw.mac_address, raw["binding:host_id"], raw.device_id, raw.device_owner, raw.interface,
    raw.container?.id, raw.container?.image, net?.text, STATE_NAMES[state], raw.used_by, raw.dns_name, raw.description,
    ...addresses.map((one) => one.address), ...mine.map((group) => group.name), ...raw.tags,
    ...lent.map((one) => one.floating_ip_address),
  ];
  return {
    id: raw.id, raw, title, state, addresses, network: net, groups: mine, floating: lent,
    short: addresses.length > 0 ? hostPart(addresses[0]) : short(raw.id).slice(0, 4),
    order: ORDER[raw.used_by] ?? 2, key: addresses.length > 0 ? addressKey(addresses[0].address) : "9",
    text: words.filter(Boolean).join("\n").toLowerCase(),
  };
}

function portTitle(raw, router) {
  switch (raw.used_by) {
    case "container": return raw.container?.name || `endpoint ${raw.device_id.slice(0, 12)}`;
    case "router": return router?.name || "router";
    case "service": return SERVICES[raw.device_owner] ?? raw.device_owner.split(":")[1];
    case "ready": return "ready";
    case "device": return raw.name || raw.device_id.slice(0, 12) || "device";
    default: return raw.name || "unused";
  }
}

function portState(raw) {
  if (raw["binding:vif_type"] === "binding_failed" || raw.status === "ERROR") return "error";
  if (!raw.admin_state_up) return "off";
  return OF_STATUS[raw.status] ?? "unknown";
}

function routerOf(raw, ports, network) {
  const legs = new Map();
  const leg = (id) => {
    if (!legs.has(id)) legs.set(id, { network: network.get(id), addresses: [], ports: [], gateway: false });
    return legs.get(id);
  };
  for (const port of ports.filter((one) => one.raw.router === raw.id && one.network)) {
    const mine = leg(port.network.id);
    mine.addresses.push(...port.addresses.map((one) => one.address));
    mine.ports.push(port);
  }
  const gateway = raw.external_gateway_info;
  if (gateway && network.has(gateway.network_id)) {
    const mine = leg(gateway.network_id);
    mine.gateway = true;
    // Whoever is no administrator sees the gateway's addresses, but not its port.
    const told = (gateway.external_fixed_ips ?? []).map((ip) => ip.ip_address).filter(Boolean);
    if (mine.addresses.length === 0) mine.addresses.push(...told);
  }
  const state = raw.admin_state_up ? (OF_STATUS[raw.status] ?? "unknown") : "off";
  const all = [...legs.values()];
  const text = [raw.name, raw.id, ...raw.tags, ...all.flatMap((one) => one.addresses)].join("\n").toLowerCase();
  return { id: raw.id, raw, title: raw.name || short(raw.id), state, legs: all, text };
}

/** Networks to the outside first, then each router's, then those that no router joins. */
function byPlace(a, b) {
  const place = (one) => (one.external ? -1 : Math.min(...one.legs.map(({ router }) => router.lane), 1e9));
  return place(a) - place(b) || compare(a.title, b.title) || compare(a.id, b.id);
}

const inOrder = (a, b) => a.order - b.order || compare(a.key, b.key) || compare(a.id, b.id);

/** How many ports there are in each state, those without any left out. */
export function countStates(ports) {
  const counts = groupBy(ports, (port) => port.state);
  return STATES.filter((state) => counts.has(state)).map((state) => ({ state, count: counts.get(state).length }));
}

/** What of an address differs within its subnet. */
function hostPart({ address, subnet }) {
  const length = Number(subnet?.cidr.split("/")[1] ?? 0);
  if (address.includes(":")) return `::${address.split(":").filter(Boolean).slice(-1)[0] ?? ""}`;
  return `.${address.split(".").slice(Math.min(3, Math.floor(length / 8))).join(".")}`;
}

/** A text that sorts as the address does. */
export function addressKey(address) {
  const bare = address.split("/")[0];
  if (!bare.includes(":")) return `4${bare.split(".").map((part) => part.padStart(3, "0")).join("")}`;
  const [head, tail = ""] = bare.split("::");
  const groups = (text) => text.split(":").filter(Boolean);
  const [left, right] = [groups(head), groups(tail)];
  const zeros = Array(Math.max(0, 8 - left.length - right.length)).fill("0");
  return `6${[...left, ...zeros, ...right].map((part) => part.padStart(4, "0")).join("")}`;
}

export const short = (id) => id.slice(0, 8);
export const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
export const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

function groupBy(all, key) {
  const groups = new Map();
  for (const one of all) {
    const id = key(one);
    if (!groups.has(id)) groups.set(id, []);
    groups.get(id).push(one);
  }
  return groups;
}
