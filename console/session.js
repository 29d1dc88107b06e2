// Who is signed in, what the key may do, and the page that asks for a key.
import { Failure, call, get } from "./api.js";
import { fill, h } from "./dom.js";
import { Form } from "./form.js";
import { become, here, to } from "./route.js";

/**
 * @typedef {object} Key
 * @property {string} id
 * @property {string} name
 * @property {string[]} permissions
 * @property {string | null} expires_on
 */

/** @type {Key | null} */
let key = null;

/** The key that is signed in. */
export function who() {
  return key;
}

/** Whether the key may do something. @param {...string} permissions */
export function may(...permissions) {
  return permissions.every((permission) => key?.permissions.includes(permission));
}

/** A permission, where the key lacks it. @param {string} permission */
export function lacks(permission) {
  return !may(permission) && permission;
}

/** Asks the server who is signed in. @returns {Promise<boolean>} */
export async function recognise() {
  try {
    key = (await get("auth/session", { once: true })).record;
    return key !== null;
  } catch (error) {
    // Its address or its rate: the form says so, once it is tried.
    if (error instanceof Failure && (error.status === 401 || error.status === 403)) return false;
    throw error;
  }
}

/** Ends the session, which may have ended by itself. */
export async function signOut() {
  try {
    await call("DELETE", "auth/session");
  } catch (error) {
    if (!(error instanceof Failure && error.status === 401)) throw error;
  }
}

/**
 * Signs in by the one-time code in the address, which the first start has shown.
 *
 * @returns {Promise<string>} why it did not work; empty where there was none, or it worked
 */
export async function signInByCode() {
  const code = here().query.get("code");
  if (here().screen !== "sign-in" || !code) return "";
  // It is worth nothing any more, and has no place in the history.
  become(to("contacts"));
  try {
    key = (await call("POST", "auth/session/code", { body: { code } })).record;
    return "";
  } catch (error) {
    if (error instanceof Failure) return `${error.message}. Sign in with the key itself.`;
    throw error;
  }
}

/**
 * The form that asks for a key.
 *
 * @param {{ why?: string, done: () => void }} of
 */
function signInForm({ why, done }) {
  const form = new Form({
    fields: {
      key: { label: "API key", type: "password", required: true, autocomplete: "current-password", spellcheck: "false", placeholder: "abk_…" },
    },
    verb: "Sign in",
    submit: async ({ key: token }) => {
      // A header takes no other characters.
      if (!/^[\x21-\x7e]+$/.test(token.trim())) return { key: token.trim() ? "An API key has letters, digits and _ alone" : "API key is missing" };
      try {
        const headers = { Authorization: `Bearer ${token.trim()}` };
        key = (await call("POST", "auth/session", { headers })).record;
      } catch (error) {
        if (error instanceof Failure && error.status === 401) return { key: error.message };
        throw error;
      }
      done();
    },
  });
  if (why) form.say(why);
  return form;
}

/**
 * The whole page of somebody who is not signed in.
 *
 * @param {HTMLElement} page
 * @param {{ why?: string, done: () => void }} of
 */
export function signInPage(page, of) {
  document.title = "Sign in · addressbook";
  const form = signInForm(of);
  fill(
    page,
    h(
      "main.door",
      null,
      h("div.brand", null, h("span.mark", { "aria-hidden": "true" }), "addressbook"),
      h("h1", null, "Sign in"),
      form.element,
      h("p.note", null, "The key is sent once and kept nowhere in this browser. You stay signed in for 12 hours, or until the key is revoked."),
      h("p.note", null, "No key yet? The first start left one in ", h("code", null, "initial-api-key"), " beside the database. Another is made by ", h("code", null, "addressbook key create"), "."),
    ),
  );
  form.focus();
}

/**
 * Asks for a key above what is on the screen, which is kept.
 *
 * @param {string} why
 */
export function signInAgain(why) {
  if (document.querySelector("dialog.again")) return;
  const form = signInForm({ why: `${why}. Sign in to go on; nothing that you typed is lost.`, done: () => dialog.close() });
  const dialog = h("dialog.again", { "aria-labelledby": "again" }, h("h2", { id: "again" }, "Sign in again"), form.element);
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.addEventListener("close", () => {
    dialog.remove();
    dispatchEvent(new CustomEvent("signedin"));
  });
  document.body.append(dialog);
  dialog.showModal();
  form.focus();
}
