// Keys. Rows are real links, so everything here can be done by Tab and Enter too.
const ROW = "#flow li > a.m, .scenarios li > a";
const one = (selector) => document.querySelector(selector);
const rows = () => [...document.querySelectorAll(ROW)];
const leg = (row) => row.className.match(/leg\d+/)[0];

// The row in use: the focused one, the open one, or the one that the address names. The list is one tab stop.
const current = () => document.activeElement.closest(ROW) ?? one("#flow :is(.pick, :target > a.m)");
const rove = () => {
  const all = rows();
  const stop = current() ?? all[0];
  for (const row of all) row.tabIndex = row === stop ? 0 : -1;
};

const move = (step, wanted = () => true) => {
  const all = rows();
  const from = current();
  let at = from ? all.indexOf(from) + step : step > 0 ? 0 : all.length - 1;
  while (all[at] && !wanted(all[at], from)) at += step;
  all[at]?.focus();
};
const to = (step, kind) => move(step, (row) => row.classList.contains(kind));
const sameLeg = (row, from) => !from || leg(row) === leg(from);
const pair = (step, kind) => move(step, (row, from) => from && row.dataset.tx === from.dataset.tx && row.classList.contains(kind));

// Transaction: its rows are marked, the arrows of the others fade.
const transaction = () => {
  const row = current();
  const ladder = row?.closest(".ladder");
  if (!ladder) return;
  const faded = ladder.classList.toggle("faded", !row.matches(".faded .tx"));
  for (const other of rows()) other.classList.toggle("tx", faded && "tx" in row.dataset && other.dataset.tx === row.dataset.tx);
};

const say = (text) => {
  const box = one("#said");
  box.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => (box.textContent = ""), 3000);
};

const copy = async (text, name) => {
  try {
    await navigator.clipboard.writeText(await text);
    say(`${name} copied`);
  } catch {
    say(`The browser does not let this page copy: ${(await text).slice(0, 200)}`);
  }
};

const keys = {
  j: () => move(1),
  k: () => move(-1),
  J: () => move(1, sameLeg),
  K: () => move(-1, sameLeg),
  u: () => pair(-1, "req"),
  i: () => pair(1, "resp"),
  p: () => to(1, "wrong"),
  P: () => to(-1, "wrong"),
  n: () => to(1, "hit"),
  N: () => to(-1, "hit"),
  t: transaction,
  y: () => copy((current() ?? location).href, "Link"),
  "/": () => (one(".find input") ?? one("#box, #q"))?.focus(),
};
keys["!"] = keys.p;

// Keys of a link or button: it says so. Shift and a digit add a leg, whatever that key writes, unless all legs are shown.
const pressed = ({ key, shiftKey, code }) => {
  const link = (name) => one(`[data-key="${CSS.escape(name)}"]`);
  return (shiftKey && /^Digit[1-9]$/.test(code) && link(`+${code[5]}`)) || link(key);
};

const press = (link) => {
  // Reading goes on where one was.
  if (link.href && !link.hash && one(":target")) link.hash = location.hash;
  link.click();
};

const typing = (node) => node.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]");

addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
  if (one(":popover-open") ? key !== "?" : key !== "Escape" && (typing(target) || document.documentElement.dataset.keys === "off")) return;
  const link = pressed(event);
  if (key === "Escape" && typing(target)) target.blur();
  // A key held down must not act again on the page it led to: there its link may lead back.
  else if (link && !event.repeat) press(link);
  else if (keys[key]) keys[key]();
  else return;
  event.preventDefault();
});

addEventListener("click", (event) => {
  const chip = event.target.closest(".set .chip");
  const button = event.target.closest(".copy");
  if (chip && (event.ctrlKey || event.metaKey || event.shiftKey)) press(chip.nextElementSibling?.matches(".add") ? chip.nextElementSibling : chip);
  else if (button) {
    const { copy: text, from } = button.dataset;
    const name = button.title.replace("copy ", "");
    copy(from ? fetch(from).then((answer) => answer.text()) : (text ?? button.href ?? `${name}: ${button.closest("div").querySelector("dd").textContent}`), name);
  } else return;
  event.preventDefault();
});
for (const term of document.querySelectorAll(".pane dl:not(.sdp) dt")) {
  const name = term.textContent;
  term.append(Object.assign(document.createElement("button"), { className: "copy", title: `copy ${name}`, textContent: "copy" }));
}

addEventListener("focusin", (event) => event.target.matches(ROW) && rove());
for (const type of ["htmx:afterSwap", "siptrail:rows"]) addEventListener(type, rove);
rove();

// A first deep link lands some pixels off where rows below the fold have no size yet.
let name = location.hash.slice(1);
try {
  name = decodeURIComponent(name);
} catch {}
const named = () => document.getElementById(name);
addEventListener("load", () => named()?.scrollIntoView({ block: "nearest" }));
const astray = one("#astray");
if (astray && name && !named()) {
  astray.querySelector("b").textContent = name.slice(0, 80);
  astray.hidden = false;
}
