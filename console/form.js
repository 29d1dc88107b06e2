// Forms and their parts: a field with its message, buttons, what asks before it is done.
import { Failure } from "./api.js";
import { fill, h, set } from "./dom.js";

/** How long "Copied" stands. */
const SAID_MS = 1_600;
let ids = 0;

/** A name that nothing else on the page has. @param {string} of */
export function fresh(of) {
  return `${of}-${(ids += 1)}`;
}

/**
 * @typedef {object} FieldOf
 * @property {string} label
 * @property {string} [value]
 * @property {string} [hint]
 * @property {string} [type]
 * @property {boolean} [required]
 * @property {string} [autocomplete]
 * @property {string} [placeholder]
 * @property {string} [spellcheck]
 * @property {string} [inputmode]
 * @property {boolean} [area] several lines
 * @property {number} [rows]
 * @property {[string, string][]} [options] values and their words: a list to choose from
 * @property {boolean} [disabled]
 */

/** One field: its label, what is typed, a hint, and what is wrong with it. */
export class Field {
  /** @param {FieldOf} of */
  constructor({ label, hint, area, options, value = "", ...more }) {
    const id = fresh("field");
    this.error = h("p.error", { id: `${id}-error` });
    const described = [hint && `${id}-hint`, `${id}-error`].filter(Boolean).join(" ");
    const given = { id, "aria-describedby": described, autocomplete: "off", ...more, type: area || options ? undefined : (more.type ?? "text") };
    /** @type {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} */
    this.input = area
      ? h("textarea.input", { rows: 3, ...given, value })
      : options
        ? h("select.input", given, options.map(([key, words]) => h("option", { value: key }, words)))
        : h("input.input", { ...given, value });
    if (options && value) this.input.value = value;
    this.label = h("label", { for: id }, label);
    this.element = h("div.field", null, this.label, this.input, hint ? h("p.hint", { id: `${id}-hint` }, hint) : null, this.error);
    this.input.addEventListener("input", () => this.wrong(""));
  }

  get value() {
    return this.input.value;
  }

  set value(value) {
    this.input.value = value;
  }

  /** Says what is wrong, and what to do next; nothing takes it back. @param {string} message @param {...import("./dom.js").Child} next */
  wrong(message, ...next) {
    fill(this.error, message, next.length ? " " : null, next);
    set(this.input, "aria-invalid", message ? "true" : null);
  }
}

/**
 * Several fields and one button. What `submit` answers by a field's name is said at it.
 *
 * @template {string} N
 */
export class Form {
  /**
   * @param {object} of
   * @param {Record<N, FieldOf>} of.fields
   * @param {string} of.verb
   * @param {(values: Record<N, string>) => Promise<Partial<Record<N, string>> | void>} of.submit
   */
  constructor({ fields, verb, submit }) {
    this.fields = /** @type {Record<N, Field>} */ ({});
    for (const name of /** @type {N[]} */ (Object.keys(fields))) this.fields[name] = new Field(fields[name]);
    this.message = h("p.said", { role: "alert" });
    this.button = h("button.button.first", { type: "submit" }, verb);
    const each = /** @type {Field[]} */ (Object.values(this.fields));
    this.element = h("form.form", { novalidate: true }, each.map((field) => field.element), this.message, h("div.actions", null, this.button));
    submits(this.element, this.button, () => this.send(submit));
  }

  /** @param {(values: Record<N, string>) => Promise<Partial<Record<N, string>> | void>} submit */
  async send(submit) {
    this.say("");
    const values = /** @type {Record<N, string>} */ ({});
    for (const name of this.names()) {
      const field = this.fields[name];
      field.wrong("");
      values[name] = field.value;
    }
    try {
      this.blame((await submit(values)) ?? {});
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const name = fieldOf(error.message, this.names());
      if (name) this.blame(/** @type {any} */ ({ [name]: error.message }));
      else this.say(error.isSilence ? "The server does not answer. Nothing is known of what came of it; try again." : error.message);
    }
  }

  /** @param {Partial<Record<N, string>>} messages */
  blame(messages) {
    for (const name of this.names()) this.fields[name].wrong(messages[name] ?? "");
    const first = this.names().find((name) => messages[name]);
    if (first) this.fields[first].input.focus();
  }

  /** Says something of the form as a whole. @param {string} words */
  say(words) {
    this.message.textContent = words;
  }

  focus() {
    const [first] = this.names();
    if (first) this.fields[first].input.focus();
  }

  names() {
    return /** @type {N[]} */ (Object.keys(this.fields));
  }
}

/**
 * The field that a message of the server is about: its words begin with its name.
 *
 * @template {string} N
 * @param {string} message
 * @param {N[]} names
 */
export function fieldOf(message, names) {
  const subject = message.split(" ")[0]?.toLowerCase() ?? "";
  const called = message.startsWith("Group name") ? "name" : subject;
  return names.find((name) => name === called);
}

/**
 * A button.
 *
 * @param {string} words
 * @param {(event: MouseEvent) => any} onclick
 * @param {{ class?: string, needs?: string | false | null | undefined, [attribute: string]: any }} [more] `needs` is
 *     the permission that is lacking: the button is there, dimmed
 */
