// Addresses: `#/contacts/ID?search=jo` is the screen, what is open in its drawer, and what
// is asked for. Behind a `#`, so that they stand behind every prefix of a proxy, and what
// somebody looks for is in no log.

/**
 * @typedef {object} Route
 * @property {string} screen
 * @property {string} id what is open in the drawer; empty where it is closed
 * @property {URLSearchParams} query
 */

/** @returns {Route} */
export function here() {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [screen = "", ...rest] = path.split("/");
  return { screen: screen || "contacts", id: decode(rest.join("/")), query: new URLSearchParams(query) };
}

/**
 * The address of a screen.
 *
 * @param {string} screen
 * @param {string} [id]
 * @param {URLSearchParams | Record<string, string>} [query]
 */
export function to(screen, id = "", query = {}) {
  const asked = new URLSearchParams(query).toString();
  return `#/${screen}${id && `/${encodeURIComponent(id)}`}${asked && `?${asked}`}`;
}

/** The present address, with something else asked for. @param {string} name @param {string} value none takes it away */
export function asking(name, value) {
  const { screen, id, query } = here();
  if (value) query.set(name, value);
  else query.delete(name);
  return to(screen, id, query);
}

/**
 * Goes to an address, as a step that Back undoes.
 *
 * @param {string} address
 */
export function go(address) {
  if (location.hash !== address) location.hash = address;
}

/**
 * Puts an address in the place of the present one.
 *
 * @param {string} address
 */
export function become(address) {
  if (location.hash === address) return;
  history.replaceState(null, "", address);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
