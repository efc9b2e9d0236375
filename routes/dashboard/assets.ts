import preact from "htm/preact/standalone" with { type: "text" };
import uplot from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import charts from "./page/charts.js" with { type: "text" };
import chinese from "./page/chinese.js" with { type: "text" };
import clients from "./page/clients.js" with { type: "text" };
import explained from "./page/explained.js" with { type: "text" };
import gateway from "./page/gateway.js" with { type: "text" };
import icon from "./page/icon.svg" with { type: "text" };
import jobs from "./page/jobs.js" with { type: "text" };
import listeners from "./page/listeners.js" with { type: "text" };
import lookup from "./page/lookup.js" with { type: "text" };
import main from "./page/main.js" with { type: "text" };
import model from "./page/model.js" with { type: "text" };
import overview from "./page/overview.js" with { type: "text" };
import parts from "./page/parts.js" with { type: "text" };
import recent from "./page/recent.js" with { type: "text" };
import shell from "./page/page.html" with { type: "text" };
import shown from "./page/shown.js" with { type: "text" };
import style from "./page/page.css" with { type: "text" };
import upstreams from "./page/upstreams.js" with { type: "text" };
import words from "./page/words.js" with { type: "text" };

/** The document, with `{access}` and `{head}` to be filled in. */
export const SHELL = shell;

/** A source as it is sent: packages lie beside it, and comments are for who reads the sources (a tenth of the page). */
function sent(text: string): string {
  return text.replaceAll(/^[ \t]*\/\*[^]*?\*\/\n/gm, "")
    .replace('from "htm/preact/standalone"', 'from "./preact.js"').replace('from "uplot"', 'from "./uplot.js"');
}

/** What the document loads, by its name at `/page/`: imported as texts, so that bundled and compiled programs have it too. */
export const ASSETS: ReadonlyMap<string, string> = new Map(Object.entries({
  "main.js": sent(main),
  "preact.js": preact,
  // It is made for a script of before there were modules.
  "uplot.js": `${uplot}\nexport default uPlot;\n`,
  "charts.js": sent(charts),
  "chinese.js": sent(chinese),
  "clients.js": sent(clients),
  "explained.js": sent(explained),
  "gateway.js": sent(gateway),
  "jobs.js": sent(jobs),
  "listeners.js": sent(listeners),
  "lookup.js": sent(lookup),
  "model.js": sent(model),
  "overview.js": sent(overview),
  "parts.js": sent(parts),
  "recent.js": sent(recent),
  "shown.js": sent(shown),
  "upstreams.js": sent(upstreams),
  "words.js": sent(words),
  "page.css": sent(style),
  "icon.svg": icon,
}));
