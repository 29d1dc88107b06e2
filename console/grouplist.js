// Every group there is: at most 1,000, so they come at once.
import { get } from "./api.js";

/** @typedef {{ id: string, name: string, created_on: string, members: number }} Group */

/** @param {AbortSignal} [signal] @returns {Promise<Group[]>} */
export async function everyGroup(signal) {
  return (await get("addressbook/groups?limit=1000", signal ? { signal } : {})).records;
}
