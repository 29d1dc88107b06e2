// What came of an import, tried or done: the counts, what would be lost, and the bad rows.
import { h } from "./dom.js";
import { button, heads } from "./form.js";
import { count, counted } from "./format.js";

/**
 * @typedef {object} Answer
 * @property {{ total: number, created: number, updated: number, unchanged: number, failed: number, cleared?: number, messages: Record<string, number> }} summary
 * @property {import("./rejects.js").Reject[]} errors
 */

/** Bad rows that are shown. */
const ROWS_MAX = 20;

/** How many rows came to what. @param {Answer["summary"]} summary @param {boolean} isDone */
export function figures({ created, updated, unchanged, failed }, isDone) {
  /** @type {[number, string][]} */
  const all = [[created, isDone ? "created" : "new"], [updated, isDone ? "updated" : "changed"], [unchanged, "unchanged"], [failed, "bad"]];
  return h("dl.figures", null, all.map(([number, name]) => h("div", { class: name === "bad" && number ? "bad" : "" }, h("dt", null, name), h("dd", null, count(number)))));
}

/** The same for a screen reader, in one line. @param {Answer["summary"]} summary @param {boolean} isDone */
export function spoken({ created, updated, unchanged, failed }, isDone) {
  return `${isDone ? "Import" : "Dry run"}: ${count(created)} new, ${count(updated)} changed, ${count(unchanged)} unchanged, ${count(failed)} bad`;
}

/**
 * Warns of what an upsert would clear.
 *
 * @param {Answer["summary"]} summary
 * @param {() => void} merge
 */
export function cleared({ cleared: members }, merge) {
  if (!members) return null;
  return h("p.warn", null, `${counted(members, "member")} of meta ${members === 1 ? "is" : "are"} not in the file and would be cleared. `, button("Merge, which keeps them", merge, { class: "link" }));
}

/**
 * What is wrong with the bad rows: each kind with its count, then the first ones.
 *
 * @param {Answer} answer
 * @param {{ readAs: ((encoding: string) => void) | null }} of
 */
export function badRows({ summary, errors }, { readAs }) {
  if (!summary.failed) return null;
  const kinds = Object.entries(summary.messages).sort(([, one], [, other]) => other - one);
  const isOther = readAs && summary.messages["Row is not text in UTF-8"];
  const shown = errors.slice(0, ROWS_MAX);
  const rows = shown.map(({ line, field, message }) => h("tr", null, h("td.digits", null, count(line)), h("td", null, field ?? h("span.muted", null, "row")), h("td", null, message)));
  const isOne = kinds.length === 1 && summary.failed <= shown.length;
  const more = summary.failed > shown.length ? `The first ${count(shown.length)} bad rows of ${count(summary.failed)}` : "The bad rows";
  return [
    isOne ? null : h("h3", null, "Why rows are bad"),
    isOne ? null : h("table.list.kinds", null, h("tbody", null, kinds.map(([message, number]) => h("tr", null, h("td.digits", null, count(number)), h("th", { scope: "row" }, message))))),
    isOther ? h("p", null, button("Read the file as Windows-1252", () => readAs?.("windows-1252"), { class: "link" })) : null,
    h("h3", null, more),
    h("div.scrolls", { tabindex: 0, role: "group", "aria-label": "Bad rows" }, h("table.list.rejects", null, heads("Line", "Field", "What is wrong"), h("tbody", null, rows))),
  ];
}

/** What to do about a file that is refused as a whole. @param {string} message */
export function advice(message) {
  if (/UTF-8/.test(message)) return "Save it as UTF-8 and choose it again, or have it read as Windows-1252.";
  if (/first line|[Cc]olumn/.test(message)) return "Mend the first line of the file, and choose it again.";
  if (/no rows/.test(message)) return "Choose a file that has rows beneath its first line.";
  return "Mend the file, and choose it again.";
}
