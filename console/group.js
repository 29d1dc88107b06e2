// One group in the drawer: its name, who is in it, who is to come and to go.
import { BOOK, Failure, call, get, post, segment } from "./api.js";
import { fill, h } from "./dom.js";
import { Field, Form, ask, button, curl, submits } from "./form.js";
import { count, counted, when } from "./format.js";
import { go, to } from "./route.js";
import { lacks, may } from "./session.js";
import { Table } from "./table.js";

/** @typedef {import("./grouplist.js").Group} Group */
/** @typedef {{ id: string, alias: string }} Member */
/**
 * @typedef {object} Around
 * @property {AbortSignal} signal
 * @property {() => void} changed the groups are to be shown anew
 * @property {import("./drawer.js").Drawer} drawer
 */

/** Aliases of one request. */
const ALIASES_MAX = 10_000;
/** Aliases that a line names before it says how many more. */
const NAMED_MAX = 12;

/** Makes a group. @param {Omit<Around, "signal">} around @returns {import("./drawer.js").Inside} */
export function newGroup({ changed, drawer }) {
  const form = new Form({
    fields: { name: { label: "Name", required: true, hint: "What people call it, such as Spring sale." } },
    verb: "Create group",
    submit: async ({ name }) => {
      const { record } = await post("addressbook/groups", { name });
      changed();
      drawer.made(record.id);
    },
  });
  return { title: "New group", body: [form.element], focus: form.fields.name.input, isChanged: () => Boolean(form.fields.name.value) };
}

/** Shows a group. @param {string} id @param {Around} around @returns {Promise<import("./drawer.js").Inside>} */
export async function openGroup(id, around) {
  const { record } = await get(pathOf(id), { signal: around.signal });
  const lacksUpdate = lacks("update:Groups");
  const name = new Name(record, around);
  const members = new Members(record, around, lacksUpdate);
  const adding = new Adding(record, () => members.changed(), lacksUpdate);
  void members.table.restart();
  const remove = button("Delete the group", () => deleteGroup(record, name.said, around), { class: "bare danger", needs: lacks("delete:Groups") });
  const links = [link("See them among contacts", to("contacts", "", { group: id })), link("Try it with this group", to("try", "", { group: id }))];
  return {
    title: record.name,
    under: [members.total, ", created ", when(record.created_on)],
    body: [
      h("div.stack.tight", null, name.form, may("read:Contacts") ? h("p.links", null, links) : null),
      adding.element,
      members.element,
      curl(`curl -H "Authorization: Bearer $KEY" \\\n  ${new URL(pathOf(id), BOOK)}/members`),
    ],
    foot: [name.save, name.said, remove],
    isChanged: () => name.isChanged || adding.isChanged,
    close: () => members.table.close(),
  };
}

/** The group's name, changed in its place. */
class Name {
  /** @param {Group} group @param {Around} around */
  constructor(group, around) {
    this.group = group;
    this.around = around;
    const isFixed = !may("update:Groups");
    this.field = new Field({ label: "Name", value: group.name, disabled: isFixed });
    this.said = h("p.note", { role: "status" });
    this.save = button("Save", () => this.send(), { class: "first", needs: isFixed && "update:Groups" });
    this.form = h("form.form", { novalidate: true }, this.field.element);
    submits(this.form, this.save, async () => isFixed || this.send());
  }

  get isChanged() {
    return this.field.value !== this.group.name;
  }

  async send() {
    if (!this.isChanged) return void (this.said.textContent = "Nothing has changed");
    this.said.textContent = "";
    this.field.wrong("");
    try {
      const { record } = await call("PATCH", pathOf(this.group.id), { body: { name: this.field.value } });
      this.group.name = record.name;
      this.field.value = record.name;
      const title = this.around.drawer.element.querySelector("h2");
      if (title) title.textContent = record.name;
      this.said.textContent = `Saved ${new Date().toLocaleTimeString("en-GB")}`;
      this.around.changed();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (error.isSilence) return void (this.said.textContent = error.said);
      this.field.wrong(error.message);
      this.field.input.focus();
    }
  }
}

