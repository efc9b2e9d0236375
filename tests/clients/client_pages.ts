import { type Client, TRUST_WORDS, type Way, WAY_WORDS } from "../../lib/clients/client.ts";
import { CLIENT_NAMES } from "../../lib/clients/client_requests.ts";
import { CLIENTS } from "../../lib/clients/client_table.ts";
import { stepsFor, WAY_PORTS } from "../../lib/clients/steps.ts";

const HOST = "usher.lan";
const UPDATE = "deno test -A tests/clients/client_pages_test.ts -- --update";

/** The anchor that a heading has on the forge. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").trim().replaceAll(/\s/g, "-");
}

function wayLink(way: Way, page: string): string {
  const { title, heading } = WAY_WORDS[way];
  return `[${title}](${page}#${anchorOf(heading)})`;
}

/** A setting's value, for a machine of the name `usher.lan`, each of its parts as code. */
function valueText(client: Client, way: Way): string {
  const { value } = client.ways.find((one) => one.way === way)!;
  if (value === null) return "-";
  const port = WAY_PORTS[way];
  const origin = `http://${HOST}:${port}`;
  return value.split(" and ").map((part) =>
    `\`${part.replace(/\{(?:base|proxy)\}/, origin).replace("{prefix}", `${origin}/api/`).replace("{name}", HOST)}\``
  ).join(" and ");
}

const KNOWN = {
  S: "read in its source or its documentation",
  R: "reported by its users, or in its tracker",
  U: "not verified: it says what should work",
} as const;

/** The table of docs/clients.md, between its marks. */
export function clientIndex(): string {
  const rows = CLIENTS.map((client) => {
    const [best] = client.ways;
    const ways = client.ways.map(({ way }) => wayLink(way, "")).join(", or ") || "none";
    const value = best === undefined ? "-" : valueText(client, best.way);
    const setting = marked(best?.setting ?? "-");
    return `| [${client.name}](clients/${client.word}.md) | ${ways} | ${setting} | ${value} | ${client.needs} | ${client.known} |`;
  });
  return [
    `<!-- clients: made of lib/clients/client_table.ts by \`${UPDATE}\` -->`,
    "",
    "| client | way in | setting | value | what it needs | |",
    "| --- | --- | --- | --- | --- | --- |",
    ...rows,
    "",
    "<!-- end of clients -->",
  ].join("\n");
}

/** The page of a client, `docs/clients/WORD.md`. */
export function clientPage(client: Client): string {
  return [
    `# ${client.name}`,
    "",
    `<!-- Made of lib/clients/client_table.ts by \`${UPDATE}\`: change the table, not this page. -->`,
    "",
    ...introduction(client),
    ...client.ways.flatMap(({ way }, index) => waySection(client, way, index === 0)),
    ...trapSection(client),
    ...prewarmSection(client),
  ].join("\n");
}

function introduction(client: Client): string[] {
  if (client.ways.length === 0) {
    return [
      `${client.name} ${client.needs} (${KNOWN[client.known]}). What else is in the house can be:`,
      "[all clients](../clients.md).",
      "",
    ];
  }
  const ways = client.ways.map(({ way }) => wayLink(way, "../clients.md")).join(", or by ");
  return [
    `From nothing to a hit, by ${ways}. What is said of ${client.name} here is ${KNOWN[client.known]}.`,
    `\`${HOST}\` stands for the name or address of the machine that Usher runs on, \`YOUR_KEY\` for a key or read access token`,
    "of TMDB. With Node and npm alone, type `npx --yes deno@2.9.6` for `deno`; other ways to run it: [install](../install.md).",
    "",
  ];
}

function waySection(client: Client, way: Way, isFirst: boolean): string[] {
  const { title } = WAY_WORDS[way];
  const place = { host: HOST, port: WAY_PORTS[way], file: "config.yaml", tlsFolder: "tls" };
  const chosen = isFirst ? "" : ` --way ${way}`;
  const init = `deno task init --client ${client.word}${chosen} --key YOUR_KEY --host ${HOST} --yes`;
  const steps = [{ say: "Make a configuration", command: init }, ...stepsFor(client, way, place)];
  return [
    `## By ${title}`,
    "",
    ...steps.flatMap(({ say, command }, index) => [
      `${index + 1}. ${codeIn(say, client, way)}${command === null ? "." : ":"}`,
      "",
      ...command === null ? [] : ["   ```sh", `   ${command}`, "   ```", ""],
    ]),
    ...[MORE[way], ...isFirst ? [BESIDE[client.word] ?? ""] : [], ""].filter((line, at, all) =>
      line !== "" || at === all.length - 1
    ),
  ];
}

