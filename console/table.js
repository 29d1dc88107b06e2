// A table without an end: pages come by cursor while one scrolls, the elements of a few
// dozen rows are used again and again, and far pages are let go and fetched anew.
import { fill, h, set } from "./dom.js";
import { Failure } from "./api.js";
import { failed } from "./form.js";

/** As `--row` in tokens.css, in pixels. */
const ROW = 40;
/** Rows of a page: what the server answers without making anybody wait. */
const PAGE_ROWS = 200;
/** Pages that are kept; others are fetched again by their cursor. */
const PAGES_MAX = 60;
/** Rows beside those that are seen. */
const BESIDE = 10;
/** Rows under one scrollbar: browsers draw no element much higher than 16 million pixels. */
const UNDER_BAR_MAX = 300_000;

/**
 * @template R
 * @typedef {object} Column
 * @property {string} name what stands above it
 * @property {string} [class]
 * @property {string} [sort] what the server calls the order by it
 * @property {(record: R) => import("./dom.js").Child | import("./dom.js").Child[]} show
 */

/**
 * @template R
 * @typedef {object} TableOf
 * @property {string} label
 * @property {Column<R>[]} columns
 * @property {[string, string, string]} widths of the columns: on a wide table, a narrow one, a phone
 * @property {(record: R) => string} id
 * @property {(cursor: string, limit: number, signal: AbortSignal) => Promise<{ records: R[], next: string | null }>} load
 * @property {(record: R) => void} [open]
 * @property {boolean} [selects]
 * @property {() => void} [selected] called when the selection changed
 * @property {() => HTMLElement} empty what stands where nothing came
 * @property {(records: R[]) => void} [came] called with a page that came
 * @property {(sort: string) => void} [sorted]
 */

/** @template R */
export class Table {
  /** @param {TableOf<R>} of */
  constructor(of) {
    this.of = of;
    /** @type {{ cursor: string, records: R[] | null, isLoading: boolean }[]} */
    this.pages = [];
    /** The cursor of the page behind the last one; null where there is none. @type {string | null} */
    this.next = "";
    this.count = 0;
    /** The first row under the scrollbar. */
    this.origin = 0;
    this.at = 0;
    this.anchor = 0;
    /** @type {Map<string, R>} */
    this.chosen = new Map();
    this.open = "";
    this.coming = new AbortController();
    /** @type {{ element: HTMLElement, cells: HTMLElement[], row: number, record: R | null | undefined }[]} */
    this.slots = [];

    const marks = of.selects ? [h("div.cell.mark", { role: "columnheader" }, h("span.unseen", null, "Selected"))] : [];
    this.heads = of.columns.map((column) => this.head(column));
    this.body = h("div.rows", { role: "rowgroup" });
    this.aside = h("div.aside");
    this.grid = h(
      "div.grid",
      { role: "grid", "aria-label": of.label, "aria-multiselectable": of.selects ? "true" : null, "aria-rowcount": -1 },
      h("div.row.heads", { role: "row", "aria-rowindex": 1 }, marks, this.heads),
      this.body,
    );
    this.element = h("div.table", { tabindex: -1 }, this.grid, this.aside);
    for (const [number, width] of of.widths.entries()) this.element.style.setProperty(`--columns-${number}`, width);
    this.element.classList.toggle("selects", Boolean(of.selects));
    this.element.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.element.addEventListener("keydown", (event) => this.pressed(event));
    this.grid.addEventListener("click", (event) => this.clicked(event));
    this.sizes = new ResizeObserver(() => {
      this.element.style.setProperty("--scrollbar", `${this.element.offsetWidth - this.element.clientWidth}px`);
      this.draw();
    });
    this.sizes.observe(this.element);
  }

  /** @param {Column<R>} column */
  head(column) {
    const { sort } = column;
    const inside = sort ? h("button.sort", { type: "button", onclick: () => this.of.sorted?.(sort) }, column.name) : column.name;
    return h("div", { role: "columnheader", class: `cell ${column.class ?? ""}`, "data-sort": sort }, inside);
  }

