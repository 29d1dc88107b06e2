// Trying it: recipients and a text at the left, what the server would have a sender send
// at the right, and the curl that does the same.
import { BOOK, Failure, isAborted, post } from "./api.js";
import { fill, h } from "./dom.js";
import { Field, button, curl, fieldOf, lesson, submits } from "./form.js";
import { counted } from "./format.js";
import { everyGroup } from "./grouplist.js";
import { may } from "./session.js";
import { showResults } from "./tried.js";

/** @typedef {import("./grouplist.js").Group} Group */

/** How long one may pause between two letters. */
const TYPING_MS = 350;
/** With more recipients than this, it is done when the button is pressed, not while typing. */
const TYPED_MAX = 200;
const FIRST_TEXT = "Hello {{NAME}}";

/** @returns {import("./main.js").Screen} */
export function open() {
  const trial = new Trial();
  let query = "none yet";
  return {
    main: trial.element,
    keys: { n: () => trial.recipients.input.focus(), "/": () => trial.recipients.input.focus() },
    update({ query: asked }) {
      if (String(asked) === query) return;
      query = String(asked);
      trial.begin(asked);
    },
    again: () => void trial.loadGroups(),
    close: () => trial.close(),
  };
}

class Trial {
  constructor() {
    /** None until they are known. @type {Group[] | null} */
    this.groups = null;
    /** The ids of those that are chosen. @type {string[]} */
    this.chosen = [];
    this.coming = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.typing = undefined;
    /** How many recipients the last answer had. */
    this.size = 0;
    this.recipients = new Field({ label: "Aliases, one a line", area: true, rows: 5, spellcheck: "false", placeholder: "john\norder-20931" });
    this.text = new Field({ label: "Text", area: true, rows: 5, value: FIRST_TEXT, hint: "{{NAME}} is a member of a contact's meta; {{NAME|friend}} says what stands in for none. {{alias}} and {{msisdn}} are there, too." });
    this.missing = new Field({ label: "Where a value is missing", value: "keep", options: [["keep", "keep the placeholder"], ["empty", "put nothing there"], ["skip", "leave the recipient out"]] });
    this.others = h("select.small", { "aria-label": "Add a group" });
    this.chips = h("div.chips");
    this.said = h("p.said", { role: "alert" });
    this.old = h("p.warn", { role: "status" });
    this.button = h("button.button.first", { type: "submit" }, "Render");
    this.result = h("section.result", { "aria-labelledby": "result", "aria-live": "off" });
    this.example = h("div");
    this.form = h("form.form", { novalidate: true, "aria-label": "Recipients and text" }, this.recipients.element, this.groupsPart(), this.text.element, this.missing.element, this.said, h("div.actions", null, this.button, this.old), this.example);
    this.element = h("section.page.try", null, h("div.top", null, h("h1", null, "Try it"), h("p.count", null, "Nothing is sent and nothing is stored.")), h("div.beside", null, this.form, this.result));
    this.listen();
    void this.loadGroups();
  }

