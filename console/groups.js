// The groups: at most 1,000, so they come at once, and are searched and sorted here; one
// of them in the drawer.
import { BOOK, get } from "./api.js";
import { h } from "./dom.js";
import { Drawer } from "./drawer.js";
import { button, lesson } from "./form.js";
import { count, counted, when } from "./format.js";
import { newGroup, openGroup } from "./group.js";
import { become, go, here, to } from "./route.js";
import { may } from "./session.js";
import { Table } from "./table.js";

/** @typedef {import("./group.js").Group} Group */

/** How long one may pause between two letters. */
const TYPING_MS = 120;
const NAMES = new Intl.Collator("en", { numeric: true });
/** @type {Record<string, (one: Group, other: Group) => number>} */
const ORDERS = {
  name: (one, other) => NAMES.compare(one.name, other.name),
  members: (one, other) => one.members - other.members,
  created_on: (one, other) => (one.created_on < other.created_on ? -1 : 1),
};

/** @returns {import("./main.js").Screen} */
export function open() {
  const shelf = new Shelf();
  const table = groupTable(shelf);
  const drawer = new Drawer({
    closed: () => {
      go(to("groups", "", here().query));
      table.focus();
    },
  });
  const search = new Search();
  const changed = () => {
    shelf.isOld = true;
    void table.refresh();
    dispatchEvent(new CustomEvent("countschanged"));
  };
  const create = () => go(to("groups", "new", here().query));
  const needs = !may("create:Groups") && "create:Groups";
  const acts = h("div.acts", null, button("New group", create, { class: "first", needs, "aria-keyshortcuts": "n" }));
  const main = h("section.page", null, h("div.top", null, h("h1", null, "Groups"), shelf.element, acts), search.element, table.element);
  let query = "none yet";
  let closeInside = () => {};

  return {
    main,
    drawer,
    keys: {
      "/": () => search.input.focus(),
      n: () => needs || create(),
      j: () => table.focus(),
      ArrowDown: () => table.focus(),
    },
    update(route) {
      if (String(route.query) !== query) {
        query = String(route.query);
        search.show(route.query);
        table.sorted(order(route.query).by, order(route.query).isDown);
        void table.restart();
      }
      table.openIs(route.id);
      if (!route.id) return drawer.isOpen ? drawer.hide() : undefined;
      if (route.id === drawer.id) return undefined;
      closeInside();
      if (route.id === "new") {
        return void drawer.show("new", async () => newGroup({ made: (id) => (changed(), drawer.hide(), become(to("groups", id, here().query))) }));
      }
      return void drawer.show(route.id, (signal) => openGroup(route.id, { signal, changed, drawer, closes: (close) => (closeInside = close) }));
    },
    again() {
      shelf.isOld = true;
      void table.restart();
    },
    close() {
      closeInside();
      search.close();
      table.close();
    },
  };
}

/** @param {Shelf} shelf @returns {Table<Group>} */
function groupTable(shelf) {
  const table = /** @type {Table<Group>} */ (
    new Table({
      label: "Groups",
      columns: [
        { name: "Name", class: "strong", sort: "name", show: (group) => group.name },
        { name: "Members", class: "digits end", sort: "members", show: (group) => count(group.members) },
        { name: "Created", class: "muted when", sort: "created_on", show: (group) => rowTime(group.created_on) },
      ],
      id: (group) => group.id,
      load: (cursor, limit, signal) => shelf.page(Number(cursor), limit, signal),
      open: (group) => go(to("groups", group.id, here().query)),
      empty: nothing,
      sorted: sortBy,
    })
  );
  table.element.style.setProperty("--columns", "minmax(160px, 2fr) 120px minmax(160px, 1fr)");
  table.element.style.setProperty("--columns-narrow", "minmax(120px, 1fr) 96px 128px");
  table.element.style.setProperty("--columns-phone", "minmax(0, 1fr) 88px");
  return table;
}

/** All groups, as they last came. */
class Shelf {
  constructor() {
    this.element = h("p.count", { role: "status" });
    /** @type {Group[]} */
    this.groups = [];
    /** Whether they are to be fetched again. */
    this.isOld = true;
  }

  /** Those that are asked for, from one of them on. @param {number} from @param {number} limit @param {AbortSignal} signal */
  async page(from, limit, signal) {
    if (this.isOld) {
      this.groups = (await get("addressbook/groups?limit=1000", { signal })).records;
      this.isOld = false;
    }
    const { query } = here();
    const text = folded(query.get("search") ?? "");
    const { by, isDown } = order(query);
    const found = this.groups.filter((group) => folded(group.name).includes(text));
    found.sort((one, other) => (ORDERS[by]?.(one, other) || NAMES.compare(one.name, other.name)) * (isDown ? -1 : 1));
    this.element.textContent = text ? `${count(found.length)} of ${count(this.groups.length)}` : counted(found.length, "group");
    const end = from + limit;
    return { records: found.slice(from, end), next: end < found.length ? String(end) : null };
  }
}

/** A name as it is searched for: without regard to case. @param {string} text */
function folded(text) {
  return text.normalize("NFC").toLowerCase();
}

/** @param {URLSearchParams} query */
function order(query) {
  const by = query.get("sort") ?? "name";
  return { by, isDown: (query.get("dir") ?? beginning(by)) === "DESC" };
}

/** In which direction an order begins. @param {string} by */
function beginning(by) {
  return by === "name" ? "ASC" : "DESC";
}

/** @param {string} by */
function sortBy(by) {
  const { query, id } = here();
  const now = order(query);
  query.set("sort", by);
  query.set("dir", now.by === by ? (now.isDown ? "ASC" : "DESC") : beginning(by));
  become(to("groups", id, query));
}

/** The line in which one searches. */
class Search {
  constructor() {
    this.input = h("input", { type: "search", "aria-label": "Search by name", placeholder: "Name", spellcheck: "false", autocomplete: "off", enterkeyhint: "search" });
    this.element = h("div.search", null, h("div.find", null, this.input, h("kbd", { "aria-hidden": "true" }, "/")));
    this.input.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.typed(), TYPING_MS);
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" && event.key !== "Enter") return;
      event.preventDefault();
      if (event.key === "Escape" && !this.input.value) return this.input.blur();
      if (event.key === "Escape") this.input.value = "";
      clearTimeout(this.typing);
      this.typed();
    });
  }

  typed() {
    const { query, id } = here();
    const text = this.input.value.trim();
    if (text) query.set("search", text);
    else query.delete("search");
    become(to("groups", id, query));
  }

  /** Shows what the address asks for. @param {URLSearchParams} query */
  show(query) {
    if (document.activeElement !== this.input) this.input.value = query.get("search") ?? "";
  }

  close() {
    clearTimeout(this.typing);
  }
}

/** A row's time; the row has the focus. @param {string} moment */
function rowTime(moment) {
  const time = when(moment);
  time.removeAttribute("tabindex");
  return time;
}

function nothing() {
  const { query, id } = here();
  if (query.has("search")) {
    return lesson({ title: "No group found", text: ["No group has this in its name."], action: button("Show all groups", () => go(to("groups", id))) });
  }
  return lesson({
    title: "No groups yet",
    text: ["A group is a name and the contacts that belong to it. A sender names the group in place of every one of them."],
    action: may("create:Groups") ? button("Create the first group", () => go(to("groups", "new")), { class: "first" }) : null,
    example: `curl -H "Authorization: Bearer $KEY" ${BOOK.href}addressbook/groups \\\n  --json '{"name": "Friends"}'`,
  });
}
