// Import: a file is chosen, looked at and tried without storing anything; then it is stored.
import { BOOK, Failure, isAborted, upload } from "./api.js";
import { beginningOf } from "./csv.js";
import { fill, h, set } from "./dom.js";
import { saveFile } from "./export.js";
import { Field, ask, button, curl, fresh } from "./form.js";
import { count, counted, size } from "./format.js";
import { advice, badRows, cleared, figures, spoken } from "./outcome.js";
import { described, preview } from "./preview.js";
import { rejectsFile } from "./rejects.js";
import { to } from "./route.js";
import { lacks, may } from "./session.js";

/** @typedef {import("./outcome.js").Answer} Answer */
/** @typedef {import("./csv.js").Beginning} Beginning */
/** @typedef {"create" | "upsert" | "merge"} Mode */

const FILE_BYTES_MAX = 1_073_741_824;
/** @type {[Mode, string, string][]} */
const MODES = [
  ["create", "Only new ones", "An alias that exists is refused: its row is bad, the contact stays."],
  ["upsert", "Replace", "A contact that exists becomes what the file says: what the file does not have of it is cleared."],
  ["merge", "Merge", "A contact that exists takes what the file has: what the file does not have of it stays."],
];
const BESIDE = "Split it, or import it beside the database: addressbook import FILE.";
const NOT_SENT = "It was not sent";
const TYPES = { csv: "text/csv", ndjson: "application/x-ndjson" };

/** @returns {import("./main.js").Screen} */
export function open() {
  const page = new ImportPage();
  return {
    main: page.element,
    keys: { n: () => page.choose.click() },
    update() {},
    isChanged: () => page.isStoring,
    mayGo: async () => !page.isStoring || ask({ title: "Leave while it imports?", text: ["The import ends where it is: rows that are stored stay, the rest is not stored."], verb: "Leave" }),
    again: () => page.again(),
    close: () => page.close(),
  };
}

class ImportPage {
  constructor() {
    /** @type {File | null} */
    this.file = null;
    /** @type {Beginning | null} */
    this.beginning = null;
    this.isStoring = false;
    /** Whether it waits for somebody to sign in again. */
    this.isLocked = false;
    this.coming = new AbortController();

    this.picker = h("input", { type: "file", hidden: true, accept: ".csv,.tsv,.txt,.ndjson,.jsonl,.json,text/csv", onchange: () => this.picked() });
    this.choose = button("Choose a file", () => this.picker.click(), { class: "first", "aria-keyshortcuts": "n" });
    this.name = h("div.name");
    this.drop = h("div.drop", null, this.name, this.choose, this.picker);
    this.settings = new Settings(() => void this.look());
    this.preview = h("div");
    this.outcome = h("div");
    this.status = h("p.unseen", { role: "status" });
    this.element = h("section.page.import", null, h("div.top", null, h("h1", null, "Import")), this.drop, this.settings.element, this.preview, this.outcome, this.status);
    this.listen();
    this.teach();
  }

  /** A file may be dropped anywhere; beside the page it would open in its place. */
  listen() {
    this.listening = new AbortController();
    const { signal } = this.listening;
    const over = (/** @type {DragEvent} */ event, /** @type {boolean} */ isOver) => {
      event.preventDefault();
      this.drop.classList.toggle("over", isOver);
    };
    addEventListener("dragover", (event) => over(event, true), { signal });
    addEventListener("dragleave", (event) => over(event, false), { signal });
    addEventListener("drop", (event) => {
      over(event, false);
      const file = event.dataTransfer?.files[0];
      if (file && !this.isStoring) this.take(file);
    }, { signal });
  }

  /** What stands here before a file is chosen. */
  teach() {
    fill(this.name, h("p", null, "Drop a CSV or NDJSON file here"));
    const text = h("p.muted", null, "The first line of a CSV names its columns: ", h("code", null, "alias"), ", ", h("code", null, "msisdn"), ", and whatever else your texts need. Nothing is stored before you have seen what would come of it.");
    const example = curl(`curl -H "Authorization: Bearer $KEY" -H 'Content-Type: text/csv' \\\n  "${BOOK.href}addressbook/contacts/import?mode=merge&dryRun=true" --data-binary @contacts.csv`);
    fill(this.preview, h("div.lesson", null, text, example));
  }

