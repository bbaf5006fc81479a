// The page works without this. With it: commands are copied by a button, and what is new is shown when it is there.
"use strict";

const live = () => document.getElementById("live");

function prepare(root) {
  for (const button of root.querySelectorAll("button.copy")) button.hidden = !navigator.clipboard;
}

document.addEventListener("click", (event) => {
  if (event.target.closest("main button, main summary")) over = true;
});

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

let pressed = false;
document.addEventListener("pointerdown", (event) => { pressed = event.button === 0; });
for (const name of ["pointerup", "pointercancel", "contextmenu"]) document.addEventListener(name, () => { pressed = false; catchUp(); });

// Nobody's words are taken out of his hands: a form that is open, a selection, a copy, or what is being pressed stays until he is
// done.
function busy() {
  const main = document.getElementById("main");
  const at = document.activeElement;
  return pressed || main.querySelector("details[open], button[data-label]") || !getSelection().isCollapsed
    || (main.contains(at) && at.matches("input, select, textarea"));
}

let missed = false;
// The newest question; an answer to an earlier one is old.
let asked = 0;
// Something else was begun: what was done before needs no more saying.
let over = false;

const section = (it) => it.closest("section")?.getAttribute("aria-labelledby");
const stops = (root) => [...root.querySelectorAll("a, button, summary")];
// What a stop of the keyboard is about, wherever it is after a renewal.
const about = (it) => [section(it), it.localName, it.getAttribute("href") ?? it.closest("li[id]")?.id ?? it.parentElement.textContent].join(" ");
const forms = (root) => new Map([...root.querySelectorAll("form")].map((form) => [section(form) + form.getAttribute("action"), form]));

// What is shown becomes what is in `next`. What was said, and still is, stays where it is: nobody misses it, nobody hears it twice.
// What was written into a form that was folded up again is still in it.
function renew(old, next) {
  const written = forms(old);
  for (const [name, form] of forms(next)) {
    for (const field of written.get(name)?.querySelectorAll("select, input:not([type=hidden])") ?? []) form.elements[field.name].value = field.value;
  }
  const said = [...old.querySelectorAll(":scope > [role=status]")];
  for (const node of [...old.childNodes]) if (!said.includes(node)) node.remove();
  let place = old.firstChild;
  for (const node of [...next.childNodes]) {
    const at = said.findIndex((one) => one.isEqualNode(node));
    if (at < 0) old.insertBefore(node, place);
    else place = said.splice(at, 1)[0].nextSibling;
  }
  for (const node of said) node.remove();
}

const refresh = () => look().catch(() => { missed = true; });

async function look() {
  if (busy() || document.hidden) { missed = true; return; }
  missed = false;
  const mine = ++asked;
  const answer = await fetch(location.pathname + location.search, { headers: { accept: "text/html" } });
  const text = await answer.text();
  if (mine !== asked) return;
  if (answer.redirected) { location.reload(); return; }
  if (!answer.ok) { missed = true; if (live()) live().hidden = true; return; }
  if (busy()) { missed = true; return; }
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const [old, next] = [document.getElementById("main"), fresh.getElementById("main")];
  if (!next) return;
  const before = stops(old);
  const at = before.indexOf(document.activeElement);
  const name = at >= 0 && about(before[at]);
  const place = before.filter((one) => about(one) === name).indexOf(before[at]);
  if (over) next.querySelector(".done")?.remove();
  renew(old, next);
  document.title = fresh.title;
  document.querySelector(".brand").className = fresh.querySelector(".brand").className;
  prepare(old);
  if (live()) live().hidden = false;
  // The place of the keyboard is kept.
  if (at < 0) return;
  const after = stops(old);
  const same = after.filter((one) => about(one) === name);
  (same[place] ?? same.at(-1) ?? after[at])?.focus({ preventScroll: true });
}

function catchUp() {
  if (missed) setTimeout(refresh, 50);
}

prepare(document);
if (live()) {
  const stream = new EventSource("/events");
  stream.addEventListener("open", () => { if (live()) live().hidden = false; catchUp(); });
  stream.addEventListener("error", () => { missed = true; if (live()) live().hidden = true; });
  stream.addEventListener("change", refresh);
  // What the spans say grows old.
  setInterval(refresh, 60000);
  for (const name of ["visibilitychange", "focusout", "keyup"]) document.addEventListener(name, catchUp);
}
