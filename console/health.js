// Whether it is well: what is checked, what there is, the last hour in four small
// drawings, and the backups.
import { Failure, get, isAborted } from "./api.js";
import { Backups } from "./backups.js";
import { Chart } from "./chart.js";
import { fill, h } from "./dom.js";
import { factsOf } from "./form.js";
import { capital, count, size, took, when } from "./format.js";
import { may } from "./session.js";

/**
 * @typedef {object} Status
 * @property {string} version
 * @property {string} started_on
 * @property {number} contacts
 * @property {number} groups
 * @property {number} optouts
 * @property {number} database_bytes
 * @property {number | null} wal_bytes
 * @property {number | null} disk_free_bytes
 * @property {string | null} last_backup_on
 * @property {boolean} backups
 * @property {import("./chart.js").Minute[]} minutes
 */

const LOOK_MS = 15_000;
/** Less than this is little, whatever the size of the book. */
const LITTLE_BYTES = 1_000_000_000;

/** What each check says where it is well, and before it is known. @type {Record<string, { title: string, ok: string, unknown?: string, running?: string }>} */
const CHECKS = {
  reads: { title: "Reads", ok: "Contacts can be read." },
  writes: { title: "Writes", ok: "What is written reaches the disk." },
  disk: { title: "Disk", ok: "There is room for more contacts." },
  schema: { title: "File", ok: "The file is of this version." },
  integrity: { title: "Integrity", ok: "The whole book was checked, and no damage was found.", unknown: "The whole book is checked a minute after the start.", running: "The whole book is being checked." },
};

/** @returns {import("./main.js").Screen} */
export function open() {
  const health = new Health();
  return {
    main: health.element,
    update() {},
    again: () => void health.look(),
    close: () => health.close(),
  };
}

class Health {
  constructor() {
    this.coming = new AbortController();
    this.verdict = h("p.count", { role: "status" });
    this.checks = h("ul.checks");
    this.facts = h("dl.facts");
    this.low = h("p.low", { hidden: true });
    this.old = h("p.note");
    /** When the figures came. */
    this.cameOn = "";
    const milliseconds = (/** @type {number | null} */ value) => took(value);
    const whole = (/** @type {number | null} */ value) => count(value ?? 0);
    this.charts = [
      new Chart({ title: "Requests a minute", lines: [{ name: "", of: (minute) => minute.requests }], said: whole }),
      new Chart({ title: "Failed requests a minute", lines: [{ name: "", of: (minute) => minute.failed }], said: whole }),
      new Chart({ title: "Time of a request", lines: [{ name: "p50", of: (minute) => minute.p50_ms }, { name: "p99", of: (minute) => minute.p99_ms }], said: milliseconds }),
      new Chart({ title: "Time of a commit", lines: [{ name: "p50", of: (minute) => minute.commit_p50_ms }, { name: "p99", of: (minute) => minute.commit_p99_ms }], said: milliseconds }),
    ];
    this.backups = new Backups({ made: () => void this.look() });
    const figures = may("read:Metrics") ? [this.facts, this.low] : [h("p.muted", null, "A key with ", h("code", null, "read:Metrics"), " sees here what there is, and how the last hour was.")];
    const hour = may("read:Metrics") ? h("section", { "aria-labelledby": "hour" }, h("h2", { id: "hour" }, "The last hour"), h("div.charts", null, this.charts.map((chart) => chart.element))) : null;
    this.element = h(
      "section.page.health",
      null,
      h("div.top", null, h("h1", null, "Health"), this.verdict),
      h("div.halves", null, h("section", { "aria-labelledby": "checks" }, h("h2", { id: "checks" }, "Checks"), this.checks), h("section", { "aria-labelledby": "figures" }, h("div.between", null, h("h2", { id: "figures" }, "Figures"), this.old), figures)),
      hour,
      this.backups.element,
    );
    this.timer = setInterval(() => document.visibilityState === "visible" && void this.look(), LOOK_MS);
    this.shown = () => document.visibilityState === "visible" && void this.look();
    document.addEventListener("visibilitychange", this.shown);
    void this.look();
  }

