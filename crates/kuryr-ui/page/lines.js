// Where routers stand, and the lines from them to their networks.

import { keyed, setAttribute, svg } from "./dom.js";

const GAP = 12;
const LANE = 10;
const RADIUS = 7;
const APART = 12;
/** Height of the first line of a band: its name is there. */
const FIRST_LINE = 30;

/** Puts each router beside the first network it reaches, and none upon another. */
export function placeRouters(routers) {
  let free = 0;
  const wished = routers.map(({ node, legs, router }) => {
    const heads = legs.map(({ band }) => headOf(band));
    const inside = legs.flatMap(({ leg }, index) => (leg.gateway ? [] : [heads[index]]));
    const top = Math.min(...(inside.length > 0 ? inside : heads), Number.MAX_SAFE_INTEGER);
    const base = node.parentNode.offsetTop + node.offsetHeight / 2;
    return { node, lane: router.lane, top: top === Number.MAX_SAFE_INTEGER ? 0 : top - base };
  });
  wished.sort((a, b) => a.top - b.top || a.lane - b.lane);
  for (const { node, top } of wished) {
    const place = `${Math.round(Math.max(top, free))}px`;
    if (node.style.top !== place) node.style.top = place;
    free = Math.max(top, free) + node.offsetHeight + GAP;
  }
  const column = routers[0]?.node.parentNode;
  if (column && column.style.minHeight !== `${free}px`) column.style.minHeight = `${free}px`;
}

/** The height at which a line meets a band. */
function headOf(band) {
  const head = band.querySelector(".head");
  return band.offsetTop + head.offsetTop + FIRST_LINE / 2;
}

/** Draws a line for each network that a router reaches; a router's lines share its lane. */
export function drawLines(picture, routers, view) {
  const lines = routers.flatMap(({ router, node, legs }) => {
    const column = node.parentNode;
    const x = column.offsetLeft + node.offsetLeft + node.offsetWidth;
    const from = { x, y: column.offsetTop + node.offsetTop + node.offsetHeight / 2 };
    return legs.map(({ leg, band }) => {
      // Lines that end at one network end beside each other.
      const all = leg.network.legs;
      const apart = all.findIndex((one) => one.router === router) - (all.length - 1) / 2;
      const to = { x: band.offsetLeft, y: headOf(band) + apart * Math.min(APART, 26 / all.length) };
      const lane = to.x - 14 - LANE * (router.lane % 6);
      const isLit = view.isSelected("router", router.id) || view.isSelected("network", leg.network.id);
      return { id: `${router.id} ${leg.network.id}`, router, from, to, lane, isLit, state: router.state };
    });
  });
  const make = () => svg("g", {}, svg("path"), svg("circle", { r: 4 }));
  keyed(picture, lines, (line) => line.id, make, (group, line) => {
    const [path, end] = group.children;
    setAttribute(group, "data-lane", line.router.lane % 6);
    setAttribute(group, "data-lit", line.isLit);
    setAttribute(group, "data-state", line.state);
    setAttribute(path, "d", bend(line));
    setAttribute(end, "cx", line.to.x);
    setAttribute(end, "cy", line.to.y);
  });
}

function bend({ from, to, lane }) {
  const way = to.y - from.y;
  if (Math.abs(way) < 2) return `M${from.x} ${from.y}H${to.x}`;
  const radius = Math.min(RADIUS, Math.abs(way) / 2);
  const step = Math.sign(way) * radius;
  return `M${from.x} ${from.y}H${lane - radius}q${radius} 0 ${radius} ${step}V${to.y - step}q0 ${step} ${radius} ${step}H${to.x}`;
}