  picked() {
    const file = this.picker.files?.[0];
    // So that the same file can be chosen again, once it is mended.
    this.picker.value = "";
    if (file) this.take(file);
  }

  /** @param {File} file */
  take(file) {
    this.file = file;
    this.settings.encoding.value = "utf-8";
    void this.look();
  }

  /** Looks at the file and tries it, anew after every change. */
  async look() {
    const { file } = this;
    if (!file) return;
    this.coming.abort();
    const { signal } = (this.coming = new AbortController());
    this.choose.textContent = "Choose another file";
    this.choose.classList.remove("first");
    this.drop.classList.add("chosen");
    fill(this.name, h("p.strong", null, file.name));
    try {
      const beginning = await beginningOf(file, this.settings.encoding.value);
      if (signal.aborted) return;
      this.beginning = beginning;
    } catch {
      if (signal.aborted) return;
      fill(this.preview);
      return this.refuse("The file cannot be read", "Choose it again.", null, NOT_SENT);
    }
    this.settings.show(this.beginning);
    fill(this.name, h("p.strong", null, file.name), h("p.muted", null, described(file, this.beginning)));
    const why = this.beginning.refused;
    fill(this.preview, why || !this.beginning.columns.length ? null : preview(this.beginning, { readAs: (encoding) => this.readAs(encoding) }));
    if (why) return this.refuse(why, "", null, NOT_SENT);
    if (file.size > FILE_BYTES_MAX) return this.refuse(`A file has at most ${size(FILE_BYTES_MAX)} here`, BESIDE, null, NOT_SENT);
    await this.run(true);
  }

  /** @param {string} encoding */
  readAs(encoding) {
    this.settings.encoding.value = encoding;
    void this.look();
  }

  /** @param {Mode} mode */
  inMode(mode) {
    this.settings.mode = mode;
    void this.look();
  }

  /** Sends the file. @param {boolean} isTrial */
  async run(isTrial) {
    const { file, beginning } = this;
    if (!file || !beginning) return;
    this.coming.abort();
    const { signal } = (this.coming = new AbortController());
    const asked = new URLSearchParams({ mode: this.settings.mode });
    if (isTrial) asked.set("dryRun", "true");
    if (this.settings.encoding.value !== "utf-8") asked.set("encoding", this.settings.encoding.value);
    const progress = new Progress(isTrial, file.size, () => this.coming.abort());
    this.put(progress.element, !isTrial);
    this.store(!isTrial);
    try {
      /** @type {Answer} */
      const answer = await upload(`addressbook/contacts/import?${asked}`, file, { type: TYPES[beginning.kind], signal, progress: (bytes) => progress.show(bytes) });
      if (signal.aborted) return;
      this.store(false);
      if (isTrial) this.tried(answer);
      else this.done(answer);
    } catch (error) {
      // Another run has taken this one's place.
      if (this.coming.signal !== signal) return;
      this.store(false);
      if (isAborted(error)) return this.stopped(isTrial);
      if (!(error instanceof Failure)) throw error;
      await this.failed(error, isTrial, file);
    }
  }

  /** @param {boolean} isStoring */
  store(isStoring) {
    this.isStoring = isStoring;
    this.settings.lock(isStoring);
    set(this.choose, "disabled", isStoring);
  }

  /** @param {Answer} answer */
  tried(answer) {
    const { summary } = answer;
    const writes = summary.created + summary.updated;
    const go = writes ? button(`Import ${counted(writes, "contact")}`, () => this.run(false), { class: "first" }) : null;
    const left = summary.failed ? `${counted(summary.failed, "bad row")} ${summary.failed === 1 ? "is" : "are"} left out.` : "";
    const merge = () => this.inMode("merge");
    const nothing = summary.failed ? "No row can be stored." : "Nothing to import: all of it is stored already.";
    this.put(
      section(
        "Dry run",
        h("div.result", null, figures(summary, false), h("div.actions", null, go ? h("p.muted", null, left || "Nothing is stored yet.") : h("p", null, nothing), go)),
        cleared(summary, merge),
        ...(badRows(answer, { readAs: this.reader() }) ?? []),
      ),
    );
    this.status.textContent = spoken(summary, false);
  }

