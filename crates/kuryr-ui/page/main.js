// The page: what there is comes in, what a person does changes what is shown of it.

import { $, el, icon, keyed, setAttribute, setText } from "./dom.js";
import { takeToken, watch } from "./live.js";
import { STATES, STATE_NAMES, countStates, join, plural } from "./model.js";
import { arrange, draw, toggleNames } from "./diagram.js";
import { drawPanel } from "./panel.js";
import { lookFor, shown } from "./search.js";

/** News are told by name up to so many. */
const TOLD = 3;
const states = new Set();
let model = null;
let before = null;
let selected = null;
let members = null;

function redraw(isNew = false, takeFocus = false) {
  if (!model) return;
  const wanted = lookFor($("query").value, states);
  const networks = shown(model, wanted);
  members = selected?.kind === "group" ? new Set(model.group.get(selected.id)?.members.map((port) => port.id)) : null;
  draw({
    model, wanted, shown: networks,
    isFirst: !isNew || before === null,
    isFresh: (id) => !before?.port.has(id),
    isSelected: (kind, id) => selected?.kind === kind && selected.id === id,
    isDimmed: (port) => members !== null && !members.has(port.id),
  });
  drawStates();
  const count = networks.reduce((sum, one) => sum + one.ports.length, 0);
  setText($("found"), wanted.isActive ? `${count} of ${plural(model.ports.length, "port")}` : "");
  drawPanel(model, selected, takeFocus);
  document.body.toggleAttribute("data-panel", selected !== null);
}

/** How many ports there are in each state; a click leaves only those. */
function drawStates() {
  const counts = new Map(countStates(model.ports).map((one) => [one.state, one.count]));
  const all = STATES.filter((state) => counts.has(state) || states.has(state));
  const make = (state) => el("button", { type: "button", class: "filter", "data-filter": state },
    el("span", { class: "state", "data-state": state }), el("b"), el("span", {}, STATE_NAMES[state]));
  keyed($("states"), all, (state) => state, make, (button, state) => {
    setAttribute(button, "aria-pressed", String(states.has(state)));
    setText(button.children[1], String(counts.get(state) ?? 0));
  });
}

function take(topology) {
  before = model;
  model = join(topology);
  setText($("cloud"), `${model.topology.cloud.source} · ${model.topology.cloud.auth_url}`);
  setAttribute($("cloud"), "title", $("cloud").textContent);
  const docker = topology.docker_error;
  $("note").hidden = !docker;
  setText($("note"), docker ? `Containers have no names here: ${docker}` : "");
  redraw(true);
  if (before) tell(news(before, model));
  isLive();
}

/** What changed, in words for those who do not see it. */
function news(old, now) {
  const told = [];
  for (const port of now.ports) {
    const known = old.port.get(port.id);
    if (!known) told.push(`${port.title} is new on ${port.network?.title ?? "a network"}`);
    else if (known.state !== port.state) told.push(`${port.title} is ${STATE_NAMES[port.state]}`);
  }
  for (const port of old.ports) if (!now.port.has(port.id)) told.push(`${port.title} is gone`);
  return told;
}

function tell(told) {
  const more = told.length > TOLD ? `, and ${told.length - TOLD} more changes` : "";
  if (told.length > 0) setText($("news"), told.slice(0, TOLD).join(", ") + more);
}

function isLive() {
  $("trouble").hidden = true;
  setAttribute($("live"), "data-state", "live");
  setText($("live-text"), "live");
  setAttribute($("diagram"), "data-stale", null);
}

function isNotLive(reason) {
  $("trouble").hidden = false;
  setText($("trouble"), model ? `This is what was last seen: ${reason}` : reason);
  setAttribute($("live"), "data-state", "stale");
  setText($("live-text"), "not live");
  setAttribute($("diagram"), "data-stale", model !== null);
}

function select(next, takeFocus) {
  selected = next;
  redraw(false, takeFocus);
  // The diagram is narrower beside the panel.
  arrangeAgain();
}

function arrangeAgain() {
  if (model) arrange({ model, shown: shown(model, lookFor($("query").value, states)), isSelected: (kind, id) => selected?.kind === kind && selected.id === id });
}

function click(event) {
  const button = event.target.closest("button");
  if (!button) return;
  const { open, copy, names, filter, close } = button.dataset;
  if (open) {
    const [kind, id] = open.split(/:(.*)/);
    const isSame = selected?.kind === kind && selected.id === id;
    select(isSame && !$("panel").contains(button) ? null : { kind, id }, true);
  } else if (copy !== undefined) copyText(button, copy);
  else if (names) (toggleNames(names), redraw());
  else if (filter) (states.delete(filter) || states.add(filter), redraw());
  else if (close !== undefined) select(null);
}

async function copyText(button, text) {
  const isDone = await navigator.clipboard.writeText(text).then(() => true, () => false);
  button.replaceChildren(icon(isDone ? "done" : "copy"));
  tell([isDone ? "Copied" : "The browser does not allow to copy"]);
  setTimeout(() => button.replaceChildren(icon("copy")), 1500);
}

function press(event) {
  const isTyping = event.target.matches("input");
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    $("query").select();
  } else if (event.key === "Escape") {
    if (!$("tip").hidden) $("tip").hidden = true;
    if (selected) select(null);
    else if ($("query").value || states.size > 0) {
      $("query").value = "";
      states.clear();
      redraw();
    }
  }
}

/** A label's whole text, where there is only room for a part of it. */
function showTip(event) {
  const port = event.target.closest?.(".port");
  const tip = $("tip");
  tip.hidden = !port || port.parentNode.dataset.density === "cards";
  if (tip.hidden) return;
  tip.replaceChildren(...port.tip.map((line) => el("span", {}, line)));
  const at = port.getBoundingClientRect();
  const left = Math.min(at.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
  const below = at.bottom + 6 + tip.offsetHeight < innerHeight;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${below ? at.bottom + 6 : at.top - tip.offsetHeight - 6}px`;
}

function start() {
  const token = takeToken();
  if (!token) {
    isNotLive("This address has no token. Open the one that 'kuryr ui' printed.");
    return;
  }
  document.addEventListener("click", click);
  document.addEventListener("keydown", press);
  document.addEventListener("mouseover", showTip);
  document.addEventListener("focusin", showTip);
  document.addEventListener("scroll", () => showTip({ target: document.activeElement }), { passive: true });
  $("query").addEventListener("input", () => redraw());
  $("search").addEventListener("submit", (event) => event.preventDefault());
  new ResizeObserver(arrangeAgain).observe($("networks"));
  watch(token, { topology: take, unchanged: isLive, trouble: isNotLive, refused: isNotLive });
}

start();
