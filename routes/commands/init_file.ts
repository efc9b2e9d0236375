/** A client, as `usher init` knows it. */
export interface InitClient {
  /** The word for it on the command line. */
  readonly word: string;
  /** As it is shown, and as `clientSettings` calls it. */
  readonly name: string;
  /** How it is pointed at the gateway: by a setting, by a name with HTTPS, or by TMDB's own names. */
  readonly way: "setting" | "https" | "dns";
  /** Whether it has a key built in that all its users share. */
  readonly hasSharedKey: boolean;
}

/** Clients in the order in which they are asked for. */
export const INIT_CLIENTS: readonly InitClient[] = [
  { word: "jellyfin", name: "Jellyfin", way: "dns", hasSharedKey: true },
  { word: "emby", name: "Emby with StrmAssistant", way: "setting", hasSharedKey: false },
  { word: "kodi", name: "Kodi", way: "dns", hasSharedKey: true },
  { word: "moviepilot", name: "MoviePilot", way: "https", hasSharedKey: true },
  { word: "seerr", name: "Seerr", way: "dns", hasSharedKey: true },
  { word: "radarr", name: "Radarr and Sonarr", way: "dns", hasSharedKey: false },
  { word: "other", name: "curl and your own code", way: "setting", hasSharedKey: false },
];

/** What a configuration is made for. */
export interface InitOrder {
  readonly client: InitClient;
  readonly port: number;
  /** What stands in `api_keys`, such as `${TMDB_API_KEY}`; `null` where clients bring their own. */
  readonly keyReference: string | null;
}

/** The text of a configuration for one kind of client: short, commented, and sound. */
export function initFile({ client, port, keyReference }: InitOrder): string {
  const name = client.word === "other" ? "clients of TMDB" : client.name;
  const replaces = client.hasSharedKey && keyReference !== null;
  const listen = `listen: 0.0.0.0:${port}`;
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
    "listeners: # on every address of this machine; docs/access.md closes them with tokens",
    `  - { name: api, ${listen}, prefix: /3, pool: tmdb-api }`,
    `  - { name: api-v4, ${listen}, prefix: /4, pool: tmdb-api }`,
    `  - { name: images, ${listen}, prefix: /t/p, pool: tmdb-image }`,
    ...(client.way === "dns" ? tlsLines() : []),
    "",
  ].join("\n");
}

/** The listeners for TMDB's own names, to be switched on once there is a certificate. */
function tlsLines(): string[] {
  const lines = [
    ["tls-api", "[api.themoviedb.org, api.tmdb.org]", "/3", "tmdb-api"],
    ["tls-api-v4", "[api.themoviedb.org, api.tmdb.org]", "/4", "tmdb-api"],
    ["tls-images", "[image.tmdb.org]", "/t/p", "tmdb-image"],
  ];
  return [
    "  # TMDB's own names, for clients that have no setting: switch these on after `deno task certs --tmdb`.",
    ...lines.map(([name, host, prefix, pool]) =>
      `  #- { name: ${name}, listen: 0.0.0.0:443, tls: { cert: tls/cert.pem, key: tls/key.pem }, host: ${host}, ` +
      `prefix: ${prefix}, pool: ${pool} }`
    ),
  ];
}
