// A small drawing of the last hour: a line or two, what they say in words, and each
// minute's figures on hover, by touch and by arrow keys.
import { drawing, fill, h, set } from "./dom.js";

/** @typedef {{ on: string, requests: number, failed: number, p50_ms: number | null, p99_ms: number | null, commits: number, commit_p50_ms: number | null, commit_p99_ms: number | null }} Minute */
/**
 * @typedef {object} Line
 * @property {string} name empty where there is one alone
 * @property {(minute: Minute) => number | null} of
 */

const WIDTH = 300;
const HEIGHT = 48;
/** Room for the line's own width. */
const EDGE = 2;
const MINUTES = 60;
const MINUTE_MS = 60_000;

export class Chart {
  /** @param {{ title: string, lines: Line[], said: (value: number | null) => string }} of */
  constructor({ title, lines, said }) {
    this.lines = lines;
    this.said = said;
    /** @type {Minute[]} */
    this.minutes = [];
    /** The minute that is looked at. */
    this.on = "";
    /** The newest minute. */
    this.end = 0;
    this.last = h("p.last");
    this.under = h("p.note");
    this.mark = h("div.at", { hidden: true });
    this.plot = h("div.plot", { role: "slider", tabindex: 0, "aria-label": `${title}, minute by minute`, "aria-valuemin": 1 - MINUTES, "aria-valuemax": 0, "aria-valuenow": 0, "aria-orientation": "horizontal" });
    this.element = h("figure.chart", null, h("figcaption", null, h("h3", null, title), this.last), this.plot, this.under);
    this.plot.addEventListener("pointermove", (event) => this.pointed(event));
    this.plot.addEventListener("pointerdown", (event) => this.pointed(event));
    this.plot.addEventListener("pointerleave", () => this.look(""));
    this.plot.addEventListener("blur", () => this.look(""));
    this.plot.addEventListener("keydown", (event) => this.pressed(event));
    this.show([]);
  }

  /** @param {Minute[]} minutes the oldest first */
  show(minutes) {
    this.minutes = minutes;
    this.end = Date.parse(minutes.at(-1)?.on ?? "") || 0;
    const newest = minutes.at(-1);
    fill(this.last, newest ? this.figures(newest) : "");
    const values = minutes.flatMap((minute) => this.lines.map(({ of }) => of(minute))).filter((value) => value !== null);
    const top = Math.max(...values, 0) || 1;
    const paths = this.lines.flatMap((line, number) => {
      const { lines, dots } = this.paths(line, top);
      return [{ d: lines, class: `line-${number}` }, { d: dots, class: `line-${number} dots` }];
    });
    fill(this.plot, drawing(WIDTH, HEIGHT, { d: `M0 ${HEIGHT - 0.5}H${WIDTH}`, class: "base" }, ...paths), this.mark);
    this.look(minutes.some(({ on }) => on === this.on) ? this.on : "");
  }

  /** Where a minute stands, from 0 to 1: those before the start stay empty. @param {Minute} minute */
  place(minute) {
    return 1 - (this.end - Date.parse(minute.on)) / MINUTE_MS / (MINUTES - 1);
  }

  /** A line goes on only to the next minute; one alone is a dot. @param {Line} line @param {number} top */
  paths(line, top) {
    /** @type {string[][]} */
    const runs = [];
    let before = NaN;
    for (const minute of this.minutes) {
      const value = line.of(minute);
      if (value === null) continue;
      const on = Date.parse(minute.on);
      const x = (EDGE + this.place(minute) * (WIDTH - 2 * EDGE)).toFixed(1);
      const y = (HEIGHT - EDGE - (value / top) * (HEIGHT - 2 * EDGE)).toFixed(1);
      if (!(on - before <= MINUTE_MS)) runs.push([]);
      runs.at(-1)?.push(`${x} ${y}`);
      before = on;
    }
    return {
      lines: runs.filter((run) => run.length > 1).map((run) => `M${run.join("L")}`).join(""),
      dots: runs.filter((run) => run.length === 1).map(([point]) => `M${point}h0.01`).join(""),
    };
  }

  /** @param {Minute} minute */
  figures(minute) {
    return this.lines.map(({ name, of }) => `${name} ${this.said(of(minute))}`.trim()).join(" · ");
  }

  /** What stands beneath while no minute is looked at. */
  summary() {
    if (!this.minutes.length) return "Figures come after the first minute.";
    const line = this.lines.at(-1);
    /** @type {Minute | undefined} */
    let most;
    for (const minute of this.minutes) {
      const value = line?.of(minute) ?? null;
      if (value !== null && value > (most ? (line?.of(most) ?? 0) : 0)) most = minute;
    }
    if (!most || !line) return this.minutes.some((minute) => (line?.of(minute) ?? null) !== null) ? "none in the last hour" : "nothing was measured";
    return `${line.name ? `${line.name}, dashed, at most` : "at most"} ${this.said(line.of(most))}, at ${clock(most)}`;
  }

  /** Shows one minute's figures; none where it is empty. @param {string} on */
  look(on) {
    this.on = on;
    const minute = this.minutes.find((one) => one.on === on);
    this.mark.hidden = !minute;
    const words = minute ? `${clock(minute)}: ${this.figures(minute)}` : this.summary();
    this.under.textContent = words;
    const at = minute ?? this.minutes.at(-1);
    set(this.plot, "aria-valuenow", at ? Math.round((Date.parse(at.on) - this.end) / MINUTE_MS) : 0);
    set(this.plot, "aria-valuetext", minute ? words : at ? `${clock(at)}: ${this.figures(at)}; ${words}` : words);
    if (minute) this.mark.style.left = `${this.place(minute) * 100}%`;
  }

  /** @param {PointerEvent} event */
  pointed(event) {
    const { left, width } = this.plot.getBoundingClientRect();
    const place = (event.clientX - left) / width;
    let near = this.minutes[0];
    for (const minute of this.minutes) if (near && Math.abs(this.place(minute) - place) < Math.abs(this.place(near) - place)) near = minute;
    this.look(near?.on ?? "");
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.minutes.length) return;
    const found = this.minutes.findIndex(({ on }) => on === this.on);
    const last = this.minutes.length - 1;
    const at = found < 0 ? last : found;
    /** @type {Record<string, number>} */
    const places = { ArrowLeft: found < 0 ? last : at - 1, ArrowDown: found < 0 ? last : at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageUp: at + 10, PageDown: at - 10, Home: 0, End: last };
    const place = places[event.key];
    if (event.key === "Escape" && this.on) this.look("");
    else if (place === undefined) return;
    else this.look(this.minutes[Math.max(0, Math.min(place, last))]?.on ?? "");
    event.preventDefault();
    event.stopPropagation();
  }
}

/** `13:42 UTC` @param {Minute} minute */
function clock(minute) {
  return `${minute.on.slice(11, 16)} UTC`;
}
