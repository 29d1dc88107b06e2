// One key in the drawer: making it, changing it, giving it another token, taking it away.
import { BOOK, Failure, call, get, post, segment } from "./api.js";
import { fill, h } from "./dom.js";
import { Field, ask, button, copies, curl, factsOf, fresh, submits } from "./form.js";
import { ago, capital, short, utc, when } from "./format.js";
import { stateOf } from "./keystate.js";
import { here, to } from "./route.js";
import { may, who } from "./session.js";
import { Terms } from "./terms.js";

/** @typedef {import("./terms.js").Key} Key */
/**
 * @typedef {object} Around
 * @property {import("./drawer.js").Drawer} drawer
 * @property {() => Promise<Key[]>} all every key, from what is known
 * @property {() => void} changed the keys are to be shown anew
 */

/** How long an old token may stay good beside the new one. @type {[string, string][]} */
const OVERLAPS = [["0", "no longer: it ends now"], ["3600", "1 hour"], ["86400", "1 day"], ["604800", "7 days"]];

/** Makes a key. @param {Around} around @returns {Promise<import("./drawer.js").Inside>} */
export async function newKey(around) {
  const own = ownOf(await around.all());
  if (own?.rate_limit) return { title: "New key", body: [h("p", null, "The key that you are signed in with has a rate_limit, and one that is limited makes no keys. Sign in with another one.")] };
  const terms = new Terms(null, { own });
  const make = h("button.button.first", { type: "submit" }, "Create key");
  const form = h("form.form", { novalidate: true }, terms.parts, h("div.actions", null, make));
  submits(form, make, async () => {
    terms.clear();
    try {
      const { record } = await post("auth/keys", terms.value);
      around.changed();
      around.drawer.fill(showOnce(record, "Made", around));
    } catch (error) {
      terms.blame(error);
    }
  });
  return { title: "New key", body: [form], focus: terms.name.input, isChanged: () => terms.isChanged };
}

/**
 * Shows a token, this once.
 *
 * @param {Key} key
 * @param {string} said
 * @param {Around} around
 * @returns {import("./drawer.js").Inside}
 */
function showOnce(key, said, around) {
  const { token = "" } = key;
  let isCopied = false;
  const copied = () => (isCopied = true);
  const shown = h("p.token", { tabindex: 0, role: "textbox", "aria-readonly": "true", "aria-label": "Token" }, token);
  shown.addEventListener("focus", () => getSelection()?.selectAllChildren(shown));
  // Whoever selects and copies it has it as well.
  shown.addEventListener("copy", copied);
  const copy = copies(token, "the token", copied);
  copy.className = "button first";
  return {
    title: key.name,
    under: said,
    body: [
      h("p", null, "This is its token. It is shown now and never again: the server keeps no more than a hash of it."),
      h("div.stack", null, shown, h("div.actions", null, copy, button("Done", () => around.drawer.open(key.id)))),
      curl(`KEY='paste the token here'\ncurl -H "Authorization: Bearer $KEY" \\\n  ${BOOK.href}auth/test`, "Try it by curl"),
    ],
    focus: copy,
    isChanged: () => !isCopied,
    leaving: { title: "Leave without the token?", text: `You have not copied the token of ${key.name}. Nobody can show it again; you would have to rotate the key.`, verb: "Leave without it" },
  };
}

/** The key that is signed in. @param {Key[]} all */
function ownOf(all) {
  return all.find(({ id }) => id === who()?.id);
}

/** Shows a key. @param {string} id @param {AbortSignal} signal @param {Around} around @returns {Promise<import("./drawer.js").Inside>} */
export async function openKey(id, signal, around) {
  const [{ record: key }, all] = await Promise.all([get(`auth/keys/${segment(id)}`, { signal }), around.all()]);
  return new OneKey(key, all, around).inside();
}

