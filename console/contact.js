// One contact in the drawer: what it is, and every way of changing it.
import { BOOK, Failure, call, get, post, read, repeatable, segment } from "./api.js";
import { fill, h } from "./dom.js";
import { Field, ask, button, curl, fieldOf, fresh, submits } from "./form.js";
import { short, when } from "./format.js";
import { everyGroup } from "./grouplist.js";
import { conflict } from "./conflict.js";
import { MetaEditor, written } from "./meta.js";
import { here, to } from "./route.js";
import { lacks, may } from "./session.js";

/** @typedef {{ id: string, alias: string, msisdn: string, created_on: string, updated_on: string, meta: Record<string, unknown>, groups?: { id: string, name: string }[] }} Contact */
/**
 * @typedef {object} Around
 * @property {AbortSignal} signal
 * @property {() => void} changed the contacts are to be shown anew
 * @property {import("./drawer.js").Drawer} drawer
 */

/** Shows a contact. @param {string} id @param {Around} around @returns {Promise<import("./drawer.js").Inside>} */
export async function openContact(id, around) {
  const { record: contact, etag } = await get(pathOf({ id }), { signal: around.signal });
  const isOut = await isOptedOut(contact.alias, around.signal);
  const editor = new Editor(contact, etag, around);
  const remove = button(`Delete ${short(contact.alias)}`, () => deleteContact(contact, editor), { class: "bare danger", needs: lacks("delete:Contacts") });
  return {
    title: contact.alias,
    under: ["Created ", when(contact.created_on), ", changed ", when(contact.updated_on)],
    body: [
      editor.element,
      contact.groups ? groupsOf(contact, editor) : null,
      reachable(contact, isOut, editor),
      curl(`curl -H "Authorization: Bearer $KEY" \\\n  '${BOOK.href}addressbook/contacts/alias/${segment(contact.alias).replaceAll("'", "%27")}'`),
    ],
    foot: [editor.button, editor.said, remove],
    isChanged: () => editor.isChanged,
  };
}

/** Makes a contact. @param {Omit<Around, "signal">} around @returns {import("./drawer.js").Inside} */
export function newContact({ changed, drawer }) {
  const alias = new Field({ label: "Alias", required: true, spellcheck: "false", hint: "What your application calls it, such as john or order-20931." });
  const msisdn = new Field({ label: "Number", required: true, inputmode: "tel", placeholder: "+44 7900 900123", hint: "With its country code." });
  const meta = new MetaEditor({});
  const said = h("p.said", { role: "alert" });
  const create = h("button.button.first", { type: "submit" }, "Create contact");
  let sent = { body: "", repeat: "" };
  const send = async () => {
    const json = meta.json();
    if (json === null) return;
    try {
      const body = `{"alias":${JSON.stringify(alias.value)},"msisdn":${JSON.stringify(msisdn.value)},"meta":${json}}`;
      // Pressed again where nobody answered, it is still one contact.
      if (sent.body !== body) sent = { body, repeat: repeatable() };
      const { record } = await call("POST", "addressbook/contacts", { json: body, repeat: sent.repeat });
      changed();
      drawer.made(record.id);
    } catch (error) {
      blame(error, { alias, msisdn, meta, said });
    }
  };
  const form = h("form.form", { novalidate: true }, alias.element, msisdn.element, meta.element, said, h("div.actions", null, create));
  submits(form, create, send);
  return {
    title: "New contact",
    body: [form],
    focus: alias.input,
    isChanged: () => Boolean(alias.value || msisdn.value || meta.isChanged),
  };
}

/** The fields of a contact, and what is done with them. */
class Editor {
  /** @param {Contact} contact @param {string} etag @param {Around} around */
  constructor(contact, etag, around) {
    this.contact = contact;
    this.etag = etag;
    this.around = around;
    const isFixed = !may("update:Contacts");
    this.alias = new Field({ label: "Alias", value: contact.alias, spellcheck: "false", disabled: isFixed });
    this.msisdn = new Field({ label: "Number", value: contact.msisdn, inputmode: "tel", disabled: isFixed });
    this.meta = new MetaEditor(contact.meta, isFixed);
    this.said = h("p.note", { role: "status" });
    this.conflict = h("div");
    this.element = h("form.form", { id: fresh("contact"), novalidate: true }, this.conflict, h("div.pair", null, this.alias.element, this.msisdn.element), this.meta.element);
    this.button = button("Save", () => {}, { class: "first", needs: lacks("update:Contacts"), type: "submit", form: this.element.id });
    submits(this.element, this.button, async () => isFixed || this.save());
  }

