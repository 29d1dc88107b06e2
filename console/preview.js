// What a file is and what each of its columns becomes, as a table of its first rows.
import { h } from "./dom.js";
import { button } from "./form.js";
import { size } from "./format.js";

/** @typedef {import("./csv.js").Beginning} Beginning */

/** @type {Record<string, string>} */
const ENCODINGS = { "utf-8": "UTF-8", "utf-16le": "UTF-16", "utf-16be": "UTF-16", "windows-1252": "Windows-1252" };
/** @type {Record<string, string>} */
const SEPARATORS = { ",": "commas", ";": "semicolons", "\t": "tabs" };

/** `2.4 MB of CSV, separated by commas, in UTF-8` @param {File} file @param {Beginning} beginning */
export function described(file, { kind, separator, encoding }) {
  const what = kind === "csv" ? `CSV, separated by ${SEPARATORS[separator] ?? separator}` : "NDJSON";
  // With a hyphen that no line breaks at.
  return `${size(file.size)} of ${what}, in ${(ENCODINGS[encoding] ?? encoding).replace("-", "\u2011")}`;
}

/**
 * @param {Beginning} beginning
 * @param {{ readAs: (encoding: string) => void }} of
 */
export function preview(beginning, { readAs }) {
  const { columns, rows, missing } = beginning;
  const names = h("tr", null, columns.map(({ name }) => h("th", { scope: "col" }, name || h("i", null, "no name"))));
  const becomes = h("tr.becomes", null, columns.map(becoming));
  const body = rows.map((row) =>
    row.length === 1 && columns.length > 1
      ? h("tr", null, h("td.odd", { colspan: columns.length }, row[0]))
      : h("tr", null, columns.map((_, number) => h("td", null, row[number] ?? ""))),
  );
  const table = h("table.list.peek", null, h("thead", null, names, becomes), h("tbody", null, body));
  const said = missing.length ? [h("p.said", null, `No column is called ${missing.join(" or ")}.`)] : [];
  if (!beginning.isText) said.push(notText(beginning, readAs));
  return h("section.part", null, h("h2", null, "The first rows"), said, h("div.scrolls", { tabindex: 0, role: "group", "aria-label": "First rows, and what each column becomes" }, table));
}

/** @param {import("./csv.js").Column} column */
function becoming({ becomes, why }) {
  if (!becomes) return h("td.muted", null, h("span.warn", null, "nothing"), h("span.why", null, why));
  const shown = becomes === "alias" ? "alias" : becomes === "msisdn" ? "number" : becomes;
  return h("td", null, h("span.unseen", null, "becomes "), h("span.arrow", { "aria-hidden": "true" }, "→ "), shown);
}

/** @param {Beginning} beginning @param {(encoding: string) => void} readAs */
function notText({ encoding }, readAs) {
  const other = encoding === "utf-8" ? "windows-1252" : "utf-8";
  const act = encoding.startsWith("utf-16") ? null : button(`Read it as ${ENCODINGS[other]}`, () => readAs(other), { class: "link" });
  return h("p.said", null, `Some of it is not text in ${ENCODINGS[encoding]}. `, act);
}