class OneKey {
  /** @param {Key} key @param {Key[]} all @param {Around} around */
  constructor(key, all, around) {
    this.key = key;
    this.all = all;
    this.around = around;
    this.own = ownOf(all);
    this.isOwn = key.id === who()?.id;
    this.state = stateOf(key);
    /** What of it the key that is signed in lacks, and so cannot change or take away. */
    this.lacks = key.permissions.find((permission) => !may(permission));
    this.isRevoked = this.state.is === "revoked";
    this.terms = new Terms(key, { isFixed: this.isRevoked || !may("update:ApiKeys") || Boolean(this.lacks), own: this.own });
    this.said = h("p.note", { role: "status" });
    this.trouble = h("p.said", { role: "alert" });
  }

  inside() {
    const { key } = this;
    const id = fresh("key");
    const form = h("form.form", { id, novalidate: true }, this.terms.parts);
    const lacks = !may("update:ApiKeys") ? "update:ApiKeys" : this.lacks;
    // It stands outside of its form, which Enter finds by the id.
    const save = lacks ? button("Save", () => {}, { class: "first", needs: lacks }) : h("button.button.first", { type: "submit", form: id }, "Save");
    submits(form, save, async () => lacks || this.isRevoked || this.save());
    const removes = !may("delete:ApiKeys") ? "delete:ApiKeys" : !this.isOwn && this.lacks;
    const revoke = button(`Revoke ${short(key.name)}`, () => this.revoke(), { class: "bare danger", needs: removes });
    return {
      title: key.name,
      under: [h("span", { class: this.state.class }, capital(this.state.words)), this.isOwn ? ". You are signed in with it." : ""],
      body: [this.facts(), this.isRevoked ? h("p.muted", null, "It was revoked, which cannot be undone. Nothing of it changes any more.") : null, this.wider(), form, this.isRevoked ? null : this.rotation(), this.trouble],
      ...(this.isRevoked ? {} : { foot: [save, this.said, revoke] }),
      isChanged: () => !this.isRevoked && this.terms.isChanged,
    };
  }

  /** Why nothing of it can be changed. */
  wider() {
    if (!this.lacks || this.isRevoked) return null;
    return h("p.muted", null, "It may do what the key that you are signed in with may not, such as ", h("code", null, this.lacks), ". So you can look at it, and not change it.");
  }

  facts() {
    const { key } = this;
    const replaces = this.all.filter(({ replaced_by }) => replaced_by === key.id);
    const facts = factsOf([
      ["Id", [h("code", null, key.id), " ", copies(key.id, "the id")]],
      ["Created", [when(key.created_on), " by ", key.created_by ? this.link(key.created_by) : "the command line"]],
      ["Last use", when(key.last_used_on, "not used yet")],
      replaces.length > 0 && ["Takes the place of", replaces.flatMap(({ id }, number) => [number ? ", " : "", this.link(id, true)])],
      key.replaced_by && ["Replaced by", this.link(key.replaced_by, true)],
    ]);
    return h("dl.facts", null, facts);
  }

  /** @param {string} id @param {boolean} [isTold] with its id, where the names are the same */
  link(id, isTold = false) {
    const other = this.all.find((one) => one.id === id);
    const name = other?.name ?? id;
    return h("span", null, h("a", { href: to("keys", id, here().query) }, name), isTold && other ? h("span.muted", null, ` ${id}`) : null);
  }

  async save() {
    const { terms } = this;
    terms.clear();
    const body = terms.changes;
    if (!Object.keys(body).length) return void (this.said.textContent = "Nothing has changed");
    this.said.textContent = "";
    const isNarrower = this.isOwn && Object.keys(body).some((name) => name !== "name");
    if (isNarrower && !(await ask({ title: "Change the key that you are signed in with?", text: ["It holds at once, for this page, too. What you take from the key, it cannot give itself back."], verb: "Save" }))) return;
    try {
      await call("PATCH", `auth/keys/${segment(this.key.id)}`, { body });
      // The whole page is of what it may do.
      if (isNarrower) return this.reload();
      this.around.changed();
      await this.again(`Saved ${new Date().toLocaleTimeString("en-GB")}`);
    } catch (error) {
      const isExpiry = error instanceof Failure && error.status === 409 && "expires_on" in body;
      if (!isExpiry) return terms.blame(error);
      terms.expiry.wrong(`${error.message}.`, "It ends when it does; use the key that took its place.");
      terms.expiry.input.focus();
    }
  }