export function button(words, onclick, { needs, class: named = "", ...more } = {}) {
  const made = h("button.button", { type: "button", ...more }, words);
  if (named) made.classList.add(...named.split(" "));
  if (needs) {
    set(made, "aria-disabled", "true");
    set(made, "data-needs", `Needs ${needs}`);
    made.append(h("span.unseen", null, ` (needs ${needs})`));
    return made;
  }
  made.addEventListener("click", (event) => {
    const came = made.ariaBusy ? null : onclick(event);
    if (came instanceof Promise) void busy(made, () => came);
  });
  return made;
}

/**
 * Keeps a button from being pressed twice while something runs.
 *
 * @template T
 * @param {HTMLButtonElement} pressed
 * @param {() => Promise<T>} run
 */
export async function busy(pressed, run) {
  if (pressed.ariaBusy) return undefined;
  set(pressed, "aria-busy", "true");
  try {
    return await run();
  } finally {
    set(pressed, "aria-busy", null);
  }
}

/** A button that copies. @param {string | (() => string)} text @param {string} [what] for screen readers @param {() => void} [copied] called once it is */
export function copies(text, what = "", copied) {
  const words = h("span", null, "Copy");
  const made = h("button.quiet", { type: "button" }, words, what ? h("span.unseen", null, ` ${what}`) : null);
  made.addEventListener("click", async () => {
    const done = await copy(typeof text === "string" ? text : text());
    words.textContent = done ? "Copied" : "Select it and copy";
    if (done) copied?.();
    setTimeout(() => (words.textContent = "Copy"), SAID_MS);
  });
  return made;
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without TLS there is no clipboard but the old one.
    const area = h("textarea.unseen", { value: text, "aria-hidden": "true" });
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** The same by curl, to copy. @param {string} lines @param {string} [label] */
export function curl(lines, label = "The same by curl") {
  return h("div.curl", null, h("div.label", null, h("span", null, label), copies(lines, "the curl command")), h("pre", { tabindex: 0, "aria-label": "curl command" }, lines));
}

/**
 * Asks before something is done.
 *
 * @param {object} of
 * @param {string} of.title
 * @param {import("./dom.js").Child[]} of.text
 * @param {string} of.verb
 * @param {boolean} [of.danger]
 * @param {string} [of.typed] what has to be typed first
 * @param {string} [of.typedLabel]
 * @param {boolean} [of.only] there is nothing to cancel
 * @returns {Promise<boolean>}
 */
export function ask({ title, text, verb, danger = true, typed, typedLabel, only = false }) {
  return new Promise((resolve) => {
    const field = typed ? new Field({ label: typedLabel ?? `Type ${typed} to go on` }) : null;
    const id = fresh("ask");
    const sure = h("button.button.first", { type: "submit" }, verb);
    if (danger) sure.classList.add("danger");
    const no = h("button.button", { type: "button" }, "Cancel");
    const form = h("form.form", null, h("h2", { id }, title), h("div.text", null, text), field?.element, h("div.actions", null, only ? null : no, sure));
    const dialog = h("dialog.ask", { "aria-labelledby": id }, form);
    let answer = false;
    no.addEventListener("click", () => dialog.close());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (field && field.value.trim() !== typed) {
        field.wrong(`Type ${typed}, or cancel`);
        field.input.focus();
        return;
      }
      answer = true;
      dialog.close();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    (field?.input ?? (danger ? no : sure)).focus();
  });
}

/** An empty screen that teaches. @param {{ title: string, text: import("./dom.js").Child[], action?: HTMLElement | null, example?: string }} of */
export function lesson({ title, text, action, example }) {
  return h("div.lesson", null, h("h2", null, title), h("p", null, text), action ? h("div.actions", null, action) : null, example ? curl(example) : null);
}

/** Names and what they are. @param {(false | "" | null | [string, import("./dom.js").Child | import("./dom.js").Child[]])[]} facts */
export function factsOf(facts) {
  return facts.map((fact) => fact && h("div", null, h("dt", null, fact[0]), h("dd", null, fact[1])));
}

/** The heads of a table. @param {...(import("./dom.js").Child)} names */
export function heads(...names) {
  return h("thead", null, h("tr", null, names.map((name) => name && h("th", { scope: "col" }, name))));
}

/**
 * Runs when a form is sent, once at a time. Meanwhile what was typed stays as it is: the
 * answer shows what was stored.
 *
 * @param {HTMLFormElement} form
 * @param {HTMLButtonElement} pressed
 * @param {() => Promise<any>} run
 */
export function submits(form, pressed, run) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = form.querySelectorAll("input, textarea");
    const hold = (/** @type {boolean} */ isHeld) => fields.forEach((field) => set(field, "readonly", isHeld));
    void busy(pressed, async () => {
      hold(true);
      await run().finally(() => hold(false));
    });
  });
}

/** Shows a failure in place of what it kept from coming. @param {unknown} error @param {() => void} again */
export function failed(error, again) {
  const why = error instanceof Failure ? error.message : "Something in this page went wrong";
  const what = h("div.lesson", { role: "alert" }, h("h2", null, why), button("Try again", again));
  if (!(error instanceof Failure)) console.error(error);
  return what;
}
