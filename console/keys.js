import { h } from "./dom.js";
export function open() { return { main: h("section.page", null, h("h1", null, "keys")), update() {}, close() {} }; }
