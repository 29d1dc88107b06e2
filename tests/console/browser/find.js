// Finds an element by its kind and its words, as a person would: only what is seen, and
// only in the dialog that lies on top, where there is one.
const [kind, words] = arguments;
const top = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document;
const said = (element) => element.textContent.trim().replace(/\s+/g, " ");
const isCalled = (text) => text === words || text.startsWith(`${words} `);
const all = (selector) => [...top.querySelectorAll(selector)];
const seen = (selector) => all(selector).filter((element) => element.checkVisibility());
const field = () => {
  const labels = seen("label").filter((label) => isCalled(said(label)));
  return labels.find((label) => label.control)?.control ?? seen("[aria-label]").find((element) => isCalled(element.getAttribute("aria-label")));
};
switch (kind) {
  case "button": {
    const named = seen("button, a[href], [role=button], summary");
    return named.find((element) => said(element) === words) ?? named.find((element) => isCalled(said(element)) || element.getAttribute("aria-label") === words);
  }
  case "field":
    return field();
  case "error": {
    const described = field()?.getAttribute("aria-describedby")?.split(" ") ?? [];
    return described.map((id) => document.getElementById(id)).find((element) => element?.matches(".error") && element.checkVisibility());
  }
  case "css":
    return seen(words)[0];
  case "hidden":
    return all(words)[0];
}
