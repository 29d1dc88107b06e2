// The contacts: searched while one types, filtered by chips, without an end; one of them
// in the drawer, several of them by the bar above.
import { BOOK, get, isAborted, post, segment } from "./api.js";
import { openContact, newContact } from "./contact.js";
import { fill, h, set } from "./dom.js";
import { Drawer } from "./drawer.js";
import { Field, Form, ask, button, busy, lesson } from "./form.js";
import { count, counted, metaLine, when } from "./format.js";
import { become, go, here, to } from "./route.js";
import { may } from "./session.js";
import { Table } from "./table.js";

/** @typedef {{ id: string, alias: string, msisdn: string, created_on: string, meta?: Record<string, unknown>, isOptedOut?: boolean }} Contact */

/** How long one may pause between two letters. */
const TYPING_MS = 120;

/** @param {import("./route.js").Route} route @returns {import("./main.js").Screen} */
export function open(route) {
  const found = new Found();
  const table = /** @type {Table<Contact>} */ (
    new Table({
      label: "Contacts",
      columns: [
        { name: "Alias", class: "strong", sort: "alias", show: (contact) => contact.alias },
        { name: "Number", class: "number", sort: "msisdn", show: showNumber },
        { name: "Meta", class: "muted wide", show: (contact) => metaLine(contact.meta) },
        { name: "Created", class: "muted when", sort: "created_on", show: (contact) => rowTime(contact.created_on) },
      ],
      id: (contact) => contact.id,
      selects: true,
      load: (cursor, limit, signal) => get(`addressbook/contacts?${asked({ include: "meta", cursor, limit: String(limit) })}`, { signal }),
      open: (contact) => go(to("contacts", contact.id, here().query)),
      selected: () => bar.show(),
      empty: () => nobody(),
      came: (contacts) => void markOptouts(contacts, table),
      sorted: sortBy,
    })
  );
  const drawer = new Drawer({
    closed: () => {
      go(to("contacts", "", here().query));
      table.focus();
    },
  });
  const bar = new SelectionBar(table, found);
  const search = new Search();
  const changed = () => {
    void table.refresh();
    void found.look();
    dispatchEvent(new CustomEvent("countschanged"));
  };
  const fresh = () => go(to("contacts", "new", here().query));
  const main = h(
    "section.page",
    null,
    h("div.top", null, h("h1", null, "Contacts"), found.element, h("div.acts", null, exports(), button("New contact", fresh, { class: "first", needs: !may("create:Contacts") && "create:Contacts", "aria-keyshortcuts": "n" }))),
    search.element,
    bar.element,
    table.element,
  );
  let query = "none yet";

  return {
    main,
    drawer,
    keys: {
      "/": () => search.input.focus(),
      n: () => may("create:Contacts") && fresh(),
      j: () => table.focus(),
      ArrowDown: () => table.focus(),
    },
    update(route) {
      if (String(route.query) !== query) {
        query = String(route.query);
        search.show(route.query);
        table.sorted(route.query.get("sort") ?? "created_on", (route.query.get("dir") ?? "DESC") === "DESC");
        table.chooseNone();
        void table.restart().then(() => found.look());
      }
      table.openIs(route.id);
      if (!route.id) return drawer.isOpen ? drawer.hide() : undefined;
      if (route.id === drawer.id) return undefined;
      const keepFocus = false;
      if (route.id === "new") return void drawer.show("new", async () => newContact({ made: (id) => (changed(), drawer.hide(), become(to("contacts", id, here().query))) }), { keepFocus });
      const again = () => drawer.show(route.id, (signal) => openContact(route.id, { signal, changed, again, drawer }), { keepFocus: true });
      return void drawer.show(route.id, (signal) => openContact(route.id, { signal, changed, again, drawer }));
    },
    again() {
      void table.restart().then(() => found.look());
    },
    close() {
      table.close();
      search.close();
    },
  };
}

