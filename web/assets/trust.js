// Lets htmx and the live view parse fragments, which the server has escaped. Without createScript and createScriptURL the
// browser refuses every sink that would make script of a string.
if (window.trustedTypes) window.trustedTypes.createPolicy("default", { createHTML: (html) => html });
