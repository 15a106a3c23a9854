// Live rows of a scenario. Rows come drawn from the server; this puts them in their place, and never moves what is read.
const one = (selector) => document.querySelector(selector);
const flow = one("[data-live]");
const list = flow.querySelector("ol");
const bar = one(".livebar");
const button = bar.querySelector("button");
const MOST = 2000;

let source = null;
let version = flow.dataset.version;
let waiting = []; // rows that have come, and are not in their place yet
let around = null; // what stands around the rows, as it came last
let young = true; // no batch has come to its end yet
let hold = null; // null: decided by scrolling and the open detail; true, false: by the reader
let ended = false;
let state = "";
let fresh = 0;
let late = 0;
let heard = 0;
let hidden = 0;

const isMessage = (id) => /^m[0-9a-f]{16}-/.test(id);

const open = () => {
  if (source || ended) return;
  const url = new URL(flow.dataset.live, location.href);
  url.searchParams.set("since", version);
  source = new EventSource(url);
  source.addEventListener("beat", hear);
  for (const type of ["row", "gone", "keep", "seen"]) source.addEventListener(type, take);
  source.addEventListener("around", (event) => {
    // The page was drawn a moment ago with just that around its rows.
    if (young && !waiting.length) return;
    const { classes, html } = JSON.parse(event.data);
    around = { classes, page: new DOMParser().parseFromString(html, "text/html") };
    settle();
  });
  source.addEventListener("moved", move);
  source.addEventListener("reload", () => end("The picture has changed: reload"));
  source.addEventListener("refused", (event) => end(event.data));
  source.onopen = hear;
  source.onerror = () => {
    if (source?.readyState === EventSource.CLOSED) end("Live rows have stopped: reload");
    else tell("no answer of the server since");
  };
};

const hear = () => {
  heard = Date.now();
  if (source) tell("live since");
};

// A server that hangs closes nothing.
setInterval(() => source?.readyState === 1 && Date.now() - heard > 4e4 && tell("no answer of the server since"), 5e3);

const close = () => {
  source?.close();
  source = null;
};

const end = (text) => {
  ended = true;
  close();
  tell("not live since");
  show(text);
};

// Whether rows come, and since when, in the zone of the page.
const tell = (text) => {
  if (!state.startsWith(text)) state = `${text} ${new Date().toLocaleTimeString("en-GB", { timeZone: flow.dataset.zone })}`;
  const box = one(".live");
  box.textContent = state;
  box.classList.toggle("bad", !state.startsWith("live"));
};

const show = (text) => {
  bar.hidden = !text;
  button.textContent = text;
};

// The call has its scenario now: the same rows go on there, under its address.
const move = ({ data }) => {
  close();
  flow.dataset.live = data + "/live" + new URL(flow.dataset.live, location.href).search;
  history.replaceState(history.state, "", data + location.search + location.hash);
  version = "";
  waiting = [];
  open();
};

const take = ({ type, data, lastEventId }) => {
  hear();
  // No row was in view when the page was drawn, so there is no ladder to put one into.
  if (!list && type === "row") return end("There are rows now: reload");
  const change = { type, id: lastEventId, data: type === "row" ? JSON.parse(data) : data };
  if (type === "seen") young = false;
  if (type === "seen" && !waiting.length) version = lastEventId;
  else if (list && !(type === "row" && !waiting.length && stands(change.data))) waiting.push(change);
  if (waiting.length > MOST) end(`More than ${MOST} new rows: reload`);
  else settle();
};

// Scrolled away from the newest row, or a detail is open: what is read stays where it is.
const held = () => list && (hold ?? (one(".detail") !== null || flow.getBoundingClientRect().bottom > innerHeight + 120));

