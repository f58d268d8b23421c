// Ports: cards where there are few, short labels where there are more, an address map where there are many.

import { el, icon, keyed, setAttribute, setMarked, setText } from "./dom.js";
import { STATE_NAMES } from "./model.js";

const CARDS = 24;
const LABELS = 96;
/** Characters of an address that a field of the map has room for; in wide fields there is room for all. */
const SHORT = 6;

/** How so many ports are drawn. */
export function densityOf(count, isNamed) {
  if (count <= CARDS) return "cards";
  return count <= LABELS || isNamed ? "labels" : "dense";
}

/** The place of a network's ports. One stop of the Tab key: the arrow keys lead from port to port. */
export function makePorts(network) {
  const node = el("div", { class: "ports", role: "group", "data-network": network });
  node.addEventListener("keydown", walk);
  node.addEventListener("focusin", (event) => setStop(node, event.target));
  return node;
}

/** Draws them. */
export function drawPorts(node, ports, density, view) {
  setAttribute(node, "data-density", density);
  setAttribute(node, "data-wide", ports.some((port) => port.short.length > SHORT));
  setAttribute(node, "aria-label", "Ports; the arrow keys lead from one to the next");
  keyed(node, ports, (port) => port.id, makePort, (button, port, isNew) => drawPort(button, port, density, view, isNew));
  if (!node.querySelector('[tabindex="0"]')) setStop(node, node.firstElementChild);
}

function makePort(port) {
  const parts = {
    state: el("span", { class: "state" }),
    name: el("span", { class: "name" }),
    addresses: el("code", { class: "addresses" }),
    short: el("code", { class: "short" }),
    more: el("span", { class: "more" }),
  };
  const button = el("button", { type: "button", class: "port", tabindex: "-1", "data-open": `port:${port.id}` },
    parts.state, icon(port.raw.used_by), parts.name, parts.addresses, parts.short, parts.more);
  button.parts = parts;
  button.addEventListener("animationend", () => button.removeAttribute("data-news"));
  return button;
}

function drawPort(button, port, density, view, isNew) {
  const { parts } = button;
  const { words } = view.wanted;
  const addresses = port.addresses.map((one) => one.address);
  if (!view.isFirst && (isNew ? view.isFresh(port.id) : button.dataset.state !== port.state)) {
    button.dataset.news = isNew ? "new" : "changed";
  }
  setAttribute(button, "data-state", port.state);
  setAttribute(button, "data-use", port.raw.used_by);
  setAttribute(button, "data-selected", view.isSelected("port", port.id));
  setAttribute(button, "data-dim", view.isDimmed(port));
  if (button.use !== port.raw.used_by) {
    if (button.use) button.querySelector(".icon").replaceWith(icon(port.raw.used_by));
    button.use = port.raw.used_by;
  }
  setMarked(parts.name, port.title, words);
  setMarked(parts.addresses, addresses.join(", ") || "no address", words);
  setText(parts.short, port.short);
  if (density === "cards") setMarked(parts.more, about(port), words);
  const label = [port.title, addresses.join(", "), STATE_NAMES[port.state]].filter(Boolean).join(", ");
  setAttribute(button, "aria-label", label);
  button.tip = tip(port);
}

/** Who lets packets through to it, and where it is. */
function about(port) {
  if (port.raw.used_by === "router") return port.raw.device_owner.endsWith("gateway") ? "router’s way outside" : "router’s interface";
  if (port.raw.used_by === "service") return "of the network itself";
  const groups = port.raw.port_security_enabled ? port.groups.map((group) => group.name || group.id.slice(0, 8)).join(", ") : "no port security";
  return [groups, port.floating.map((one) => `⇄ ${one.floating_ip_address}`).join(", ")].filter(Boolean).join(" · ");
}

function tip(port) {
  const where = port.raw["binding:host_id"];
  return [
    port.title,
    port.addresses.map((one) => one.address).join(", ") || "no address",
    `${STATE_NAMES[port.state]}${where ? ` on ${where}` : ""}`,
    about(port),
  ].filter(Boolean);
}

function setStop(node, button) {
  if (!button || !button.classList.contains("port")) return;
  for (const other of node.querySelectorAll('[tabindex="0"]')) if (other !== button) other.tabIndex = -1;
  button.tabIndex = 0;
}

function walk(event) {
  const from = event.target.closest(".port");
  if (!from || event.altKey || event.ctrlKey || event.metaKey) return;
  const to = {
    ArrowLeft: () => from.previousElementSibling,
    ArrowRight: () => from.nextElementSibling,
    ArrowUp: () => above(from, -1),
    ArrowDown: () => above(from, 1),
    Home: () => from.parentNode.firstElementChild,
    End: () => from.parentNode.lastElementChild,
  }[event.key];
  if (!to) return;
  event.preventDefault();
  to()?.focus();
}

/** The nearest one in the next row above or below. */
function above(from, direction) {
  const here = from.getBoundingClientRect();
  let best = null;
  let next = from;
  for (;;) {
    next = direction < 0 ? next.previousElementSibling : next.nextElementSibling;
    if (!next) return best?.node;
    const there = next.getBoundingClientRect();
    if (there.top === here.top) continue;
    if (best && there.top !== best.top) return best.node;
    const distance = Math.abs(there.left - here.left);
    if (!best || distance < best.distance) best = { node: next, distance, top: there.top };
  }
}
