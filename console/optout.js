// One opt-out in the drawer, with the contacts that have its number; and the field in which
// numbers are opted out, one or ten thousand.
import { BOOK, Failure, call, get, post, segment } from "./api.js";
import { fill, h } from "./dom.js";
import { Field, ask, button, curl, heads, submits } from "./form.js";
import { count, counted, when } from "./format.js";
import { to } from "./route.js";
import { lacks, may } from "./session.js";

/** @typedef {{ msisdn: string, created_on: string }} Optout */
/**
 * @typedef {object} Around
 * @property {AbortSignal} signal
 * @property {() => void} changed the opt-outs are to be shown anew
 * @property {import("./drawer.js").Drawer} drawer
 */

/** Numbers of one request. */
const NUMBERS_MAX = 10_000;
/** Contacts of a number that are named. */
const CONTACTS_MAX = 20;
/** Lines of a list of what failed. */
const FAILED_MAX = 100;

/** Shows an opt-out. @param {string} number @param {Around} around @returns {Promise<import("./drawer.js").Inside>} */
export async function openOptout(number, around) {
  const path = `addressbook/optouts/${segment(number)}`;
  const [optout, sharing] = await Promise.all([find(number, around.signal), contactsOf(number, around.signal)]);
  const said = h("p.error", { role: "alert" });
  const example = curl(`curl -H "Authorization: Bearer $KEY" \\\n${new URL(path, BOOK)}`);
  if (!optout) {
    const needs = lacks("create:Optouts");
    const out = button("Opt this number out", () => change(number, said, around, () => post("addressbook/optouts", { msisdn: number })), { class: "first", needs });
    return { title: number, under: "Not opted out: it may be sent to", body: [sharing], foot: [out, said] };
  }
  const needs = lacks("delete:Optouts");
  const back = button("Opt in again", () => optIn(optout, said, around), { class: "danger", needs });
  return { title: optout.msisdn, under: ["Opted out ", when(optout.created_on)], body: [h("p", null, "Senders leave this number out, whichever contact has it."), sharing, example], foot: [said, back] };
}

/** The opt-out of a number; null where there is none, which is no failure. @param {string} number @param {AbortSignal} signal @returns {Promise<Optout | null>} */
async function find(number, signal) {
  const { records } = await get(`addressbook/optouts?${new URLSearchParams({ msisdn: number, limit: "1" })}`, { signal });
  return records[0] ?? null;
}

/** Who has the number. @param {string} number @param {AbortSignal} signal */
async function contactsOf(number, signal) {
  if (!may("read:Contacts")) return null;
  const { records, total } = await get(`addressbook/contacts?${new URLSearchParams({ msisdn: number, limit: String(CONTACTS_MAX) })}`, { signal });
  const names = records.map((/** @type {{ id: string, alias: string }} */ { id, alias }) => h("li", null, h("a", { href: to("contacts", id, { msisdn: number }) }, alias)));
  const all = h("a", { href: to("contacts", "", { msisdn: number }) }, total > CONTACTS_MAX ? `See all ${count(total)}` : "See among contacts");
  const said = total ? h("ul.names", null, names) : h("p.muted", null, "No contact has this number now.");
  return h("section", { "aria-label": "Contacts with this number" }, h("div.label", null, h("h3", null, total ? counted(total, "contact") : "Contacts"), total ? all : null), said);
}

/** @param {Optout} optout @param {HTMLElement} said @param {Around} around */
async function optIn(optout, said, around) {
  const sure = await ask({
    title: `Opt ${optout.msisdn} in again?`,
    text: ["Senders get this number again, although its owner wanted no messages. Do it only when the owner asked for it."],
    verb: "Opt in again",
  });
  if (!sure) return;
  await change(optout.msisdn, said, around, () => call("DELETE", `addressbook/optouts/${segment(optout.msisdn)}`));
}

/** @param {string} number @param {HTMLElement} said @param {Around} around @param {() => Promise<any>} work */
async function change(number, said, around, work) {
  said.textContent = "";
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    // Somebody else did the same meanwhile.
    if (error.status !== 404) return void (said.textContent = error.said);
  }
  await around.drawer.again(number);
  around.drawer.element.querySelector("h2")?.focus();
  around.changed();
}