  reload() {
    this.around.drawer.hide();
    location.reload();
  }

  /** Shows what is stored now. @param {string} said */
  async again(said) {
    const { drawer } = this.around;
    await drawer.again(this.key.id);
    const status = drawer.element.querySelector("footer [role=status]");
    if (status) status.textContent = said;
  }

  /** The section about another token. */
  rotation() {
    const { key } = this;
    const lacks = !may("update:ApiKeys") ? "update:ApiKeys" : this.lacks;
    let why = "Gives it another token, of a new id and the same terms.";
    let needs = /** @type {string | undefined} */ (lacks);
    if (key.replaced_by) why = "It was rotated already: rotate the key that took its place.";
    else if (this.state.is === "expired") why = "It has ended. Give it a later end first, then it can be rotated.";
    else if (this.own?.rate_limit) needs = needs ?? "a key without rate_limit";
    const isPossible = !key.replaced_by && this.state.is !== "expired";
    return h("section.stack", null, h("h3", null, "Token"), h("p.muted", null, why), isPossible ? h("div.actions", null, button("Rotate", () => this.rotate(), { needs })) : null);
  }

  async rotate() {
    const { key } = this;
    // The session would end before anybody had the new token.
    const options = this.isOwn ? OVERLAPS.slice(1) : OVERLAPS;
    const overlap = new Field({ label: "The old token stays good for", options, value: "86400" });
    const own = this.isOwn ? "You are signed in with it. Sign in with the new token before the old one ends." : "";
    const left = this.terms.isChanged ? "What you typed beside it is not saved, and goes." : "";
    const sure = await ask({ title: `Rotate ${short(key.name)}?`, text: [overlap.element, own ? h("p", null, own) : null, left ? h("p", null, left) : null], verb: "Rotate", danger: false });
    if (!sure) return;
    this.complain("");
    try {
      const { record } = await post(`auth/keys/${segment(key.id)}/rotate`, { overlapSeconds: Number(overlap.value) });
      this.around.changed();
      this.around.drawer.fill(showOnce(record, "Rotated: the new key has another id", this.around));
    } catch (error) {
      this.complain(error);
    }
  }

  async revoke() {
    const { key } = this;
    const text = this.isOwn ? "You are signed in with it; this ends your session at once." : key.last_used_on ? `It was last used ${ago(key.last_used_on)} (${utc(key.last_used_on)}). Whatever uses it is refused from the next request on.` : "Whatever uses it is refused from the next request on.";
    const sure = await ask({ title: `Revoke ${short(key.name)}?`, text: [h("p", null, text), h("p", null, "It cannot be undone.")], verb: `Revoke ${short(key.name)}`, typed: key.name, typedLabel: `Type the key's name, ${key.name}` });
    if (sure) await this.send("");
  }

  /** @param {string} query @returns {Promise<void>} */
  async send(query) {
    this.complain("");
    try {
      await call("DELETE", `auth/keys/${segment(this.key.id)}${query}`);
    } catch (error) {
      const isLast = error instanceof Failure && error.status === 409 && !query;
      if (!isLast) return this.complain(error);
      const words = "No key could make or change keys any more. Only the command line could: addressbook key create.";
      const sure = await ask({ title: "Revoke the last key that manages keys?", text: [h("p", null, `${error.message}.`), h("p", null, words)], verb: "Revoke it all the same" });
      return sure ? this.send("?force=true") : undefined;
    }
    if (this.isOwn) return this.reload();
    this.around.drawer.gone(this.key.id);
    this.around.changed();
  }

  /** @param {unknown} error */
  complain(error) {
    if (error && !(error instanceof Failure)) throw error;
    const failure = /** @type {Failure | ""} */ (error);
    fill(this.trouble, failure && failure.said);
    if (failure) this.trouble.scrollIntoView({ block: "nearest" });
  }
}
