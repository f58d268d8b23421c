// The picture: networks as bands, routers beside them.

import { $, el, icon, keyed, setAttribute, setMarked, setText } from "./dom.js";
import { STATE_NAMES, countStates, plural } from "./model.js";
import { densityOf, drawPorts, makePorts } from "./ports.js";
import { isRouterFound } from "./search.js";
import { drawLines, placeRouters } from "./lines.js";

/** Networks whose ports are to have names although there are many. */
const named = new Set();

/** Draws everything. `view` has the model, what is shown of it, what is looked for, and what is selected. */
export function draw(view) {
  keyed($("networks"), view.shown, (one) => one.network.id, makeBand, (band, one) => drawBand(band, one, view));
  keyed($("routers"), view.model.routers, (router) => router.id, makeRouter, (node, router) => drawRouter(node, router, view));
  setAttribute($("diagram"), "data-routed", view.model.routers.length > 0);
  drawEmpty(view);
  arrange(view);
}

/** Puts routers beside their networks, and draws the lines. */
export function arrange(view) {
  const visible = new Set(view.shown.map((one) => one.network.id));
  const routers = view.model.routers.map((router) => ({
    router,
    node: $("routers").keyed.get(router.id),
    legs: router.legs.filter((leg) => visible.has(leg.network.id))
      .map((leg) => ({ leg, band: $("networks").keyed.get(leg.network.id) })),
  }));
  placeRouters(routers);
  drawLines($("lines"), routers, view);
}

function drawEmpty(view) {
  const empty = $("empty");
  empty.hidden = view.shown.length > 0;
  if (!empty.hidden) {
    setText(empty, view.wanted.isActive
      ? "Nothing has all of these words. Escape clears the search."
      : "There are no networks yet. Make one: docker network create -d kuryr --ipam-driver kuryr --subnet 10.10.0.0/24 blue");
  }
}

function makeBand({ network }) {
  const parts = {
    open: el("button", { type: "button", class: "title", "data-open": `network:${network.id}` }),
    name: el("span", { class: "name" }),
    state: el("span", { class: "badge" }),
    also: el("span", { class: "also" }),
    subnets: el("span", { class: "subnets" }),
    legs: el("span", { class: "legs" }),
    count: el("span", { class: "count" }),
    names: el("button", { type: "button", class: "small", "data-names": network.id }, "Names"),
    bar: el("div", { class: "share", "aria-hidden": "true" }),
    ports: makePorts(network.id),
  };
  parts.open.append(icon(network.external ? "outside" : "network"), parts.name);
  const heading = el("h2", {}, parts.open);
  const about = el("div", { class: "about" }, heading, parts.state, parts.also, parts.subnets, parts.legs);
  const head = el("div", { class: "head" }, about, parts.count, parts.names);
  const band = el("section", { class: "band" }, head, parts.bar, parts.ports);
  band.parts = parts;
  return band;
}

function drawBand(band, { network, ports }, view) {
  const { parts } = band;
  const { words } = view.wanted;
  setAttribute(band, "data-external", network.external);
  setAttribute(band, "data-selected", view.isSelected("network", network.id));
  setAttribute(band, "aria-label", `Network ${network.title}, ${plural(network.ports.length, "port")}`);
  setMarked(parts.name, network.title, words);
  setMarked(parts.also, network.also, words);
  parts.also.hidden = network.also === "";
  setAttribute(parts.state, "data-state", network.state);
  setText(parts.state, STATE_NAMES[network.state]);
  parts.state.hidden = network.state === "active";
  keyed(parts.subnets, network.subnets, (one) => one.id, () => el("code"), (node, one) => setMarked(node, one.cidr, words));
  drawLegs(parts.legs, network, view);
  const all = network.ports.length;
  setText(parts.count, ports.length === all ? plural(all, "port") : `${ports.length} of ${plural(all, "port")}`);
  drawShare(parts.bar, network.ports);
  const density = densityOf(ports.length, named.has(network.id));
  parts.names.hidden = densityOf(ports.length, false) !== "dense";
  setAttribute(parts.names, "aria-pressed", String(named.has(network.id)));
  setAttribute(parts.names, "aria-label", `Show names of the ports of ${network.title}`);
  drawPorts(parts.ports, ports, density, view);
  parts.ports.hidden = ports.length === 0;
}

/** The routers of a network, with their addresses on it. */
function drawLegs(node, network, view) {
  const make = ({ router }) => el("button", { type: "button", class: "leg", "data-open": `router:${router.id}` },
    icon("router"), el("span"), el("code"));
  keyed(node, network.legs, ({ router }) => router.id, make, (button, { router, leg }) => {
    setAttribute(button, "data-lane", router.lane % 6);
    setMarked(button.children[1], router.title, view.wanted.words);
    setMarked(button.children[2], leg.addresses.join(", "), view.wanted.words);
    const what = leg.gateway ? "way outside" : "interface";
    setAttribute(button, "aria-label", `Router ${router.title}, ${what} ${leg.addresses.join(", ")}`);
  });
}

/** The states of all ports of a network as shares of a thin bar. */
function drawShare(bar, ports) {
  const make = () => el("span");
  keyed(bar, countStates(ports), (one) => one.state, make, (part, { state, count }) => {
    setAttribute(part, "data-state", state);
    if (part.style.flexGrow !== String(count)) part.style.flexGrow = count;
  });
}

function makeRouter(router) {
  const parts = { name: el("span", { class: "name" }), about: el("span", { class: "about" }), state: el("span", { class: "badge" }) };
  const text = el("span", { class: "text" }, parts.name, parts.about);
  const node = el("button", { type: "button", class: "router", "data-open": `router:${router.id}` }, icon("router"), text, parts.state);
  node.parts = parts;
  return node;
}

function drawRouter(node, router, view) {
  setAttribute(node, "data-lane", router.lane % 6);
  setAttribute(node, "data-selected", view.isSelected("router", router.id));
  setAttribute(node, "data-dim", !isRouterFound(router, view.wanted));
  setMarked(node.parts.name, router.title, view.wanted.words);
  const inside = router.legs.filter((leg) => !leg.gateway).length;
  const about = `${plural(inside, "network")}${router.legs.some((leg) => leg.gateway) ? ", outside" : ""}`;
  setText(node.parts.about, about);
  setAttribute(node.parts.state, "data-state", router.state);
  setText(node.parts.state, STATE_NAMES[router.state]);
  node.parts.state.hidden = router.state === "active";
  setAttribute(node, "aria-label", `Router ${router.title}, ${STATE_NAMES[router.state]}, ${about}`);
}

/** Shows names in a network with many ports, or no longer. */
export function toggleNames(id) {
  if (!named.delete(id)) named.add(id);
}
