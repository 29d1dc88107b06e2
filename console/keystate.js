// How a key stands: whether it is good, until when, and in which words.
import { ago } from "./format.js";

/** @typedef {import("./terms.js").Key} Key */

/** From when on an end is worth a look. */
const SOON_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * `rank` puts those in front that are good.
 *
 * @param {Key} key
 * @param {number} [now]
 * @returns {{ is: "active" | "ending" | "expired" | "revoked", words: string, class: string, rank: number }}
 */
export function stateOf(key, now = Date.now()) {
  const end = key.expires_on ? Date.parse(key.expires_on) : Infinity;
  if (key.revoked_on) return { is: "revoked", words: `revoked ${said(key.revoked_on, now)}`, class: "muted", rank: 2 };
  if (end <= now) return { is: "expired", words: `${key.replaced_by ? "rotated, ended" : "expired"} ${said(key.expires_on ?? "", now)}`, class: "muted", rank: 1 };
  if (key.replaced_by) return { is: "ending", words: `rotated, ends ${said(key.expires_on ?? "", now)}`, class: "warn", rank: 0 };
  if (end - now < SOON_MS) return { is: "ending", words: `expires ${said(key.expires_on ?? "", now)}`, class: "warn", rank: 0 };
  return { is: "active", words: key.expires_on ? `active until ${ago(key.expires_on, now)}` : "active", class: "", rank: 0 };
}

/** `3 days ago`, `on 12 Nov` @param {string} moment @param {number} now */
function said(moment, now) {
  const words = ago(moment, now);
  return /^\d/.test(words) && !words.endsWith("ago") ? `on ${words}` : words;
}