  /** Shows by which column it is sorted. @param {string} sort @param {boolean} isDown */
  sorted(sort, isDown) {
    for (const head of this.heads) set(head, "aria-sort", head.dataset.sort === sort ? (isDown ? "descending" : "ascending") : null);
  }

  /** Begins anew, with what is asked for now. What stands there stays until something came. */
  async restart() {
    this.coming.abort();
    this.coming = new AbortController();
    const { signal } = this.coming;
    // What stands behind the old rows is nothing to the new ones.
    this.isComing = true;
    try {
      const first = await this.of.load("", PAGE_ROWS, signal);
      if (signal.aborted) return;
      this.isComing = false;
      this.pages = [{ cursor: "", records: first.records, isLoading: false }];
      this.next = first.next;
      this.count = first.records.length;
      this.origin = 0;
      this.at = Math.min(this.at, Math.max(0, this.count - 1));
      this.element.scrollTop = 0;
      this.forget();
      fill(this.aside, this.count ? null : this.of.empty());
      this.of.came?.(first.records);
      this.draw();
    } catch (error) {
      if (!signal.aborted) this.broken(error, () => this.restart());
    }
  }

  /** Fetches again what is seen, without moving anything. */
  async refresh() {
    if (this.element.scrollTop === 0 && this.origin === 0) return this.restart();
    const [first, last] = this.seen();
    const [from, to] = [this.pageOf(first), this.pageOf(Math.max(first, last - 1))];
    for (let number = from; number <= to; number += 1) await this.fetch(number);
  }

  /** Says beneath the rows what did not come. @param {unknown} error @param {() => Promise<void>} again */
  broken(error, again) {
    if (error instanceof Failure && error.status === 401) return;
    // What was asked for is wrong: what stands there is no answer to it.
    if (error instanceof Failure && error.status === 400) this.count = 0;
    if (!this.count) this.draw();
    fill(this.aside, failed(error, () => void again()));
  }

  /** The record of a row; null while it is not here. @param {number} row @returns {R | null} */
  record(row) {
    return this.pages[this.pageOf(row)]?.records?.[row % PAGE_ROWS] ?? null;
  }

  /** @param {number} row */
  pageOf(row) {
    return Math.floor(row / PAGE_ROWS);
  }

  /** Fetches a page again. @param {number} number */
  async fetch(number) {
    const page = this.pages[number];
    if (!page || page.isLoading) return;
    page.isLoading = true;
    const { signal } = this.coming;
    try {
      const { records, next } = await this.of.load(page.cursor, PAGE_ROWS, signal);
      if (signal.aborted || this.pages[number] !== page) return;
      page.records = records;
      // Rows have gone or come: what stood behind begins elsewhere now.
      if (next !== (this.pages[number + 1]?.cursor ?? this.next)) {
        this.pages.length = number + 1;
        this.next = next;
      }
      if (number === this.pages.length - 1) this.count = number * PAGE_ROWS + records.length;
      this.forget();
      this.letGo(number);
      this.of.came?.(records);
      this.draw();
    } catch (error) {
      if (!signal.aborted) this.broken(error, () => this.restart());
    } finally {
      page.isLoading = false;
    }
  }

  /** Fetches the page behind the last one. */
  async more() {
    const cursor = this.next;
    if (cursor === null || cursor === "" || this.isComing) return;
    this.isComing = true;
    const { signal } = this.coming;
    try {
      const { records, next } = await this.of.load(cursor, PAGE_ROWS, signal);
      if (signal.aborted) return;
      this.isComing = false;
      fill(this.aside);
      this.pages.push({ cursor, records, isLoading: false });
      this.next = records.length === PAGE_ROWS ? next : null;
      this.count += records.length;
      this.letGo(this.pages.length - 1);
      this.of.came?.(records);
      this.draw();
    } catch (error) {
      if (signal.aborted) return;
      this.isComing = false;
      this.broken(error, () => this.more());
    }
  }