/** Who is in it, without an end. */
class Members {
  /** @param {Group} group @param {Around} around @param {string | false} lacks the permission that is lacking to change them */
  constructor(group, around, lacks) {
    this.group = group;
    this.around = around;
    this.total = h("span", { role: "status" }, counted(group.members, "member"));
    this.said = h("p.error", { role: "alert" });
    const mayOpen = may("read:Contacts");
    this.table = /** @type {Table<Member>} */ (
      new Table({
        label: "Members",
        widths: ["minmax(0, 1fr) 80px", "minmax(0, 1fr) 80px", "minmax(0, 1fr) 80px"],
        columns: [
          { name: "Alias", show: ({ id, alias }) => (mayOpen ? h("a.plain", { href: to("contacts", id), tabindex: -1 }, alias) : alias) },
          ...(lacks ? [] : [{ name: "Take out", class: "end", show: (/** @type {Member} */ member) => this.taker(member) }]),
        ],
        id: (member) => member.id,
        load: (cursor, limit, signal) => get(`${pathOf(group.id)}/members?${new URLSearchParams({ cursor, limit: String(limit) })}`, { signal }),
        ...(mayOpen ? { open: (/** @type {Member} */ { id }) => go(to("contacts", id)) } : {}),
        empty: () => h("p.note", null, lacks ? "Nobody is in it." : "Nobody yet. Add contacts by their alias above."),
        came: () => this.fit(),
      })
    );
    this.table.element.addEventListener("keydown", (event) => {
      const member = this.table.record(this.table.at);
      if (event.key !== "Delete" || !member || lacks || !(event.target instanceof Element) || !event.target.matches(".row")) return;
      event.preventDefault();
      void this.take(member, true);
    });
    const keys = lacks ? null : h("span.keyed", null, h("kbd", null, "Enter"), " opens, ", h("kbd", null, "Del"), " takes out");
    this.element = h("section.inner", { "aria-label": "Members" }, h("div.label", null, h("h3", null, "Members"), keys), this.said, this.table.element);
  }

  /** A few members need no more height than their rows. */
  fit() {
    const rows = this.table.count + 1;
    this.table.element.style.maxHeight = this.table.next === null && rows > 1 ? `calc(${rows} * var(--row) + 2px)` : "";
  }

  /** @param {Member} member */
  taker(member) {
    return h("button.take", { type: "button", tabindex: -1, "aria-label": `Take ${member.alias} out of the group`, onclick: () => void this.take(member, false) }, "×");
  }

  /** @param {Member} member @param {boolean} hasFocus whether the focus is on its row */
  async take(member, hasFocus) {
    try {
      const { results } = await post(`${pathOf(this.group.id)}/members`, { remove: [member.alias] });
      if (results[0]?.error) throw new Failure(400, results[0].error.name, results[0].error.message, null);
      await this.changed();
      if (hasFocus) this.table.focus();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.said.textContent = `${member.alias} was not taken out: ${error.message}`;
    }
  }

  /** Shows who is in it now. */
  async changed() {
    this.around.changed();
    const [{ record }] = await Promise.all([get(pathOf(this.group.id)), this.table.refresh()]);
    this.group.members = record.members;
    this.total.textContent = counted(record.members, "member");
  }
}

/** The field in which members are added by alias. */
class Adding {
  /** @param {Group} group @param {() => Promise<void>} changed @param {string | false} lacks the permission that is lacking */
  constructor(group, changed, lacks) {
    this.group = group;
    this.changed = changed;
    this.field = new Field({ label: "Add contacts", area: true, rows: 2, spellcheck: "false", placeholder: "john, jane / work", disabled: Boolean(lacks), hint: "By alias, one a line or separated by commas." });
    this.said = h("p", { role: "status" });
    this.add = button("Add", () => this.send(), { needs: lacks });
    this.field.input.addEventListener("input", () => this.say());
    this.field.input.addEventListener("keydown", (/** @type {any} */ event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.add.click();
    });
    this.element = h("div.form.tight", null, this.field.element, h("div.actions", null, this.add, this.said));
  }

  get isChanged() {
    return Boolean(this.field.value.trim());
  }