/** The filters of the address as the API has them. @param {Record<string, string>} [more] */
function asked(more = {}) {
  const { query } = here();
  const filters = new URLSearchParams();
  for (const [name, value] of query) {
    if (name === "sort") filters.set("sortField", value);
    else if (name === "dir") filters.set("sortDir", value);
    else filters.set(name, value);
  }
  if (!filters.has("sortDir")) filters.set("sortDir", filters.has("sortField") ? "ASC" : "DESC");
  for (const [name, value] of Object.entries(more)) filters.set(name, value);
  return filters;
}

/** Whether anything is filtered. */
function isFiltered() {
  return [...here().query.keys()].some((name) => name !== "sort" && name !== "dir");
}

/** @param {string} field */
function sortBy(field) {
  const { query, id } = here();
  const wasDown = (query.get("dir") ?? (query.has("sort") ? "ASC" : "DESC")) === "DESC";
  const isSame = (query.get("sort") ?? "created_on") === field;
  query.set("sort", field);
  query.set("dir", isSame ? (wasDown ? "ASC" : "DESC") : field === "created_on" ? "DESC" : "ASC");
  become(to("contacts", id, query));
}

/** @param {Contact} contact */
function showNumber(contact) {
  return contact.isOptedOut ? [h("s", null, contact.msisdn), h("span.out", null, "opted out")] : contact.msisdn;
}

/** A row's time; the row has the focus. @param {string} moment */
function rowTime(moment) {
  const time = when(moment);
  time.removeAttribute("tabindex");
  return time;
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
    const { results } = await post("addressbook/contacts/resolve", body, { signal: table.coming.signal });
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
    this.total = 0;
    this.coming = new AbortController();
  }

  async look() {
    this.coming.abort();
    this.coming = new AbortController();
    const { signal } = this.coming;
    try {
      const filters = asked({ limit: "1" });
      const found = (await get(`addressbook/contacts?${filters}`, { signal })).total;
      const all = isFiltered() ? (await get("addressbook/contacts?limit=1", { signal })).total : found;
      this.total = found;
      this.element.textContent = found === all ? counted(all, "contact") : `${count(found)} of ${count(all)}`;
    } catch (error) {
      if (!isAborted(error)) this.element.textContent = "";
    }
  }
}