/** What the ways have in common stands in one place. */
const MORE: Readonly<Record<Way, string>> = {
  "base-url": "Whoever can reach the machine can ask: [tokens](../access.md#close-a-listener) close it.",
  "https-name":
    "With a name in the public DNS the certificate is fetched by itself, and nothing has to be trusted by hand: " +
    "[a public name with HTTPS](../clients.md#a-public-name-with-https).",
  proxy:
    "Where each system keeps authorities: [TLS](../tls.md#an-authority-of-your-own). What is tunnelled, and for whom: " +
    "[networking](../networking.md#a-way-in-for-proxy-settings).",
  dns:
    "Port 443 may need a right of its own: [ports below 1024](../install.md#a-service-with-systemd). How the gateway keeps a " +
    "way to TMDB: [TMDB's own names](../clients.md#tmdbs-own-names-dns-override).",
  prefix: "A front program that merges slashes needs prefixes with one: " +
    "[a URL behind a prefix](../clients.md#a-url-behind-a-prefix).",
};

/** What one client alone has more of. */
const BESIDE: Readonly<Record<string, string>> = {
  libraries: "Each of fifteen, and where each language looks for authorities: [libraries](../clients.md#libraries).",
  curl: "Examples in five languages: [your own code](../clients.md#your-own-code).",
  "lampa-clones": "Pictures have a prefix of their own, `/img/`.",
};

/** What is typed or set, as code. */
function codeIn(say: string, client: Client, way: Way): string {
  const { value } = client.ways.find((one) => one.way === way)!;
  let text = say;
  for (const word of [TRUST_WORDS[client.trust]]) text = text.replace(word, trustText(word));
  if (value !== null) text = text.replace(/ = \S+(?: and http\S+)?(?=;|$)/, ` = ${valueText(client, way)}`);
  return marked(text).replace(" tls/ca.pem:", " `tls/ca.pem`:").replace(
    "Cache-Status says hit",
    "`Cache-Status` says `hit`",
  );
}

function trustText(words: string): string {
  return words.replaceAll(
    /[A-Z][A-Z_]{6,}(?:=\S+)?|\/usr\/\S+\.crt|update-ca-certificates|system\/certs\/cacert\.pem|keytool .*?ca\.pem|--cacert ca\.pem/g,
    (code) => `\`${code}\``,
  ).replaceAll(/(?<![`\/\w-])(?<!file )ca\.pem(?!`)/g, "`ca.pem`");
}

function trapSection({ traps }: Client): string[] {
  if (traps.length === 0) return [];
  return [
    "## What it stumbles over",
    "",
    "| | what to do | `doctor --client` |",
    "| --- | --- | --- |",
    ...traps.map(({ text, remedy, check }) =>
      `| ${marked(text)} | ${marked(remedy)} | ${check === null ? "names it" : "tries it"} |`
    ),
    "",
  ];
}

/** Names of settings, parameters and paths, as code. */
function marked(text: string): string {
  return text.replaceAll(
    /(?<!`)(?:\/3(?:\/[\w…]+)+|\?api_key\S+|max-age=N?|key_mode: replace|others: tunnel|\b(?:NO_PROXY|HTTPS?_PROXY|rewrite_image_base|forward_proxies|merge_slashes off)\b|X-RateLimit-\w+|https?:\/\/?(?!\w)|image\.tmdb\.org|public, max-age=N|tmdb_proxy_\w+|TMDB_\w+_DOMAIN|api\.(?:themoviedb|tmdb)\.org|usher\.lan(?= lead|; give)|resolve(?=$))(?!`)/g,
    (code) => `\`${code}\``,
  );
}

function prewarmSection({ name, word }: Client): string[] {
  if (!(CLIENT_NAMES as readonly string[]).includes(word)) return [];
  return [
    "## Fetch its library beforehand",
    "",
    `What a scan of ${name} will ask for can be fetched before it begins; \`media\` is the folder of films and shows. First what`,
    "it takes, then all of it:",
    "",
    "```sh",
    `deno task prewarm --listener api --images images --nfo media --client ${word} --estimate`,
    `deno task prewarm --listener api --images images --nfo media --client ${word} --yes`,
    "```",
    "",
    "By itself (`prewarm.nfo`), whenever the library has grown: [prewarm a media library](../purge.md#prewarm-a-media-library).",
    "",
  ];
}
