// What came of a trial: how many would get the text, each of them, and how long it is.
import { h } from "./dom.js";
import { count, counted } from "./format.js";
import { to } from "./route.js";
import { measure } from "./sms.js";

/** @typedef {{ recipient: string, status: string, msisdn?: string, text?: string, missing?: string[] }} Result */
/** @typedef {{ alias: string, msisdn: string, text?: string }} Sendable */

/** More are counted, not drawn. */
const DRAWN_MAX = 200;

/** @type {Record<string, string>} */
const WORDS = {
  ok: "ok",
  not_found: "not found",
  opted_out: "opted out",
  duplicate: "duplicate number",
  incomplete: "incomplete",
};
/** Why somebody gets nothing. @type {Record<string, string>} */
const WHY = {
  not_found: "No contact has this alias.",
  opted_out: "This number wants no messages.",
  duplicate: "One above has the same number, and gets it once.",
  incomplete: "A value is missing, and whoever lacks one is left out.",
};

/**
 * @param {Result[]} results
 * @param {Sendable[]} sendable
 * @param {string} asked the text before it was filled in
 */
export function showResults(results, sendable, asked) {
  return [
    h("div.tally", { role: "status" }, h("h2", { id: "result" }, `${count(sendable.length)} of ${counted(results.length, "recipient")} may be sent to`), tally(results)),
    asked ? length(sendable) : null,
    h("ol.tried", null, results.slice(0, DRAWN_MAX).map(one)),
    results.length > DRAWN_MAX ? h("p.muted", null, `And ${count(results.length - DRAWN_MAX)} more, which the answer has and this page does not draw.`) : null,
  ];
}

/** How many of each status. @param {Result[]} results */
function tally(results) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { status } of results) counts.set(status, (counts.get(status) ?? 0) + 1);
  const lacking = results.filter(({ status, missing }) => status === "ok" && missing?.length).length;
  const parts = [...counts].filter(([status]) => status !== "ok").map(([status, number]) => `${count(number)} ${WORDS[status] ?? status}`);
  if (lacking) parts.push(`${count(lacking)} ${lacking === 1 ? "lacks" : "lack"} a value`);
  return parts.length ? h("p.muted", null, parts.join(" · ")) : null;
}

/** How long the longest text is. @param {Sendable[]} sendable */
function length(sendable) {
  /** @type {{ alias: string, size: ReturnType<typeof measure>, characters: number } | null} */
  let longest = null;
  for (const { alias, text = "" } of sendable) {
    const size = measure(text);
    if (!longest || size.parts > longest.size.parts || (size.parts === longest.size.parts && size.units > longest.size.units)) longest = { alias, size, characters: [...text].length };
  }
  if (!longest) return null;
  const { alias, size, characters } = longest;
  const rest = size.parts > 1 ? `, ${size.part} to a part` : "";
  const why = size.odd ? h("span.muted", null, " ", h("q", null, size.odd), " is not in the GSM alphabet, so it takes UCS-2.") : null;
  const whose = sendable.length > 1 ? ` The longest is that of ${alias}.` : "";
  return h("p.length", null, h("b", null, counted(size.parts, "SMS part", "SMS parts")), ": ", counted(characters, "character"), `, ${count(size.units)} of ${count(size.parts * size.part)} in ${size.alphabet}${rest}.${whose}`, why, h("span.note", null, " Counted by 3GPP TS 23.038."));
}

/** @param {Result} result */
function one(result) {
  const { recipient, status, msisdn, text, missing = [] } = result;
  const isKnown = status !== "not_found";
  const name = isKnown ? h("a", { href: to("contacts", "", { alias: recipient }) }, recipient) : h("span", null, recipient);
  const why = WHY[status];
  return h(
    "li",
    null,
    h("div.line", null, h("span.who", null, name), h("span.number", null, msisdn ?? ""), h("span", { class: status === "ok" ? "muted" : "warn" }, WORDS[status] ?? status)),
    why ? h("p.note", null, why) : null,
    text === undefined ? null : h("p.text", null, marked(text, missing)),
    missing.length ? h("p.warn", null, `Missing: ${missing.map((name) => name.trim()).join(", ")}`) : null,
  );
}

/**
 * The text with those placeholders marked that have no value. What only looks like one,
 * because a value holds it, is told by its name.
 *
 * @param {string} text
 * @param {string[]} missing
 */
function marked(text, missing) {
  return text.split(/(\{\{[^{}]*\}\})/).map((part) => (part.startsWith("{{") && missing.includes(part.slice(2, -2)) ? h("mark", null, part) : part));
}