/** The line in which one searches, with a chip for each filter. */
class Search {
  constructor() {
    this.chips = h("div.chips");
    this.input = h("input", { type: "search", "aria-label": "Search by alias or number", placeholder: "Alias or number", spellcheck: "false", autocomplete: "off", enterkeyhint: "search" });
    this.panel = h("div.panel", { hidden: true });
    this.filter = button("Filter", () => this.toggle(), { class: "bare small", "aria-expanded": "false" });
    this.element = h("div.search", null, h("div.find", null, this.chips, this.input, this.filter, h("kbd", { "aria-hidden": "true" }, "/")), this.panel);
    this.input.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.typed(), TYPING_MS);
    });
    this.input.addEventListener("keydown", (event) => this.pressed(event));
  }

  typed() {
    const { query, id } = here();
    const text = this.input.value.trim();
    if (text) query.set("search", text);
    else query.delete("search");
    become(to("contacts", id, query));
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const member = /^([^=\s][^=]*)=(.+)$/.exec(this.input.value);
    if (event.key === "Enter" && member) {
      // `CITY=London` is a filter.
      this.input.value = "";
      this.add(`meta.${member[1]?.trim()}`, member[2]?.trim() ?? "");
    } else if (event.key === "Enter") {
      clearTimeout(this.typing);
      this.typed();
    } else if (event.key === "Escape" && this.input.value) {
      this.input.value = "";
      this.typed();
    } else if (event.key === "Escape") this.input.blur();
    else if (event.key === "Backspace" && !this.input.value) this.removeLast();
    else return;
    if (event.key !== "Backspace") event.preventDefault();
  }

  /** @param {string} name @param {string} value */
  add(name, value) {
    const { query, id } = here();
    query.delete("search");
    query.set(name, value);
    go(to("contacts", id, query));
  }

  removeLast() {
    const names = [...here().query.keys()].filter(isChip);
    const last = names.at(-1);
    if (last) this.remove(last);
  }

  /** @param {string} name */
  remove(name) {
    const { query, id } = here();
    query.delete(name);
    become(to("contacts", id, query));
    this.input.focus();
  }

  /** Shows what the address asks for. @param {URLSearchParams} query */
  show(query) {
    if (document.activeElement !== this.input) this.input.value = query.get("search") ?? "";
    fill(
      this.chips,
      [...query].filter(([name]) => isChip(name)).map(([name, value]) => {
        const shown = h("b", null, value);
        if (name === "group") void groupName(value).then((known) => (shown.textContent = known));
        return h("span.chip", null, `${spoken(name)} `, shown, h("button.take", { type: "button", "aria-label": `Remove the filter ${spoken(name)} ${value}`, onclick: () => this.remove(name) }, "×"));
      }),
    );
  }

  toggle() {
    this.panel.hidden = !this.panel.hidden;
    set(this.filter, "aria-expanded", String(!this.panel.hidden));
    if (this.panel.hidden) return;
    const member = new Form({
      fields: { name: { label: "Member of meta", placeholder: "CITY" }, value: { label: "is", placeholder: "London" } },
      verb: "Filter",
      submit: async ({ name, value }) => {
        if (!name.trim()) return { name: "Say which member" };
        this.add(`meta.${name.trim()}`, value);
        this.toggle();
      },
    });
    member.element.classList.add("inline");
    const group = new Field({ label: "Group", options: [["", "Choose a group"]] });
    group.input.addEventListener("change", () => {
      if (!group.value) return;
      this.add("group", group.value);
      this.toggle();
    });
    void groups().then((all) => group.input.append(...all.map(({ id, name }) => h("option", { value: id }, name))));
    fill(this.panel, may("read:Groups") ? h("div.form.inline", null, group.element) : null, member.element);
    (may("read:Groups") ? group.input : member.fields.name.input).focus();
  }

  close() {
    clearTimeout(this.typing);
  }
}

/** @param {string} name */
function isChip(name) {
  return !["search", "sort", "dir"].includes(name);
}

/** @param {string} name */
function spoken(name) {
  return name.startsWith("meta.") ? `${name.slice(5)} is` : name;
}

/** @returns {Promise<{ id: string, name: string, members: number }[]>} */
async function groups() {
  return may("read:Groups") ? (await get("addressbook/groups?limit=1000")).records : [];
}

/** @param {string} id */
async function groupName(id) {
  if (!may("read:Groups")) return id;
  try {
    return (await get(`addressbook/groups/${segment(id)}`)).record.name;
  } catch {
    return "(no such group)";
  }
}

/** What can be done with those that are selected. */
class SelectionBar {
  /** @param {Table<Contact>} table @param {Found} found */
  constructor(table, found) {
    this.table = table;
    this.found = found;
    this.said = h("p", { role: "status" });
    this.acts = h("div.acts");
    this.element = h("div.selection", { hidden: true }, this.said, this.acts);
  }

  show() {
    const chosen = this.table.chosen.size;
    this.element.hidden = !chosen;
    if (!chosen) return;
    const group = here().query.get("group");
    this.say(`${count(chosen)} selected`);
    fill(
      this.acts,
      button("Add to a group", () => this.addToGroup(), { class: "small", needs: !may("update:Groups") && "update:Groups" }),
      group ? button("Remove from this group", () => this.changeGroup(group, "remove"), { class: "small", needs: !may("update:Groups") && "update:Groups" }) : null,
      button(`Opt out ${counted(chosen, "number")}`, () => this.optOut(), { class: "small", needs: !may("create:Optouts") && "create:Optouts" }),
      button(`Delete ${counted(chosen, "contact")}`, () => this.delete(), { class: "small danger", needs: !may("delete:Contacts") && "delete:Contacts" }),
      button("Select none", () => this.table.chooseNone(), { class: "small bare" }),
    );
  }

  /** @param {string} words */
  say(words) {
    this.said.textContent = words;
  }

