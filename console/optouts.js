// The opt-outs: numbers that want no messages, without an end; one of them in the drawer.
import { BOOK, Failure, get, isAborted } from "./api.js";
import { h, set } from "./dom.js";
import { Drawer } from "./drawer.js";
import { button, lesson } from "./form.js";
import { count, counted, rowTime } from "./format.js";
import { newOptouts, openOptout } from "./optout.js";
import { go, here, to } from "./route.js";
import { Search } from "./search.js";
import { lacks, may } from "./session.js";
import { Table } from "./table.js";

/** @typedef {import("./optout.js").Optout} Optout */

/** Digits of the shortest number. */
const DIGITS_MIN = 7;

/** @returns {import("./main.js").Screen} */
export function open() {
  const total = new Total();
  const search = new NumberSearch();
  const table = optoutTable(search, (id) => drawer.open(id));
  const drawer = new Drawer("optouts", table);
  const changed = () => {
    void table.refresh().then(() => total.look(table.count));
    dispatchEvent(new CustomEvent("countschanged"));
  };
  const needs = lacks("create:Optouts");
  const acts = h("div.acts", null, button("Opt numbers out", () => drawer.open("new"), { class: "first", needs, "aria-keyshortcuts": "n" }));
  const main = h("section.page", null, h("div.top", null, h("h1", null, "Opt-outs"), total.element, acts), search.element, table.element);
  let query = "none yet";

  return {
    main,
    drawer,
    keys: {
      "/": () => search.input.focus(),
      n: () => needs || drawer.open("new"),
    },
    update({ id, query: asked }) {
      if (String(asked) !== query) {
        query = String(asked);
        search.show(asked);
        search.wrong("");
        void table.restart().then(() => total.look(table.count));
      }
      table.openIs(id);
      drawer.follow(id, async (signal) => (id === "new" ? newOptouts({ changed }) : openOptout(id, { signal, changed, drawer })), needs);
    },
    again() {
      void table.restart().then(() => total.look(table.count));
    },
    close() {
      search.close();
      table.close();
    },
  };
}

/** @param {NumberSearch} search @param {(id: string) => void} open @returns {Table<Optout>} */
function optoutTable(search, open) {
  const table = /** @type {Table<Optout>} */ (
    new Table({
      label: "Opt-outs",
      widths: ["minmax(160px, 1fr) minmax(120px, 1fr)", "minmax(160px, 1fr) minmax(120px, 1fr)", "minmax(0, 1fr) 104px"],
      columns: [
        { name: "Number", class: "digits", show: (optout) => optout.msisdn },
        { name: "Since", class: "muted", show: (optout) => rowTime(optout.created_on) },
      ],
      id: (optout) => optout.msisdn,
      load: (cursor, limit, signal) => page(search, cursor, limit, signal),
      open: (optout) => open(optout.msisdn),
      empty: () => (search.isWrong ? h("div") : nothing()),
    })
  );
  return table;
}

/**
 * What is no number is said at the field, and finds nothing.
 *
 * @param {NumberSearch} search
 * @param {string} cursor
 * @param {number} limit
 * @param {AbortSignal} signal
 * @returns {Promise<{ records: Optout[], next: string | null }>}
 */
async function page(search, cursor, limit, signal) {
  const asked = new URLSearchParams({ cursor, limit: String(limit) });
  const number = here().query.get("msisdn");
  if (number) asked.set("msisdn", number);
  try {
    const answer = await get(`addressbook/optouts?${asked}`, { signal });
    search.wrong("");
    return answer;
  } catch (error) {
    if (!(error instanceof Failure && error.status === 400 && number)) throw error;
    search.wrong(error.message);
    return { records: [], next: null };
  }
}

/** How many there are. */
class Total {
  constructor() {
    this.element = h("p.count", { role: "status" });
    this.coming = new AbortController();
  }

  /** @param {number} found what the number asked for has found */
  async look(found) {
    this.coming.abort();
    this.coming = new AbortController();
    try {
      const { total } = await get("addressbook/optouts?limit=1", { signal: this.coming.signal });
      this.element.textContent = here().query.has("msisdn") ? `${count(found)} of ${count(total)}` : counted(total, "number");
    } catch (error) {
      if (!isAborted(error)) this.element.textContent = "";
    }
  }
}

/** The line in which one searches for a whole number. */
class NumberSearch extends Search {
  constructor() {
    super("Search for a whole number", "Whole number", "msisdn", { inputmode: "tel", "aria-describedby": "optout-search" });
    this.error = h("p.error", { id: "optout-search", role: "status" });
    this.element.append(this.error);
    this.input.addEventListener("input", () => this.wrong(""));
  }

  get isWhole() {
    return !this.text || this.text.replace(/\D/g, "").length >= DIGITS_MIN;
  }

  get isWrong() {
    return Boolean(this.error.textContent);
  }

  /** @param {string} message */
  wrong(message) {
    this.error.textContent = message;
    set(this.input, "aria-invalid", message ? "true" : null);
  }
}

function nothing() {
  const { query, id } = here();
  if (query.has("msisdn")) {
    const text = "Opt-outs are found by their whole number alone; how it is spaced does not matter.";
    return lesson({ title: "Not among the opt-outs", text: [text], action: button("Show all opt-outs", () => go(to("optouts", id))) });
  }
  return lesson({
    title: "Nobody has opted out",
    text: ["An opt-out is a number that wants no messages. It belongs to the number: senders leave it out, whichever contact has it now or later."],
    action: may("create:Optouts") ? button("Opt the first number out", () => go(to("optouts", "new")), { class: "first" }) : null,
    example: `curl -H "Authorization: Bearer $KEY" ${BOOK.href}addressbook/optouts \\\n  --json '{"msisdn": "4479000000001"}'`,
  });
}
