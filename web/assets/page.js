// What every page has: the zone of this browser as a link.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
for (const link of document.querySelectorAll("[data-browser-zone]")) {
  if (!zone || zone === "UTC") continue;
  const url = new URL(location.href);
  url.searchParams.set("zone", zone);
  link.href = url.search;
  link.textContent = zone;
  link.title = "the zone of this browser";
  link.hidden = false;
}
