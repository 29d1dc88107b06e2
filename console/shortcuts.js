// Keys that work everywhere, but where somebody types; and the page that lists them.
import { h } from "./dom.js";
import { go, to } from "./route.js";

/** Where `g` and a letter go. */
export const PLACES = /** @type {const} */ ([
  ["c", "contacts", "Contacts"],
  ["r", "groups", "Groups"],
  ["o", "optouts", "Opt-outs"],
  ["i", "import", "Import"],
  ["k", "keys", "Keys"],
  ["a", "activity", "Activity"],
  ["h", "health", "Health"],
  ["t", "try", "Try it"],
]);

/** How long `g` waits for its letter. */
const WAIT_MS = 1_500;

/** What the present screen does at a key. @type {Record<string, () => void>} */
let ofScreen = {};
let begunAt = 0;

/** Says what the present screen does at `/` and `n`. @param {Record<string, () => void>} keys */
export function screenKeys(keys) {
  ofScreen = keys;
}

/** Begins to listen. */
export function listenToKeys() {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const followsG = Date.now() - begunAt < WAIT_MS;
    begunAt = 0;
    const place = followsG ? PLACES.find(([letter]) => letter === event.key) : undefined;
    const own = ofScreen[event.key];
    if (place) go(to(place[1]));
    else if (event.key === "g") begunAt = Date.now();
    else if (event.key === "?") showKeys();
    else if (own) own();
    else return;
    event.preventDefault();
  });
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select"));
}

/** Shows every key. */
export function showKeys() {
  const rows = [
    ["/", "Search"],
    ["n", "New"],
    ["j  k  ↓  ↑", "Next and previous row"],
    ["Enter", "Open"],
    ["x", "Select, or not"],
    ["Shift ↓  Shift ↑", "Select several"],
    ["Esc", "Close, or select none"],
    ...PLACES.map(([letter, , name]) => [`g ${letter}`, name]),
    ["?", "This page"],
  ];
  const close = h("button.button", { type: "submit" }, "Close");
  const list = h("dl.keys", null, rows.map(([keys, what]) => h("div", null, h("dt", null, (keys ?? "").split("  ").map((key) => h("kbd", null, key))), h("dd", null, what))));
  const dialog = h("dialog.ask", { "aria-labelledby": "keys-title" }, h("form", { method: "dialog" }, h("h2", { id: "keys-title" }, "Keyboard"), list, h("div.actions", null, close)));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
