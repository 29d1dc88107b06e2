// The contacts: searched while one types, filtered by chips, without an end; one of them
// in the drawer, several of them by the bar above.
import { BOOK, get, isAborted, post } from "./api.js";
import { openContact, newContact } from "./contact.js";
import { h } from "./dom.js";
import { Drawer } from "./drawer.js";
import { exportButton } from "./export.js";
import { Filters, isChip } from "./filters.js";
import { button, lesson } from "./form.js";
import { count, counted, metaLine, rowTime } from "./format.js";
import { go, here, to } from "./route.js";
import { order, sortBy } from "./search.js";
import { Selection } from "./selection.js";
import { lacks, may } from "./session.js";
import { Table } from "./table.js";

/** @typedef {{ id: string, alias: string, msisdn: string, created_on: string, meta?: Record<string, unknown>, isOptedOut?: boolean }} Contact */

/** By what they are sorted where nobody says it. */
const FIRST = "created_on";

/** @returns {import("./main.js").Screen} */
export function open() {
  const found = new Found();
  const begin = () => void table.restart().then(() => found.look());
  const table = contactTable((id) => drawer.open(id), () => bar.show());
  const drawer = new Drawer("contacts", table);
  const bar = new Selection(table, begin);
  const search = new Filters();
  const changed = () => {
    void table.refresh().then(() => found.look());
    dispatchEvent(new CustomEvent("countschanged"));
  };
  const needs = lacks("create:Contacts");
  const acts = h("div.acts", null, exportButton(), button("New contact", () => drawer.open("new"), { class: "first", needs, "aria-keyshortcuts": "n" }));
  const main = h("section.page", null, h("div.top", null, h("h1", null, "Contacts"), found.element, acts), search.element, bar.element, table.element);
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
        const { by, isDown } = order(asked, FIRST);
        table.sorted(by, isDown);
        table.chooseNone();
        begin();
      }
      table.openIs(id);
      drawer.follow(id, async (signal) => (id === "new" ? newContact({ changed, drawer }) : openContact(id, { signal, changed, drawer })), needs);
    },
    again: begin,
    close() {
      table.close();
      search.close();
      found.coming.abort();
    },
  };
}

/** @param {(id: string) => void} open @param {() => void} selected @returns {Table<Contact>} */
function contactTable(open, selected) {
  let marking = Promise.resolve();
  const table = /** @type {Table<Contact>} */ (
    new Table({
      label: "Contacts",
      widths: ["minmax(120px, 22fr) minmax(150px, 30fr) minmax(0, 33fr) 120px", "minmax(90px, 2fr) minmax(130px, 3fr) 120px", "minmax(0, 2fr) minmax(0, 3fr)"],
      columns: [
        { name: "Alias", class: "strong", sort: "alias", show: (contact) => contact.alias },
        { name: "Number", class: "number", sort: "msisdn", show: showNumber },
        { name: "Meta", class: "muted wide", show: (contact) => metaLine(contact.meta) },
        { name: "Created", class: "muted when", sort: "created_on", show: (contact) => rowTime(contact.created_on) },
      ],
      id: (contact) => contact.id,
      selects: true,
      load: (cursor, limit, signal) => get(`addressbook/contacts?${asked({ include: "meta", cursor, limit: String(limit) })}`, { signal }),
      open: (contact) => open(contact.id),
      selected,
      empty: nobody,
      // One after the other: the server resolves for one at a time.
      came: (contacts) => {
        marking = marking.then(() => markOptouts(contacts, table));
      },
      sorted: (by) => sortBy(by, FIRST),
    })
  );
  return table;
}

/** The filters and the order of the address as the API has them. @param {Record<string, string>} more */
function asked(more) {
  const { query } = here();
  const { by, isDown } = order(query, FIRST);
  query.delete("sort");
  query.delete("dir");
  return new URLSearchParams([...query, ["sortField", by], ["sortDir", isDown ? "DESC" : "ASC"], ...Object.entries(more)]);
}

/** Whether anything is filtered. */
function isFiltered() {
  return [...here().query.keys()].some((name) => name === "search" || isChip(name));
}

/** @param {Contact} contact */
function showNumber(contact) {
  return contact.isOptedOut ? [h("s", null, contact.msisdn), h("span.out", null, "opted out")] : contact.msisdn;
}

/**
 * Finds out which numbers want no messages; a row that shows too much for a moment is no
 * harm, so nobody waits for it.
 *
 * @param {Contact[]} contacts
 * @param {Table<Contact>} table
 */
async function markOptouts(contacts, table) {
  if (!contacts.length) return;
  const body = { recipients: contacts.map((contact) => contact.alias) };
  try {
    const { results } = await post("addressbook/contacts/resolve", body, { signal: table.coming.signal, reads: true });
    let marked = false;
    // A group of the same id would stand for its members; an alias wins, so they are as many.
    for (const [index, result] of results.entries()) {
      const contact = contacts[index];
      if (!contact || result.status !== "opted_out") continue;
      contact.isOptedOut = true;
      marked = true;
    }
    if (!marked) return;
    table.forget();
    table.draw();
  } catch (error) {
    if (!isAborted(error)) console.debug(error);
  }
}

/** How many there are, and how many are found. */
class Found {
  constructor() {
    this.element = h("p.count", { role: "status" });
    this.coming = new AbortController();
  }

  async look() {
    this.coming.abort();
    this.coming = new AbortController();
    const { signal } = this.coming;
    try {
      const found = (await get(`addressbook/contacts?${asked({ limit: "1" })}`, { signal })).total;
      const all = isFiltered() ? (await get("addressbook/contacts?limit=1", { signal })).total : found;
      this.element.textContent = found === all ? counted(all, "contact") : `${count(found)} of ${count(all)}`;
    } catch (error) {
      if (!isAborted(error)) this.element.textContent = "";
    }
  }
}

function nobody() {
  if (isFiltered()) {
    const { id } = here();
    return lesson({ title: "Nobody found", text: ["No contact matches all of it."], action: button("Show all contacts", () => go(to("contacts", id))) });
  }
  return lesson({
    title: "No contacts yet",
    text: ["A contact is an alias, a number, and whatever else your texts need. Applications create them; so can you, one by one or from a file."],
    action: may("create:Contacts") ? button("Create the first contact", () => go(to("contacts", "new")), { class: "first" }) : null,
    example: `curl -H "Authorization: Bearer $KEY" ${BOOK.href}addressbook/contacts \\\n  --json '{"alias": "john", "msisdn": "4479000000001", "meta": {"NAME": "John"}}'`,
  });
}
