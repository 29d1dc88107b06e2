// What the audit holds, in words: who did what to which key.
import { h } from "./dom.js";
import { heads } from "./form.js";
import { capital, utc } from "./format.js";
import { inWords } from "./permissions.js";
import { to } from "./route.js";
import { may } from "./session.js";

/**
 * @typedef {object} Event
 * @property {number} id
 * @property {string} created_on
 * @property {string} action
 * @property {string | null} actor the key that acted; null is the command line
 * @property {string | null} target
 * @property {string | null} permission
 * @property {string | null} address
 * @property {Record<string, { from?: any, to?: any }> | null} changes
 */
/** @typedef {Map<string, string>} Names of keys, by id */
/** @typedef {import("./dom.js").Child[]} Words */

/** How the terms of a key are called. @type {Record<string, string>} */
const TERMS = { name: "name", permissions: "permissions", expires_on: "expiry", allowed_ips: "address ranges", rate_limit: "rate limit" };

/** What a drawer is called that shows one. @type {Record<string, string>} */
const TITLES = { "key.created": "Key made", "key.updated": "Key changed", "key.rotated": "Key rotated", "key.revoked": "Key revoked", "permission.refused": "Permission refused", "session.opened": "Console opened", "session.ended": "Console left" };

/** @param {Event} event */
export function titleOf({ action }) {
  return TITLES[action] ?? action;
}

/** A key by its name, linked; by its id where the names may not be read. @param {string} id @param {Names} names */
export function keyLink(id, names) {
  if (!may("read:ApiKeys")) return h("code", null, id);
  return h("a", { href: to("keys", id) }, names.get(id) ?? id);
}

/** Who it was. @param {Event} event @param {Names} names */
export function actorOf({ actor }, names) {
  return actor ? keyLink(actor, names) : h("span.muted", null, "command line");
}

/** What was done. @param {Event} event @param {Names} names @returns {Words} */
export function sentence(event, names) {
  const { action, target, permission, changes } = event;
  const key = target ? keyLink(target, names) : "a key";
  switch (action) {
    case "key.created":
      return ["made the key ", key, changes?.["permissions"]?.to ? h("span.muted", null, `: ${inWords(changes["permissions"].to)}`) : null];
    case "key.updated":
      return updated(key, changes ?? {});
    case "key.rotated":
      return ["rotated ", key, changes?.["expires_on"]?.to ? h("span.muted", null, `; the old token ends ${term("expires_on", changes["expires_on"].to)}`) : null];
    case "key.revoked":
      return ["revoked ", key];
    case "permission.refused":
      return [h("span.warn", null, "was refused "), h("code", null, permission ?? "")];
    case "session.opened":
      return ["opened the console"];
    case "session.ended":
      return ["signed out of the console"];
    default:
      // A newer server knows more than this page.
      return [h("code", null, action), ...(target ? [" ", key] : []), ...(permission ? [" ", h("code", null, permission)] : [])];
  }
}

/** @param {Node | string} key @param {NonNullable<Event["changes"]>} changes @returns {Words} */
function updated(key, changes) {
  const [first, ...others] = Object.keys(changes);
  if (!first) return ["changed ", key];
  if (!others.length && first === "name") return ["renamed ", key];
  if (!others.length) return [`changed ${TERMS[first] ?? first} of `, key, " ", difference(first, changes[first] ?? {})];
  return ["changed ", key, ": ", Object.entries(changes).map(([name, change]) => (name === "name" ? "name" : `${TERMS[name] ?? name} ${difference(name, change)}`)).join("; ")];
}

/** `from 5 to none`; of permissions, what came and what went. @param {string} name @param {{ from?: any, to?: any }} change */
function difference(name, { from, to: now }) {
  if (name !== "permissions") return `from ${term(name, from)} to ${term(name, now)}`;
  const [was, is] = [/** @type {string[]} */ (from ?? []), /** @type {string[]} */ (now ?? [])];
  return [...is.filter((one) => !was.includes(one)).map((one) => `+ ${one}`), ...was.filter((one) => !is.includes(one)).map((one) => `− ${one}`)].join(", ");
}

/** A term of a key in words. @param {string} name @param {any} value @returns {string} */
function term(name, value) {
  if (name === "allowed_ips") return value?.length ? value.join(", ") : "anywhere";
  if (Array.isArray(value)) return value.join(", ");
  if (value === null || value === undefined) return name === "expires_on" ? "never" : "none";
  return name === "expires_on" ? utc(String(value)) : String(value);
}

/** The terms that changed, each before and after. @param {Event} event */
export function changesOf({ action, changes }) {
  const isNew = action === "key.created";
  const rows = Object.entries(changes ?? {}).map(([name, { from, to: now }]) => {
    const title = h("th", { scope: "row" }, capital(TERMS[name] ?? name));
    if (name === "name") return h("tr", null, title, h("td.muted", { colspan: isNew ? 1 : 2 }, "changed; the audit keeps no names"));
    return h("tr", null, title, isNew ? null : h("td", null, term(name, from)), h("td", null, term(name, now)));
  });
  if (!rows.length) return null;
  return h("table.plain", null, heads("Term", !isNew && "Before", isNew ? "Is" : "After"), h("tbody", null, rows));
}