  /** @param {Answer} answer */
  done(answer) {
    const { summary } = answer;
    const link = may("read:Contacts") ? h("a.button.first", { href: to("contacts") }, "Show the contacts") : null;
    const result = h("div.result", null, figures(summary, true), h("div.actions", null, this.rejects(answer), link));
    this.put(section(`${counted(summary.created + summary.updated, "contact")} imported`, result, ...(badRows(answer, { readAs: null }) ?? [])), true);
    fill(this.preview);
    this.status.textContent = spoken(summary, true);
    dispatchEvent(new CustomEvent("countschanged"));
  }

  /** A button that gives the bad rows as a file. @param {Answer} answer */
  rejects({ summary, errors }) {
    const { file, beginning } = this;
    if (!errors.length || !file || !beginning) return null;
    const isAll = errors.length >= summary.failed;
    const words = isAll ? `Download ${counted(errors.length, "reject")}` : `Download the first ${counted(errors.length, "reject")} of ${count(summary.failed)}`;
    return button(words, async () => {
      try {
        const blob = await rejectsFile(file, beginning, errors);
        saveFile(blob, `${file.name.replace(/\.\w+$/, "")}-rejects.csv`);
      } catch {
        this.status.textContent = "The file cannot be read any more";
      }
    });
  }

  /** Shows what came of it; where the focus was on what it replaces, its title has it. @param {HTMLElement} section @param {boolean} [isNews] */
  put(section, isNews = false) {
    const hadFocus = isNews || this.outcome.contains(document.activeElement);
    fill(this.outcome, section);
    if (hadFocus) section.querySelector("h2")?.focus();
  }

  /** How to have it read otherwise, where that may help. */
  reader() {
    return this.beginning?.encoding === "utf-8" && !this.beginning.isMarked ? (/** @type {string} */ encoding) => this.readAs(encoding) : null;
  }

  /** @param {boolean} isTrial */
  stopped(isTrial) {
    if (isTrial) this.put(section("Dry run", h("p", null, "It was stopped. Nothing is stored."), h("div.actions", null, button("Try it again", () => this.run(true)))));
    else this.broke("The import was stopped");
  }

  /** What broke in the middle is finished by the same file. @param {string} why @param {Answer | null} [answer] */
  broke(why, answer = null) {
    const needs = lacks("update:Contacts");
    // What only creates would refuse what it has stored already.
    const mode = this.settings.mode === "create" ? "upsert" : this.settings.mode;
    const name = MODES.find(([one]) => one === mode)?.[1] ?? "";
    const again = button(`Try the same file with ${name}`, () => this.inMode(mode), { class: "first", needs });
    const text = `${answer ? "What is stored stays." : "Rows may have been stored, and they stay."} To finish, import the same file again with ${name}: rows that are stored already count as unchanged.`;
    const rows = (answer && badRows(answer, { readAs: null })) ?? [];
    this.put(section("The import is not finished", h("p.said", { role: "alert" }, why), h("p", null, text), answer ? figures(answer.summary, true) : null, h("div.actions", null, again, answer ? this.rejects(answer) : null), ...rows), true);
    fill(this.preview);
    dispatchEvent(new CustomEvent("countschanged"));
  }

  /** @param {Failure} error @param {boolean} isTrial @param {File} file */
  async failed(error, isTrial, file) {
    this.isLocked = error.status === 401 && isTrial;
    if (error.body?.summary) return this.broke(error.message, error.body);
    const title = isTrial ? "Dry run" : "Import";
    const again = button("Try it again", () => this.run(isTrial));
    if (error.isSilence && !(await isReadable(file))) return this.refuse("The file has changed since it was chosen", isTrial ? "Choose it again." : "Rows may have been stored, and they stay. Choose it again, and import it with Replace.", null, title);
    if (error.isSilence && !isTrial) return this.broke("The connection broke");
    if (error.status >= 500 && !isTrial && /unknown/.test(error.message)) return this.broke(error.message);
    if (error.isSilence) return this.refuse(error.message, "A dry run stores nothing, so it may be tried again.", again);
    if (error.status === 413) return this.refuse(error.message, BESIDE, null, title);
    if (error.status !== 400) return this.refuse(error.message, /stored/.test(error.message) ? "" : "Nothing of the file is stored.", again, title);
    const readAs = /UTF-8/.test(error.message) ? this.reader() : null;
    this.refuse(error.message, advice(error.message), readAs ? button("Read it as Windows-1252", () => readAs("windows-1252")) : null, title);
  }

