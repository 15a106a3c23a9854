// Keys. Rows are real links, so everything here can be done by Tab and Enter too.
const rows = () => [...document.querySelectorAll("#flow ol > li[id] > a.m, ol.scenarios > li > a")];
const isRow = (node) => node?.matches?.("#flow ol > li > a.m, ol.scenarios > li > a");
const leg = (row) => [...row.classList].find((name) => /^leg\d+$/.test(name));
const off = document.documentElement.dataset.keys === "off";

// The row in use: the focused one, the open one, or the first. The list is one tab stop.
const current = () => (isRow(document.activeElement) ? document.activeElement : document.querySelector("#flow a.m.pick"));
const mark = (row) => {
  for (const other of document.querySelectorAll('#flow a.m[tabindex="0"], ol.scenarios a[tabindex="0"]')) other.tabIndex = -1;
  if (row) row.tabIndex = 0;
};
const rove = () => {
  const all = rows();
  if (!all.length) return;
  for (const row of all) row.tabIndex = -1;
  mark(current() ?? all[0]);
};

const move = (step, wanted = () => true) => {
  const all = rows();
  const from = current();
  let at = from ? all.indexOf(from) + step : step > 0 ? 0 : all.length - 1;
  while (all[at] && !wanted(all[at])) at += step;
  all[at]?.focus();
};

// Transaction: its rows are marked, the arrows of the others fade.
const transaction = () => {
  const row = current();
  const ladder = row?.closest(".ladder");
  if (!ladder) return;
  const was = row.classList.contains("tx") && ladder.classList.contains("faded");
  for (const other of ladder.querySelectorAll("a.m.tx")) other.classList.remove("tx");
  ladder.classList.toggle("faded", !was);
  if (was || row.dataset.tx === undefined) return;
  for (const other of ladder.querySelectorAll(`a.m[data-tx="${CSS.escape(row.dataset.tx)}"]`)) other.classList.add("tx");
};

// Of the pair: the row of the same transaction, backward for its request, forward for its answer.
const pair = (step, kind) => {
  const tx = current()?.dataset.tx;
  if (tx !== undefined) move(step, (row) => row.dataset.tx === tx && row.classList.contains(kind));
};

const say = (text) => {
  let box = document.getElementById("said");
  if (!box) {
    box = document.createElement("p");
    box.id = "said";
    box.setAttribute("role", "status");
    document.body.append(box);
  }
  box.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => (box.textContent = ""), 3000);
};

const copy = async () => {
  const row = current();
  const url = new URL(row ? row.href : location.href);
  try {
    await navigator.clipboard.writeText(url.href);
    say("Link copied");
  } catch {
    say(`The browser does not let this page copy: ${url.href}`);
  }
};

const follow = (link) => {
  if (!link) return false;
  const url = new URL(link.href);
  if (!url.hash && location.hash) url.hash = location.hash;
  location.assign(url);
  return true;
};

const keys = {
  j: () => move(1),
  k: () => move(-1),
  J: () => move(1, (row, at = current()) => !at || leg(row) === leg(at)),
  K: () => move(-1, (row, at = current()) => !at || leg(row) === leg(at)),
  u: () => pair(-1, "req"),
  i: () => pair(1, "resp"),
  "!": () => move(1, (row) => row.classList.contains("wrong")),
  t: transaction,
  y: copy,
  L: () => document.dispatchEvent(new Event("siptrail:live")),
  "/": () => [".find input", "#box", "#q"].map((box) => document.querySelector(box)).find(Boolean)?.focus(),
  "?": () => document.querySelector("#legend, #keys")?.scrollIntoView(),
};

// Keys that lead somewhere: their link says so, or stands where it is known.
const linked = (key) =>
  document.querySelector(`[data-key="${CSS.escape(key)}"]`) ??
  (key === "Escape" ? document.querySelector(".pane .nav a:last-child") : null) ??
  (key === "0" ? document.querySelector('.tools [role="status"] a') : null) ??
  (/^[1-9]$/.test(key) ? document.querySelectorAll('[aria-label="Legs"] a')[key - 1] : null);

const typing = (node) => node?.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]");

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
  if (event.key === "Escape") {
    if (typing(event.target)) event.target.blur();
    else follow(linked("Escape"));
    return;
  }
  if (off || typing(event.target)) return;
  const link = linked(event.key);
  if (keys[event.key]) keys[event.key]();
  // A key held down must not act again on the page it led to: there its link may lead back.
  else if (event.repeat || !(event.key.length === 1 && follow(link))) return;
  event.preventDefault();
});

document.addEventListener("focusin", (event) => isRow(event.target) && mark(event.target));
document.addEventListener("htmx:afterSwap", rove);
rove();

// A first deep link lands some pixels off where rows below the fold have no size yet.
if (location.hash.length > 1) {
  addEventListener("load", () => document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView({ block: "nearest" }));
}
