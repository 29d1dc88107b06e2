// Permissions: in words, as the roles of the command line, and as boxes to choose from.
import { fill, h, set } from "./dom.js";
import { button, fresh } from "./form.js";
import { counted } from "./format.js";
import { may } from "./session.js";

/** What permissions are about, with what can be done to each. */
const NOUNS = /** @type {const} */ ([
  ["Contacts", "Contacts", ["create", "read", "update", "delete"]],
  ["Groups", "Groups", ["create", "read", "update", "delete"]],
  ["Optouts", "Opt-outs", ["create", "read", "delete"]],
  ["ApiKeys", "API keys", ["create", "read", "update", "delete"]],
  ["Audit", "Audit", ["read"]],
  ["Metrics", "Metrics", ["read"]],
  ["Backups", "Backups", ["create", "read"]],
]);
const VERBS = /** @type {const} */ (["create", "read", "update", "delete"]);
/** Every permission there is, in the order of the server. */
export const PERMISSIONS = NOUNS.flatMap(([noun, , verbs]) => verbs.map((verb) => `${verb}:${noun}`));

/** As `--role` of the command line has them. @type {Record<string, (verb: string, noun: string) => boolean>} */
const ROLES = {
  admin: () => true,
  sender: (verb, noun) => verb === "read" && isBook(noun),
  importer: (verb, noun) => verb !== "delete" && isBook(noun),
  reader: (verb) => verb === "read",
};
/** Words of this many parts are no words any more. */
const PARTS_MAX = 2;

/** @param {string} noun */
function isBook(noun) {
  return ["Contacts", "Groups", "Optouts"].includes(noun);
}

/** The permissions of a role. @param {string} role */
function permissionsOf(role) {
  return PERMISSIONS.filter((permission) => ROLES[role]?.(...split(permission)));
}

/** @param {string} permission @returns {[string, string]} */
function split(permission) {
  const [verb = "", noun = ""] = permission.split(":");
  return [verb, noun];
}

/** @param {readonly string[]} words */
function listed(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/**
 * What a key may do: "everything", "reads contacts and groups", else how many permissions.
 *
 * @param {string[]} permissions
 */
export function inWords(permissions) {
  const has = new Set(permissions);
  const isAll = (/** @type {string[]} */ all) => all.length === has.size && all.every((one) => has.has(one));
  if (isAll(PERMISSIONS)) return "everything";
  if (isAll(permissionsOf("reader"))) return "reads everything";
  /** What is done, and to what. @type {Map<string, string[]>} */
  const parts = new Map();
  for (const [noun, title, verbs] of NOUNS) {
    const done = verbs.filter((verb) => has.has(`${verb}:${noun}`));
    if (!done.length) continue;
    const words = done.length > 2 && done.length === verbs.length ? "manages" : listed(done.map((verb) => `${verb}s`));
    parts.set(words, [...(parts.get(words) ?? []), title === "API keys" ? title : title.toLowerCase()]);
  }
  const isLong = parts.size > PARTS_MAX || permissions.some((one) => !PERMISSIONS.includes(one));
  if (isLong) return counted(permissions.length, "permission");
  return [...parts].map(([words, titles]) => `${words} ${listed(titles)}`).join("; ");
}

/** Boxes by what they are about, and the roles as a beginning. */
export class Permissions {
  /** @param {string[]} chosen @param {{ isFixed?: boolean, changed?: () => void }} [how] */
  constructor(chosen, { isFixed = false, changed } = {}) {
    this.changed = changed;
    /** @type {Map<string, HTMLInputElement>} */
    this.boxes = new Map();
    /** What a newer server knows, and this page does not. @type {string[]} */
    this.others = [];
    this.besides = h("p.hint");
    this.id = fresh("permissions");
    this.error = h("p.error", { id: `${this.id}-error` });
    this.roles = Object.keys(ROLES).map((role) => this.role(role, isFixed));
    const lacking = PERMISSIONS.filter((permission) => !may(permission));
    const why = lacking.length && !isFixed ? "A key gives no more than it has: what is dimmed, the key that you are signed in with lacks." : "";
    this.element = h(
      "fieldset.permissions",
      { "aria-describedby": `${this.id}-error ${this.id}-why` },
      h("legend", null, "May"),
      isFixed ? null : h("div.roles", { role: "group", "aria-label": "As a role has them" }, this.roles),
      h(
        "table",
        null,
        h("thead", null, h("tr", null, h("td"), VERBS.map((verb) => h("th", { scope: "col" }, verb)))),
        h("tbody", null, NOUNS.map(([noun, title, verbs]) => h("tr", null, h("th", { scope: "row" }, title), VERBS.map((verb) => h("td", null, /** @type {readonly string[]} */ (verbs).includes(verb) ? this.box(`${verb}:${noun}`, `${verb} ${title}`, isFixed) : null))))),
      ),
      this.besides,
      h("p.hint", { id: `${this.id}-why` }, why),
      this.error,
    );
    this.take(chosen);
  }

  /** @param {string} role @param {boolean} isFixed */
  role(role, isFixed) {
    const lacks = permissionsOf(role).find((permission) => !may(permission));
    return button(role, () => this.choose(role), { class: "small", "data-role": role, needs: isFixed ? null : lacks });
  }

  /** @param {string} permission @param {string} words @param {boolean} isFixed */
  box(permission, words, isFixed) {
    const isLacking = !may(permission);
    const box = h("input", { type: "checkbox", "aria-label": words, disabled: isFixed || isLacking });
    box.addEventListener("change", () => this.chosen());
    this.boxes.set(permission, box);
    return h("label", { "data-needs": !isFixed && isLacking && `Needs ${permission}` }, box);
  }

  /** Shows what is chosen. @param {string[]} permissions */
  take(permissions) {
    for (const [permission, box] of this.boxes) box.checked = permissions.includes(permission);
    this.others = permissions.filter((one) => !PERMISSIONS.includes(one));
    fill(this.besides, this.others.length ? `And ${listed(this.others)}, of which this page knows nothing.` : null);
    this.show();
  }

  /** @param {string} role */
  choose(role) {
    this.take(permissionsOf(role));
    this.chosen();
  }

  chosen() {
    this.wrong("");
    this.show();
    this.changed?.();
  }

  show() {
    const value = this.value;
    for (const role of this.roles) {
      const of = permissionsOf(role.dataset["role"] ?? "");
      set(role, "aria-pressed", String(of.length === value.length && of.every((one) => value.includes(one))));
    }
  }

  /** In the order of the server. */
  get value() {
    return [...PERMISSIONS.filter((permission) => this.boxes.get(permission)?.checked), ...this.others];
  }

  /** Says what is wrong with it. @param {string} message */
  wrong(message) {
    fill(this.error, message);
  }

  focus() {
    [...this.boxes.values()].find((box) => !box.disabled)?.focus();
  }
}
