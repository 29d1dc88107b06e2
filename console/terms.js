// The fields of a key: its name, what it may do, and its limits; and whose fault a refusal is.
import { Failure } from "./api.js";
import { fill, h, set } from "./dom.js";
import { Field } from "./form.js";
import { utc } from "./format.js";
import { PERMISSIONS, Permissions } from "./permissions.js";

/**
 * @typedef {object} Key
 * @property {string} id
 * @property {string} name
 * @property {string[]} permissions
 * @property {string | null} expires_on
 * @property {string[]} allowed_ips
 * @property {number | null} rate_limit
 * @property {string} created_on
 * @property {string | null} created_by
 * @property {string | null} last_used_on
 * @property {string | null} revoked_on
 * @property {string | null} replaced_by
 * @property {string} [token] of a new one alone
 */
/** @typedef {Pick<Key, "name" | "permissions" | "expires_on" | "allowed_ips" | "rate_limit">} TermsOf */

const DAY_MS = 24 * 60 * 60 * 1000;
/** How long a key may be good, in days. */
const SPANS = /** @type {const} */ ([["30", "30 days"], ["90", "90 days"], ["365", "1 year"]]);

/** The fields of a key. */
export class Terms {
  /**
   * @param {TermsOf | null} of what is stored; null for a new key
   * @param {{ isFixed?: boolean, own?: Key | undefined }} [how] `own`: the key that is signed in, which is the limit
   */
  constructor(of, { isFixed = false, own } = {}) {
    this.of = of;
    this.own = own;
    const disabled = isFixed;
    this.name = new Field({ label: "Name", value: of?.name ?? "", spellcheck: "false", disabled, ...(of ? {} : { hint: "What it is for, such as web shop." }) });
    this.permissions = new Permissions(of?.permissions ?? [], { isFixed });
    const end = isFixed ? null : (own?.expires_on ?? null);
    const within = end ? `At most until ${utc(end)}, when the key ends that you are signed in with.` : "";
    const first = of ? "as it is" : end ? "own" : "never";
    this.expiry = new Field({ label: "Expires", options: expiries(of, end), value: first, disabled, ...(within ? { hint: within } : {}) });
    // A key gives no more than it has.
    if (end) for (const option of this.expiry.element.querySelectorAll("option")) option.disabled = option.value === "never" || Date.now() + Number(option.value) * DAY_MS > Date.parse(end);
    this.first = first;
    this.day = new Field({ label: "On", type: "date", hint: "From 00:00 UTC of that day on it is refused.", disabled });
    const near = !isFixed && own?.allowed_ips.length ? ` The key that you are signed in with may be used from ${own.allowed_ips.join(", ")}, so name ranges within.` : "";
    this.ranges = new Field({ label: "May be used from", area: true, rows: 2, value: (of ?? own)?.allowed_ips.join("\n") ?? "", placeholder: "anywhere", spellcheck: "false", hint: `Ranges such as 10.0.0.0/8, one a line.${near}`, disabled });
    this.firstRanges = this.ranges.value;
    this.rate = new Field({ label: "Requests a second", value: String(of?.rate_limit ?? ""), inputmode: "numeric", placeholder: "no limit", hint: "One that is limited makes no keys.", disabled });
    this.ranges.input.classList.add("mono");
    this.expiry.input.addEventListener("change", () => this.showDay());
    this.said = h("p.said", { role: "alert" });
    this.parts = [this.name.element, this.permissions.element, h("div.pair.expiry", null, this.expiry.element, this.day.element), this.ranges.element, h("div.pair", null, this.rate.element), this.said];
    this.showDay();
  }

  showDay() {
    this.day.element.hidden = this.expiry.value !== "day";
    if (this.day.element.hidden) return;
    set(this.day.input, "min", new Date(Date.now() + DAY_MS).toISOString().slice(0, 10));
    set(this.day.input, "max", this.own?.expires_on?.slice(0, 10));
  }

  /** As the server takes them; what is no number stays as it was typed, and the server says so. */
  get value() {
    const rate = this.rate.value.trim();
    return {
      name: this.name.value,
      permissions: this.permissions.value,
      expires_on: this.expiresOn(),
      allowed_ips: this.ranges.value.split(/[\n,]/).map((line) => line.trim()).filter(Boolean),
      rate_limit: !rate ? null : /^\d{1,15}$/.test(rate) ? Number(rate) : rate,
    };
  }

  /** @returns {string | null} */
  expiresOn() {
    switch (this.expiry.value) {
      case "as it is":
        return this.of?.expires_on ?? null;
      case "own":
        return this.own?.expires_on ?? null;
      case "never":
        return null;
      case "day":
        return this.day.value ? `${this.day.value}T00:00:00.000Z` : "";
      default:
        return new Date(Date.now() + Number(this.expiry.value) * DAY_MS).toISOString();
    }
  }

  /** What differs from what is stored. @returns {Record<string, unknown>} */
  get changes() {
    const { of } = this;
    const now = this.value;
    if (!of) return now;
    const differs = (/** @type {keyof TermsOf} */ name) => JSON.stringify(now[name]) !== JSON.stringify(of[name]);
    return Object.fromEntries(Object.entries(now).filter(([name]) => differs(/** @type {keyof TermsOf} */ (name))));
  }

  get isChanged() {
    if (this.of) return Object.keys(this.changes).length > 0;
    return Boolean(this.name.value || this.permissions.value.length || this.ranges.value !== this.firstRanges || this.rate.value || this.expiry.value !== this.first);
  }

  /** Takes back what was said. */
  clear() {
    for (const field of [this.name, this.permissions, this.expiry, this.day, this.ranges, this.rate]) field.wrong("");
    this.say("");
  }

  /** @param {string} words */
  say(words) {
    fill(this.said, words);
  }

  /** Says at its field what the server refused. @param {unknown} error */
  blame(error) {
    if (!(error instanceof Failure)) throw error;
    const { message } = error;
    const field = this.fieldOf(message);
    if (!field) return this.say(error.said);
    field.wrong(message);
    if (field instanceof Permissions) return field.focus();
    field.input.focus();
  }

  /** Whose fault a message is: by its first word, or what it names in parentheses. @param {string} message */
  fieldOf(message) {
    const named = /\((\S+)\)$/.exec(message)?.[1] ?? "";
    const when = this.expiry.value === "day" ? this.day : this.expiry;
    if (message.startsWith("Key name") || message.startsWith("Name")) return this.name;
    if (/^(Permissions|Unknown permission|At least one permission)/.test(message) || PERMISSIONS.includes(named)) return this.permissions;
    if (message.startsWith("Expires_on") || named === "expires_on") return when;
    if (message.startsWith("Allowed_ips") || named === "allowed_ips") return this.ranges;
    if (message.startsWith("Rate_limit") || named === "rate_limit") return this.rate;
    return null;
  }
}

/** What one may choose of an expiry. @param {TermsOf | null} of @param {string | null} end of the key that is signed in @returns {[string, string][]} */
function expiries(of, end) {
  const own = end && end !== of?.expires_on ? [/** @type {[string, string]} */ (["own", "when the key does that you are signed in with"])] : [];
  const asIs = of ? [/** @type {[string, string]} */ (["as it is", of.expires_on ? `as it is: ${utc(of.expires_on).slice(0, 16)} UTC` : "never, as it is"])] : [];
  const never = of && !of.expires_on ? [] : [/** @type {[string, string]} */ (["never", "never"])];
  return [...asIs, ...never, ...own, ...SPANS.map(([days, words]) => /** @type {[string, string]} */ ([days, `in ${words}`])), ["day", "on a day"]];
}
