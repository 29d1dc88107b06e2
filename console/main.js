// The frame: the rail, what concerns every screen, and which screen is shown.
import * as activity from "./activity.js";
import { Failure, get, isAborted, listen } from "./api.js";
import * as contacts from "./contacts.js";
import { fill, h, set } from "./dom.js";
import { button } from "./form.js";
import { ago, count, took } from "./format.js";
import * as groups from "./groups.js";
import * as health from "./health.js";
import * as imports from "./import.js";
import * as keys from "./keys.js";
import * as optouts from "./optouts.js";
import { become, here, to } from "./route.js";
import { may, recognise, signInAgain, signInByCode, signInPage, signOut, who } from "./session.js";
import { PLACES, listenToKeys, screenKeys, showKeys } from "./shortcuts.js";
import * as trial from "./try.js";

/**
 * What a screen is made of. `main` and `drawer` are put into the page once; `update` hears
 * of every other address of the same screen.
 *
 * @typedef {object} Screen
 * @property {HTMLElement} main
 * @property {import("./drawer.js").Drawer} [drawer]
 * @property {Record<string, () => void>} [keys]
 * @property {(route: import("./route.js").Route) => void} update
 * @property {() => boolean} [isChanged] whether something outside the drawer is not saved
 * @property {() => Promise<boolean>} [mayGo] asks before another screen takes its place
 * @property {() => void} [again] after somebody signed in again
 * @property {() => void} close
 */

/** @type {Record<string, { title: string, needs: string[], open: (route: import("./route.js").Route) => Screen }>} */
const SCREENS = {
  contacts: { title: "Contacts", needs: ["read:Contacts"], open: contacts.open },
  groups: { title: "Groups", needs: ["read:Groups"], open: groups.open },
  optouts: { title: "Opt-outs", needs: ["read:Optouts"], open: optouts.open },
  import: { title: "Import", needs: ["create:Contacts"], open: imports.open },
  keys: { title: "Keys", needs: ["read:ApiKeys"], open: keys.open },
  activity: { title: "Activity", needs: ["read:Audit"], open: activity.open },
  health: { title: "Health", needs: [], open: health.open },
  try: { title: "Try it", needs: ["read:Contacts"], open: trial.open },
};
/** How many screens the bar of a phone shows beside "More". */
const ON_BAR = 4;
const LOOK_MS = 30_000;
const NOWHERE = "none yet";
/** Under this, nothing says that something runs. */
const QUIET_MS = 200;

/** @type {Screen | null} */
let screen = null;
let name = "";
let address = NOWHERE;
let isAsking = false;
let looking = new AbortController();

const notice = h("p.notice", { role: "status", hidden: true });
const bar = h("div.running", { "aria-hidden": "true", hidden: true });
const main = h("main.main", { id: "main", tabindex: -1 });
const well = h("a.well", { href: to("health") });
/** @type {Record<string, HTMLElement>} */
const totals = {};

void begin();

async function begin() {
  hear();
  const why = await signInByCode();
  try {
    if (!who() && !(await recognise())) return signInPage(document.body, { why, done: () => void enter() });
  } catch (error) {
    const said = error instanceof Failure ? error.message : "The console could not start";
    fill(document.body, h("main.door", null, h("h1", null, said), button("Try again", () => location.reload())));
    return;
  }
  await enter();
}

