// One contact in the drawer: what it is, and every way of changing it.
import { BOOK, Failure, call, get, post, read, repeatable, segment } from "./api.js";
import { fill, h } from "./dom.js";
import { Field, ask, button, busy, curl, fieldOf, fresh } from "./form.js";
import { when } from "./format.js";
import { conflict } from "./conflict.js";
import { MetaEditor, written } from "./meta.js";
import { here, to } from "./route.js";
import { may } from "./session.js";

/** @typedef {{ id: string, alias: string, msisdn: string, created_on: string, updated_on: string, meta: Record<string, unknown>, groups?: { id: string, name: string }[] }} Contact */
/**
 * @typedef {object} Around
 * @property {AbortSignal} signal
 * @property {() => void} changed the contacts are to be shown anew
 * @property {() => Promise<void>} again this one is to be shown anew
 * @property {import("./drawer.js").Drawer} drawer
 */

/** Shows a contact. @param {string} id @param {Around} around @returns {Promise<import("./drawer.js").Inside>} */
export async function openContact(id, around) {
  const path = `addressbook/contacts/${segment(id)}`;
  const { record: contact, etag } = await get(path, { signal: around.signal });
  const isOut = await isOptedOut(contact.alias, around.signal);
  const editor = new Editor(contact, etag, around);
  const lacksUpdate = !may("update:Contacts") && "update:Contacts";
  const save = button("Save", () => {}, { class: "first", needs: lacksUpdate, type: "submit", form: editor.element.id });
  const remove = button(`Delete ${short(contact.alias)}`, () => deleteContact(contact, editor), { class: "bare danger", needs: !may("delete:Contacts") && "delete:Contacts" });
  return {
    title: contact.alias,
    under: ["Created ", when(contact.created_on), ", changed ", when(contact.updated_on)],
    body: [
      editor.element,
      contact.groups ? groupsOf(contact, around) : null,
      reachable(contact, isOut, around),
      curl(`curl -H "Authorization: Bearer $KEY" \\\n  ${new URL(`addressbook/contacts/alias/${segment(contact.alias)}`, BOOK)}`),
    ],
    foot: [save, editor.said, remove],
    isChanged: () => editor.isChanged,
  };
}

/** Makes a contact. @param {{ made: (id: string) => void }} of @returns {import("./drawer.js").Inside} */
export function newContact({ made }) {
  const alias = new Field({ label: "Alias", required: true, spellcheck: "false", hint: "What your application calls it, such as john or order-20931." });
  const msisdn = new Field({ label: "Number", required: true, inputmode: "tel", placeholder: "+44 7900 900123", hint: "With its country code." });
  const meta = new MetaEditor({});
  const said = h("p.said", { role: "alert", hidden: true });
  const create = h("button.button.first", { type: "submit" }, "Create contact");
  let sent = { body: "", repeat: "" };
  const send = async () => {
    const json = meta.json();
    if (json === null) return;
    try {
      const body = `{"alias":${JSON.stringify(alias.value)},"msisdn":${JSON.stringify(msisdn.value)},"meta":${json}}`;
      // Pressed again where nobody answered, it is still one contact.
      if (sent.body !== body) sent = { body, repeat: repeatable() };
      made((await call("POST", "addressbook/contacts", { json: body, repeat: sent.repeat })).record.id);
    } catch (error) {
      blame(error, { alias, msisdn }, meta, said);
    }
  };
  const form = h("form.form", { novalidate: true }, alias.element, msisdn.element, meta.element, said, h("div.actions", null, create));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void busy(create, send);
  });
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
    this.meta = new MetaEditor(contact.meta);
    this.said = h("p.note", { role: "status" });
    this.conflict = h("div");
    this.element = h("form.form", { id: fresh("contact"), novalidate: true }, this.conflict, h("div.pair", null, this.alias.element, this.msisdn.element), this.meta.element);
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      const save = /** @type {HTMLButtonElement | null} */ (around.drawer.element.querySelector("footer .first"));
      if (save && !isFixed) void busy(save, () => this.save());
    });
  }

  get isChanged() {
    return this.alias.value !== this.contact.alias || this.msisdn.value !== this.contact.msisdn || this.meta.isChanged;
  }

  async save() {
    if (!this.isChanged) return void (this.said.textContent = "Nothing has changed");
    const fields = [];
    if (this.alias.value !== this.contact.alias) fields.push(`"alias":${JSON.stringify(this.alias.value)}`);
    if (this.msisdn.value !== this.contact.msisdn) fields.push(`"msisdn":${JSON.stringify(this.msisdn.value)}`);
    const isWhole = this.meta.isText;
    if (this.meta.isChanged) {
      const meta = isWhole ? this.meta.json() : this.meta.patch();
      if (meta === null) return;
      fields.push(`"meta":${meta}`);
    }
    await this.send(isWhole ? "POST" : "PATCH", `{${fields.join(",")}}`, this.etag);
  }

  /** @param {string} method @param {string} json @param {string} etag */
  async send(method, json, etag) {
    this.said.textContent = "";
    try {
      await call(method, `addressbook/contacts/${segment(this.contact.id)}`, { json, headers: { "If-Match": etag } });
      const at = new Date().toLocaleTimeString("en-GB");
      await this.show();
      const said = this.around.drawer.element.querySelector("footer [role=status]");
      if (said) said.textContent = `Saved ${at}`;
    } catch (error) {
      if (error instanceof Failure && error.status === 412) return this.differ();
      blame(error, { alias: this.alias, msisdn: this.msisdn }, this.meta, this.said);
    }
  }

  /** Shows what is stored now, here and in the table. */
  async show() {
    this.contact = { ...this.contact, alias: this.alias.value, msisdn: this.msisdn.value };
    this.meta.take(this.meta.meta);
    await this.around.again();
    this.around.changed();
  }

  /** Somebody else changed it meanwhile: shows both, member by member. */
  async differ() {
    const path = `addressbook/contacts/${segment(this.contact.id)}`;
    const { record: theirs, etag } = await get(path);
    const meta = this.meta.json();
    const mine = { alias: this.alias.value, msisdn: this.msisdn.value, meta: read(meta ?? "{}") };
    const isSame = [theirs.alias, theirs.msisdn].join("\n") === [mine.alias, mine.msisdn].join("\n") && meta !== null && written(theirs.meta) === written(mine.meta);
    // An earlier try was stored, and its answer lost.
    if (isSame) return this.show();
    const shown = conflict({
      base: this.contact,
      mine,
      theirs,
      save: (json) => this.send("POST", json, etag),
    });
    fill(this.conflict, shown);
    shown.querySelector("h3")?.focus();
  }
}

