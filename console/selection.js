// The bar above the contacts: what can be done with those that are selected.
import { Failure, post, repeatable, segment } from "./api.js";
import { fill, h } from "./dom.js";
import { Field, ask, button } from "./form.js";
import { count, counted } from "./format.js";
import { everyGroup } from "./grouplist.js";
import { here } from "./route.js";
import { may } from "./session.js";

/** @typedef {import("./contacts.js").Contact} Contact */

/** What can be done with those that are selected. */
export class Selection {
  /** @param {import("./table.js").Table<Contact>} table @param {() => void} begin shows the contacts as they are now */
  constructor(table, begin) {
    this.table = table;
    this.begin = begin;
    this.said = h("p", { role: "status" });
    this.acts = h("div.acts");
    this.element = h("div.selection", { hidden: true }, this.said, this.acts);
  }

  show() {
    const chosen = this.table.chosen.size;
    this.element.hidden = !chosen;
    if (!chosen) return;
    const group = here().query.get("group");
    const [updates, optsOut, deletes] = ["update:Groups", "create:Optouts", "delete:Contacts"].map((permission) => !may(permission) && permission);
    this.say(`${count(chosen)} selected`);
    fill(
      this.acts,
      button("Add to a group", () => this.addToGroup(), { class: "small", needs: updates }),
      group ? button("Remove from this group", () => this.changeGroup(group, "remove"), { class: "small", needs: updates }) : null,
      button(`Opt out ${counted(chosen, "number")}`, () => this.optOut(), { class: "small", needs: optsOut }),
      button(`Delete ${counted(chosen, "contact")}`, () => this.delete(), { class: "small danger", needs: deletes }),
      button("Select none", () => this.table.chooseNone(), { class: "small bare" }),
    );
  }

  /** @param {string} words */
  say(words) {
    this.said.textContent = words;
  }

  /** Says what came of it, and shows the contacts as they are now. @param {string} words */
  done(words) {
    this.table.chosen.clear();
    this.element.hidden = false;
    fill(this.acts, button("Close", () => (this.table.focus(), this.show()), { class: "small bare" }));
    this.say(words);
    this.table.focus();
    this.begin();
    dispatchEvent(new CustomEvent("countschanged"));
  }

  async addToGroup() {
    const all = await everyGroup();
    if (!all.length) return this.say("There is no group yet. Make one on the screen Groups.");
    const field = new Field({ label: "Group", options: all.map(({ id, name }) => [id, name]) });
    const sure = await ask({ title: `Add ${counted(this.table.chosen.size, "contact")} to a group`, text: [field.element], verb: "Add", danger: false });
    if (sure) await this.changeGroup(field.value, "add");
  }

  /** @param {string} group @param {"add" | "remove"} how */
  async changeGroup(group, how) {
    const aliases = [...this.table.chosen.values()].map(({ alias }) => alias);
    await this.run(async () => {
      const { results } = await post(`addressbook/groups/${segment(group)}/members`, { [how]: aliases });
      const changed = results.filter((/** @type {any} */ result) => result.status === `${how === "add" ? "add" : "remov"}ed`).length;
      const words = how === "add" ? ["added", "in it before"] : ["removed", "not in it"];
      return said(`${counted(changed, "contact")} ${words[0]}`, [results.length - changed, `${words[1]}, or gone`]);
    });
  }

  async optOut() {
    const numbers = [...new Set([...this.table.chosen.values()].map(({ msisdn }) => msisdn))];
    const sure = await ask({ title: `Opt out ${counted(numbers.length, "number")}?`, text: ["They get no messages any more, whichever contact has them."], verb: `Opt out ${counted(numbers.length, "number")}`, danger: false });
    if (!sure) return;
    await this.run(async () => {
      const { summary } = await post("addressbook/optouts/bulk", { msisdns: numbers });
      return said(`${counted(summary.created, "number")} opted out`, [summary.unchanged, "before"], [summary.failed, "failed"]);
    });
  }

  async delete() {
    const chosen = [...this.table.chosen.values()];
    const words = counted(chosen.length, "contact");
    const names = chosen.slice(0, 5).map(({ alias }) => alias).join(", ");
    const sure = await ask({
      title: `Delete ${words}?`,
      text: [`${names}${chosen.length > 5 ? " and others" : ""}. This cannot be undone.`],
      verb: `Delete ${words}`,
      ...(chosen.length > 1 ? { typed: String(chosen.length), typedLabel: `Type the number of contacts, ${chosen.length}` } : {}),
    });
    if (!sure) return;
    await this.run(async () => {
      const { summary } = await post("addressbook/contacts/bulk-delete", { ids: chosen.map(({ id }) => id) }, { repeat: repeatable() });
      return said(`${counted(summary.deleted, "contact")} deleted`, [summary.total - summary.deleted - summary.failed, "gone before"], [summary.failed, "failed"]);
    });
  }

  /** @param {() => Promise<string>} work */
  async run(work) {
    try {
      this.done(await work());
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.say(error.said);
    }
  }
}

/** `12 added, 3 in it before` @param {string} first @param {...[number, string]} others */
function said(first, ...others) {
  return [first, ...others.filter(([number]) => number).map(([number, words]) => `${count(number)} ${words}`)].join(", ");
}