/** Shows the frame to somebody who is signed in. */
async function enter() {
  fill(document.body, h("a.skip", { href: "#main", onclick: skip }, "Skip to the content"), bar, rail(), h("div.middle", null, notice, main));
  listenToKeys();
  addEventListener("hashchange", () => void follow());
  let me = who()?.id;
  addEventListener("signedin", () => {
    say("");
    // Another key may do other things.
    if (who()?.id !== me) document.querySelector(".rail")?.replaceWith(rail());
    me = who()?.id;
    mark();
    screen?.again?.();
    void look();
  });
  addEventListener("beforeunload", (event) => {
    if (screen?.drawer?.inside?.isChanged?.() || screen?.isChanged?.()) event.preventDefault();
  });
  addEventListener("countschanged", () => void look());
  setInterval(() => document.visibilityState === "visible" && void look(), LOOK_MS);
  // What nobody else says of a call that failed is said here.
  addEventListener("unhandledrejection", (event) => {
    if (!(event.reason instanceof Failure) && !isAborted(event.reason)) return;
    event.preventDefault();
    if (event.reason instanceof Failure && !event.reason.isSilence && event.reason.status !== 401) say(`${event.reason.message}.`);
  });
  void look();
  await follow();
}

/** @param {Event} event */
function skip(event) {
  event.preventDefault();
  main.focus();
}

/** Shows what the address names. */
async function follow() {
  // Whoever goes on while the question stands is taken to where the address is then.
  if (isAsking || location.hash === address) return;
  const wasAt = address;
  const { screen: next, id } = here();
  if (next !== name || (screen?.drawer?.isOpen && id !== screen.drawer.id)) {
    isAsking = true;
    const goes = await mayGo();
    isAsking = false;
    if (!goes) return history.replaceState(null, "", wasAt);
  }
  const route = here();
  if (route.screen === "sign-in") return become(to("contacts"));
  const isSame = route.screen === name;
  address = location.hash;
  if (isSame && screen) return screen.update(route);
  const shown = Object.hasOwn(SCREENS, route.screen) ? SCREENS[route.screen] : null;
  if (!shown) return become(to("contacts"));
  screen?.drawer?.hide();
  screen?.drawer?.element.remove();
  screen?.close();
  name = route.screen;
  document.title = `${shown.title} · addressbook`;
  mark();
  const lacks = shown.needs.find((permission) => !may(permission));
  screen = lacks ? closed(shown.title, lacks) : shown.open(route);
  fill(main, screen.main);
  if (screen.drawer) document.body.append(screen.drawer.element);
  const { drawer } = screen;
  const toTable = () => drawer?.table.focus();
  screenKeys({ ...screen.keys, ...(drawer && { j: toTable, ArrowDown: toTable, Escape: () => drawer.isOpen && void drawer.close() }) });
  screen.update(route);
  // Where the focus was is gone.
  if (wasAt !== NOWHERE && document.activeElement === document.body) main.focus();
}

/** Asks whether what is not saved may go. @returns {Promise<boolean>} */
async function mayGo() {
  if (screen?.drawer && !(await screen.drawer.mayGo())) return false;
  return !screen?.mayGo || screen.mayGo();
}

/** Marks the present screen in the rail. */
function mark() {
  for (const link of document.querySelectorAll("[data-screen]")) set(link, "aria-current", link.getAttribute("data-screen") === name ? "page" : null);
}

/** A screen that the key may not see. @param {string} title @param {string} lacks @returns {Screen} */
function closed(title, lacks) {
  const text = h("p", null, "This key may not see it. It needs ", h("code", null, lacks), ".");
  return { main: h("section.page", null, h("h1", null, title), h("div.lesson", null, text)), update() {}, close() {} };
}

function rail() {
  const links = PLACES.map(([, screenName, title], number) => {
    const total = h("small");
    totals[screenName] = total;
    const lacks = SCREENS[screenName]?.needs.find((permission) => !may(permission));
    const link = h("a", { href: to(screenName), "data-screen": screenName, "data-needs": lacks && `Needs ${lacks}` }, title, lacks ? h("span.unseen", null, `, needs ${lacks}`) : null, total);
    link.classList.toggle("dim", Boolean(lacks));
    link.classList.toggle("far", number >= ON_BAR);
    return link;
  });
  const more = h("button.more", { type: "button", popovertarget: "more" }, "More");
  return h(
    "nav.rail",
    { "aria-label": "Screens" },
    h("div.brand", null, h("span.mark", { "aria-hidden": "true" }), "addressbook"),
    links,
    more,
    h("div.sheet", { id: "more", popover: "auto", onclick: hideSheet }, PLACES.slice(ON_BAR).map(([, screenName, title]) => h("a", { href: to(screenName), "data-screen": screenName }, title)), foot()),
    h("div.end", null, well, foot()),
  );
}