/**
 * Says at its field what the server refused.
 *
 * @param {unknown} error
 * @param {{ alias: Field, msisdn: Field }} fields
 * @param {MetaEditor} meta
 * @param {HTMLElement} said
 */
function blame(error, fields, meta, said) {
  if (!(error instanceof Failure)) throw error;
  const name = fieldOf(error.message, /** @type {("alias" | "msisdn" | "meta")[]} */ (["alias", "msisdn", "meta"]));
  if (name === "meta") return meta.wrong(error.message);
  if (name) {
    const other = /\/contacts\/([^>\/]+)>/.exec(error.body?.link ?? "")?.[1];
    const link = other ? h("a", { href: to("contacts", other, here().query) }, `Open ${short(fields.alias.value.trim())}`) : null;
    fields[name].wrong(error.message + (link ? "." : ""), ...(link ? [link] : []));
    return fields[name].input.focus();
  }
  said.hidden = false;
  said.textContent = error.isSilence ? "The server does not answer. It is not known whether it was saved: look again before you repeat it." : error.message;
}

/** @param {Contact} contact @param {Editor} editor */
async function deleteContact(contact, editor) {
  const sure = await ask({ title: `Delete ${short(contact.alias)}?`, text: [`${contact.msisdn} and all that is kept of it go. This cannot be undone.`], verb: `Delete ${short(contact.alias)}` });
  if (!sure) return;
  try {
    await call("DELETE", `addressbook/contacts/${segment(contact.id)}`, { headers: { "If-Match": editor.etag } });
  } catch (error) {
    if (error instanceof Failure && error.status === 412) return editor.differ();
    if (!(error instanceof Failure && error.status === 404)) return blame(error, editor, editor.meta, editor.said);
  }
  editor.around.drawer.hide();
  editor.around.drawer.closed();
  editor.around.changed();
}

/** @param {Contact} contact @param {Around} around */
function groupsOf(contact, around) {
  const needs = !may("update:Groups") && "update:Groups";
  const said = h("p.error", { role: "alert", hidden: true });
  const change = async (/** @type {string} */ group, /** @type {"add" | "remove"} */ how) => {
    try {
      await post(`addressbook/groups/${segment(group)}/members`, { [how]: [contact.alias] });
      await around.again();
      around.changed();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      said.hidden = false;
      said.textContent = error.message;
    }
  };
  const chips = (contact.groups ?? []).map(({ id, name }) =>
    h("span.chip", null, h("a", { href: to("contacts", "", { group: id }) }, name), needs ? null : h("button.take", { type: "button", "aria-label": `Take it out of ${name}`, onclick: () => void change(id, "remove") }, "×")),
  );
  const others = h("select.small", { "aria-label": "Add to a group", disabled: Boolean(needs) }, h("option", { value: "" }, "Add to …"));
  others.addEventListener("focus", async () => {
    const all = (await get("addressbook/groups?limit=1000")).records;
    const has = new Set((contact.groups ?? []).map(({ id }) => id));
    fill(others, h("option", { value: "" }, all.length ? "Add to …" : "There is no group yet"), all.filter((/** @type {any} */ group) => !has.has(group.id)).map((/** @type {any} */ group) => h("option", { value: group.id }, group.name)));
  }, { once: true });
  others.addEventListener("change", () => others.value && void change(others.value, "add"));
  return h("section", { "aria-label": "Groups" }, h("div.label", null, h("span", null, "Groups")), h("div.chips", null, chips, others), said);
}

/** @param {Contact} contact @param {boolean} isOut @param {Around} around */
function reachable(contact, isOut, around) {
  const said = h("p.error", { role: "alert", hidden: true });
  const change = async () => {
    try {
      await (isOut ? call("DELETE", `addressbook/optouts/${segment(contact.msisdn)}`) : post("addressbook/optouts", { msisdn: contact.msisdn }));
      await around.again();
      around.changed();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      said.hidden = false;
      said.textContent = error.message;
    }
  };
  const permission = isOut ? "delete:Optouts" : "create:Optouts";
  const act = button(isOut ? "Opt this number in again" : "Opt this number out", change, { class: "link", needs: !may(permission) && permission });
  return h("section", { "aria-label": "Reachable" }, h("div.label", null, h("span", null, "Reachable")), h("p", null, isOut ? h("span.out", null, "Opted out: it gets no messages. ") : "May be sent to. ", act), said);
}

/** Whether a sender would leave it out. @param {string} alias @param {AbortSignal} signal */
async function isOptedOut(alias, signal) {
  const { results } = await post("addressbook/contacts/resolve", { recipients: [alias] }, { signal });
  return results[0]?.status === "opted_out";
}

/** An alias as buttons can hold it. @param {string} alias */
function short(alias) {
  return alias.length > 24 ? `${alias.slice(0, 23)}…` : alias;
}
