// One thing, beside the page: a drawer from the right, the whole screen on a phone. What
// it shows stands in the address.
import { fill, h } from "./dom.js";
import { ask, button, failed, fresh } from "./form.js";
import { become, go, here, to } from "./route.js";

/**
 * @typedef {object} Inside
 * @property {string} title
 * @property {import("./dom.js").Child | import("./dom.js").Child[]} [under] a line beneath the title
 * @property {import("./dom.js").Child[]} body
 * @property {import("./dom.js").Child[]} [foot]
 * @property {() => boolean} [isChanged] whether something was typed that is not saved
 * @property {{ title: string, text: string, verb: string }} [leaving] what is asked then, in other words
 * @property {HTMLElement | null} [focus] what gets the focus; else the title
 * @property {() => void} [close] called once something else is shown, or nothing
 */

/** The drawer of a screen. */
export class Drawer {
  /** @param {string} screen @param {{ focus: () => void }} table what has the focus once it is closed */
  constructor(screen, table) {
    this.screen = screen;
    this.table = table;
    this.id = "";
    /** @type {Inside | null} */
    this.inside = null;
    /** @type {(signal: AbortSignal) => Promise<Inside>} */
    this.load = async () => ({ title: "", body: [] });
    this.coming = new AbortController();
    this.element = h("aside.drawer", { hidden: true });
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      event.preventDefault();
      void this.close();
    });
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /** Its address with one thing in it. @param {string} id */
  address(id) {
    return to(this.screen, id, here().query);
  }

  /** Goes to one thing. @param {string} id */
  open(id) {
    go(this.address(id));
  }

  /** Shows what the address names, or nothing. @param {string} id @param {(signal: AbortSignal) => Promise<Inside>} load @param {string | false} [needs] what is lacking to make one */
  follow(id, load, needs) {
    if (id === "new" && needs) return become(this.address(""));
    if (!id) return this.hide();
    if (id !== this.id) void this.show(id, load);
  }

  /** Loads a thing anew, where it is still shown. @param {string} id */
  async again(id) {
    if (id === this.id) await this.show(id, this.load, true);
  }

  /** Shows what was made, in place of the form. @param {string} id */
  made(id) {
    if (this.id !== "new") return;
    this.hide();
    become(this.address(id));
  }

  /** Closes it over a thing that is gone. @param {string} id */
  gone(id) {
    if (id !== this.id) return;
    this.hide();
    this.open("");
  }

  /**
   * Opens it with what `load` answers; what comes late for another id is dropped.
   *
   * @param {string} id
   * @param {(signal: AbortSignal) => Promise<Inside>} load
   * @param {boolean} [keepFocus]
   */
  async show(id, load, keepFocus) {
    this.coming.abort();
    this.coming = new AbortController();
    const { signal } = this.coming;
    this.id = id;
    this.load = load;
    try {
      const inside = await load(signal);
      if (!signal.aborted) this.fill(inside, keepFocus);
    } catch (error) {
      if (signal.aborted) return;
      const shown = failed(error, () => void this.show(id, load));
      const why = shown.querySelector("h2");
      why?.remove();
      this.fill({ title: why?.textContent ?? "", body: [shown] }, keepFocus);
    }
  }

  /** @param {Inside} inside @param {boolean} [keepFocus] */
  fill(inside, keepFocus) {
    this.inside?.close?.();
    this.inside = inside;
    const had = keepFocus ? this.focusable().indexOf(/** @type {HTMLElement} */ (document.activeElement)) : -1;
    const id = fresh("drawer");
    const title = h("h2", { id, tabindex: -1 }, inside.title);
    const close = button("Close", () => this.close(), { class: "bare" });
    close.append(" ", h("kbd", { "aria-hidden": "true" }, "Esc"));
    this.element.setAttribute("aria-labelledby", id);
    fill(
      this.element,
      h("header", null, h("div", null, title, inside.under ? h("p.muted", null, inside.under) : null), close),
      h("div.inside", null, inside.body),
      inside.foot ? h("footer", null, inside.foot) : null,
    );
    this.element.hidden = false;
    document.body.classList.add("has-drawer");
    // What was shown anew is where it was.
    if (had >= 0) (this.focusable()[had] ?? title).focus({ preventScroll: true });
    else if (!keepFocus) (inside.focus ?? title).focus({ preventScroll: true });
  }

  focusable() {
    return /** @type {HTMLElement[]} */ ([...this.element.querySelectorAll("a, button, input, select, textarea, [tabindex]")]);
  }

  /** Closes it, once what was typed is saved or given up. */
  async close() {
    if (!(await this.mayGo())) return;
    this.hide();
    this.open("");
    this.table.focus();
  }

  /** Whether nothing typed would be lost. */
  async mayGo() {
    if (!this.isOpen || !this.inside?.isChanged?.()) return true;
    const { title, text, verb } = this.inside.leaving ?? { title: "Leave without saving?", text: "What you typed here is not saved.", verb: "Leave" };
    return ask({ title, text: [text], verb });
  }

  /** Takes it away without a question. */
  hide() {
    this.coming.abort();
    const hadFocus = this.element.contains(document.activeElement);
    this.element.hidden = true;
    this.inside?.close?.();
    this.inside = null;
    this.id = "";
    document.body.classList.remove("has-drawer");
    fill(this.element);
    if (hadFocus) this.table.focus();
  }
}
