// The one way to the server: calls of the public API, by the session's cookie. What goes
// wrong for everybody (nobody answers, too fast, the session ended) is told to `listen`.

/** Where the API is: beside the console, whatever stands in front of both. */
export const BOOK = new URL("../", location.href.split("#")[0]);

/** Reads are tried again so often where nobody answered, or not yet. */
const TRIES_MAX = 4;
const WAIT_MS = 700;
const WAIT_MS_MAX = 8_000;

/** Whether this browser keeps the numbers of a meta to the digit. */
export const IS_EXACT = "rawJSON" in JSON;

/**
 * @typedef {{ is: "waiting", why: string } | { is: "well" } | { is: "ended", why: string } | { is: "busy", calls: number }} News
 * @typedef {object} Options
 * @property {any} [body] sent as JSON
 * @property {string} [json] sent as it is
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 * @property {boolean} [once] not tried again
 * @property {boolean} [reads] whatever its method, it changes nothing
 * @property {string} [repeat] what the server knows this request by: it is done once, however often it is sent
 */

/** What the server refused, in its own words. */
export class Failure extends Error {
  /** @param {number} status @param {string} name @param {string} message @param {any} body */
  constructor(status, name, message, body) {
    super(message);
    this.status = status;
    this.name = name;
    this.body = body;
  }

  /** Whether nobody answered, so that it is unknown what came of it. */
  get isSilence() {
    return this.status === 0;
  }

  /** What is said of it once something was to be changed. */
  get said() {
    return this.isSilence ? "The server does not answer. It is not known whether it was done: look again before you repeat it." : this.message;
  }
}

/** @type {Set<(news: News) => void>} */
const listeners = new Set();
let running = 0;

/** Hears what concerns every call. @param {(news: News) => void} listener */
export function listen(listener) {
  listeners.add(listener);
}

/** @param {News} news */
function tell(news) {
  for (const listener of listeners) listener(news);
}

/**
 * Calls, and answers what the server said.
 *
 * @param {string} method
 * @param {string} path of the API, without a slash in front
 * @param {Options} [options]
 * @returns {Promise<any>} with `etag` beside what the envelope has
 * @throws {Failure}
 */
export async function call(method, path, options = {}) {
  const isSafe = method === "GET" || method === "HEAD" || options.reads || options.repeat !== undefined;
  tell({ is: "busy", calls: (running += 1) });
  try {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await once(method, path, options);
      if (!(answer instanceof Failure)) {
        tell({ is: "well" });
        return answer;
      }
      if (answer.status === 401 && !path.startsWith("auth/session")) tell({ is: "ended", why: answer.message });
      const passes = answer.isSilence || answer.status === 429 || answer.status === 503;
      if (!passes) throw answer;
      const again = isSafe && !options.once && attempt < TRIES_MAX;
      tell({ is: "waiting", why: reason(answer, again) });
      if (!again) throw answer;
      await pause(Math.max(WAIT_MS * attempt, answer.body?.retryAfterMs ?? 0), options.signal);
    }
  } finally {
    tell({ is: "busy", calls: (running -= 1) });
  }
}

export const get = (/** @type {string} */ path, /** @type {Options} */ options = {}) => call("GET", path, options);
export const post = (/** @type {string} */ path, /** @type {any} */ body, /** @type {Options} */ options = {}) => call("POST", path, { ...options, body });

/** A name for a request that may be sent again. */
export function repeatable() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A segment of a path. @param {string} text */
export const segment = encodeURIComponent;

/** Whether something was only given up, which nobody has to be told. @param {unknown} error */
export function isAborted(error) {
  return error instanceof DOMException && error.name === "AbortError";
}

/**
 * @param {string} method
 * @param {string} path
 * @param {Options} options
 * @returns {Promise<any>}
 */