  get isChanged() {
    return this.alias.value !== this.contact.alias || this.msisdn.value !== this.contact.msisdn || this.meta.isChanged;
  }

  async save() {
    if (!this.isChanged) return void (this.said.textContent = "Nothing has changed");
    const fields = [];
    if (this.alias.value !== this.contact.alias) fields.push(`"alias":${JSON.stringify(this.alias.value)}`);
    if (this.msisdn.value !== this.contact.msisdn) fields.push(`"msisdn":${JSON.stringify(this.msisdn.value)}`);
    if (this.meta.isChanged) {
      // The whole: a merge would keep what was taken out of a member's own members.
      const meta = this.meta.json();
      if (meta === null) return;
      fields.push(`"meta":${meta}`);
    }
    await this.send(`{${fields.join(",")}}`, this.etag);
  }

  /** @param {string} json @param {string} etag */
  async send(json, etag) {
    this.said.textContent = "";
    try {
      await call("POST", pathOf(this.contact), { json, headers: { "If-Match": etag } });
      const at = new Date().toLocaleTimeString("en-GB");
      await this.show();
      const said = this.around.drawer.element.querySelector("footer [role=status]");
      if (said) said.textContent = `Saved ${at}`;
    } catch (error) {
      if (error instanceof Failure && error.status === 412) return this.differ();
      blame(error, this);
    }
  }

  /** Shows what is stored now, here and in the table. */
  async show() {
    this.contact = { ...this.contact, alias: this.alias.value, msisdn: this.msisdn.value };
    this.meta.take(this.meta.meta);
    await this.around.drawer.again(this.contact.id);
    this.around.changed();
  }

  /** Its groups have changed, and with them its tag; the old one stays where more has. @param {Contact} now @param {string} etag */
  beside(now, etag) {
    const { alias, msisdn, meta } = this.contact;
    if (alias === now.alias && msisdn === now.msisdn && written(meta) === written(now.meta)) this.etag = etag;
  }

  /** Somebody else changed it meanwhile: shows both, member by member. */
  async differ() {
    let stored;
    try {
      stored = await get(pathOf(this.contact));
    } catch (error) {
      return blame(error, this);
    }
    const { record: theirs, etag } = stored;
    const meta = this.meta.json();
    if (meta === null) return;
    const mine = { alias: this.alias.value, msisdn: this.msisdn.value, meta: read(meta) };
    const isSame = theirs.alias === mine.alias && theirs.msisdn === mine.msisdn && written(theirs.meta) === written(mine.meta);
    // An earlier try was stored, and its answer lost.
    if (isSame) return this.show();
    const shown = conflict({
      base: this.contact,
      mine,
      theirs,
      save: (json) => this.send(json, etag),
    });
    fill(this.conflict, shown);
    shown.querySelector("h3")?.focus();
  }
}

/**
 * Says at its field what the server refused.
 *
 * @param {unknown} error
 * @param {{ alias: Field, msisdn: Field, meta: MetaEditor, said: HTMLElement }} fields
 */
function blame(error, fields) {
  const { meta, said } = fields;
  if (!(error instanceof Failure)) throw error;
  const name = fieldOf(error.message, /** @type {("alias" | "msisdn" | "meta")[]} */ (["alias", "msisdn", "meta"]));
  if (name === "meta") return meta.wrong(error.message);
  if (name) {
    const other = /\/contacts\/([^>\/]+)>/.exec(error.body?.link ?? "")?.[1];
    const link = other ? h("a", { href: to("contacts", other, here().query) }, `Open ${short(fields.alias.value.trim())}`) : null;
    fields[name].wrong(`${error.message}${link ? "." : ""}`, link);
    return fields[name].input.focus();
  }
  said.textContent = error.said;
}