  listen() {
    submits(this.form, this.button, () => this.render().then(() => this.reveal()));
    for (const { input } of [this.recipients, this.text, this.missing]) input.addEventListener("input", () => this.typed());
    this.form.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.form.requestSubmit();
    });
    this.others.addEventListener("focus", () => this.groups ?? void this.loadGroups());
    this.others.addEventListener("change", () => {
      if (this.others.value) this.choose(this.others.value);
    });
  }

  groupsPart() {
    if (!may("read:Groups")) return h("p.hint", null, "Groups are recipients as well, by id; a key with ", h("code", null, "read:Groups"), " chooses them here.");
    return h("div", { role: "group", "aria-label": "Groups" }, h("div.label", null, h("span", null, "Groups")), h("div.picked", null, this.chips, this.others));
  }

  async loadGroups() {
    if (!may("read:Groups")) return;
    try {
      this.groups = await everyGroup();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
    this.showGroups();
  }

  showGroups() {
    const { groups } = this;
    const left = groups?.filter(({ id }) => !this.chosen.includes(id)) ?? [];
    const words = !groups || left.length ? "Add a group …" : groups.length ? "All of them are there" : "There is no group yet";
    fill(this.others, h("option", { value: "" }, words), left.map(({ id, name, members }) => h("option", { value: id }, `${name} (${counted(members, "contact")})`)));
    fill(this.chips, this.chosen.map((id) => {
      const group = groups?.find((one) => one.id === id);
      const name = group?.name ?? id;
      return h("span.chip", null, name, group ? h("span.muted", null, counted(group.members, "contact")) : null, h("button.take", { type: "button", "aria-label": `Remove the group ${name}`, onclick: () => this.remove(id) }, "×"));
    }));
  }

  /** @param {string} id */
  choose(id) {
    this.chosen.push(id);
    this.showGroups();
    this.others.focus();
    this.typed();
  }

  /** @param {string} id */
  remove(id) {
    this.chosen = this.chosen.filter((one) => one !== id);
    this.showGroups();
    this.others.focus();
    this.typed();
  }

  /** Begins with what an address names. @param {URLSearchParams} query */
  begin(query) {
    const aliases = query.getAll("to").filter(Boolean);
    this.chosen = query.getAll("group").filter(Boolean);
    if (aliases.length || this.chosen.length) this.recipients.value = aliases.join("\n");
    this.showGroups();
    this.showExample();
    if (this.asked.recipients.length) return void this.render();
    this.lesson();
  }

  lesson() {
    this.size = 0;
    this.isOld(false);
    fill(this.result, lesson({ title: "Who would get what", text: ["Name aliases or groups, and write a text. Here stands what each of them would get, and who would get nothing, and why."] }));
    this.result.querySelector("h2")?.setAttribute("id", "result");
  }

  /** What the server is asked. @returns {{ recipients: string[], text?: string, onMissing?: string }} */
  get asked() {
    const aliases = this.recipients.value.split("\n").map((line) => line.trim()).filter(Boolean);
    const recipients = [...aliases, ...this.chosen];
    if (!this.text.value) return { recipients };
    return { recipients, text: this.text.value, ...(this.missing.value === "keep" ? {} : { onMissing: this.missing.value }) };
  }

  typed() {
    clearTimeout(this.typing);
    this.showExample();
    const { recipients } = this.asked;
    if (!recipients.length) {
      this.coming.abort();
      return this.lesson();
    }
    if (Math.max(this.size, recipients.length) <= TYPED_MAX) this.typing = setTimeout(() => void this.render(), TYPING_MS);
    else this.isOld(true);
  }

  showExample() {
    const { recipients, ...more } = this.asked;
    const body = JSON.stringify({ recipients: recipients.length ? recipients : ["john"], ...more }).replaceAll("'", "'\\''");
    fill(this.example, curl(`curl -H "Authorization: Bearer $KEY" \\\n  ${BOOK.href}addressbook/contacts/resolve \\\n  --json '${body}'`));
  }

  /** Asks what each would get; what is asked later is answered alone. */
  async render() {
    clearTimeout(this.typing);
    this.coming.abort();
    this.coming = new AbortController();
    const { signal } = this.coming;
    const { asked } = this;
    try {
      const { results, recipients } = await post("addressbook/contacts/resolve", asked, { signal });
      if (signal.aborted) return;
      this.clear();
      this.size = results.length;
      this.isOld(false);
      fill(this.result, showResults(results, recipients, asked.text ?? ""));
    } catch (error) {
      if (isAborted(error) || signal.aborted) return;
      this.blame(error);
    }
  }

  /** Says whether the result is of something else than what stands in the form. @param {boolean} isOld */
  isOld(isOld) {
    this.old.textContent = isOld ? "The result is of what stood here before." : "";
  }

  /** Brings the result into sight, where it is below the form. */
  reveal() {
    const { top } = this.result.getBoundingClientRect();
    if (this.size && top > innerHeight * 0.75) this.result.scrollIntoView({ block: "start" });
  }

  clear() {
    for (const field of [this.recipients, this.text, this.missing]) field.wrong("");
    fill(this.said);
  }

  /** Says at its field what the server refused. @param {unknown} error */
  blame(error) {
    if (!(error instanceof Failure)) throw error;
    this.clear();
    this.isOld(this.size > 0);
    const name = fieldOf(error.message, ["recipients", "text", "onmissing"]);
    if (name === "recipients") this.recipients.wrong(`${error.message}.`, this.asked.recipients.length ? "Members of groups count, too." : "Name an alias, or choose a group.");
    else if (name === "text") this.text.wrong(error.message);
    else if (name === "onmissing") this.missing.wrong(error.message);
    else {
      fill(this.said, error.isSilence ? "The server does not answer. Press Render once it does." : error.message);
    }
  }

  close() {
    clearTimeout(this.typing);
    this.coming.abort();
  }
}
