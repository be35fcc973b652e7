// The Workbench's only script. Every page works without it; it adds three comforts:
// mistakes shown while one types, a warning before unsaved edits are left, and "/" to jump to the search.
"use strict";
(() => {
  const WAIT_MS = 350;

  // -- validation as you type: the server judges (the same code that saves), the script only shows what it says
  const form = document.querySelector("form[data-check]");
  if (form) {
    const preview = document.querySelector("[data-preview]");
    let timer = 0, dirty = false, round = 0;

    const show = (errors) => {
      for (const slot of form.querySelectorAll("[data-mistake]")) {
        const name = slot.dataset.mistake, text = errors[name] || "";
        if (slot.textContent !== text) slot.textContent = text;
        const field = form.elements.namedItem(name);
        if (field instanceof Element) {
          if (text) field.setAttribute("aria-invalid", "true"); else field.removeAttribute("aria-invalid");
        }
      }
    };
    const check = async () => {
      const mine = ++round;
      const body = new URLSearchParams(new FormData(form));
      try {
        const answer = await fetch(form.dataset.check, {method: "POST", body, headers: {Accept: "application/json"}});
        if (!answer.ok || mine !== round) return;
        const said = await answer.json();
        show(said.errors);
        if (preview && said.preview) preview.innerHTML = said.preview;
      } catch { /* no answer: saving will say what is wrong */ }
    };
    form.addEventListener("input", () => {
      dirty = true;
      clearTimeout(timer);
      timer = setTimeout(check, WAIT_MS);
    });
    form.addEventListener("submit", () => { dirty = false; });
    window.addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });
  }

  // -- one press is one request: a form that is on its way is not sent twice
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "post" || event.defaultPrevented) return;
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    event.target.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    for (const sent of document.querySelectorAll("form[data-sent]")) delete sent.dataset.sent;
  });

  // -- keyboard: "/" goes to the search; filters apply at once
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest && event.target.closest("input, textarea, select");
    const search = document.getElementById("q");
    if (event.key === "/" && !typing && search && !event.ctrlKey && !event.metaKey) { event.preventDefault(); search.focus(); }
  });
  for (const box of document.querySelectorAll("form.search input[type=checkbox]")) {
    box.addEventListener("change", () => box.form.requestSubmit());
  }
})();
