#!/usr/bin/env node
// Creates a contact, repeats that safely, imports a file, and resolves recipients.
// Needs Node.js 18 and nothing else.

import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

const beside = (name) => new URL(name, import.meta.url);
const book = process.env.ADDRESSBOOK_URL ?? "http://127.0.0.1:8080";
const keyFile = process.env.ADDRESSBOOK_KEY_FILE ?? beside("../data/initial-api-key");
const key = (await readFile(keyFile, "utf8")).trim();

const attempts = 5;
const answerMs = 30_000;
// Too fast, and busy: both say when to try again.
const tryAgain = [429, 503];

/** Sends a POST that may be sent twice, until it is answered; returns the answer's text. */
async function call(path, body, headers) {
  for (let attempt = 1; ; attempt += 1) {
    let pause = 2 ** (attempt - 1);
    try {
      const answer = await fetch(book + path, {
        method: "POST",
        headers: { Authorization: `Bearer ${key}`, ...headers },
        body,
        signal: AbortSignal.timeout(answerMs),
      });
      const text = await answer.text();
      if (answer.ok) return text;
      if (!tryAgain.includes(answer.status) || attempt === attempts) {
        throw new Refused(JSON.parse(text).error.message);
      }
      pause = Number(answer.headers.get("Retry-After") ?? pause);
    } catch (error) {
      // Anything else: nobody answered, or the answer was lost.
      if (error instanceof Refused || attempt === attempts) throw error;
    }
    await sleep(pause * 1000);
  }
}

/** The server's answer to a request that it did not do. */
class Refused extends Error {}

/** The same with a body of JSON. */
const callJson = (path, fields, headers) =>
  call(path, JSON.stringify(fields), { "Content-Type": "application/json", ...headers });

/** Creates John, once: the name is chosen once and kept for the repetitions. */
const create = () =>
  callJson(
    "/addressbook/contacts",
    { alias: "john", msisdn: "4479000000001", meta: { NAME: "John", CITY: "London" } },
    { "Idempotency-Key": "signup-4711" },
  );

async function main() {
  const created = await create();
  console.log(`created ${JSON.parse(created).record.alias}`);

  // As after an answer that was lost: it happens once, and the answer is the same.
  if ((await create()) !== created) throw new Error("another answer");
  console.log("repeated: the same answer");

  // Good rows are stored, bad ones are told. An upsert may be sent again.
  const file = await readFile(beside("contacts.csv"));
  const { summary, errors } = JSON.parse(
    await call("/addressbook/contacts/import?mode=upsert", file, { "Content-Type": "text/csv" }),
  );
  console.log(`imported ${summary.total - summary.failed} of ${summary.total}`);
  for (const { line, field, message } of errors) {
    console.log(`line ${line}: ${field ?? "row"}: ${message}`);
  }

  // The finished text for each recipient, and why the others get none.
  const { recipients, results } = JSON.parse(
    await callJson("/addressbook/contacts/resolve", {
      recipients: ["john", "jane", "joe"],
      text: "Hello {{NAME}}, how is the weather in {{CITY}}?",
    }),
  );
  for (const { msisdn, text } of recipients) console.log(`to ${msisdn}: ${text}`);
  for (const { recipient, status } of results) {
    if (status !== "ok") console.log(`${recipient}: ${status}`);
  }
}

try {
  await main();
} catch (error) {
  console.error(`failed: ${error.cause?.message ?? error.message}`);
  process.exitCode = 1;
}
