"""The script of the page of contact sheets (`index.build.sheets_page`)."""

from __future__ import annotations

from typing import Final

# A file on a disk may be opened by any browser of the last years, so the script keeps to what all of them know.
SCRIPT: Final = r"""
"use strict";
const facts = JSON.parse(document.getElementById("facts").textContent);
const place = "Pose Mirror, struck out: " + location.pathname;
const [tiles, count, select, note] = ["tiles", "count", "sheet", "note"].map(id => document.getElementById(id));
const sheets = new Map();
let struck = new Map(), current = 1, focusNext = null;

function load() {
  let saved = {};
  try { saved = JSON.parse(localStorage.getItem(place)) || {}; } catch (error) { /* nothing is kept */ }
  const known = new Set();
  for (let i = 0; i < facts.known.length; i += facts.digits) known.add(facts.known.slice(i, i + facts.digits));
  struck = new Map(Object.entries(saved).filter(([name, row]) =>
    Array.isArray(row) && row[0] === name && /^[0-9a-f]{64}\.jpg$/.test(name) &&
    known.has(name.slice(0, facts.digits))));
}
function save() {
  try {
    localStorage.setItem(place, JSON.stringify(Object.fromEntries(struck)));
    note.hidden = true;
  } catch (error) {
    note.textContent = "This browser forgets what you struck out when you close the page: save the list before.";
    note.hidden = false;
  }
}
function element(kind, name, text) {
  const made = document.createElement(kind);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}
function cross() {
  const lines = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  lines.setAttribute("viewBox", "0 0 100 100");
  lines.setAttribute("preserveAspectRatio", "none");
  lines.setAttribute("aria-hidden", "true");
  for (const d of ["M4 7C30 30 66 64 97 94", "M95 5C71 35 34 66 5 96"]) {
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("d", d);
    lines.append(line);
  }
  return lines;
}
function tile(row) {
  const [name, number, title, author, licence, hasThumbnail] = row;
  const button = element("button");
  button.type = "button";
  button.tabIndex = -1;
  button.row = row;
  const frame = element("span", "frame");
  if (hasThumbnail) {
    const image = element("img");
    image.alt = "";
    image.loading = "lazy";
    image.decoding = "async";
    image.src = "thumbnails/" + name.slice(0, 2) + "/" + name;
    frame.append(image);
  } else {
    frame.append(element("span", "", "cannot be read"));
  }
  frame.append(cross());
  const line = element("span", "title");
  line.append(element("b", "", number), element("bdi", "", title || "untitled"));
  const more = element("span", "more");
  const parts = [author, licence].filter(Boolean);
  parts.forEach((part, i) => more.append(i ? ", " : "", element("bdi", "", part)));
  button.append(frame, line, more);
  button.title = [title || "untitled", ...parts].join(", ");
  button.setAttribute("aria-label", "Strike out " + number + ", " + button.title);
  show(button);
  const item = element("li");
  item.append(button);
  return item;
}
function show(button) { button.setAttribute("aria-pressed", struck.has(button.row[0])); }
function toggle(button) {
  const name = button.row[0];
  if (!struck.delete(name)) struck.set(name, button.row);
  show(button);
  save();
  update();
}
function update() {
  const n = struck.size;
  count.replaceChildren();
  const what = n === 1 ? " picture struck out" : " pictures struck out";
  if (n) count.append(element("b", "", n.toLocaleString("en")), what);
  else count.append("Click on a picture that the mirror should not show.");
  for (const id of ["save", "copy"]) document.getElementById(id).disabled = !n;
  document.getElementById("run").hidden = !n;
  const view = document.getElementById("struck");
  view.textContent = current === "struck" ? "← Back to the sheets" : "Show what is struck out";
  view.hidden = current !== "struck" && !n;
}
function fill(rows) {
  tiles.replaceChildren(...rows.map(tile));
  const buttons = tiles.querySelectorAll("button");
  const start = focusNext === "last" ? buttons[buttons.length - 1] : buttons[0];
  if (start) {
    start.tabIndex = 0;
    if (focusNext) start.focus();
  }
  focusNext = null;
}
function turn() {
  const wanted = location.hash.slice(1);
  current = wanted === "struck" ? wanted : Math.min(Math.max(parseInt(wanted, 10) || 1, 1), facts.ranges.length);
  document.getElementById("previous").disabled = current === 1;
  document.getElementById("next").disabled = current === facts.ranges.length;
  for (const id of ["previous", "sheet", "next"]) document.getElementById(id).hidden = current === "struck";
  document.getElementById("none").hidden = current !== "struck" || struck.size > 0;
  document.getElementById("back").hidden = current !== "struck" || !struck.size;
  if (current !== "struck") select.value = String(current);
  update();
  scrollTo(0, 0);
  if (current === "struck") fill([...struck.values()].sort((one, other) => one[1] - other[1]));
  else if (sheets.has(current)) fill(sheets.get(current));
  else fetchSheet(current);
}
function fetchSheet(number) {
  tiles.replaceChildren();
  const script = document.createElement("script");
  script.src = "sheets/" + String(number).padStart(4, "0") + ".js";
  script.onerror = () => {
    note.textContent = "Sheet " + number + " cannot be read. Write the sheets again: " + facts.again;
    note.hidden = false;
  };
  document.head.append(script);
}
window.sheet = (number, rows) => {
  sheets.set(number, rows);
  if (number === current) fill(rows);
};
function list() {
  const rows = [...struck.values()].sort((one, other) => one[1] - other[1]);
  const lines = ["# Struck out: " + rows.length + " of " + facts.library + ". To take them down for good:",
    "# " + facts.command];
  for (const [name, number, title, author] of rows) {
    const credit = [number, title || "untitled", author].filter(part => part !== "").join(", ");
    // a line that a title began would name another picture
    lines.push("", "# " + credit.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " "), name);
  }
  return lines.join("\n") + "\n";
}
function saveList() {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([list()], {type: "text/plain"}));
  link.download = "struck.txt";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
async function copy(text, button) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch (error) {
    const area = element("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 2000);
}
function move(button, key) {
  const buttons = [...tiles.querySelectorAll("button")], at = buttons.indexOf(button);
  const top = buttons[0].offsetTop;
  let columns = buttons.findIndex(other => other.offsetTop !== top);
  if (columns < 1) columns = buttons.length;
  const step = getComputedStyle(tiles).direction === "rtl" ? -1 : 1;
  const goals = {ArrowRight: at + step, ArrowLeft: at - step, ArrowDown: at + columns, ArrowUp: at - columns,
    Home: 0, End: buttons.length - 1};
  const isAbove = Math.floor(at / columns) < Math.floor((buttons.length - 1) / columns);
  const goal = key === "ArrowDown" && isAbove ? Math.min(goals[key], buttons.length - 1) : goals[key];
  if (buttons[goal]) {
    button.tabIndex = -1;
    buttons[goal].tabIndex = 0;
    buttons[goal].focus();
  } else if (current !== "struck") {
    const other = current + (goal < 0 ? -1 : 1);
    if (other >= 1 && other <= facts.ranges.length) {
      focusNext = goal < 0 ? "last" : "first";
      location.hash = other;
    }
  }
}
tiles.addEventListener("click", event => {
  const button = event.target.closest("button");
  if (!button) return;
  for (const other of tiles.querySelectorAll("[tabindex='0']")) other.tabIndex = -1;
  button.tabIndex = 0;
  toggle(button);
});
tiles.addEventListener("keydown", event => {
  const keys = ["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp", "Home", "End"];
  if (!keys.includes(event.key) || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  move(event.target.closest("button"), event.key);
});
document.getElementById("previous").onclick = () => { location.hash = current - 1; };
document.getElementById("next").onclick = () => { location.hash = current + 1; };
document.getElementById("struck").onclick = () => {
  location.hash = current === "struck" ? select.value : "struck";
};
document.getElementById("save").onclick = saveList;
document.getElementById("copy").onclick = event => copy(list(), event.currentTarget);
document.getElementById("copy-command").onclick = event => copy(facts.command, event.currentTarget);
document.getElementById("back").onclick = () => {
  if (!confirm("Take back all that is struck out?")) return;
  struck.clear();
  save();
  turn();
};
select.onchange = () => { location.hash = select.value; };
addEventListener("hashchange", turn);
addEventListener("storage", event => {
  if (event.key !== place) return;
  load();
  tiles.querySelectorAll("button").forEach(show);
  update();
});
facts.ranges.forEach(([first, last], i) => {
  select.append(new Option(`Sheet ${i + 1} of ${facts.ranges.length}: ${first} to ${last}`, i + 1));
});
load();
turn();
"""
