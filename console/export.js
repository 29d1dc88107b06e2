// The export: all contacts as a file; and how a file gets out of the page.
import { BOOK } from "./api.js";
import { h } from "./dom.js";
import { ask, button } from "./form.js";

/** A button that offers the export. */
export function exportButton() {
  return button("Export", async () => {
    const csv = new URL("addressbook/contacts/export?bom=true", BOOK).href;
    const link = h("a.button.wide", { href: csv, download: "contacts.csv" }, "CSV, which spreadsheets open");
    const said = h("p.said", { role: "alert" });
    const ndjson = button("NDJSON", async () => void (said.textContent = await download()), { class: "wide" });
    await ask({ title: "Export all contacts", text: [h("p.muted", null, "Aliases, numbers and metas, as they are now."), h("div.stack", null, link, ndjson), said], verb: "Close", danger: false, only: true });
  });
}

/** Asks for NDJSON, which a link cannot. @returns {Promise<string>} why there is none */
async function download() {
  try {
    const answer = await fetch(new URL("addressbook/contacts/export", BOOK), { headers: { Accept: "application/x-ndjson" } });
    if (!answer.ok) return `Nothing was exported: ${(await answer.json()).error.message}.`;
    saveFile(await answer.blob(), "contacts.ndjson");
    return "";
  } catch {
    return "The server does not answer, or not to the end. Nothing was exported.";
  }
}

/** Has the browser keep a file. @param {Blob} file @param {string} name */
export function saveFile(file, name) {
  const link = h("a", { href: URL.createObjectURL(file), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
}
