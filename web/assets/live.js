// Live rows of a scenario. Rows come drawn from the server; this puts them in their place, and never moves what is read.
const flow = document.querySelector("[data-live]");
const list = flow?.querySelector("ol");
const MOST = 2000;

let source = null;
let version = flow?.dataset.version ?? "";
let waiting = [];
let fresh = 0;
let late = 0;
let hold = null; // null: decided by scrolling and the open detail; true, false: by the reader
let ended = false;
let hidden = 0;
let around = null; // what stands around the rows, as it came last
let young = true; // no batch has come to its end yet

const isMessage = (id) => /^m[0-9a-f]{16}-/.test(id);

const said = document.createElement("p");
said.className = "vh";
said.setAttribute("role", "status");
const state = document.createElement("span");
state.className = "live";
const bar = document.createElement("div");
bar.className = "livebar";
bar.hidden = true;
const button = document.createElement("button");
button.type = "button";
bar.append(button);

const open = () => {
  if (source || ended) return;
  const url = new URL(flow.dataset.live, location.href);
  url.searchParams.set("since", version);
  source = new EventSource(url);
  for (const type of ["row", "gone", "keep"]) source.addEventListener(type, take);
  source.addEventListener("seen", seen);
  source.addEventListener("around", surround);
  source.addEventListener("moved", move);
  source.addEventListener("reload", () => end("The picture has changed: reload"));
  source.addEventListener("refused", (event) => end(event.data));
  source.onopen = () => tellState("live since");
  source.onerror = () => {
    if (source?.readyState === EventSource.CLOSED) end("Live rows have stopped: reload");
    else tellState("no answer of the server since");
  };
};

// Whether rows come, and since when, in the zone of the page.
const tellState = (text) => {
  if (!state.textContent.startsWith(text)) {
    state.textContent = `${text} ${new Date().toLocaleTimeString("en-GB", { timeZone: flow.dataset.zone })}`;
    state.classList.toggle("bad", !text.startsWith("live"));
  }
  document.querySelector(".tools .acts")?.prepend(state);
};

// The call has its scenario now: the same rows go on there, under its address.
const move = (event) => {
  close();
  const live = new URL(flow.dataset.live, location.href);
  flow.dataset.live = `${event.data}/live${live.search}`;
  history.replaceState(history.state, "", event.data + location.search + location.hash);
  version = "";
  waiting = [];
  open();
};

// The rows of a batch are all here: this is how it stands now, once they are in their places.
const seen = (event) => {
  young = false;
  if (waiting.length) waiting.push({ type: "seen", id: event.lastEventId });
  else version = event.lastEventId;
  settle();
};

const surround = (event) => {
  // The page was drawn a moment ago with just that around its rows.
  if (young && !waiting.length) return;
  const { classes, html } = JSON.parse(event.data);
  around = { classes, page: new DOMParser().parseFromString(html, "text/html") };
  settle();
};

const close = () => {
  source?.close();
  source = null;
};

const end = (text) => {
  ended = true;
  close();
  waiting = [];
  tellState("not live since");
  show(text);
};

const show = (text) => {
  bar.hidden = !text;
  button.textContent = text;
};

// Scrolled away from the newest row, or a detail is open: what is read stays where it is.
const held = () => hold ?? (list.querySelector(".detail") !== null || flow.getBoundingClientRect().bottom > innerHeight + 120);

const take = (event) => {
  const data = event.type === "row" ? JSON.parse(event.data) : event.data;
  if (!list) {
    // No row was in view when the page was drawn, so there is no ladder to put one into.
    if (event.type === "row") end("There are rows now: reload");
    return;
  }
  waiting.push({ type: event.type, data, id: event.lastEventId });
  if (waiting.length > MOST) end(`More than ${MOST} new rows: reload`);
  else settle();
};