/** The drawer in which numbers are opted out. @param {{ changed: () => void }} of @returns {import("./drawer.js").Inside} */
export function newOptouts({ changed }) {
  const adding = new Adding(changed);
  return { title: "Opt numbers out", under: "Senders leave them out, whichever contact has them", body: [adding.element], focus: adding.field.input, isChanged: () => adding.isChanged };
}

/** The field for numbers, and what came of them. */
class Adding {
  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
    this.field = new Field({ label: "Numbers", area: true, rows: 8, spellcheck: "false", inputmode: "tel", placeholder: "+44 7900 900123", hint: `One a line, with their country code, up to ${count(NUMBERS_MAX)} at once.` });
    this.send = h("button.button.first", { type: "submit" }, "Opt out");
    this.said = h("p", { role: "status" });
    this.failed = h("div");
    this.field.input.addEventListener("input", () => this.say());
    this.field.input.addEventListener("keydown", (/** @type {any} */ event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.send.click();
    });
    this.element = h("form.form", { novalidate: true }, this.field.element, h("div.actions", null, this.send, this.said), this.failed);
    submits(this.element, this.send, () => this.run());
  }

  get isChanged() {
    return Boolean(this.field.value.trim());
  }

  /** What stands in the field, one number each. */
  numbers() {
    // No number has one of these in it; lists that are pasted have.
    return this.field.value.split(/[\n,;\t]/).map((line) => line.trim()).filter(Boolean);
  }

  /** Says on the button how many there are. */
  say() {
    const { length } = this.numbers();
    this.send.textContent = length ? `Opt ${counted(length, "number")} out` : "Opt out";
  }

  async run() {
    const numbers = this.numbers();
    fill(this.said);
    fill(this.failed);
    this.field.wrong("");
    if (!numbers.length) return this.refuse("Write a number");
    if (numbers.length > NUMBERS_MAX) return this.refuse(`At most ${count(NUMBERS_MAX)} at once, these are ${count(numbers.length)}`);
    try {
      if (numbers[0] && numbers.length === 1) await this.one(numbers[0]);
      else await this.many(numbers);
      this.changed();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.refuse(error.isSilence ? "The server does not answer. Send them again: what is opted out already stays so." : error.message);
    }
    this.say();
  }

  /** @param {string} number */
  async one(number) {
    const { record } = await post("addressbook/optouts", { msisdn: number });
    this.field.value = "";
    fill(this.said, h("a", { href: to("optouts", record.msisdn) }, record.msisdn), " is opted out");
    this.field.input.focus();
  }

  /** @param {string[]} numbers */
  async many(numbers) {
    const { summary, results } = await post("addressbook/optouts/bulk", { msisdns: numbers });
    /** @type {{ index: number, error: { message: string } }[]} */
    const bad = results.filter((/** @type {{ status: string }} */ { status }) => status === "error");
    this.field.value = bad.map(({ index }) => numbers[index]).join("\n");
    const words = [`${counted(summary.created, "number")} opted out`, summary.unchanged ? `${count(summary.unchanged)} ${summary.unchanged === 1 ? "was" : "were"} before` : "", summary.failed ? `${count(summary.failed)} failed` : ""];
    fill(this.said, words.filter(Boolean).join(", "));
    this.field.input.focus();
    if (!bad.length) return;
    this.field.wrong(`${bad.length === 1 ? "This one" : `These ${count(bad.length)}`} failed. Mend and send again.`);
    const rows = bad.slice(0, FAILED_MAX).map(({ index, error }, at) => h("tr", null, h("td.muted", null, count(at + 1)), h("td.mono", null, numbers[index]), h("td", null, error.message)));
    const more = bad.length > FAILED_MAX ? h("p.note", null, `The first ${count(FAILED_MAX)} of ${count(bad.length)}.`) : null;
    fill(this.failed, h("table.list", null, heads("Line", "Number", "Why"), h("tbody", null, rows)), more);
  }

  /** @param {string} why */
  refuse(why) {
    this.field.wrong(why);
    this.field.input.focus();
  }
}
