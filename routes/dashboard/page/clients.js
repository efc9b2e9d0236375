import { html, useState } from "htm/preact/standalone";
import { Copy, Field, Section, Table } from "./parts.js";
import { t } from "./words.js";

/** What to enter in each client, with `{api}` for the address of `/3`, `{images}` for that of `/t/p`, both without the path. */
const CLIENTS = [
  ["TorrServer", "API URL", "{api}"],
  ["TorrServer", "image URL", "{images}"],
  ["Emby (StrmAssistant)", "alternative MovieDb API URL", "{api}"],
  ["Emby (StrmAssistant)", "alternative MovieDb image URL", "{images}"],
  ["emby-toolkit", "TMDB base URL", "{api}/3"],
  ["Lampa", "tmdb_proxy_api", "{api}/3"],
  ["Lampa", "tmdb_proxy_image", "{images}"],
  ["MoviePilot", "TMDB_API_DOMAIN", "{api-host}"],
  ["MoviePilot", "TMDB_IMAGE_DOMAIN", "{images-host}"],
];

/** For the first start: how clients are pointed here, ready to be copied; later it is folded. */
export function Clients({ listeners, isFirst }) {
  const [host, setHost] = useState(location.hostname);
  const address = (prefix) => addressOf(listeners.find((one) => one.prefix === prefix) ?? null, host);
  const [api, images] = [address("/3"), address("/t/p")];
  const rows = [
    ...clientRows(api, images),
    ...listeners.filter(({ prefix }) => prefix !== "/3" && prefix !== "/t/p").map((listener) => [
      listener.name,
      t("base URL"),
      addressOf(listener, host) + (listener.prefix === "/" ? "" : listener.prefix),
    ]),
    ...(api === null ? [] : [["curl", t("to try it"), `curl -i '${api}/3/movie/550'`]]),
  ];
  const columns = [{ title: t("Client") }, { title: t("Setting") }, { title: t("Value"), isWide: true }];
  const body = html`
    <div>
      <${Field} title=${t("Name or address of this machine, as clients reach it")}>
          <input class="host" value=${host} spellcheck=${false} autocomplete="off" onInput=${(event) =>
            setHost(event.target.value.trim())} /><//>
        <${Table} label=${t("Settings of clients")} columns=${columns} rows=${rows.map((
          [client, setting, value],
          index,
        ) => ({
          key: index,
          cells: [html`<b>${client}</b>`, setting, html`<${Copy} text=${value} />`],
        }))} />
      </div>
  `;
  if (!isFirst) {
    return html`<details class="section clients"><summary>${t("Connect a client")}</summary>${body}</details>`;
  }
  return html`<${Section} id="clients" title=${t("Nothing has been asked for yet: connect a client")}>
    <p class="muted">${
    t("Enter one of these in a client, or try the last line in a terminal. What comes in shows up here at once.")
  }</p>
    ${body}
  <//>`;
}

function clientRows(api, images) {
  const values = {
    "{api}": api,
    "{images}": images,
    "{api-host}": api?.replace(/^https?:\/\//, "") ?? null,
    "{images-host}": images?.replace(/^https?:\/\//, "") ?? null,
  };
  return CLIENTS.flatMap(([client, setting, template]) => {
    const name = /^\{[a-z-]+\}/.exec(template)[0];
    return values[name] === null ? [] : [[client, setting, template.replace(name, values[name])]];
  });
}

/** Where a listener is reached, without its prefix; `null` where there is none. */
function addressOf(listener, host) {
  if (listener === null) return null;
  const port = /:(\d+)$/.exec(listener.listen ?? "")?.[1];
  const name = listener.hosts?.find((one) => !one.includes("*")) ?? host;
  const scheme = listener.tls ? "https" : "http";
  return `${scheme}://${name}${port && port !== (listener.tls ? "443" : "80") ? `:${port}` : ""}`;
}
