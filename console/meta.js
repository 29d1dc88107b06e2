// A meta as a form, a row for each member, and as JSON. Numbers stay as they are written.
import { IS_EXACT, read } from "./api.js";
import { fill, h, set } from "./dom.js";
import { button } from "./form.js";

/** @typedef {{ name: string, value: HTMLTextAreaElement | HTMLInputElement, kind: HTMLSelectElement, label: HTMLInputElement | null, element: HTMLElement }} Row */
/** @typedef {Record<string, unknown>} Meta */

/** Edits a meta. */
export class MetaEditor {
  /** @param {Meta} meta @param {boolean} [isFixed] */
  constructor(meta, isFixed = false) {
    this.meta = meta;
    this.isFixed = isFixed || !IS_EXACT;
    /** @type {Row[]} */
    this.rows = [];
    this.isText = false;
    this.list = h("div.members");
    this.error = h("p.error", { role: "alert", id: "meta-error" });
    this.text = h("textarea.input.mono", { "aria-label": "Meta as JSON", rows: 10, spellcheck: "false", "aria-describedby": "meta-error", oninput: () => this.wrong("") });
    this.asForm = button("Form", () => this.show(false), { class: "bare small" });
    this.asText = button("JSON", () => this.show(true), { class: "bare small" });
    this.add = button("Add a member", () => this.addRow(), { class: "bare small" });
    this.inside = h("div");
    this.element = h("section", { "aria-label": "Meta" }, h("div.label", null, h("span", null, "Meta"), h("span.switch", { role: "group", "aria-label": "Show as" }, this.asForm, this.asText)), this.inside, this.error);
    if (!IS_EXACT) this.wrong("This browser rounds long numbers, so it cannot change a meta. A newer one can.");
    this.take(meta);
  }

  /** Shows a meta as it is stored. @param {Meta} meta */
  take(meta) {
    this.meta = meta;
    this.rows = Object.entries(meta).map(([name, value]) => this.row(name, value));
    this.text.value = JSON.stringify(meta, null, 2);
    this.draw();
  }

  /** @param {boolean} isText */
  show(isText) {
    if (isText === this.isText) return;
    const json = this.json();
    // What is wrong is mended first: in the other form it would not be there.
    if (json === null) return;
    const typed = read(json);
    if (isText) this.text.value = JSON.stringify(typed, null, 2);
    else this.rows = Object.entries(typed).map(([name, value]) => this.row(name, value));
    this.isText = isText;
    this.draw();
  }

  draw() {
    set(this.asForm, "aria-pressed", String(!this.isText));
    set(this.asText, "aria-pressed", String(this.isText));
    fill(this.list, this.rows.map((row) => row.element));
    const none = this.rows.length ? null : h("p.note", null, "Nothing yet. What stands here can be used in texts: {{NAME}}.");
    fill(this.inside, this.isText ? this.text : [this.list, none, this.isFixed ? null : this.add]);
    for (const field of this.inside.querySelectorAll("textarea, input, select, .take")) set(field, "disabled", this.isFixed);
  }

  addRow() {
    const row = this.row("", "");
    this.rows.push(row);
    this.draw();
    row.label?.focus();
  }

  /** @param {string} name @param {unknown} value @returns {Row} */
  row(name, value) {
    // A field would drop a carriage return; in JSON it is written `\r`.
    const isPlain = typeof value === "string" && !value.includes("\r");
    const text = isPlain ? value : JSON.stringify(value);
    const label = name ? null : h("input.input.mono", { "aria-label": "Name of the new member", placeholder: "NAME", spellcheck: "false" });
    const input = text.length > 40 || text.includes("\n") ? h("textarea.input", { "aria-label": `Value of ${name || "the new member"}`, rows: Math.min(6, Math.ceil(text.length / 34)), value: text, spellcheck: "false" }) : h("input.input", { "aria-label": `Value of ${name || "the new member"}`, value: text, spellcheck: "false" });
    const kind = h("select.kind", { "aria-label": `Kind of ${name || "the new member"}` }, h("option", { value: "text" }, "text"), h("option", { value: "json" }, "JSON"));
    kind.value = isPlain ? "text" : "json";
    const remove = h("button.take", { type: "button", "aria-label": `Remove ${name || "the new member"}` }, "×");
    const element = h("div.member", null, label ?? h("span.name", { title: name }, name), input, kind, remove);
    /** @type {Row} */
    const row = { name, value: input, kind, label, element };
    remove.addEventListener("click", () => {
      this.rows = this.rows.filter((one) => one !== row);
      this.draw();
      this.add.focus();
    });
    return row;
  }

  /** The whole as JSON; null, and a message, where something is wrong. @returns {string | null} */
  json() {
    this.wrong("");
    if (this.isText) {
      if (isObject(read(this.text.value))) return this.text.value;
      this.wrong("Meta must be an object");
      this.text.focus();
      return null;
    }
    const members = this.members();
    return members && `{${members.map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(",")}}`;
  }

  /** Name and JSON of each row. @returns {[string, string][] | null} */
  members() {
    /** @type {[string, string][]} */
    const members = [];
    for (const row of this.rows) {
      const name = row.label ? row.label.value : row.name;
      if (!name && !row.value.value) continue;
      const json = row.kind.value === "text" ? JSON.stringify(row.value.value) : row.value.value.trim();
      const why = !name ? "A member needs a name" : members.some(([other]) => other === name) ? `${name} is there twice` : read(json) === undefined ? `${name} is not JSON. For plain words choose text.` : "";
      if (why) {
        this.wrong(why);
        (row.label && !name ? row.label : row.value).focus();
        return null;
      }
      members.push([name, json]);
    }
    return members;
  }

  /** Whether it would be saved as something else. */
  get isChanged() {
    if (this.isText) return this.text.value !== JSON.stringify(this.meta, null, 2);
    const now = this.rows.map((row) => [row.label ? row.label.value : row.name, row.kind.value === "text" ? JSON.stringify(row.value.value) : row.value.value.trim()]);
    const was = Object.entries(this.meta).map(([name, value]) => [name, written(value)]);
    return JSON.stringify(now.filter(([name, value]) => name || value !== '""')) !== JSON.stringify(was);
  }

  /** @param {string} message */
  wrong(message) {
    this.error.textContent = message;
  }
}

/** A value as JSON; nothing where there is none. @param {unknown} value */
export function written(value) {
  return value === undefined ? null : JSON.stringify(value);
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(/** @type {any} */ (JSON).isRawJSON?.(value));
}