  /** Says on the button how many there are. */
  say() {
    const { length } = aliasesIn(this.field.value).flatMap((line) => apart(line) ?? [line]);
    this.add.textContent = length ? `Add ${counted(length, "contact")}` : "Add";
  }

  async send() {
    const lines = aliasesIn(this.field.value);
    fill(this.said);
    if (!lines.length) return this.refuse("Write an alias");
    if (lines.length > ALIASES_MAX) return this.refuse(`At most ${count(ALIASES_MAX)} at once, these are ${count(lines.length)}`);
    try {
      let results = await this.post(lines);
      // An alias may have a comma in it: only what is none as a whole is taken apart.
      const pieces = results.flatMap((result) => (result.status === "not_found" ? (apart(result.alias) ?? []) : []));
      if (pieces.length > ALIASES_MAX) return this.refuse(`At most ${count(ALIASES_MAX)} at once, these are ${count(pieces.length)}`);
      if (pieces.length) results = [...results.filter((result) => result.status !== "not_found" || !apart(result.alias)), ...(await this.post(pieces))];
      this.tell(results);
      await this.changed();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.refuse(error.isSilence ? "The server does not answer. Add them again: who is in it already stays so." : error.message);
    }
  }

  /** @param {string[]} add @returns {Promise<{ alias: string, status: string, error?: { message: string } }[]>} */
  async post(add) {
    return (await post(`${pathOf(this.group.id)}/members`, { add })).results;
  }

  /** @param {string} why */
  refuse(why) {
    this.field.wrong(why);
    this.field.input.focus();
  }

  /** Says what came of them; who was not found stays in the field. @param {{ alias: string, status: string, error?: { message: string } }[]} results */
  tell(results) {
    const of = (/** @type {string} */ status) => results.filter((result) => result.status === status);
    const [added, before, missing, failed] = [of("added"), of("unchanged"), of("not_found"), of("error")];
    const left = [...missing, ...failed].map(({ alias }) => alias);
    this.field.value = left.join("\n");
    this.say();
    const words = [`${count(added.length)} added`, before.length ? `${count(before.length)} ${before.length === 1 ? "was" : "were"} in it before` : "", missing.length ? `${count(missing.length)} not found` : ""];
    fill(this.said, words.filter(Boolean).join(", "));
    const why = [missing.length ? `Not found: ${named(missing.map(({ alias }) => alias))}` : "", failed[0] ? `${counted(failed.length, "contact")} not added: ${failed[0].error?.message ?? "try again"}` : ""];
    this.field.wrong(why.filter(Boolean).join(". "));
    if (left.length) this.field.input.focus();
  }
}

/** Each line that is not empty. @param {string} text */
function aliasesIn(text) {
  return text.split("\n").map((line) => line.trim().replace(/,$/, "").trim()).filter(Boolean);
}

/** What commas separate; null where nothing is. @param {string} line */
function apart(line) {
  const pieces = line.split(",").map((piece) => piece.trim()).filter(Boolean);
  return pieces.length > 1 ? pieces : null;
}

/** @param {string[]} aliases */
function named(aliases) {
  const more = aliases.length - NAMED_MAX;
  return aliases.slice(0, NAMED_MAX).join(", ") + (more > 0 ? ` and ${count(more)} more` : "");
}

/** @param {Group} group @param {HTMLElement} said @param {Around} around */
async function deleteGroup(group, said, around) {
  const stay = group.members === 1 ? "Its one member stays a contact." : group.members ? `Its ${count(group.members)} members stay contacts.` : "Nobody is in it.";
  const sure = await ask({ title: `Delete ${group.name}?`, text: [`${stay} Who was in it is not kept, and this cannot be undone.`], verb: "Delete the group" });
  if (!sure) return;
  try {
    await call("DELETE", pathOf(group.id));
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.status !== 404) return void (said.textContent = error.said);
  }
  around.drawer.gone(group.id);
  around.changed();
}

/** @param {string} words @param {string} href */
function link(words, href) {
  return h("a", { href }, words);
}

/** @param {string} id */
function pathOf(id) {
  return `addressbook/groups/${segment(id)}`;
}