/** @param {Event} event */
function hideSheet(event) {
  const sheet = /** @type {HTMLElement} */ (event.currentTarget);
  if (event.target instanceof Element && event.target.closest("a")) sheet.hidePopover();
}

function foot() {
  const name = who()?.name ?? "";
  return h(
    "div.foot",
    null,
    h("span.name", { title: `Signed in with the key ${name}` }, name),
    button("Keyboard", showKeys, { class: "bare small", "aria-keyshortcuts": "?" }),
    button("Theme", nextTheme, { class: "bare small" }),
    button("Sign out", leave, { class: "bare small" }),
  );
}

async function leave() {
  if (!(await mayGo())) return;
  await signOut();
  screen?.drawer?.hide();
  location.reload();
}

function nextTheme() {
  const themes = ["", "light", "dark"];
  const next = themes[(themes.indexOf(document.documentElement.dataset["theme"] ?? "") + 1) % themes.length] ?? "";
  if (next) localStorage.setItem("theme", next);
  else localStorage.removeItem("theme");
  theme(next);
  say(`Theme: ${next || "as the system has it"}.`, true);
}

/** @param {string | null} chosen */
function theme(chosen) {
  set(document.documentElement, "data-theme", chosen || null);
}

/** Hears what concerns every call. */
function hear() {
  /** @type {number | undefined} */
  let timer;
  listen((news) => {
    switch (news.is) {
      case "busy":
        if (!news.calls) {
          clearTimeout(timer);
          timer = undefined;
          bar.hidden = true;
        } else timer ??= setTimeout(() => (bar.hidden = false), QUIET_MS);
        return;
      case "well":
        if (notice.dataset["is"] === "waiting") say("");
        return;
      case "waiting":
        say(news.why);
        notice.dataset["is"] = "waiting";
        return;
      case "ended":
        if (screen) signInAgain(news.why);
    }
  });
}

/** @type {number | undefined} */
let fading;

/** Says one line at the top. @param {string} words @param {boolean} [fades] */
function say(words, fades = false) {
  clearTimeout(fading);
  notice.textContent = words;
  notice.hidden = !words;
  delete notice.dataset["is"];
  if (fades) fading = setTimeout(() => say(""), 4_000);
}

/** Looks whether all is well, and how many there are of each; times go on. */
async function look() {
  for (const time of document.querySelectorAll("time")) if (time.firstChild) time.firstChild.nodeValue = ago(time.dateTime);
  looking.abort();
  const { signal } = (looking = new AbortController());
  try {
    const [ready, status] = await Promise.all([get("readyz", { once: true, signal }).catch((error) => error), may("read:Metrics") ? get("status", { once: true, signal }) : null]);
    if (signal.aborted) return;
    const isWell = !(ready instanceof Failure);
    const record = status?.record;
    const backup = !record ? "" : record.last_backup_on ? `Backed up ${ago(record.last_backup_on)}` : "Never backed up";
    const last = record?.minutes.at(-1);
    const write = last?.commit_p50_ms ? ` · ${took(last.commit_p50_ms)} a write` : "";
    well.classList.toggle("unwell", !isWell);
    fill(well, h("span.dot", { "aria-hidden": "true" }), isWell ? "All is well" : ready.isSilence ? "No answer" : "Not ready", record ? h("span.under", null, backup, write) : null);
    if (!record) return;
    for (const [screenName, total] of Object.entries({ contacts: record.contacts, groups: record.groups, optouts: record.optouts })) {
      const element = totals[screenName];
      if (element) element.textContent = count(total);
    }
  } catch (error) {
    if (!(error instanceof Failure || signal.aborted)) throw error;
  }
}

