/* The review pages' own script. Every decision works without it. It moves the keyboard's focus, keeps typed text in the page
   when a post fails, and says when the page no longer renews itself. No key decides anything. */
"use strict";

const KEYS_OFF = "writeback-review-keys-off";
const IN_FIELD = "input:not([type=checkbox]):not([type=radio]), select, textarea, [contenteditable]";

/* -- keys: they rest in fields, with modifiers, and when they are turned off */

function rows() { return [...document.querySelectorAll("a.case")]; }

function currentRow() { return document.activeElement?.closest("tr[data-case]") ?? null; }

function move(step) {
  const links = rows();
  const at = links.indexOf(currentRow()?.querySelector("a.case"));
  const next = at < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(Math.max(at + step, 0), links.length - 1);
  links[next]?.focus();
}

const keys = {
  j: () => move(1),
  k: () => move(-1),
  o: () => currentRow()?.querySelector("a.case")?.click(),
  c: () => (currentRow() ?? (rows().length ? null : document))?.querySelector("button.claim")?.click(),
  "?": () => { const sheet = document.querySelector("details.keys"); if (sheet) { sheet.open = !sheet.open; sheet.firstElementChild.focus(); } },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.target.closest?.(IN_FIELD)) return;
  if (localStorage.getItem(KEYS_OFF) || !Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key]();
});

document.addEventListener("DOMContentLoaded", () => {
  const off = document.getElementById("keys-off");
  if (!off) return;
  off.checked = Boolean(localStorage.getItem(KEYS_OFF));
  off.addEventListener("change", () => off.checked ? localStorage.setItem(KEYS_OFF, "1") : localStorage.removeItem(KEYS_OFF));
});

/* -- posts that fail leave the page as it is, with all that was typed */

function tell(words) {
  const place = document.getElementById("trouble");
  place.replaceChildren();
  const said = document.createElement("p");
  said.className = "notice bad";
  said.textContent = words;
  place.append(said);
  place.scrollIntoView({ block: "nearest" });
}

/* Shows the same case again as the server answered, with the reader's place at what went wrong. */
function showAgain(text) {
  const answered = new DOMParser().parseFromString(text, "text/html").getElementById("main");
  document.getElementById("main").replaceWith(document.adoptNode(answered));
  window.htmx?.process(answered);
  (document.getElementById("error") ?? answered).focus();
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("form[data-careful]")) return;
  event.preventDefault();
  if (form.dataset.sending) return;
  form.dataset.sending = "yes";
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      body: new URLSearchParams(new FormData(form, event.submitter)),
    });
    const isOurs = new URL(answer.url).pathname.match(/^\/review\/(cases|commands)\//);
    if (answer.ok && answer.redirected && isOurs) return location.assign(answer.url);
    if (answer.status === 401 || !isOurs) return tell("You are not logged in any more, so nothing was changed. What you typed is still here: log in in another tab, then send it again.");
    if ([403, 409, 422].includes(answer.status)) return showAgain(await answer.text());
    tell("Nothing came of it; the service said that it cannot take it now. What you typed is still here: send it again in a moment.");
  } catch {
    tell("The service cannot be reached, so it is not known whether this was taken. What you typed is still here: look at the case in another tab before you send it again.");
  } finally {
    delete form.dataset.sending;
  }
});

/* -- Enter in a field is no decision: it would press a button that nobody aimed at */

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches?.("form[data-deliberate] input")) event.preventDefault();
});

/* -- typing another value chooses it, as its reader expects; nothing else is ever chosen for anybody */

document.addEventListener("input", (event) => {
  const radio = event.target.closest?.(".another")?.querySelector("input[type=radio]");
  if (radio && event.target !== radio) radio.checked = event.target.value !== "" || radio.checked;
});

/* -- a part that no longer renews itself says so, once */

for (const kind of ["htmx:error", "htmx:response:error"]) {
  document.addEventListener(kind, (event) => {
    const part = event.target.closest?.("#standing, .news");
    if (!part || part.dataset.stopped) return;
    part.dataset.stopped = "yes";
    const said = document.createElement("p");
    said.className = "stopped";
    said.textContent = "This no longer renews itself: load the page again.";
    part.append(said);
  });
}
