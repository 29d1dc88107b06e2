// Before anything is drawn: the theme that was chosen. A script of its own, since one that
// waits for the page would show the other theme for a moment.
try {
  const chosen = localStorage.getItem("theme");
  if (chosen) document.documentElement.dataset["theme"] = chosen;
} catch {
  // A browser that keeps nothing shows what the system has.
}
