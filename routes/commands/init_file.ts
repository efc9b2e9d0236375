import type { Client, Way } from "../../lib/clients/client.ts";
import { API_HOSTS, IMAGE_HOST, usesTmdbNames } from "../../lib/clients/client_table.ts";

/** What a configuration is made for. */
export interface InitOrder {
  readonly client: Client;
  readonly way: Way;
  /** Where clients ask. */
  readonly port: number;
  /** As clients know the machine: for a way with HTTPS of its own. */
  readonly host: string;
  /** The folder of `cert.pem` and `key.pem`, as the configuration names it. */
  readonly tlsFolder: string;
  /** What stands in `api_keys`, such as `${TMDB_API_KEY}`; `null` where clients bring their own. */
  readonly keyReference: string | null;
}

/** The names that a way needs a certificate for; none where it goes without. */
export function certificateNames({ way, host }: Pick<InitOrder, "way" | "host">): readonly string[] {
  if (usesTmdbNames(way)) return [...API_HOSTS, IMAGE_HOST];
  return way === "https-name" ? [host] : [];
}

/** The text of a configuration for one client: short, commented, and sound. */
export function initFile(order: InitOrder): string {
  const { client, port, keyReference } = order;
  const name = client.word === "curl" ? "clients of TMDB" : client.name;
  const replaces = client.hasSharedKey && keyReference !== null;
  return [
    `# Usher for ${name}: TMDB's API and images on port ${port}. What is left out has its default;`,
    "# config.example.yaml shows every key, `deno task check` finds every mistake.",
    "pools:",
    "  tmdb-api:",
    "    type: tmdb-api",
    ...(keyReference === null
      ? ['    #api_keys: ["${TMDB_API_KEY}"] # for clients without a key of their own']
      : [`    api_keys: [${JSON.stringify(keyReference)}] # the key itself stands elsewhere`]),
    ...(replaces ? ["    key_mode: replace # the client's own key is shared by all its users, and limited"] : []),
    "    upstreams: [https://api.themoviedb.org, https://api.tmdb.org] # where TMDB is blocked: docs/networking.md",
    "  tmdb-image:",
    "    type: tmdb-image",
    "    upstreams: [https://image.tmdb.org]",
    ...LISTENERS[order.way](order),
    "",
  ].join("\n");
}

/** The listeners of a way. */
const LISTENERS: Readonly<Record<Way, (order: InitOrder) => string[]>> = {
  "base-url": ({ port }) => [
    "listeners: # on every address of this machine; docs/access.md closes them with tokens",
    `  - { name: api, listen: 0.0.0.0:${port}, prefix: /3, pool: tmdb-api }`,
    `  - { name: api-v4, listen: 0.0.0.0:${port}, prefix: /4, pool: tmdb-api }`,
    `  - { name: images, listen: 0.0.0.0:${port}, prefix: /t/p, pool: tmdb-image }`,
  ],
  "https-name": ({ port, host, tlsFolder }) => {
    const url = `https://${host}${port === 443 ? "" : `:${port}`}`;
    const shared = (name: string, prefix: string, pool: string) => [
      `  - name: ${name}`,
      `    listen: 0.0.0.0:${port}`,
      `    prefix: ${prefix}`,
      `    pool: ${pool}`,
      `    public_url: ${url} # for addresses in documents`,
      `    tls: ${tlsFiles(tlsFolder)} # for a public name: docs/clients.md`,
    ];
    return [
      "listeners: # on every address of this machine; docs/access.md closes them with tokens",
      ...shared("api", "/3", "tmdb-api"),
      ...shared("api-v4", "/4", "tmdb-api"),
      ...shared("images", "/t/p", "tmdb-image"),
    ];
  },
  proxy: ({ port, tlsFolder }) => [
    "listeners:",
    ...namedListeners(`127.0.0.1:${innerPort(port)} # nobody but the proxy below has to reach it`, tlsFolder),
    "forward_proxies: # for clients in private networks; docs/networking.md",
    "  - name: way-in",
    `    listen: 0.0.0.0:${port}`,
    `    hosts: [${[...API_HOSTS, IMAGE_HOST].join(", ")}]`,
    "    others: tunnel # refuse, where the client has a list of exceptions",
  ],
  dns: ({ port, tlsFolder }) => [
    "listeners: # where your name server sends TMDB's names; this machine has to ask another one, or pin with `resolve`",
    ...namedListeners(`0.0.0.0:${port}`, tlsFolder),
  ],
  prefix: ({ port }) => [
    "listeners: # on every address of this machine; docs/access.md closes them with tokens",
    ...[["api", "/api", "api.themoviedb.org", "tmdb-api"], ["images", "/img", IMAGE_HOST, "tmdb-image"]].flatMap((
      [name, prefix, host, pool],
    ) =>
      ["https", "http"].map((scheme) =>
        `  - { name: ${name}-${scheme}, listen: 0.0.0.0:${port}, prefix: "${prefix}/${scheme}://${host}", strip_prefix: true, ` +
        `pool: ${pool} }`
      )
    ),
  ],
};

function tlsFiles(folder: string): string {
  return `{ cert: ${JSON.stringify(`${folder}/cert.pem`)}, key: ${JSON.stringify(`${folder}/key.pem`)} }`;
}

/** The listeners for TMDB's own names. */
function namedListeners(listen: string, tlsFolder: string): string[] {
  const tls = `    tls: ${tlsFiles(tlsFolder)}`;
  return [
    "  - name: api",
    `    listen: ${listen}`,
    tls,
    `    host: [${API_HOSTS.join(", ")}]`,
    "    pool: tmdb-api",
    `    rewrite_image_base: false # ${IMAGE_HOST} leads here too`,
    "  - name: images",
    `    listen: ${listen.replace(/ #.*/, "")}`,
    tls,
    `    host: [${IMAGE_HOST}]`,
    "    prefix: /t/p",
    "    pool: tmdb-image",
  ];
}

/** The port that the forward proxy leads to. */
function innerPort(port: number): number {
  return port + 6 > 65_535 ? port - 6 : port + 6;
}
