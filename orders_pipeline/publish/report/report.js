"use strict";
// The language of the page, the orders behind a cell of the heat map, and no halt of the Tab key at tables that need no scrolling.
// All of it is readable without.
(() => {
  const root = document.documentElement;
  const titles = document.querySelector("title").dataset;
  const switches = document.querySelectorAll("[data-language]");
  const speak = (language) => {
    root.lang = language;
    document.title = titles[language];
    switches.forEach((b) => b.setAttribute("aria-pressed", String(b.dataset.language === language)));
  };
  switches.forEach((b) => b.addEventListener("click", () => speak(b.dataset.language)));

  const wide = new ResizeObserver((seen) => seen.forEach(({ target }) => {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0; else target.removeAttribute("tabindex");
  }));
  document.querySelectorAll(".wide").forEach((w) => wide.observe(w));
  // Of the hours those of now are what one looks for.
  document.querySelectorAll(".heat").forEach((h) => { h.parentElement.scrollLeft = h.parentElement.scrollWidth; });

  const cells = document.querySelectorAll("#heat button");
  const behind = document.getElementById("behind-cell");
  if (!behind || !cells.length) return;
  const rows = behind.querySelectorAll("tbody tr");
  const told = document.getElementById("told");
  const every = document.getElementById("every");
  const press = (cell) => cells.forEach((c) => c.setAttribute("aria-pressed", String(c === cell)));
  const fill = (name, nodes) => told.querySelector(`[data-fill=${name}]`).replaceChildren(...nodes);
  cells.forEach((cell) => cell.addEventListener("click", () => {
    let listed = 0;
    rows.forEach((row) => {
      row.hidden = !(row.dataset.stage === cell.dataset.stage && row.dataset.entered <= cell.dataset.until);
      if (!row.hidden) listed += 1;
    });
    const name = cell.closest("tr").querySelector("th");
    fill("stage", [...name.cloneNode(true).childNodes]);
    fill("hour", [cell.dataset.hour]);
    fill("orders", [cell.dataset.orders]);
    fill("overdue", [cell.dataset.overdue]);
    fill("listed", [String(listed)]);
    told.hidden = every.hidden = false;
    behind.open = true;
    press(cell);
    behind.scrollIntoView({ block: "nearest" });
  }));
  every.addEventListener("click", () => {
    rows.forEach((row) => { row.hidden = false; });
    told.hidden = every.hidden = true;
    press(null);
    behind.querySelector("summary").focus();
  });
})();