  /** Lets those pages go that are far from one. @param {number} near */
  letGo(near) {
    if (this.pages.filter((page) => page.records).length <= PAGES_MAX) return;
    for (const [number, page] of this.pages.entries()) {
      if (Math.abs(number - near) > PAGES_MAX / 2) page.records = null;
    }
  }

  /** Has every row filled anew. */
  forget() {
    for (const slot of this.slots) slot.record = undefined;
  }

  /** The first row that is seen, and the one behind the last. @returns {[number, number]} */
  seen() {
    const first = this.origin + Math.floor(this.element.scrollTop / ROW);
    return [first, Math.min(this.count, first + Math.ceil(this.element.clientHeight / ROW) + 1)];
  }

  scrolled() {
    if (this.isDrawing) return;
    this.isDrawing = true;
    requestAnimationFrame(() => {
      this.isDrawing = false;
      this.draw();
    });
  }

  /** Moves the rows under the scrollbar, so that it never has more than it can hold. */
  moveOrigin() {
    if (this.count <= UNDER_BAR_MAX && this.origin === 0) return;
    const half = UNDER_BAR_MAX / 2;
    const first = Math.floor(this.element.scrollTop / ROW);
    const isLow = first > UNDER_BAR_MAX * 0.9 && this.origin + UNDER_BAR_MAX < this.count;
    const by = isLow ? half : first < UNDER_BAR_MAX * 0.1 ? -Math.min(half, this.origin) : 0;
    if (!by) return;
    this.origin += by;
    this.element.scrollTop -= by * ROW;
  }

  draw() {
    this.moveOrigin();
    const under = Math.min(this.count - this.origin, UNDER_BAR_MAX);
    this.body.style.height = `${under * ROW}px`;
    set(this.grid, "aria-rowcount", this.next ? -1 : this.count + 1);
    const [first, last] = this.seen();
    const from = Math.max(this.origin, first - BESIDE);
    const to = Math.min(this.count, last + BESIDE);
    const wanted = Math.ceil(this.element.clientHeight / ROW) + 2 * BESIDE + 2;
    while (this.slots.length < wanted) this.slots.push(this.slot());
    const size = this.slots.length;
    for (let row = from; row < to; row += 1) {
      const slot = this.slots[row % size];
      if (slot) this.fillSlot(slot, row);
    }
    for (const slot of this.slots) {
      const isFar = slot.row < from || slot.row >= to;
      if (isFar) this.letFocusGo(slot.element);
      slot.element.hidden = isFar;
    }
    for (const number of new Set([this.pageOf(from), this.pageOf(Math.max(from, to - 1))])) {
      if (this.pages[number] && !this.pages[number].records) void this.fetch(number);
    }
    if (this.count && last + PAGE_ROWS > this.count) void this.more();
  }

  slot() {
    const mark = this.of.selects ? h("div.cell.mark", { role: "gridcell" }, h("span.box", { "aria-hidden": "true" })) : null;
    const cells = this.of.columns.map((column) => h("div", { role: "gridcell", class: `cell ${column.class ?? ""}` }));
    const element = h("div.row", { role: "row", tabindex: -1, hidden: true }, mark, cells);
    this.body.append(element);
    return { element, cells, row: -1, record: /** @type {R | null | undefined} */ (undefined) };
  }

  /** What had the focus is gone, or another row now: the table keeps it. @param {HTMLElement} row */
  letFocusGo(row) {
    if (row.contains(document.activeElement)) this.element.focus({ preventScroll: true });
  }

