// The bad rows of a file as a file of their own: line, field, message, and the text of the
// line, cut from the file slice by slice, so that it may be as large as a file may be.
import { BEGINS_FORMULA } from "./csv.js";

/** @typedef {{ line: number, field: string | null, message: string }} Reject */
/** @typedef {Pick<import("./csv.js").Beginning, "kind" | "encoding">} Beginning */

const SLICE_BYTES = 1_048_576;
/** What is kept of one line. */
const LINE_UNITS_MAX = 16_384;
const [FEED, RETURN, QUOTE] = [10, 13, 34];

/** @param {File} file @param {Beginning} beginning @param {Reject[]} rejects @returns {Promise<Blob>} */
export async function rejectsFile(file, beginning, rejects) {
  const texts = await linesOf(file, beginning, new Set(rejects.map(({ line }) => line)));
  const rows = rejects.map(({ line, field, message }) => [String(line), field ?? "", message, texts.get(line) ?? ""]);
  const lines = [["line", "field", "message", "text"], ...rows].map((row) => `${row.map(cell).join(",")}\r\n`);
  return new Blob(["\ufeff", ...lines], { type: "text/csv" });
}

/** @param {string} text */
function cell(text) {
  const safe = BEGINS_FORMULA.test(text) ? `'${text}` : text;
  return /[",;\r\n\t]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/**
 * The texts of lines, counted from 1 as the server does: a line feed ends one, also inside
 * quotes; a return alone ends a row of CSV, and its line.
 *
 * @param {Blob} file
 * @param {Beginning} beginning
 * @param {Set<number>} wanted
 */
async function linesOf(file, { kind, encoding }, wanted) {
  const last = Math.max(...wanted);
  const lines = new Lines(encoding, kind === "csv", wanted);
  for (let at = 0; at < file.size && lines.line <= last; at += SLICE_BYTES) {
    const bytes = await file.slice(at, at + SLICE_BYTES).arrayBuffer();
    lines.pass(unitsOf(bytes, encoding));
  }
  lines.end();
  return lines.texts;
}

/** The bytes, or the pairs of bytes of UTF-16. @param {ArrayBuffer} bytes @param {string} encoding */
function unitsOf(bytes, encoding) {
  if (!encoding.startsWith("utf-16")) return new Uint8Array(bytes);
  const view = new DataView(bytes);
  const units = new Uint16Array(bytes.byteLength >> 1);
  for (let at = 0; at < units.length; at += 1) units[at] = view.getUint16(2 * at, encoding === "utf-16le");
  return units;
}

/** Counts lines, and keeps those that are wanted. */
class Lines {
  /** @param {string} encoding @param {boolean} isCsv @param {Set<number>} wanted */
  constructor(encoding, isCsv, wanted) {
    this.wanted = wanted;
    this.isCsv = isCsv;
    this.isQuoted = false;
    this.isWide = encoding.startsWith("utf-16");
    this.decoder = new TextDecoder(encoding);
    this.line = 1;
    this.isAfterReturn = false;
    /** @type {Map<number, string>} */
    this.texts = new Map();
    /** @type {number[]} */
    this.kept = [];
  }

  /** @param {Uint8Array | Uint16Array} units */
  pass(units) {
    let begin = 0;
    for (let at = 0; at < units.length; at += 1) {
      const unit = units[at];
      if (unit === QUOTE) this.isQuoted = !this.isQuoted;
      if (unit !== FEED && (unit !== RETURN || this.isQuoted || !this.isCsv)) {
        this.isAfterReturn = false;
        continue;
      }
      const isSecond = unit === FEED && this.isAfterReturn;
      this.isAfterReturn = unit === RETURN;
      if (!isSecond) {
        this.keep(units, begin, at);
        this.end();
      }
      begin = at + 1;
    }
    this.keep(units, begin, units.length);
  }

  /** @param {Uint8Array | Uint16Array} units @param {number} from @param {number} to */
  keep(units, from, to) {
    if (!this.wanted.has(this.line)) return;
    const end = Math.min(to, from + LINE_UNITS_MAX + 1 - this.kept.length);
    for (let at = from; at < end; at += 1) this.kept.push(units[at] ?? 0);
  }

  /** Ends a line. */
  end() {
    if (this.wanted.has(this.line)) {
      const units = this.kept.slice(0, LINE_UNITS_MAX);
      const text = this.isWide ? String.fromCharCode(...units).replace(/^\ufeff/, "") : this.decoder.decode(new Uint8Array(units));
      this.texts.set(this.line, this.kept.length > LINE_UNITS_MAX ? `${text}…` : text.replace(/\r$/, ""));
    }
    this.kept = [];
    this.line += 1;
  }
}