/** @param {Contact} contact @param {Editor} editor */
async function deleteContact(contact, editor) {
  const sure = await ask({ title: `Delete ${short(contact.alias)}?`, text: [`${contact.msisdn} and all that is kept of it go. This cannot be undone.`], verb: `Delete ${short(contact.alias)}` });
  if (!sure) return;
  try {
    await call("DELETE", pathOf(contact), { headers: { "If-Match": editor.etag } });
  } catch (error) {
    if (error instanceof Failure && error.status === 412) return editor.differ();
    if (!(error instanceof Failure && error.status === 404)) return blame(error, editor);
  }
  editor.around.drawer.gone(contact.id);
  editor.around.changed();
}

/** The groups of a contact. @param {Contact} contact @param {Editor} editor @returns {HTMLElement} */
function groupsOf(contact, editor) {
  const needs = lacks("update:Groups");
  const said = h("p.error", { role: "alert" });
  const change = (/** @type {string} */ group, /** @type {"add" | "remove"} */ how) =>
    attempt(said, async () => {
      await post(`addressbook/groups/${segment(group)}/members`, { [how]: [contact.alias] });
      const { record, etag } = await get(pathOf(contact));
      editor.beside(record, etag);
      const now = groupsOf(record, editor);
      section.replaceWith(now);
      now.querySelector("select")?.focus();
    }, editor);
  const chips = (contact.groups ?? []).map(({ id, name }) =>
    h("span.chip", null, h("a", { href: to("contacts", "", { group: id }) }, name), needs ? null : h("button.take", { type: "button", "aria-label": `Take it out of ${name}`, onclick: () => void change(id, "remove") }, "×")),
  );
  const others = h("select.small", { "aria-label": "Add to a group", disabled: Boolean(needs) }, h("option", { value: "" }, needs ? `Needs ${needs}` : "Add to …"));
  others.addEventListener("focus", async () => {
    const left = (await everyGroup()).filter(({ id }) => !contact.groups?.some((group) => group.id === id));
    fill(others, h("option", { value: "" }, left.length ? "Add to …" : "There is no other group"), left.map(({ id, name }) => h("option", { value: id }, name)));
  }, { once: true });
  others.addEventListener("change", () => others.value && void change(others.value, "add"));
  const section = h("section", { "aria-label": "Groups" }, h("div.label", null, h("span", null, "Groups")), h("div.chips", null, chips, others), said);
  return section;
}

/** Whether senders leave its number out. @param {Contact} contact @param {boolean} isOut @param {Editor} editor @returns {HTMLElement} */
function reachable(contact, isOut, editor) {
  const said = h("p.error", { role: "alert" });
  const change = () =>
    attempt(said, async () => {
      await (isOut ? call("DELETE", `addressbook/optouts/${segment(contact.msisdn)}`) : post("addressbook/optouts", { msisdn: contact.msisdn }));
      const now = reachable(contact, !isOut, editor);
      section.replaceWith(now);
      now.querySelector("button")?.focus();
    }, editor);
  const permission = isOut ? "delete:Optouts" : "create:Optouts";
  const act = button(isOut ? "Opt this number in again" : "Opt this number out", change, { class: "link", needs: !may(permission) && permission });
  const section = h("section", { "aria-label": "Reachable" }, h("div.label", null, h("span", null, "Reachable")), h("p", null, isOut ? h("span.out", null, "Opted out: it gets no messages. ") : "May be sent to. ", act), said);
  return section;
}

/** Does something beside the form, in which what is typed stays. @param {HTMLElement} said @param {() => Promise<void>} work @param {Editor} editor */
async function attempt(said, work, editor) {
  said.textContent = "";
  try {
    await work();
    editor.around.changed();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    said.textContent = error.said;
  }
}

/** Whether a sender would leave it out. @param {string} alias @param {AbortSignal} signal */
async function isOptedOut(alias, signal) {
  const { results } = await post("addressbook/contacts/resolve", { recipients: [alias] }, { signal, reads: true });
  return results[0]?.status === "opted_out";
}

/** @param {{ id: string }} contact */
function pathOf({ id }) {
  return `addressbook/contacts/${segment(id)}`;
}
