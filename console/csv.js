// The beginning of a file of contacts, read as the server reads it, so that one sees what
// comes of it before anything is sent. Whether it is right is for the server to say.
import { read } from "./api.js";

/** What is read of a file. */
const BEGINNING_BYTES = 65_536;
const ROWS_MAX = 8;
/** The first one with which both columns of every file are columns. */
const SEPARATORS = [",", ";", "\t"];
/** What a cell begins with that a spreadsheet takes for a formula; a `'` in front keeps it a text. */
export const BEGINS_FORMULA = /^[=+\-@\t\r\n'＝＋－＠]/;

/**
 * @typedef {object} Column
 * @property {string} name
 * @property {string} becomes `alias`, `msisdn`, `meta`, `meta.NAME`; empty where it becomes nothing
 * @property {string} [why] why it becomes nothing
 *
 * @typedef {object} Beginning
 * @property {"csv" | "ndjson"} kind
 * @property {string} encoding as TextDecoder calls it
 * @property {boolean} isMarked whether a byte order mark says so
 * @property {boolean} isText whether all of it is text in that encoding
 * @property {string} separator
 * @property {Column[]} columns
 * @property {string[][]} rows
 * @property {string[]} missing columns that every file has, but this one
 * @property {string} refused why it is no such file at all
 */

/** Reads the beginning of a file. @param {File} file @param {string} encoding where no mark says another @returns {Promise<Beginning>} */
export async function beginningOf(file, encoding) {
  const bytes = new Uint8Array(await file.slice(0, BEGINNING_BYTES).arrayBuffer());
  const isWhole = file.size <= BEGINNING_BYTES;
  const marked = markOf(bytes);
  const { text, isText } = decoded(bytes, marked || encoding, isWhole);
  const isJson = kindOf(file.name, text) === "ndjson";
  const found = isJson ? ndjson(text, isWhole) : csv(text, isWhole);
  const base = { kind: /** @type {"csv" | "ndjson"} */ (isJson ? "ndjson" : "csv"), encoding: marked || encoding, isMarked: Boolean(marked), isText, refused: refusedFor(bytes, text, isJson) };
  return { ...base, ...found };
}

/** The encoding that a byte order mark names. @param {Uint8Array} bytes */
function markOf([one, two, three]) {
  if (one === 0xff && two === 0xfe) return "utf-16le";
  if (one === 0xfe && two === 0xff) return "utf-16be";
  return one === 0xef && two === 0xbb && three === 0xbf ? "utf-8" : "";
}

/** @param {Uint8Array<ArrayBuffer>} bytes @param {string} encoding @param {boolean} isWhole */
function decoded(bytes, encoding, isWhole) {
  try {
    return { text: new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: !isWhole }), isText: true };
  } catch {
    return { text: new TextDecoder(encoding).decode(bytes), isText: false };
  }
}

/** @param {string} name @param {string} text */
function kindOf(name, text) {
  if (/\.(csv|tsv|txt)$/i.test(name)) return "csv";
  if (/\.(ndjson|jsonl|json)$/i.test(name)) return "ndjson";
  return text.trimStart().startsWith("{") ? "ndjson" : "csv";
}

/** @param {Uint8Array} bytes @param {string} text @param {boolean} isJson */
function refusedFor(bytes, text, isJson) {
  if (bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4) return "This is a workbook or an archive. Save the sheet as CSV and choose that file.";
  if (isJson && text.trimStart().startsWith("[")) return "This is one JSON array. NDJSON has one object on each line, without commas between them.";
  return "";
}

/** @param {string} text @param {boolean} isWhole */
function csv(text, isWhole) {
  const named = /^(?:[,; \t\r\n]*[\r\n])?("?)sep=([!-/:-@[-\x60{-~\t])\1(?:\r\n|\r|\n|$)/i.exec(text);
  const rest = named ? text.slice(named[0].length) : text;
  const tried = (named?.[2] ? [named[2]] : SEPARATORS).map((separator) => {
    const [first = [], ...rows] = rowsOf(rest, separator, ROWS_MAX + 1, isWhole);
    const columns = columnsOf(first);
    const missing = ["alias", "msisdn"].filter((name) => !columns.some(({ becomes }) => becomes === name));
    return { separator, columns, rows: rows.map((row) => row.map(meant)), missing };
  });
  const most = [...tried].sort((one, other) => other.columns.length - one.columns.length)[0];
  return tried.find(({ missing }) => !missing.length) ?? most ?? { separator: ",", columns: [], rows: [], missing: [] };
}

/** What each column becomes, by the first line. @param {string[]} names @returns {Column[]} */
function columnsOf(names) {
  const known = new Set();
  return names.map((cell) => {
    const name = meant(cell.trim()).trim();
    const lower = name.toLowerCase();
    const becomes = ["alias", "msisdn", "meta"].includes(lower) ? lower : name && `meta.${name}`;
    if (!becomes) return { name, becomes: "", why: "It has no name" };
    if (known.has(becomes)) return { name, becomes: "", why: "It is there twice" };
    known.add(becomes);
    return { name, becomes };
  });
}

/** The text of a cell, as it is meant. @param {string} cell */
function meant(cell) {
  return cell.startsWith("'") && BEGINS_FORMULA.test(cell.slice(1)) ? cell.slice(1) : cell;
}

/**
 * The first rows that are not empty.
 *
 * @param {string} text
 * @param {string} separator
 * @param {number} most
 * @param {boolean} isWhole whether the text ends where the file does
 */
function rowsOf(text, separator, most, isWhole) {
  /** @type {string[][]} */
  const rows = [];
  /** @type {string[]} */
  let row = [];
  let cell = "";
  let isQuoted = false;
  let begins = true;
  const endCell = () => {
    row.push(cell);
    cell = "";
    begins = true;
  };
  const endRow = () => {
    endCell();
    if (row.some((one) => one.trim())) rows.push(row);
    row = [];
  };
  for (let at = 0; at < text.length && rows.length < most; at += 1) {
    const one = text[at];
    if (isQuoted) {
      if (one !== '"') cell += one;
      else if (text[at + 1] === '"') cell += text[(at += 1)];
      else isQuoted = false;
    } else if (one === '"' && begins) {
      isQuoted = true;
      begins = false;
    } else if (one === separator) endCell();
    else if (one === "\r" || one === "\n") endRow();
    else {
      cell += one;
      begins = false;
    }
  }
  if (isWhole && rows.length < most && (cell || row.length)) endRow();
  return rows;
}

/** @param {string} text @param {boolean} isWhole */
function ndjson(text, isWhole) {
  const lines = text.split("\n");
  if (!isWhole) lines.pop();
  const objects = lines.filter((line) => line.trim()).slice(0, ROWS_MAX).map((line) => ({ line, object: read(line) }));
  const isObject = (/** @type {any} */ value) => typeof value === "object" && value !== null && !Array.isArray(value);
  const names = new Set(["alias", "msisdn", ...objects.flatMap(({ object }) => (isObject(object) ? Object.keys(object) : []))]);
  const columns = [...names].map((name) => (["alias", "msisdn", "meta"].includes(name) ? { name, becomes: name } : { name, becomes: "", why: "No field has this name" }));
  const shown = (/** @type {any} */ value) => (value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));
  const rows = objects.map(({ line, object }) => (isObject(object) ? [...names].map((name) => shown(object[name])) : [line]));
  return { separator: "", columns, rows, missing: [] };
}