  /** Says why nothing came of it, and what to do next. @param {string} why @param {string} [next] @param {HTMLElement | null} [act] @param {string} [title] */
  refuse(why, next = "", act = null, title = "Dry run") {
    this.put(section(title, h("p.said", { role: "alert" }, why), next ? h("p", null, next) : null, act ? h("div.actions", null, act) : null));
  }

  /** Somebody has signed in again. */
  again() {
    if (this.isLocked) void this.run(true);
    this.isLocked = false;
  }

  close() {
    this.coming.abort();
    this.listening?.abort();
  }
}

/** What becomes of contacts that exist, and how the file is read. */
class Settings {
  /** @param {() => void} changed */
  constructor(changed) {
    const group = fresh("mode");
    const lacks = !may("update:Contacts");
    /** @type {HTMLInputElement[]} */
    this.inputs = MODES.map(([mode]) => h("input", { type: "radio", name: group, value: mode, disabled: lacks && mode !== "create", onchange: changed }));
    this.mode = "create";
    const choices = MODES.map(([mode, name, text], number) =>
      h("label.mode", null, this.inputs[number], h("span", null, h("span.strong", null, name), " ", h("span.muted", null, lacks && mode !== "create" ? "Needs update:Contacts." : text))),
    );
    this.encoding = new Field({ label: "Read as", options: [["utf-8", "UTF-8"], ["windows-1252", "Windows-1252"]], value: "utf-8" });
    this.encoding.input.addEventListener("change", changed);
    this.element = h("div.settings", { hidden: true }, h("fieldset", null, h("legend", null, "An alias that exists"), choices), this.encoding.element);
  }

  get mode() {
    return /** @type {Mode} */ (this.inputs.find((input) => input.checked)?.value ?? "create");
  }

  set mode(mode) {
    for (const input of this.inputs) input.checked = input.value === mode;
  }

  /** @param {Beginning} beginning */
  show({ isMarked, refused }) {
    this.element.hidden = Boolean(refused);
    // A mark says it for good.
    this.encoding.element.hidden = isMarked;
  }

  /** @param {boolean} isLocked */
  lock(isLocked) {
    const fieldset = this.element.querySelector("fieldset");
    if (fieldset) fieldset.disabled = isLocked;
    set(this.encoding.input, "disabled", isLocked);
  }
}

/** How much of the file has gone, and a button that stops it. */
class Progress {
  /** @param {boolean} isTrial @param {number} bytes @param {() => void} stop */
  constructor(isTrial, bytes, stop) {
    this.bytes = bytes;
    this.bar = h("progress", { max: Math.max(1, bytes), value: 0, "aria-label": isTrial ? "Dry run" : "Import" });
    this.said = h("p.muted.digits");
    this.stop = button(isTrial ? "Stop" : "Stop the import", stop);
    this.isTrial = isTrial;
    this.element = section(isTrial ? "Dry run" : "Importing …", h("div.progress.late", null, this.bar, this.said, this.stop));
    this.show(0);
  }

  /** @param {number} sent */
  show(sent) {
    // Headers of the request are counted, too.
    const gone = Math.min(sent, this.bytes);
    this.bar.value = gone;
    const all = gone === this.bytes;
    this.said.textContent = all ? (this.isTrial ? "Sent; the last rows are looked at …" : "Sent; the last rows are stored …") : `${Math.floor((100 * gone) / Math.max(1, this.bytes))} %, ${size(gone)} of ${size(this.bytes)}`;
  }
}

/** Whether the file is still the one that was chosen. @param {File} file */
async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/** @param {string} title @param {...(import("./dom.js").Child | import("./dom.js").Child[])} inside */
function section(title, ...inside) {
  return h("section.part", null, h("h2", { tabindex: -1 }, title), ...inside);
}
