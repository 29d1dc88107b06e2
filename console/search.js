// What the address asks of a list: the line in which one searches while typing, and the order.
import { h } from "./dom.js";
import { asking, become, here, to } from "./route.js";

/** How long one may pause between two letters. */
const TYPING_MS = 120;

/** The line in which one searches. */
export class Search {
  /** @param {string} label @param {string} placeholder @param {string} [name] what the address calls it @param {Record<string, string>} [more] attributes */
  constructor(label, placeholder, name = "search", more) {
    /** @type {number | undefined} */
    this.typing = undefined;
    this.name = name;
    this.input = h("input", { type: "search", "aria-label": label, placeholder, spellcheck: "false", autocomplete: "off", enterkeyhint: "search", ...more });
    this.element = h("div.search", null, h("div.find", null, this.input, h("kbd", { "aria-hidden": "true" }, "/")));
    this.input.addEventListener("input", () => {
      clearTimeout(this.typing);
      if (this.isWhole) this.typing = setTimeout(() => this.typed(), TYPING_MS);
    });
    this.input.addEventListener("keydown", (event) => this.pressed(event));
  }

  get text() {
    return this.input.value.trim();
  }

  /** Whether what is typed can be searched for; else it waits for Enter. */
  get isWhole() {
    return true;
  }

  typed() {
    clearTimeout(this.typing);
    become(asking(this.name, this.text));
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (event.key !== "Escape" && event.key !== "Enter") return;
    event.preventDefault();
    if (event.key === "Escape" && !this.input.value) return this.input.blur();
    if (event.key === "Escape") this.input.value = "";
    this.typed();
  }

  /** Shows what the address asks for. @param {URLSearchParams} query */
  show(query) {
    const text = query.get(this.name) ?? "";
    if (this.text !== text) this.input.value = text;
  }

  close() {
    clearTimeout(this.typing);
  }
}

/** In which order the address has a list. @param {URLSearchParams} query @param {string} first by what it is sorted where nothing is said */
export function order(query, first) {
  const by = query.get("sort") ?? first;
  return { by, isDown: (query.get("dir") ?? beginning(by)) === "DESC" };
}

/** Sorts by something, or the other way round. @param {string} by @param {string} first */
export function sortBy(by, first) {
  const { screen, id, query } = here();
  const now = order(query, first);
  query.set("sort", by);
  query.set("dir", now.by !== by ? beginning(by) : now.isDown ? "ASC" : "DESC");
  become(to(screen, id, query));
}

/** In which direction an order begins: words at A, the rest at the most. @param {string} by */
function beginning(by) {
  return by === "created_on" || by === "members" ? "DESC" : "ASC";
}