  /** Looks at everything anew; what was known stays until something else is. */
  async look() {
    this.coming.abort();
    this.coming = new AbortController();
    const { signal } = this.coming;
    const figures = this.status(signal).then(() => this.backups.look(signal));
    await Promise.all([this.ready(signal), figures].map((looking) => looking.catch((error) => isAborted(error) || console.error(error))));
  }

  /** @param {AbortSignal} signal */
  async ready(signal) {
    try {
      const { checks } = await get("readyz", { signal, once: true });
      this.showChecks(checks, "");
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.showChecks(error.body?.checks ?? {}, error.message);
    }
  }

  /** @param {Record<string, string>} checks @param {string} trouble */
  showChecks(checks, trouble) {
    const words = Object.values(checks);
    const waits = words.filter((word) => word === "unknown" || word === "running").length;
    this.verdict.textContent = trouble || (waits ? "Ready; not all of it is checked yet" : "Ready, and all is well");
    this.verdict.classList.toggle("bad", Boolean(trouble));
    // Nobody answers: what was known of the checks is old.
    const names = words.length ? Object.keys(checks) : Object.keys(CHECKS);
    fill(this.checks, names.map((name) => check(name, checks[name] ?? "")));
  }

  /** @param {AbortSignal} signal */
  async status(signal) {
    if (!may("read:Metrics")) return;
    try {
      const { record } = await get("status", { signal, once: true });
      this.cameOn = new Date().toLocaleTimeString("en-GB");
      this.old.textContent = "";
      this.show(record);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (this.cameOn) this.old.textContent = `as they were at ${this.cameOn}`;
      else fill(this.facts, factsOf([["Figures", error.message]]));
    }
  }

  /** @param {Status} status */
  show(status) {
    const backup = !status.backups && !status.last_backup_on ? h("span.muted", null, "none: no directory is named") : when(status.last_backup_on);
    const facts = factsOf([
      ["Version", status.version],
      ["Up since", when(status.started_on)],
      ["Contacts", count(status.contacts)],
      ["Groups", count(status.groups)],
      ["Opt-outs", count(status.optouts)],
      ["Database", size(status.database_bytes)],
      ["Write-ahead log", size(status.wal_bytes)],
      ["Disk free", size(status.disk_free_bytes)],
      ["Last backup", backup],
    ]);
    const focused = this.facts.contains(document.activeElement) ? [...this.facts.querySelectorAll("time")].indexOf(/** @type {any} */ (document.activeElement)) : -1;
    fill(this.facts, facts);
    if (focused >= 0) this.facts.querySelectorAll("time")[focused]?.focus();
    const { disk_free_bytes: free, database_bytes: book } = status;
    this.low.hidden = free === null || (free >= LITTLE_BYTES && free >= 2 * book);
    this.low.textContent = `Only ${size(free)} are free, and the book has ${size(book)}. Make room: a backup beside it, a migration or an export may need as much as the book again, and without room nothing more is stored.`;
    for (const chart of this.charts) chart.show(status.minutes);
    if (!status.backups) this.backups.nowhere();
  }

  close() {
    clearInterval(this.timer);
    document.removeEventListener("visibilitychange", this.shown);
    this.coming.abort();
  }
}

/** @param {string} name @param {string} word what the server says of it */
function check(name, word) {
  const known = CHECKS[name] ?? { title: name, ok: "" };
  const state = !word ? "silent" : word === "ok" || word === "running" || word === "unknown" ? word : "wrong";
  const short = { ok: "ok", running: "running", unknown: "not known yet", silent: "not known", wrong: "wrong" }[state];
  const words = state === "wrong" ? `${capital(word)}.` : (state === "silent" ? "" : (known[state] ?? ""));
  return h("li", { "data-is": state }, h("span.light", { "aria-hidden": "true" }), h("span.name", null, known.title), h("span.word", null, short), h("span.muted", null, words));
}