const settle = () => {
  if (ended) return;
  if (!list) return redraw();
  if (held()) {
    if (around && !around.told) redraw([".verdict"]);
    if (around) around.told = true;
    const rows = waiting.filter((change) => change.type === "row" && isMessage(change.data.id) && !document.getElementById(change.data.id));
    const count = new Set(rows.map((change) => change.data.id)).size;
    if (count) show(`Paused, ${count} new: resume (L)`);
    else show(hold || waiting.length ? "Paused: resume (L)" : "");
    return;
  }
  for (const change of waiting.splice(0)) apply(change);
  redraw();
  show("");
};

// What stands around the rows (verdict, counts, columns, pages) is put in place, but for what has the focus.
const PARTS = [".verdict", ".tools", "#flow .head", "#flow .lines", "#flow .pages"];
const redraw = (parts = PARTS) => {
  if (!around) return;
  for (const part of parts) {
    const now = around.page.querySelectorAll(part);
    document.querySelectorAll(part).forEach((old, at) => {
      if (now[at]?.className === old.className && !old.contains(document.activeElement)) old.replaceWith(now[at].cloneNode(true));
    });
  }
  document.title = around.page.title;
  if (state.textContent) document.querySelector(".tools .acts")?.prepend(state);
  // While rows are held back, only the outcome of the call is updated; the rest waits with them.
  if (parts !== PARTS) return;
  const here = flow.querySelector(".ladder");
  if (around.classes && here) here.className = around.classes + (here.classList.contains("faded") ? " faded" : "");
  around = null;
};

const apply = ({ type, data, id }) => {
  if (type === "row") place(data);
  if (type === "gone") document.getElementById(data)?.remove();
  if (type === "keep") {
    const kept = new Set(data.split(" "));
    // The open detail has an id of its own where its message is folded into the row.
    for (const row of list.querySelectorAll(":scope > li[id]:not(.detail)")) if (!kept.has(row.id)) row.remove();
  }
  if (id) version = id;
};

const place = ({ id, after, html }) => {
  const box = document.createElement("template");
  box.innerHTML = html;
  const row = box.content.firstElementChild;
  if (!row) return;
  const old = document.getElementById(id);
  const link = row.querySelector("a");
  if (old) {
    if (old.outerHTML === row.outerHTML) return;
    const focused = old.contains(document.activeElement);
    if (old.querySelector(".tx")) link?.classList.add("tx");
    link?.setAttribute("tabindex", old.querySelector("a")?.getAttribute("tabindex") ?? "-1");
    old.replaceWith(row);
    if (focused) link?.focus({ preventScroll: true });
    return;
  }
  let before = after ? document.getElementById(after) : null;
  while (before?.nextElementSibling?.matches(".detail")) before = before.nextElementSibling;
  link?.setAttribute("tabindex", "-1");
  row.classList.add("fresh");
  if (before) before.after(row);
  else list.prepend(row);
  if (!isMessage(id)) return;
  fresh += 1;
  if (!row.nextElementSibling?.matches("li[id]")) return;
  late += 1;
  row.classList.add("came-late");
};

// Told aloud at most every 5 s.
const tell = () => {
  if (!fresh) return;
  said.textContent = `${fresh} new message${fresh === 1 ? "" : "s"}${late ? `, ${late} late` : ""}`;
  fresh = late = 0;
};

const toggle = () => {
  if (ended) {
    location.reload();
    return;
  }
  if (!list) return;
  hold = !held();
  settle();
  if (!hold && !list.querySelector(".detail")) list.lastElementChild?.scrollIntoView({ block: "nearest" });
};

if (flow) {
  document.body.append(said, bar);
  button.addEventListener("click", toggle);
  document.addEventListener("siptrail:live", toggle);
  if (list) addEventListener("scroll", () => {
    if (hold === false && waiting.length === 0) hold = null;
    settle();
  }, { passive: true });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && open());
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hidden);
    if (document.hidden) hidden = setTimeout(close, 60000);
    else open();
  });
  setInterval(tell, 5000);
  open();
}
