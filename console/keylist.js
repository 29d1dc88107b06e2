// Every key there is, and how each is called.
import { Failure, get } from "./api.js";
import { stateOf } from "./keystate.js";
import { may } from "./session.js";

/** @typedef {import("./terms.js").Key} Key */

const PAGE_ROWS = 1000;

/** Every key, those that are good first, the newest first. @returns {Promise<Key[]>} */
export async function everyKey() {
  /** @type {Key[]} */
  const keys = [];
  for (;;) {
    const { records, total } = await get(`auth/keys?limit=${PAGE_ROWS}&offset=${keys.length}`);
    keys.push(...records);
    if (!records.length || keys.length >= total) break;
  }
  const now = Date.now();
  const rank = new Map(keys.map((key) => [key, stateOf(key, now).rank]));
  return keys.reverse().sort((one, other) => (rank.get(one) ?? 0) - (rank.get(other) ?? 0));
}

/** How keys are called, by id; of none where the names may not be read. @returns {Promise<Map<string, string>>} */
export async function keyNames() {
  if (!may("read:ApiKeys")) return new Map();
  try {
    return new Map((await everyKey()).map(({ id, name }) => [id, name]));
  } catch (error) {
    if (error instanceof Failure) return new Map();
    throw error;
  }
}
