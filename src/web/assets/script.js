// The page works without this. With it: commands are copied by a button, and what is new is shown when it is there.
"use strict";

const live = () => document.getElementById("live");

function prepare(root) {
  for (const button of root.querySelectorAll("button.copy")) button.hidden = !navigator.clipboard;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button || "label" in button.dataset) return;
  const code = button.parentElement.querySelector("code");
  // As long as the label is kept aside, the page stays: who pressed the button is told what came of it.
  button.dataset.label = button.textContent;
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = document.body.dataset.copied;
    await new Promise((done) => setTimeout(done, 2000));
  } catch {
    getSelection().selectAllChildren(code);
  }
  button.textContent = button.dataset.label;
  delete button.dataset.label;
  catchUp();
});

// Nobody's words are taken out of his hands: a form that is open, a selection, or a copy stays until he is done.
function busy() {
  const main = document.getElementById("main");
  const at = document.activeElement;
  return main.querySelector("details[open], button[data-label]") || !getSelection().isCollapsed
    || (main.contains(at) && at.matches("input, select, textarea"));
}

let missed = false;

async function refresh() {
  if (busy() || document.hidden) { missed = true; return; }
  missed = false;
  const answer = await fetch(location.pathname + location.search, { headers: { accept: "text/html" } });
  if (answer.redirected) { location.reload(); return; }
  if (!answer.ok) { missed = true; if (live()) live().hidden = true; return; }
  if (busy()) { missed = true; return; }
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [old, next] = [document.getElementById("main"), fresh.getElementById("main")];
  if (!next) return;
  const links = [...old.querySelectorAll("a, button, summary, pre")];
  const at = links.indexOf(document.activeElement);
  old.replaceChildren(...next.childNodes);
  for (const said of old.querySelectorAll(".done")) said.remove();
  document.title = fresh.title;
  document.querySelector(".brand").className = fresh.querySelector(".brand").className;
  prepare(old);
  if (live()) live().hidden = false;
  // The place of the keyboard is kept.
  if (at >= 0) [...old.querySelectorAll("a, button, summary, pre")][at]?.focus({ preventScroll: true });
}

function catchUp() {
  if (missed) setTimeout(() => refresh().catch(() => {}), 50);
}

prepare(document);
if (live()) {
  const stream = new EventSource("/events");
  stream.addEventListener("open", () => { if (live()) live().hidden = false; });
  stream.addEventListener("error", () => { if (live()) live().hidden = true; });
  stream.addEventListener("change", () => refresh().catch(() => { missed = true; }));
  // What the spans say grows old.
  setInterval(() => refresh().catch(() => {}), 60000);
  for (const name of ["visibilitychange", "focusout"]) document.addEventListener(name, catchUp);
}
