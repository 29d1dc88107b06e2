// How numbers, times and sizes are written.
import { h } from "./dom.js";

const NUMBER = new Intl.NumberFormat("en");
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const DAY_OF_YEAR = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `12,431` @param {number} number */
export function count(number) {
  return NUMBER.format(number);
}

/** `1 contact`, `12,431 contacts` @param {number} number @param {string} one @param {string} [many] */
export function counted(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** `2.4 MB` @param {number | null} bytes */
export function size(bytes) {
  if (bytes === null) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) {
    bytes /= 1000;
    unit += 1;
  }
  return `${unit && bytes < 10 ? bytes.toFixed(1) : Math.round(bytes)} ${units[unit]}`;
}

/** `0.42 ms`, `12 ms` @param {number | null} milliseconds */
export function took(milliseconds) {
  if (milliseconds === null) return "–";
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
}

/** `2 min ago`, `in 3 days`, `12 Nov` @param {string} moment @param {number} [now] */
export function ago(moment, now = Date.now()) {
  const then = Date.parse(moment);
  const apart = Math.abs(now - then);
  const said = (/** @type {string} */ span) => (then > now ? `in ${span}` : `${span} ago`);
  if (apart < MINUTE_MS) return then > now ? "in a minute" : "just now";
  if (apart < HOUR_MS) return said(`${Math.floor(apart / MINUTE_MS)} min`);
  if (apart < DAY_MS) return said(`${Math.floor(apart / HOUR_MS)} h`);
  if (apart < 7 * DAY_MS) return said(counted(Math.floor(apart / DAY_MS), "day"));
  const same = new Date(then).getFullYear() === new Date(now).getFullYear();
  return (same ? DAY : DAY_OF_YEAR).format(then);
}

/** `2025-11-10 20:15:12 UTC` @param {string} moment */
export function utc(moment) {
  return `${moment.slice(0, 10)} ${moment.slice(11, 19)} UTC`;
}

/**
 * A time as people say it, with the exact moment on hover and focus.
 *
 * @param {string | null | undefined} moment
 * @param {string} [never] what stands in for none
 */
export function when(moment, never = "never") {
  if (!moment) return h("span.muted", null, never);
  return h("time", { datetime: moment, "data-utc": utc(moment), tabindex: 0 }, ago(moment), h("span.unseen", null, ` (${utc(moment)})`));
}

/** A time in a row: the row has the focus, and has no room for a tip. @param {string | null} moment */
export function rowTime(moment) {
  const time = when(moment);
  time.removeAttribute("tabindex");
  if (moment) time.title = utc(moment);
  return time;
}

/** A name as buttons can hold it. @param {string} name */
export function short(name) {
  return name.length > 24 ? `${name.slice(0, 23)}…` : name;
}

/** @param {string} words */
export function capital(words) {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * `NAME John · CITY London`: a meta on one line.
 *
 * @param {Record<string, unknown> | undefined} meta
 */
export function metaLine(meta) {
  const members = Object.entries(meta ?? {}).slice(0, 8);
  return members.map(([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`).join(" · ");
}
