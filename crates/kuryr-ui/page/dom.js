// Elements: made and changed. Whatever comes from outside becomes text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** The element with this id. */
export const $ = (id) => document.getElementById(id);

/** An element; strings among its children become text. Attributes that are null or false are left out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** The same for pictures. */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  node.append(...children);
  return node;
}

/** Touches the attribute only if it changes; null and false remove it. */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, value);
  }
}

/** Touches the text only if it changes. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Makes the children of a node those of a list: those that were there stay themselves, so that focus, selection and
 * animations live on.
 */
export function keyed(parent, items, key, create, update) {
  const before = parent.keyed ?? new Map();
  const after = new Map();
  const wanted = new Set(items.map(key));
  for (const [id, node] of before) if (!wanted.has(id)) node.remove();
  let place = parent.firstChild;
  for (const item of items) {
    const id = key(item);
    const known = before.get(id);
    const node = known ?? create(item);
    after.set(id, node);
    update(node, item, !known);
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
  }
  parent.keyed = after;
}

/** Text in which the found words are marked. */
export function setMarked(node, text, words) {
  const shown = `${text}\n${words.join(" ")}`;
  if (node.marked === shown) return;
  node.marked = shown;
  const lower = text.toLowerCase();
  const parts = [];
  let at = 0;
  while (at < text.length && words.length > 0) {
    const next = words
      .map((word) => ({ word, start: lower.indexOf(word, at) }))
      .filter(({ start }) => start >= 0)
      .sort((a, b) => a.start - b.start || b.word.length - a.word.length)[0];
    if (!next) break;
    const end = next.start + next.word.length;
    parts.push(text.slice(at, next.start), el("mark", {}, text.slice(next.start, end)));
    at = end;
  }
  parts.push(text.slice(at));
  node.replaceChildren(...parts.filter((part) => part !== ""));
}

const ICONS = {
  container: "M8 1.5 14 5v6l-6 3.5L2 11V5zM2 5l6 3.5L14 5M8 8.5v6",
  router: "M8 1.5v4m0 5v4M1.5 8h4m5 0h4M6 3.5l2-2 2 2M6 12.5l2 2 2-2M3.5 6l-2 2 2 2M12.5 6l2 2-2 2",
  service: "M8 5.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM8 1.5v2m0 9v2M1.5 8h2m9 0h2M3.4 3.4l1.4 1.4m6.4 6.4 1.4 1.4M3.4 12.6l1.4-1.4m6.4-6.4 1.4-1.4",
  device: "M2 3h12v8H2zM6 14h4M8 11v3",
  ready: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM8 4.5V8l2.5 2",
  nobody: "M3 3h10v10H3z",
  network: "M8 2v5M3.5 13V9.5h9V13M6.5 2h3M2 13.5h3m6 0h3",
  outside: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM1.5 8h13M8 1.5c4 4 4 9 0 13M8 1.5c-4 4-4 9 0 13",
  copy: "M5.5 5.5V2.5h8v8h-3M2.5 5.5h8v8h-8z",
  done: "M3 8.5 6.5 12 13 4.5",
  group: "M8 1.5 13.5 3.5v4c0 3.5-2.5 5.5-5.5 7-3-1.5-5.5-3.5-5.5-7v-4z",
};

/** A small picture of what something is. */
export function icon(name) {
  const path = svg("path", { d: ICONS[name] ?? ICONS.nobody });
  return svg("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" }, path);
}