async function once(method, path, { body, json, headers, signal, repeat }) {
  const text = json ?? (body === undefined ? undefined : JSON.stringify(body));
  let answer;
  let said;
  try {
    answer = await fetch(new URL(path, BOOK), {
      method,
      body: text ?? null,
      headers: { ...(text === undefined ? {} : { "Content-Type": "application/json" }), ...(repeat ? { "Idempotency-Key": repeat } : {}), ...headers },
      signal: signal ?? null,
      credentials: "same-origin",
      cache: "no-store",
    });
    said = await answer.text();
  } catch (error) {
    if (isAborted(error)) throw error;
    return new Failure(0, "NoAnswer", "The server does not answer", null);
  }
  return understood(answer.status, said, (name) => answer.headers.get(name), IS_EXACT && path.startsWith("addressbook"));
}

/**
 * What an answer says.
 *
 * @param {number} status
 * @param {string} said
 * @param {(name: string) => string | null} header
 * @param {boolean} isExact whether a meta may be in it: figures, such as `1.0`, are to reckon with
 */
function understood(status, said, header, isExact) {
  const parsed = read(said, isExact);
  const isOk = status >= 200 && status < 300;
  if (isOk && parsed !== undefined) return Object.assign(parsed, { etag: header("ETag") });
  const error = parsed?.error;
  const waits = Number(header("Retry-After"));
  const more = { ...parsed, link: header("Link"), retryAfterMs: Math.min(waits * 1000 || 0, WAIT_MS_MAX) };
  if (error) return new Failure(status, error.name, error.message, more);
  // What stands in front of the server answers in its own words.
  return isOk || status >= 500 ? new Failure(0, "NoAnswer", "The server does not answer", more) : new Failure(status, "Unknown", `Answered ${status}`, more);
}

/**
 * Sends a file, and says how much of it has gone. It is sent once: nobody else knows
 * whether it may be sent again. `fetch` has no such progress.
 *
 * @param {string} path
 * @param {Blob} file
 * @param {{ type: string, signal: AbortSignal, progress: (bytes: number) => void }} how
 * @returns {Promise<any>}
 * @throws {Failure}
 */
export async function upload(path, file, { type, signal, progress }) {
  const request = new XMLHttpRequest();
  const answer = await new Promise((resolve, reject) => {
    request.open("POST", new URL(path, BOOK));
    request.setRequestHeader("Content-Type", type);
    request.upload.addEventListener("progress", ({ loaded }) => progress(loaded));
    request.addEventListener("load", () => resolve(understood(request.status, request.responseText, (name) => request.getResponseHeader(name), false)));
    request.addEventListener("error", () => resolve(new Failure(0, "NoAnswer", "The server does not answer", null)));
    request.addEventListener("abort", () => reject(new DOMException("given up", "AbortError")));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    if (signal.aborted) reject(new DOMException("given up", "AbortError"));
    else request.send(file);
  });
  if (!(answer instanceof Failure)) {
    tell({ is: "well" });
    return answer;
  }
  if (answer.status === 401) tell({ is: "ended", why: answer.message });
  if (answer.isSilence || answer.status === 429 || answer.status === 503) tell({ is: "waiting", why: reason(answer, false) });
  throw answer;
}

/**
 * Reads JSON; a number that JavaScript would change stays as it was written.
 *
 * @param {string} text
 * @param {boolean} [isExact]
 * @returns {any} undefined where it is none
 */
export function read(text, isExact = IS_EXACT) {
  try {
    if (!isExact) return JSON.parse(text);
    const { rawJSON } = /** @type {any} */ (JSON);
    /** @type {any} */
    const exact = (/** @type {string} */ _, /** @type {any} */ value, /** @type {{source?: string}} */ at) =>
      typeof value === "number" && at.source !== undefined && String(value) !== at.source ? rawJSON(at.source) : value;
    return JSON.parse(text, exact);
  } catch {
    return undefined;
  }
}

/** @param {Failure} failure @param {boolean} again */
function reason(failure, again) {
  const what = failure.isSilence ? "The server does not answer" : failure.message;
  return again ? `${what}. Trying again …` : `${what}.`;
}

/** @param {number} ms @param {AbortSignal | null | undefined} signal */
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("given up", "AbortError"));
    });
  });
}
