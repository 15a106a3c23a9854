// What every page has: the zone of this browser as a link, and addresses without the fields that are blank.
document.addEventListener("formdata", ({ formData }) => {
  for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
});

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const offer = () => {
  const link = document.querySelector("[data-browser-zone]");
  if (!link?.hidden || !zone || zone === "UTC") return;
  // Into the address as it is: taking it apart would change a comma in it to one of a value.
  link.href = link.getAttribute("href").replace("zone=&", `zone=${zone}&`);
  link.textContent = zone;
  link.title = "the zone of this browser";
  link.hidden = false;
};
document.addEventListener("htmx:afterSettle", offer);
offer();
