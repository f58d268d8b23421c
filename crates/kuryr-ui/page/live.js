// What there is, asked for again and again: an answer comes as soon as something changed.

const WAIT_SECONDS = 25;
const RETRY = { first: 1000, most: 10000 };

/** The token of the address, which leaves the address at once; a reload of the tab still has it. */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname);
  }
  return given ?? sessionStorage.getItem("token");
}

/** Asks for ever. Nobody is asked while the tab is not to be seen. Ends when the token is refused. */
export async function watch(token, on) {
  let etag = null;
  let pause = RETRY.first;
  for (;;) {
    await visible();
    try {
      const answer = await ask(token, etag);
      if (answer.status === 401) {
        on.refused(await told(answer));
        return;
      }
      if (answer.status !== 304 && !answer.ok) throw new Error(await told(answer));
      if (answer.ok) on.topology(await answer.json());
      else on.unchanged();
      etag = answer.headers.get("ETag") ?? etag;
      pause = RETRY.first;
    } catch (error) {
      const reason = error instanceof TypeError ? "'kuryr ui' does not answer; does it run?" : error.message;
      on.trouble(reason);
      etag = null;
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = Math.min(pause * 2, RETRY.most);
    }
  }
}

function ask(token, etag) {
  const known = etag ? { "If-None-Match": etag, Prefer: `wait=${WAIT_SECONDS}` } : {};
  const headers = { Authorization: `Bearer ${token}`, ...known };
  return fetch("api/topology", { headers, cache: "no-store", credentials: "omit", redirect: "error" });
}

async function told(answer) {
  const body = await answer.json().catch(() => ({}));
  return body.error ?? `'kuryr ui' answered ${answer.status}`;
}

function visible() {
  if (document.visibilityState === "visible") return Promise.resolve();
  return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true })).then(visible);
}
