// The panel: everything about the one thing that is selected.

import { $, el, icon } from "./dom.js";
import { STATE_NAMES } from "./model.js";
import { groupDetails, networkDetails, portDetails, routerDetails } from "./details.js";

const KINDS = { port: portDetails, network: networkDetails, router: routerDetails, group: groupDetails };
const KIND_NAMES = { port: "Port", network: "Network", router: "Router", group: "Security group" };

/** Longer ids are shortened: they are for copying. */
const LONGEST = 44;

let opener = null;
let drawn = null;

/** Shows what is selected; the same content is left untouched. `takeFocus` when a person has just opened it. */
export function drawPanel(model, selected, takeFocus) {
  const panel = $("panel");
  if (!selected) {
    if (!panel.hidden) hide(panel);
    return;
  }
  if (takeFocus && !panel.contains(document.activeElement)) opener = document.activeElement;
  const found = model[selected.kind].get(selected.id);
  const details = found ? KINDS[selected.kind](found, model) : null;
  const key = `${selected.kind}:${selected.id}`;
  const content = JSON.stringify(details);
  if (drawn?.key !== key || drawn.content !== content) {
    // Of what is gone the last that was known stays, with a word.
    if (!details && drawn?.key === key) markGone(panel);
    else if (details) fill(panel, key, selected.kind, details);
    else return void hide(panel);
    drawn = { key, content };
  }
  panel.hidden = false;
  if (takeFocus) $("panel-title").focus({ preventScroll: true });
}

function hide(panel) {
  const hadFocus = panel.contains(document.activeElement);
  panel.hidden = true;
  panel.replaceChildren();
  drawn = null;
  if (hadFocus && opener?.isConnected) opener.focus({ preventScroll: true });
  opener = null;
}

function markGone(panel) {
  if (!panel.querySelector(".gone")) {
    panel.querySelector(".panel-head").after(el("p", { class: "gone", role: "status" }, "This is gone. It was:"));
  }
}

function fill(panel, key, kind, details) {
  const isSame = drawn?.key === key;
  const kept = isSame ? keep(panel) : { top: 0, open: new Set(), focus: null };
  const close = el("button", { type: "button", class: "close", "data-close": "", "aria-label": "Close (Escape)" }, "×");
  const state = details.state ? el("span", { class: "badge", "data-state": details.state }, STATE_NAMES[details.state]) : null;
  const head = el("div", { class: "panel-head" },
    el("p", { class: "kind" }, icon(details.icon), KIND_NAMES[kind]),
    el("h2", { id: "panel-title", tabindex: "-1" }, details.title), state, close);
  panel.replaceChildren(head, ...details.sections.filter(Boolean).map((section) => drawSection(section, kept.open)));
  panel.scrollTop = kept.top;
  if (kept.focus) panel.querySelector(`[data-key="${CSS.escape(kept.focus)}"]`)?.focus({ preventScroll: true });
}

/** Where a reader was, for when the content changes under their eyes. */
function keep(panel) {
  const open = new Set([...panel.querySelectorAll("details[open]")].map((one) => one.dataset.key));
  return { top: panel.scrollTop, open, focus: panel.contains(document.activeElement) ? document.activeElement.dataset.key : null };
}

function drawSection({ title, rows, rules, key, isOpen, count }, open) {
  if (rules) {
    const summary = el("summary", { "data-key": `${key} summary` }, el("span", {}, title), el("span", { class: "count" }, count));
    const box = el("details", { class: "rules", "data-key": key }, summary, drawRules(rules));
    if (rows) box.append(drawRows(rows));
    box.open = isOpen || open.has(key);
    return box;
  }
  return el("section", {}, el("h3", {}, title), drawRows(rows));
}

function drawRows(rows) {
  const list = el("dl");
  for (const { name, values } of rows) {
    if (values.length === 0) continue;
    list.append(el("div", {}, el("dt", {}, name), ...values.map((value) => el("dd", {}, ...drawValue(value)))));
  }
  return list;
}

/** A text, an id or address to copy, a way to something else, or a state. */
function drawValue(value) {
  if (typeof value === "string") return [value];
  const note = value.note ? el("span", { class: "aside" }, value.note) : null;
  if (value.open) {
    const state = value.state ? el("span", { class: "state", "data-state": value.state }) : null;
    return [el("button", { type: "button", class: "link", "data-open": value.open, "data-key": value.open }, state, value.text), note];
  }
  const label = `Copy ${value.code}`;
  const copy = el("button", { type: "button", class: "copy", "data-copy": value.code, "data-key": label, "aria-label": label, title: label }, icon("copy"));
  const isLong = value.code.length > LONGEST;
  return [el("code", { title: isLong ? value.code : null }, isLong ? `${value.code.slice(0, 12)}…` : value.code), note, copy];
}

function drawRules(rules) {
  if (rules.length === 0) return el("p", { class: "aside" }, "No rules: nothing is let through.");
  const head = el("tr", {}, ...["Way", "What", "Peer"].map((text) => el("th", { scope: "col" }, text)));
  const rows = rules.map((rule) => el("tr", {},
    el("td", { class: "way", "data-way": rule.way }, rule.way),
    el("td", {}, rule.what),
    el("td", {}, ...(rule.peer.open ? drawValue(rule.peer) : [rule.peer.text]), rule.note ? el("span", { class: "aside" }, rule.note) : null)));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows));
}
