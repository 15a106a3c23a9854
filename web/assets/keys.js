// Keys. Rows are real links, so everything here can be done by Tab and Enter too.
const rows = () => [...document.querySelectorAll("#flow ol > li[id] > a.m, ol.scenarios > li > a")];
const isRow = (node) => node?.matches?.("#flow ol > li > a.m, ol.scenarios > li > a");
const leg = (row) => [...row.classList].find((name) => /^leg\d+$/.test(name));
const off = document.documentElement.dataset.keys === "off";

// The row in use: the focused one, the open one, the one that the address names, or the first. The list is one tab stop.
const current = () => (isRow(document.activeElement) ? document.activeElement : document.querySelector("#flow a.m.pick, #flow li:target > a.m"));
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

const copy = async (text, name) => {
  try {
    await navigator.clipboard.writeText(text);
    say(`${name} copied`);
  } catch {
    say(`The browser does not let this page copy: ${text.slice(0, 200)}`);
  }
};

const follow = (link) => {
  if (!link) return false;
  const url = new URL(link.href);
  if (!url.hash && document.querySelector(":target")) url.hash = location.hash;
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
  p: () => to(1, "wrong"),
  P: () => to(-1, "wrong"),
  "!": () => to(1, "wrong"),
  n: () => to(1, "hit"),
  N: () => to(-1, "hit"),
  t: transaction,
  y: () => copy((current() ?? location).href, "Link"),
  L: () => document.dispatchEvent(new Event("siptrail:live")),
  "/": () => [".find input", "#box", "#q"].map((box) => document.querySelector(box)).find(Boolean)?.focus(),
  "?": () => help?.togglePopover(),
};
const to = (step, kind) => move(step, (row) => row.classList.contains(kind));
const help = document.getElementById("help");

// Keys that lead somewhere: their link says so, or stands where it is known.
const linked = (key) =>
  document.querySelector(`[data-key="${CSS.escape(key)}"]`);

// Shift and a digit add a leg, whatever that key writes; where all legs are shown there is nothing to add to.
const added = ({ shiftKey, code }) => (shiftKey && /^Digit[1-9]$/.test(code) ? linked(`+${code[5]}`) : null);

const typing = (node) => node?.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]");

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
  if (help?.matches(":popover-open")) {
    if (event.key === "Escape" || event.key === "?") help.hidePopover();
    return;
  }
  if (event.key === "Escape") {
    if (typing(event.target)) event.target.blur();
    else follow(linked("Escape"));
    return;
  }
  if (off || typing(event.target)) return;
  const more = added(event);
  const link = more ?? linked(event.key);
  if (!more && keys[event.key]) keys[event.key]();
  // A key held down must not act again on the page it led to: there its link may lead back.
  else if (event.repeat || !(event.key.length === 1 && follow(link))) return;
  event.preventDefault();
});

document.addEventListener("click", (event) => {
  const chip = event.target.closest?.(".set .chip");
  if (chip && (event.ctrlKey || event.metaKey || event.shiftKey)) {
    event.preventDefault();
    follow(chip.nextElementSibling?.matches(".add") ? chip.nextElementSibling : chip);
  }
  const button = event.target.closest?.(".copy");
  if (!button) return;
  event.preventDefault();
  const { copy: text = button.href, from } = button.dataset;
  const name = button.title.replace("copy ", "");
  if (from) fetch(from).then((answer) => answer.text()).then((raw) => copy(raw, name));
  else copy(text ?? `${name}: ${button.closest("div").querySelector("dd").textContent}`, name);
});
for (const button of document.querySelectorAll("button.copy")) button.hidden = false;
for (const term of document.querySelectorAll(".pane dl:not(.sdp) dt")) {
  const button = document.createElement("button");
  button.className = "copy";
  button.title = `copy ${term.textContent}`;
  button.textContent = "copy";
  term.append(button);
}

document.addEventListener("focusin", (event) => isRow(event.target) && mark(event.target));
document.addEventListener("htmx:afterSwap", rove);
rove();

// A first deep link lands some pixels off where rows below the fold have no size yet.
if (location.hash.length > 1) {
  const name = decodeURIComponent(location.hash.slice(1));
  addEventListener("load", () => document.getElementById(name)?.scrollIntoView({ block: "nearest" }));
  const place = document.querySelector("#flow, .rows, .empty");
  if (place && !document.getElementById(name)) {
    const notice = document.createElement("p");
    notice.className = "notice";
    notice.textContent = `The row ${name.slice(0, 80)} is not on this page: a filter hides it, it is on another page, or it is no row of this call.`;
    place.before(notice);
  }
}
