// Two versions of one contact, member by member, and a choice for each.
import { fill, h } from "./dom.js";
import { busy, fresh, heads } from "./form.js";
import { written } from "./meta.js";

/** @typedef {{ alias: string, msisdn: string, meta: Record<string, unknown> }} Version */

/**
 * Shows what differs. Preselected is what only one side has changed.
 *
 * @param {object} of
 * @param {Version} of.base what both began with
 * @param {Version} of.mine
 * @param {Version} of.theirs
 * @param {(json: string) => Promise<void>} of.save takes the whole contact as JSON
 */
export function conflict({ base, mine, theirs, save }) {
  const [was, here, there] = [flat(base), flat(mine), flat(theirs)];
  const names = [...new Set([...here.keys(), ...there.keys()])];
  /** @type {Map<string, string | null>} */
  const chosen = new Map();
  const rows = names.map((name) => {
    const [own, other, old] = [here.get(name) ?? null, there.get(name) ?? null, was.get(name) ?? null];
    chosen.set(name, own === old ? other : own);
    if (own === other) return null;
    const group = fresh("choice");
    const option = (/** @type {string | null} */ value, /** @type {string} */ whose) =>
      h("label.choice", null, h("input", { type: "radio", name: group, checked: chosen.get(name) === value, onchange: () => chosen.set(name, value), "aria-label": `${shown(name)}, ${whose}` }), h("span", null, value === null ? h("i.muted", null, "not there") : value.startsWith('"') ? JSON.parse(value) : value));
    return h("tr", null, h("th", { scope: "row" }, shown(name)), h("td", null, option(own, "yours")), h("td", null, option(other, "stored")));
  });
  const button = h("button.button.first", { type: "button" }, "Save what I chose");
  button.addEventListener("click", () => {
    const meta = [...chosen].filter(([name, value]) => name.startsWith("meta.") && value !== null).map(([name, value]) => `${JSON.stringify(name.slice(5))}:${value}`);
    void busy(button, () => save(`{"alias":${chosen.get("alias")},"msisdn":${chosen.get("msisdn")},"meta":{${meta.join(",")}}}`));
  });
  const section = h("section.conflict", { "aria-label": "Conflict" });
  fill(
    section,
    h("h3", { tabindex: -1 }, "Somebody else changed this contact meanwhile"),
    h("p", null, "Choose for each what is to be stored."),
    h("table", null, heads(h("span.unseen", null, "Field"), "Yours", "Stored now"), h("tbody", null, rows)),
    h("div.actions", null, button),
  );
  return section;
}

/** Every member as JSON, by its path. @param {Version} version */
function flat({ alias, msisdn, meta }) {
  const members = Object.entries(meta).map(([name, value]) => /** @type {[string, string]} */ ([`meta.${name}`, written(value) ?? "null"]));
  return new Map([["alias", JSON.stringify(alias)], ["msisdn", JSON.stringify(msisdn)], ...members]);
}

/** @param {string} name */
function shown(name) {
  return name === "alias" ? "Alias" : name === "msisdn" ? "Number" : name.slice(5);
}
