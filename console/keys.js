// The keys: who may touch the book, what each may do, and until when.
import { BOOK } from "./api.js";
import { fill, h } from "./dom.js";
import { Drawer } from "./drawer.js";
import { button, copies, lesson } from "./form.js";
import { count, counted, rowTime } from "./format.js";
import { newKey, openKey } from "./key.js";
import { everyKey } from "./keylist.js";
import { stateOf } from "./keystate.js";
import { inWords } from "./permissions.js";
import { lacks, who } from "./session.js";
import { Table } from "./table.js";

/** @typedef {import("./terms.js").Key} Key */

/** @returns {import("./main.js").Screen} */
export function open() {
  const book = new Book();
  const needs = lacks("create:ApiKeys");
  const counts = h("p.count", { role: "status" });
  const acts = h("div.acts");
  const fresh = () => drawer.open("new");
  let offered = /** @type {string | false | null} */ (null);
  /** Offers to make one, where nothing is lacking for it. @param {string | false} lacks */
  const offer = (lacks) => {
    if (lacks === offered) return;
    offered = lacks;
    fill(acts, button("New key", fresh, { class: "first", needs: lacks, "aria-keyshortcuts": "n" }));
  };
  offer(needs);
  const table = keyTable(book, (id) => drawer.open(id), (keys) => {
    counts.textContent = `${counted(keys.length, "key")}, ${count(keys.filter((key) => stateOf(key).rank === 0).length)} active`;
    offer(keys.find(({ id }) => id === who()?.id)?.rate_limit ? "a key without rate_limit" : needs);
    if (keys.length === 1) fill(table.aside, firstKey(needs ? null : fresh));
  });
  const drawer = new Drawer("keys", table);
  const changed = () => {
    book.forget();
    void table.refresh();
  };
  /** @type {import("./key.js").Around} */
  const around = { drawer, all: () => book.all(), changed };
  return {
    main: h("section.page", null, h("div.top", null, h("h1", null, "Keys"), counts, acts), table.element),
    drawer,
    keys: { n: () => offered || fresh() },
    update({ id }) {
      if (!book.known) void table.restart();
      table.openIs(id);
      drawer.follow(id, (signal) => (id === "new" ? newKey(around) : openKey(id, signal, around)), needs);
    },
    again: () => void table.restart(),
    close: () => table.close(),
  };
}

/** Every key, as it is known. The drawer waits for it as well, so no restart of the table gives it up. */
class Book {
  constructor() {
    /** @type {Promise<Key[]> | null} */
    this.known = null;
  }

  forget() {
    this.known = null;
  }

  async all() {
    this.known ??= everyKey();
    try {
      return await this.known;
    } catch (error) {
      this.known = null;
      throw error;
    }
  }
}

/** @param {Book} book @param {(id: string) => void} open @param {(keys: Key[]) => void} came @returns {Table<Key>} */
function keyTable(book, open, came) {
  /** @type {Key[]} */
  let keys = [];
  const table = /** @type {Table<Key>} */ (
    new Table({
      label: "Keys",
      widths: ["minmax(120px, 24fr) minmax(140px, 36fr) minmax(130px, 24fr) 104px 168px", "minmax(110px, 3fr) minmax(0, 4fr) 184px", "minmax(0, 1fr) minmax(0, 152px)"],
      columns: [
        { name: "Name", class: "strong", show: (key) => [key.name, key.id === who()?.id ? h("span.self", null, "you") : null] },
        { name: "May", class: "muted when", show: (key) => inWords(key.permissions) },
        { name: "State", show: showState },
        { name: "Last use", class: "muted wide", show: (key) => rowTime(key.last_used_on) },
        { name: "Id", class: "wide id", show: showId },
      ],
      id: (key) => key.id,
      load: async (cursor, limit) => {
        if (!cursor) book.forget();
        keys = await book.all();
        const from = Number(cursor);
        return { records: keys.slice(from, from + limit), next: from + limit < keys.length ? String(from + limit) : null };
      },
      came: () => came(keys),
      open: (key) => open(key.id),
      empty: () => lesson({ title: "No keys", text: ["Keys say who may touch the book. The command line makes the first one."], example: "addressbook key create --name 'web shop' --role importer" }),
    })
  );
  table.element.classList.add("of-keys");
  return table;
}

/** What stands beneath the only key. @param {(() => void) | null} make */
function firstKey(make) {
  return lesson({
    title: "One key for each application",
    text: ["What has a key of its own can be limited, watched and shut out by itself. Give each what it needs, and no more."],
    action: make && button("Create a key", make, { class: "first" }),
    example: `curl -H "Authorization: Bearer $KEY" ${BOOK.href}auth/keys \\\n  --json '{"name": "web shop", "permissions": ["create:Contacts", "read:Contacts"]}'`,
  });
}

/** @param {Key} key */
function showState(key) {
  const state = stateOf(key);
  return h("span", { class: state.class }, state.words);
}

/** @param {Key} key */
function showId(key) {
  const copy = copies(key.id, `the id of ${key.name}`);
  // One by one they would stand in the way of the keyboard; the drawer has it, too.
  copy.tabIndex = -1;
  return [h("code", null, key.id), copy];
}
