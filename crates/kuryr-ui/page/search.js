// What the search and the states leave of the picture.

/** What is looked for: words that must all be there, and states of which a port must have one. */
export function lookFor(query, states) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return { words, states, isActive: words.length > 0 || states.size > 0 };
}

/** The networks with those of their ports that are to be shown. */
export function shown(model, wanted) {
  const has = (text) => wanted.words.every((word) => text.includes(word));
  const isWanted = (port) => (wanted.states.size === 0 || wanted.states.has(port.state)) && has(port.text);
  const all = model.networks.map((network) => {
    const ports = wanted.isActive ? network.ports.filter(isWanted) : network.ports;
    const isFound = ports.length > 0 || (wanted.states.size === 0 && has(network.text));
    return { network, ports, isShown: !wanted.isActive || isFound };
  });
  return all.filter((one) => one.isShown);
}

/** Whether a router is among what is looked for. */
export function isRouterFound(router, wanted) {
  return wanted.words.length === 0 || wanted.words.every((word) => router.text.includes(word));
}
