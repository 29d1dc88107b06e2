// The groups: at most 1,000, so they come at once, and are searched and sorted here; one
// of them in the drawer.
import { BOOK } from "./api.js";
import { h } from "./dom.js";
import { Drawer } from "./drawer.js";
import { button, lesson } from "./form.js";
import { count, counted, rowTime } from "./format.js";
import { newGroup, openGroup } from "./group.js";
import { everyGroup } from "./grouplist.js";
import { go, here, to } from "./route.js";
import { Search, order, sortBy } from "./search.js";
import { lacks, may } from "./session.js";
import { Table } from "./table.js";

/** @typedef {import("./grouplist.js").Group} Group */

/** By what they are sorted where nobody says it. */
const FIRST = "name";
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
  const table = groupTable(shelf, (id) => drawer.open(id));
  const drawer = new Drawer("groups", table);
  const search = new Search("Search by name", "Name");
  const changed = () => {
    shelf.isOld = true;
    void table.refresh();
    dispatchEvent(new CustomEvent("countschanged"));
  };
  const needs = lacks("create:Groups");
  const acts = h("div.acts", null, button("New group", () => drawer.open("new"), { class: "first", needs, "aria-keyshortcuts": "n" }));
  const main = h("section.page", null, h("div.top", null, h("h1", null, "Groups"), shelf.element, acts), search.element, table.element);
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
        void table.restart();
      }
      table.openIs(id);
      drawer.follow(id, async (signal) => (id === "new" ? newGroup({ changed, drawer }) : openGroup(id, { signal, changed, drawer })), needs);
    },
    again() {
      shelf.isOld = true;
      void table.restart();
    },
    close() {
      search.close();
      table.close();
    },
  };
}

/** @param {Shelf} shelf @param {(id: string) => void} open @returns {Table<Group>} */
function groupTable(shelf, open) {
  const table = /** @type {Table<Group>} */ (
    new Table({
      label: "Groups",
      widths: ["minmax(160px, 2fr) 120px minmax(160px, 1fr)", "minmax(120px, 1fr) 96px 128px", "minmax(0, 1fr) 88px"],
      columns: [
        { name: "Name", class: "strong", sort: "name", show: (group) => group.name },
        { name: "Members", class: "digits end", sort: "members", show: (group) => count(group.members) },
        { name: "Created", class: "muted when", sort: "created_on", show: (group) => rowTime(group.created_on) },
      ],
      id: (group) => group.id,
      load: (cursor, limit, signal) => shelf.page(Number(cursor), limit, signal),
      open: (group) => open(group.id),
      empty: nothing,
      sorted: (by) => sortBy(by, FIRST),
    })
  );
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
      this.groups = await everyGroup(signal);
      this.isOld = false;
    }
    const { query } = here();
    const text = folded(query.get("search") ?? "");
    const { by, isDown } = order(query, FIRST);
    const found = this.groups.filter((group) => folded(group.name).includes(text));
    found.sort((one, other) => ((Object.hasOwn(ORDERS, by) && ORDERS[by]?.(one, other)) || NAMES.compare(one.name, other.name)) * (isDown ? -1 : 1));
    this.element.textContent = text ? `${count(found.length)} of ${count(this.groups.length)}` : counted(found.length, "group");
    const end = from + limit;
    return { records: found.slice(from, end), next: end < found.length ? String(end) : null };
  }
}

/** A name as it is searched for: without regard to case. @param {string} text */
function folded(text) {
  return text.normalize("NFC").toLowerCase();
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