  /** Says what came of it, and shows the contacts as they are now. @param {string} words */
  done(words) {
    this.table.chosen.clear();
    this.element.hidden = false;
    fill(this.acts, button("Close", () => (this.element.hidden = true), { class: "small bare" }));
    this.say(words);
    this.table.focus();
    void this.table.restart().then(() => this.found.look());
    dispatchEvent(new CustomEvent("countschanged"));
  }

  async addToGroup() {
    const all = await groups();
    if (!all.length) return this.say("There is no group yet. Make one on the screen Groups.");
    const field = new Field({ label: "Group", options: all.map(({ id, name }) => [id, name]) });
    const sure = await ask({ title: `Add ${counted(this.table.chosen.size, "contact")} to a group`, text: [field.element], verb: "Add", danger: false });
    if (sure) await this.changeGroup(field.value, "add");
  }

  /** @param {string} group @param {"add" | "remove"} how */
  async changeGroup(group, how) {
    const aliases = [...this.table.chosen.values()].map(({ alias }) => alias);
    await this.run(async () => {
      const { results } = await post(`addressbook/groups/${segment(group)}/members`, { [how]: aliases });
      const changed = results.filter((/** @type {any} */ result) => result.status === `${how === "add" ? "add" : "remov"}ed`).length;
      return `${counted(changed, "contact")} ${how === "add" ? "added" : "removed"}; ${count(results.length - changed)} ${how === "add" ? "were there already" : "were not in it"} or are gone.`;
    });
  }

  async optOut() {
    const numbers = [...new Set([...this.table.chosen.values()].map(({ msisdn }) => msisdn))];
    const sure = await ask({ title: `Opt out ${counted(numbers.length, "number")}?`, text: ["They get no messages any more, whichever contact has them."], verb: `Opt out ${counted(numbers.length, "number")}`, danger: false });
    if (!sure) return;
    await this.run(async () => {
      const { summary } = await post("addressbook/optouts/bulk", { msisdns: numbers });
      return `${counted(summary.created, "number")} opted out, ${count(summary.unchanged)} were before, ${count(summary.failed)} failed.`;
    });
  }

  async delete() {
    const chosen = [...this.table.chosen.values()];
    const words = counted(chosen.length, "contact");
    const names = chosen.slice(0, 5).map(({ alias }) => alias).join(", ");
    const sure = await ask({
      title: `Delete ${words}?`,
      text: [`${names}${chosen.length > 5 ? " and others" : ""}. This cannot be undone.`],
      verb: `Delete ${words}`,
      ...(chosen.length > 1 ? { typed: String(chosen.length), typedLabel: `Type the number of contacts, ${chosen.length}` } : {}),
    });
    if (!sure) return;
    await this.run(async () => {
      const { summary } = await post("addressbook/contacts/bulk-delete", { ids: chosen.map(({ id }) => id) });
      return `${counted(summary.deleted, "contact")} deleted${summary.failed ? `; ${count(summary.failed)} were gone already` : ""}.`;
    });
  }

  /** @param {() => Promise<string>} work */
  async run(work) {
    try {
      this.done(await work());
    } catch (error) {
      this.say(error instanceof Error ? error.message : "It did not work");
    }
  }
}

function exports() {
  const needs = !may("read:Contacts") && "read:Contacts";
  return button("Export", async () => {
    const csv = new URL("addressbook/contacts/export?bom=true", BOOK).href;
    const ndjson = button("NDJSON", () => busy(ndjson, download), { class: "wide" });
    const link = h("a.button.wide", { href: csv, download: "contacts.csv" }, "CSV, which spreadsheets open");
    await ask({ title: "Export all contacts", text: [h("p.muted", null, "Aliases, numbers and metas, as they are now."), h("div.stack", null, link, ndjson)], verb: "Close", danger: false, only: true });
  }, { needs });
}

async function download() {
  const answer = await fetch(new URL("addressbook/contacts/export", BOOK), { headers: { Accept: "application/x-ndjson" } });
  const link = h("a", { href: URL.createObjectURL(await answer.blob()), download: "contacts.ndjson" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
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
