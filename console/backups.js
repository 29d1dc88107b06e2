// The last backups, and making one more.
import { Failure, call, get } from "./api.js";
import { fill, h } from "./dom.js";
import { button, heads } from "./form.js";
import { count, counted, size, when } from "./format.js";
import { lacks, may } from "./session.js";

/** @typedef {{ name: string, size_bytes: number, created_on: string, contacts: number | null }} Backup */

const SHOWN = 10;

export class Backups {
  /** @param {{ made: () => void }} of */
  constructor({ made }) {
    this.made = made;
    /** Whether there is a directory for them, as far as is known. */
    this.isSomewhere = true;
    this.list = h("div");
    this.said = h("p", { role: "status" });
    this.make = button("Back up now", () => this.add(), { needs: lacks("create:Backups") });
    this.element = h("section.backups", { "aria-labelledby": "backups" }, h("div.between", null, h("h2", { id: "backups" }, "Backups"), this.make), this.said, this.list);
    if (!may("read:Backups")) fill(this.list, h("p.muted", null, "A key with ", h("code", null, "read:Backups"), " sees here which there are."));
  }

  /** @param {AbortSignal} signal */
  async look(signal) {
    if (!may("read:Backups") || !this.isSomewhere) return;
    try {
      const { records, total } = await get(`backups?limit=${SHOWN}`, { signal, once: true });
      this.show(records, total);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (error.status === 404) this.nowhere();
      else if (!error.isSilence) fill(this.list, h("p.error", null, error.message));
    }
  }

  /** Says what to do where the server has nowhere to put them, which nothing but a restart changes. */
  nowhere() {
    this.isSomewhere = false;
    if (may("read:Backups")) fill(this.list, directory("The server has no directory for backups"));
  }

  /** @param {Backup[]} backups @param {number} total */
  show(backups, total) {
    // Whoever reads in it is not thrown out of it.
    if (this.list.contains(document.activeElement)) return;
    if (!backups.length) return fill(this.list, h("p.muted", null, "None yet. The server makes the first one by itself, and you can make one now."));
    fill(
      this.list,
      h(
        "table.plain",
        null,
        heads("When", "Size", "Contacts", "File"),
        h("tbody", null, backups.map((backup) => h("tr", null, h("td", null, when(backup.created_on)), h("td", null, size(backup.size_bytes)), h("td", null, backup.contacts === null ? "–" : count(backup.contacts)), h("td", null, h("code", null, backup.name))))),
      ),
      total > backups.length ? h("p.note", null, `And ${counted(total - backups.length, "older one")}.`) : null,
    );
  }

  async add() {
    this.say("");
    this.make.textContent = "Backing up …";
    try {
      const { record } = await call("POST", "backups");
      this.say(`Backed up: ${record.contacts === null ? "" : `${counted(record.contacts, "contact")}, `}${size(record.size_bytes)}.`);
      this.made();
      dispatchEvent(new CustomEvent("countschanged"));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (error.status === 404) this.say("", directory(error.message));
      else if (error.status === 409) this.say(`${error.message}. It stands here once it is done; then one more can be made.`, null, true);
      else this.say(error.said, null, true);
    } finally {
      this.make.textContent = "Back up now";
    }
  }

  /** @param {string} words @param {HTMLElement | null} [more] @param {boolean} [isBad] */
  say(words, more = null, isBad = false) {
    this.said.classList.toggle("said", isBad);
    fill(this.said, words, more && [...more.childNodes]);
  }
}

/** @param {string} message */
function directory(message) {
  return h("p", null, `${message}. Start it with `, h("code", null, "--backup-dir DIR"), ", on another disk, and it makes one each day by itself. ", h("code", null, "addressbook backup FILE"), " makes one without.");
}
