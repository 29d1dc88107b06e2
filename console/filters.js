// The line in which one searches for contacts, with a chip for each filter beside it.
import { get, segment } from "./api.js";
import { fill, h, set } from "./dom.js";
import { Field, Form, button } from "./form.js";
import { everyGroup } from "./grouplist.js";
import { asking, become, go, here } from "./route.js";
import { Search } from "./search.js";
import { may } from "./session.js";

/** What groups are called, by id. @type {Map<string, Promise<string>>} */
const names = new Map();

export class Filters extends Search {
  constructor() {
    super("Search by alias or number", "Alias or number");
    this.chips = h("div.chips");
    this.panel = h("div.panel", { hidden: true });
    this.filter = button("Filter", () => this.toggle(), { class: "bare small", "aria-expanded": "false" });
    this.input.before(this.chips);
    this.input.after(this.filter);
    this.element.append(this.panel);
    this.panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      this.toggle();
      this.filter.focus();
    });
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const [, name, value] = /^([^=\s][^=]*)=(.+)$/.exec(this.text) ?? [];
    if (event.key === "Enter" && name && value) {
      // `CITY=London` is a filter.
      event.preventDefault();
      this.input.value = "";
      this.add(`meta.${name.trim()}`, value.trim());
    } else if (event.key === "Backspace" && !this.input.value) this.remove([...here().query.keys()].filter(isChip).at(-1) ?? "");
    else super.pressed(event);
  }

  /** @param {string} name @param {string} value */
  add(name, value) {
    this.typed();
    go(asking(name, value));
    this.input.focus();
  }

  /** @param {string} name */
  remove(name) {
    become(asking(name, ""));
    this.input.focus();
  }

  /** Shows what the address asks for. @param {URLSearchParams} query */
  show(query) {
    super.show(query);
    fill(
      this.chips,
      [...query].filter(([name]) => isChip(name)).map(([name, value]) => {
        const shown = h("b", null, name === "optedOut" ? (value === "true" ? "yes" : "no") : value);
        if (name === "group") void groupName(value).then((known) => (shown.textContent = known));
        return h("span.chip", null, `${spoken(name)} `, shown, h("button.take", { type: "button", "aria-label": `Remove the filter ${spoken(name)} ${value}`, onclick: () => this.remove(name) }, "×"));
      }),
    );
  }

  toggle() {
    this.panel.hidden = !this.panel.hidden;
    set(this.filter, "aria-expanded", String(!this.panel.hidden));
    if (this.panel.hidden) return;
    const member = new Form({
      fields: { name: { label: "Member of meta", placeholder: "CITY" }, value: { label: "is", placeholder: "London" } },
      verb: "Filter",
      submit: async ({ name, value }) => {
        if (!name.trim()) return { name: "Say which member" };
        this.toggle();
        this.add(`meta.${name.trim()}`, value.trim());
      },
    });
    member.element.classList.add("inline");
    const group = new Field({ label: "Group", options: [["", "Choose a group"]] });
    group.input.addEventListener("change", () => {
      if (!group.value) return;
      this.toggle();
      this.add("group", group.value);
    });
    const reach = new Field({ label: "Reachable", options: [["", "Choose"], ["false", "May be sent to"], ["true", "Opted out"]] });
    reach.input.addEventListener("change", () => {
      if (!reach.value) return;
      this.toggle();
      this.add("optedOut", reach.value);
    });
    const mayGroups = may("read:Groups");
    if (mayGroups) void everyGroup().then((all) => group.input.append(...all.map(({ id, name }) => h("option", { value: id }, name))));
    fill(this.panel, h("div.form.inline", null, mayGroups ? group.element : null, reach.element), member.element);
    (mayGroups ? group : reach).input.focus();
  }
}

/** Whether a part of the address is a filter with a chip. @param {string} name */
export function isChip(name) {
  return !["search", "sort", "dir"].includes(name);
}

/** @param {string} name */
function spoken(name) {
  if (name === "optedOut") return "opted out";
  return name.startsWith("meta.") ? `${name.slice(5)} is` : name;
}

/** @param {string} id @returns {Promise<string>} */
async function groupName(id) {
  if (!may("read:Groups")) return id;
  if (!names.has(id)) names.set(id, get(`addressbook/groups/${segment(id)}`).then(({ record }) => record.name));
  try {
    return await /** @type {Promise<string>} */ (names.get(id));
  } catch {
    names.delete(id);
    return "(no such group)";
  }
}
