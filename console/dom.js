// Makes elements. Text is always text: nothing here, or anywhere else, parses HTML.

/** @typedef {Node | string | number | false | null | undefined} Child */

/**
 * Makes an element: `h("button.first", { type: "button", onclick }, "Save")`.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T | `${T}.${string}`} what a tag, with classes behind dots
 * @param {Record<string, any> | null} [properties] `on…` are listeners; true is an
 *     empty attribute, and what is false, null or undefined is none
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(what, properties, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = /** @type {HTMLElementTagNameMap[T]} */ (document.createElement(tag ?? "div"));
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(properties ?? {})) set(element, name, value);
  element.append(...nodes(children));
  return element;
}

/**
 * Sets a listener, a property that has no attribute, or an attribute.
 *
 * @param {Element} element
 * @param {string} name
 * @param {any} value
 */
export function set(element, name, value) {
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "value" || name === "checked") /** @type {any} */ (element)[name] = value;
  else if (value === false || value === null || value === undefined) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

/**
 * Puts children in the place of all that an element has.
 *
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
}

/**
 * A drawing of lines, which only ever says again what words beside it say.
 *
 * @param {number} width
 * @param {number} height
 * @param {...{ d: string, class?: string }} paths
 */
export function drawing(width, height, ...paths) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" })) svg.setAttribute(name, value);
  for (const path of paths) {
    const line = document.createElementNS(space, "path");
    for (const [name, value] of Object.entries(path)) line.setAttribute(name, value);
    svg.append(line);
  }
  return svg;
}

/** @param {(Child | Child[])[]} children */
function nodes(children) {
  return children.flat().filter((child) => child !== false && child !== null && child !== undefined).map((child) => (child instanceof Node ? child : String(child)));
}