const settle = () => {
  if (ended) return;
  if (held()) {
    // Only the outcome of the call is updated; the rest waits with the rows.
    if (around && !around.told) redraw([".verdict"]);
    if (around) around.told = true;
    const ids = waiting.filter(({ type, data }) => type === "row" && isMessage(data.id) && !document.getElementById(data.id));
    const count = new Set(ids.map(({ data }) => data.id)).size;
    const paused = hold || waiting.some(({ type }) => type === "row");
    return show(count ? `Paused, ${count} new: resume (L)` : paused ? "Paused: resume (L)" : "");
  }
  show("");
  if (!waiting.length && !around) return;
  for (const change of waiting.splice(0)) apply(change);
  redraw([".verdict", ".tools", "#flow .head", "#flow .lines", "#flow .pages"]);
  const ladder = flow.querySelector(".ladder");
  if (around && ladder) ladder.className = around.classes + (ladder.matches(".faded") ? " faded" : "");
  around = null;
  dispatchEvent(new Event("siptrail:rows"));
};

// What stands around the rows (verdict, counts, columns, pages) is put in place, but for what has the focus; what was unfolded stays open.
const redraw = (parts) => {
  if (!around) return;
  document.title = around.page.title;
  for (const part of parts) {
    const now = around.page.querySelectorAll(part);
    document.querySelectorAll(part).forEach((old, at) => {
      const folds = [...old.querySelectorAll("details")];
      const focused = folds.findIndex((fold) => fold.firstElementChild === document.activeElement);
      if (now[at]?.className !== old.className || (focused < 0 && old.contains(document.activeElement))) return;
      const next = now[at].cloneNode(true);
      next.querySelectorAll("details").forEach((fold, nth) => (fold.open = folds[nth]?.open ?? fold.open));
      old.replaceWith(next);
      next.querySelectorAll("details")[focused]?.firstElementChild.focus({ preventScroll: true });
    });
  }
  tell(state);
};

const apply = ({ type, data, id }) => {
  if (type === "row") place(data);
  if (type === "gone") document.getElementById(data)?.remove();
  if (type === "keep") {
    const kept = new Set(data.split(" "));
    // The open detail has an id of its own where its message is folded into the row.
    for (const row of list.querySelectorAll(":scope > li[id]:not(.detail)")) if (!kept.has(row.id)) row.remove();
  }
  // The rows of a batch are all here: this is how it stands now.
  if (type === "seen") version = id;
};

const drawn = (html) => {
  const box = document.createElement("template");
  box.innerHTML = html;
  return box.content.firstElementChild;
};

// A row may come again as it stands here, but for its tab stop.
const stands = ({ id, html }) => {
  const old = document.getElementById(id);
  const row = drawn(html);
  row.querySelector("a")?.setAttribute("tabindex", old?.querySelector("a")?.tabIndex);
  return old?.outerHTML === row.outerHTML;
};

const place = ({ id, after, html }) => {
  const row = drawn(html);
  const old = document.getElementById(id);
  if (old) {
    const focused = old.contains(document.activeElement);
    if (old.querySelector(".tx")) row.querySelector("a").classList.add("tx");
    old.replaceWith(row);
    if (focused) row.querySelector("a").focus({ preventScroll: true });
    return;
  }
  let before = after && document.getElementById(after);
  while (before?.nextElementSibling?.matches(".detail")) before = before.nextElementSibling;
  row.classList.add("fresh");
  if (before) before.after(row);
  else list.prepend(row);
  if (!isMessage(id)) return;
  fresh += 1;
  if (!row.nextElementSibling?.matches("li[id]")) return;
  late += 1;
  row.classList.add("came-late");
};

button.addEventListener("click", () => {
  if (ended) return location.reload();
  if (!list) return;
  hold = !held();
  settle();
  if (!hold && !one(".detail")) list.lastElementChild.scrollIntoView({ block: "nearest" });
});
if (list) addEventListener("scroll", () => {
  if (hold === false && !waiting.length) hold = null;
  settle();
}, { passive: true });
addEventListener("pagehide", close);
addEventListener("pageshow", open);
document.addEventListener("visibilitychange", () => {
  clearTimeout(hidden);
  if (document.hidden) hidden = setTimeout(close, 60000);
  else open();
});
// Told aloud at most every 5 s.
setInterval(() => {
  if (!fresh) return;
  one("#came").textContent = `${fresh} new message${fresh === 1 ? "" : "s"}${late ? `, ${late} late` : ""}`;
  fresh = late = 0;
}, 5000);
open();
