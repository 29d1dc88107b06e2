// The activity: what the audit has of keys, and of what they were refused, newest first.
import { get } from "./api.js";
import { h } from "./dom.js";
import { Drawer } from "./drawer.js";
import { button, factsOf, lesson } from "./form.js";
import { counted, rowTime, utc, when } from "./format.js";
import { actorOf, changesOf, keyLink, sentence, titleOf } from "./events.js";
import { keyNames } from "./keylist.js";
import { Table } from "./table.js";

/** @typedef {import("./events.js").Event} Event */

/** How many are looked through for one by its id. */
const NEAR = 200;

/** @returns {import("./main.js").Screen} */
export function open() {
  /** @type {import("./events.js").Names} */
  let names = new Map();
  /** @type {Promise<void> | null} */
  let naming = null;
  /** @type {Map<number, Event>} */
  const seen = new Map();
  const counts = h("p.count", { role: "status" });
  const table = /** @type {Table<Event>} */ (
    new Table({
      label: "Activity",
      widths: ["112px minmax(110px, 2fr) minmax(0, 6fr) 140px", "112px minmax(100px, 2fr) minmax(0, 5fr)", "92px minmax(0, 1fr)"],
      columns: [
        { name: "When", class: "muted moment", show: (event) => rowTime(event.created_on) },
        { name: "Who", class: "when", show: (event) => actorOf(event, names) },
        { name: "What", show: (event) => [h("span.narrow", null, actorOf(event, names), " "), ...sentence(event, names)] },
        { name: "From", class: "muted number wide", show: (event) => event.address ?? "–" },
      ],
      id: (event) => String(event.id),
      load: async (cursor, limit, signal) => {
        if (!cursor) naming = keyNames().then((all) => void (names = all));
        const [page] = await Promise.all([load(cursor, limit, signal), naming]);
        counts.textContent = counted(page.total, "event");
        for (const event of page.records) seen.set(event.id, event);
        return page;
      },
      open: (event) => drawer.open(String(event.id)),
      empty: () => lesson({ title: "Nothing yet", text: ["Here stands who made, changed, rotated and revoked which key, and what a key was refused."] }),
    })
  );
  table.element.classList.add("of-activity");
  const drawer = new Drawer("activity", table);
  const refresh = button("Refresh", () => table.restart());
  const inside = async (/** @type {string} */ id, /** @type {AbortSignal} */ signal) => {
    naming ??= keyNames().then((all) => void (names = all));
    const [event] = await Promise.all([seen.get(Number(id)) ?? find(Number(id), signal), naming]);
    return event ? openEvent(event, names) : { title: "No such event", body: [h("p", null, "The audit has it no more. Refused permissions are kept until 10,000 newer ones came.")] };
  };
  return {
    main: h("section.page", null, h("div.top", null, h("h1", null, "Activity"), counts, h("div.acts", null, refresh)), table.element),
    drawer,
    update({ id }) {
      if (!seen.size) void table.restart();
      table.openIs(id);
      drawer.follow(id, (signal) => inside(id, signal));
    },
    again: () => void table.restart(),
    close: () => table.close(),
  };
}

/**
 * A page of events. The cursor has the offset, and the id of the last event before: what
 * came meanwhile moves the rest along, and no event is to stand there twice.
 *
 * @param {string} cursor
 * @param {number} limit
 * @param {AbortSignal} signal
 * @returns {Promise<{ records: Event[], next: string | null, total: number }>}
 */
async function load(cursor, limit, signal) {
  const [from = 0, last = Infinity] = cursor ? cursor.split(":").map(Number) : [];
  let offset = from;
  for (;;) {
    const { records, total } = await get(`auth/audit?limit=${limit}&offset=${offset}`, { signal });
    const moved = records.filter((/** @type {Event} */ { id }) => id >= last).length;
    const end = offset + records.length;
    if (!moved) return { records, total, next: records.length && end < total ? `${end}:${records.at(-1).id}` : null };
    offset += moved;
  }
}

/** One event by its id: the ids count up, so it is not far from there. @param {number} id @param {AbortSignal} signal @returns {Promise<Event | undefined>} */
async function find(id, signal) {
  const newest = (await get("auth/audit?limit=1", { signal })).records[0];
  if (!newest || !(id <= newest.id)) return undefined;
  // Those that were forgotten bring it nearer to the newest.
  for (let offset = Math.max(0, newest.id - id - NEAR / 2); ; offset = Math.max(0, offset - NEAR)) {
    const { records } = await get(`auth/audit?limit=${NEAR}&offset=${offset}`, { signal });
    const found = records.find((/** @type {Event} */ event) => event.id === id);
    if (found || offset === 0 || (records.length && records[0].id > id)) return found;
  }
}

/** @param {Event} event @param {import("./events.js").Names} names @returns {import("./drawer.js").Inside} */
function openEvent(event, names) {
  const facts = factsOf([
    ["When", [utc(event.created_on), " ", h("span.muted", null, "(", when(event.created_on), ")")]],
    ["Who", actorOf(event, names)],
    ["From", event.address ?? h("span.muted", null, "no address: not by HTTP")],
    event.permission && ["Permission", h("code", null, event.permission)],
    event.target && ["Key", [keyLink(event.target, names), " ", names.has(event.target) && h("code.muted", null, event.target)]],
    ["Event", [h("code", null, event.action), h("span.muted", null, ` ${event.id}`)]],
  ]);
  return {
    title: titleOf(event),
    body: [h("dl.facts", null, facts), changesOf(event)],
  };
}
