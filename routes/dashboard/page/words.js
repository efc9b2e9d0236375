import { CHINESE } from "./chinese.js";

const KEPT = "usher-language";

/** Languages of the page by their code, in their own words. */
export const LANGUAGES = { en: "English", zh: "中文" };

let chosen = stored() ?? preferred();
document.documentElement.lang = code();

function stored() {
  const kept = localStorage.getItem(KEPT);
  return Object.hasOwn(LANGUAGES, kept ?? "") ? kept : null;
}

/** The first of the browser's languages that the page speaks. */
function preferred() {
  const known = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase());
  return known.find((one) => Object.hasOwn(LANGUAGES, one)) ?? "en";
}

function code() {
  return chosen === "zh" ? "zh-CN" : chosen;
}

/** The language of the page. */
export function language() {
  return chosen;
}

/** Has the page speak a language, from now on and at the next visit. */
export function setLanguage(next) {
  chosen = next;
  localStorage.setItem(KEPT, next);
  document.documentElement.lang = code();
}

/** A text in the page's language; `{name}` stands for a value. The English text is its own key. */
export function t(text, values = {}) {
  const said = chosen === "zh" ? CHINESE[text] ?? text : text;
  return said.replace(/\{(\w+)\}/g, (whole, name) => Object.hasOwn(values, name) ? String(values[name]) : whole);
}
