"use strict";
// The page can be read without this: it opens the images of a cell, filters tables and switches light and dark.
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-opens]");
    if (!link) return;
    const box = document.getElementById(link.dataset.opens);
    if (!box) return;
    event.preventDefault();
    const details = box.closest("details");
    for (let around = details; around; around = around.parentElement.closest("details")) around.open = true;
    details.scrollIntoView({ block: "start" });
    details.querySelector("summary").focus({ preventScroll: true });
  });
  for (const input of document.querySelectorAll("input[data-filters]")) {
    const table = document.getElementById(input.dataset.filters);
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      for (const item of table.querySelectorAll("[data-filtered]"))
        item.hidden = !item.textContent.toLowerCase().includes(wanted);
    });
  }
  const button = document.getElementById("theme");
  if (button)
    button.addEventListener("click", () => {
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
    });
  addEventListener("beforeprint", () => {
    for (const box of document.querySelectorAll("details.printed")) box.open = true;
  });
})();
