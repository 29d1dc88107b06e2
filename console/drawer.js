// One thing, beside the page: a drawer from the right, the whole screen on a phone.
import { fill, h } from "./dom.js";
import { ask, button, failed, fresh } from "./form.js";
import { isAborted } from "./api.js";

/**
 * @typedef {object} Inside
 * @property {string} title
 * @property {import("./dom.js").Child | import("./dom.js").Child[]} [under] a line beneath the title
 * @property {import("./dom.js").Child[]} body
 * @property {import("./dom.js").Child[]} [foot]
 * @property {() => boolean} [isChanged] whether something was typed that is not saved
 * @property {{ title: string, text: string, verb: string }} [leaving] what is asked then, in other words
 * @property {HTMLElement | null} [focus] what gets the focus; else the title
 */

/** The drawer of a screen. */
export class Drawer {
  /** @param {{ closed: () => void }} of `closed`: goes to the address without it, and gives the focus back */
  constructor({ closed }) {
    this.closed = closed;
    this.id = "";
    /** @type {Inside | null} */
    this.inside = null;
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

  /**
   * Opens it with what `load` answers; what comes late for another id is dropped.
   *
   * @param {string} id
   * @param {(signal: AbortSignal) => Promise<Inside>} load
   * @param {{ keepFocus?: boolean }} [how]
   */
  async show(id, load, { keepFocus = false } = {}) {
    this.coming.abort();
    this.coming = new AbortController();
    const { signal } = this.coming;
    this.id = id;
    try {
      const inside = await load(signal);
      if (!signal.aborted) this.fill(inside, keepFocus);
    } catch (error) {
      if (isAborted(error) || signal.aborted) return;
      const again = () => void this.show(id, load);
      const shown = failed(error, again);
      const why = shown.querySelector("h2");
      why?.remove();
      this.fill({ title: why?.textContent ?? "", body: [shown] }, keepFocus);
    }
  }

  /** @param {Inside} inside @param {boolean} keepFocus */
  fill(inside, keepFocus) {
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

  /** Closes it, once what was typed is saved or given up. @returns {Promise<boolean>} */
  async close() {
    if (!(await this.mayGo())) return false;
    this.hide();
    this.closed();
    return true;
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
    this.element.hidden = true;
    this.inside = null;
    this.id = "";
    document.body.classList.remove("has-drawer");
    fill(this.element);
  }
}
