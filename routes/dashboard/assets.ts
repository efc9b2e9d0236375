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

/** Comments are for who reads the sources: without them the page is a tenth smaller. */
function withoutComments(text: string): string {
  return text.replaceAll(/^[ \t]*\/\*[^]*?\*\/\n/gm, "");
}

/** What the document loads, by its name at `/page/`: imported as texts, so that bundled and compiled programs have it too. */
export const ASSETS: ReadonlyMap<string, string> = new Map(Object.entries({
  "main.js": withoutComments(main),
  "preact.js": preact,
  // It is made for a script of before there were modules.
  "uplot.js": `${uplot}\nexport default uPlot;\n`,
  "charts.js": withoutComments(charts),
  "chinese.js": withoutComments(chinese),
  "clients.js": withoutComments(clients),
  "explained.js": withoutComments(explained),
  "gateway.js": withoutComments(gateway),
  "jobs.js": withoutComments(jobs),
  "listeners.js": withoutComments(listeners),
  "lookup.js": withoutComments(lookup),
  "model.js": withoutComments(model),
  "overview.js": withoutComments(overview),
  "parts.js": withoutComments(parts),
  "recent.js": withoutComments(recent),
  "shown.js": withoutComments(shown),
  "upstreams.js": withoutComments(upstreams),
  "words.js": withoutComments(words),
  "page.css": withoutComments(style),
  "icon.svg": icon,
}));