  /** @param {Table<R>["slots"][number]} slot @param {number} row */
  fillSlot(slot, row) {
    const record = this.record(row);
    const isOther = slot.row !== row || slot.record !== record;
    if (isOther) {
      if (slot.row !== row) this.letFocusGo(slot.element);
      slot.row = row;
      slot.record = record;
      set(slot.element, "aria-rowindex", row + 2);
      for (const [number, column] of this.of.columns.entries()) {
        const shown = record ? column.show(record) : "";
        const cell = /** @type {HTMLElement} */ (slot.cells[number]);
        if (typeof shown === "string") cell.textContent = shown;
        else fill(cell, shown);
      }
    }
    slot.element.style.transform = `translateY(${(row - this.origin) * ROW}px)`;
    const id = record ? this.of.id(record) : "";
    const isChosen = this.chosen.has(id);
    set(slot.element, "aria-selected", this.of.selects ? String(isChosen) : null);
    set(slot.element, "aria-current", id && id === this.open ? "true" : null);
    slot.element.tabIndex = row === this.at ? 0 : -1;
  }

  /** Marks the record that is open beside the table. @param {string} id */
  openIs(id) {
    this.open = id;
    this.draw();
  }

  /** Brings the focus to the row that it was on. */
  focus() {
    this.move(this.at);
  }

  /** Moves to a row, with the focus. @param {number} row */
  move(row) {
    if (!this.count) return this.element.focus({ preventScroll: true });
    this.at = Math.max(0, Math.min(row, this.count - 1));
    const { scrollTop, clientHeight } = this.element;
    const top = (this.at - this.origin) * ROW;
    if (top < scrollTop) this.element.scrollTop = top;
    // The heads take the room of one row.
    else if (top + 2 * ROW > scrollTop + clientHeight) this.element.scrollTop = top + 2 * ROW - clientHeight;
    this.draw();
    this.slots.find(({ row, element }) => row === this.at && !element.hidden)?.element.focus({ preventScroll: true });
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.target instanceof HTMLElement) || !event.target.matches(".row, .table")) return;
    const page = Math.max(1, Math.floor(this.element.clientHeight / ROW) - 2);
    /** @type {Record<string, number>} */
    const steps = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page, Home: -this.at, End: this.count };
    const step = steps[event.key];
    const record = this.record(this.at);
    if (step !== undefined) {
      this.move(this.at + step);
      if (event.shiftKey && this.of.selects) this.choose(this.anchor, this.at);
      else this.anchor = this.at;
    } else if (event.key === "Enter" && record) this.of.open?.(record);
    else if ((event.key === " " || event.key === "x") && this.of.selects) this.toggle(this.at);
    else if (event.key === "Escape" && this.chosen.size) this.chooseNone();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {MouseEvent} event */
  clicked(event) {
    if (!(event.target instanceof Element) || event.target.closest("button, a")) return;
    const element = event.target.closest(".row");
    const slot = this.slots.find((one) => one.element === element);
    if (!slot?.record) return;
    this.at = slot.row;
    if (this.of.selects && event.shiftKey) this.choose(this.anchor, this.at);
    else if (this.of.selects && (event.target.closest(".mark") || event.ctrlKey || event.metaKey)) this.toggle(this.at);
    else {
      this.anchor = this.at;
      this.of.open?.(slot.record);
    }
    this.draw();
    // Opening moves the focus elsewhere; what only chooses does not.
    if (document.activeElement === document.body) slot.element.focus({ preventScroll: true });
  }

  /** @param {number} row */
  toggle(row) {
    const record = this.record(row);
    if (!record) return;
    const id = this.of.id(record);
    if (!this.chosen.delete(id)) this.chosen.set(id, record);
    this.anchor = row;
    this.draw();
    this.of.selected?.();
  }

  /** Chooses a range, of what is here. @param {number} one @param {number} other */
  choose(one, other) {
    this.chosen.clear();
    for (let row = Math.min(one, other); row <= Math.max(one, other); row += 1) {
      const record = this.record(row);
      if (record) this.chosen.set(this.of.id(record), record);
    }
    this.draw();
    this.of.selected?.();
  }

  chooseNone() {
    this.chosen.clear();
    this.draw();
    this.of.selected?.();
  }

  close() {
    this.coming.abort();
    this.sizes.disconnect();
  }
}
