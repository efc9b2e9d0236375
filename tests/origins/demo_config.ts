import { filePath } from "./artwork.ts";
import { demoApiKey, startTmdbOrigin, type TmdbOrigin } from "./tmdb_origin.ts";

/** Where the demo's gateway listens and keeps its data. */
export interface DemoOptions {
  readonly port: number;
  readonly adminPort: number;
  readonly dataDir: string;
}

/** Everything of the demo but the gateway. */
export interface Demo {
  /** Two that hold the same. */
  readonly origins: readonly TmdbOrigin[];
  /** The configuration file, in a directory of its own that `close` removes. */
  readonly configPath: string;
  close(): Promise<void>;
}

const poster = filePath("poster", "movie/550");

/** The demo's configuration: both TMDB types and a custom pool, all with the same origins behind them. */
export function demoConfig(originUrl: string | readonly string[], { port, adminPort, dataDir }: DemoOptions): string {
  const listen = `127.0.0.1:${port}`;
  const upstreams = `[ ${[originUrl].flat().map((url) => JSON.stringify(url)).join(", ")} ]`;
  return `# The demo: everything on loopback, the origins embedded.
server:
  data_dir: ${JSON.stringify(dataDir)}
admin:
  listen: 127.0.0.1:${adminPort}
logging:
  access: all
cache:
  memory: 64MiB
  disk: 512MiB
pools:
  tmdb-api:
    type: tmdb-api
    api_keys: [ "${demoApiKey}" ]
    upstreams: ${upstreams}
  tmdb-image:
    type: tmdb-image
    health: { path: "/t/p/w92${poster}" }
    upstreams: ${upstreams}
  pictures:
    type: custom
    content_types: { allow: [ "image/*" ] }
    health: { path: "/t/p/w92${poster}", interval: 10s }
    upstreams: ${upstreams}
listeners:
  - { name: api, listen: "${listen}", prefix: /3, pool: tmdb-api }
  - { name: api-v4, listen: "${listen}", prefix: /4, pool: tmdb-api }
  - { name: images, listen: "${listen}", prefix: /t/p, pool: tmdb-image }
  - name: pictures
    listen: "${listen}"
    prefix: /pictures
    strip_prefix: true
    pool: pictures
    cache: { mode: rfc9111, rules: [ { content_type: "image/*", ttl: 30d, memory: false } ] }
`;
}

/** Lines to try, and what to look for in what they print. */
export function demoBanner(baseUrl: string, pageUrl: string): string {
  return `Usher is serving an embedded copy of TMDB's manners at ${baseUrl}. Try each line twice and watch Cache-Status:

  curl -i '${baseUrl}/3/movie/550?append_to_response=credits'
  curl -i '${baseUrl}/3/configuration'    # its image addresses lead here
  curl -sD- '${baseUrl}/t/p/w342${poster}' -o poster.jpg

Open ${pageUrl} in a browser: it shows what comes in, and has a button that breaks one of the two upstreams.
Press Ctrl-C to stop.
`;
}

/** Options of {@linkcode prepareDemo}. */
export interface DemoPlaces {
  readonly port: number;
  readonly adminPort: number;
  /** Folder that the demo makes its own one in; `data`, where the gateway may write anyway, unless given. */
  readonly parentDir?: string;
}

/** Starts the demo's origins and writes its configuration; the gateway is started by who asks. */
export async function prepareDemo({ port, adminPort, parentDir = "data" }: DemoPlaces): Promise<Demo> {
  const origins = [await startTmdbOrigin({ latencyMs: 60 }), await startTmdbOrigin({ latencyMs: 90 })];
  const urls = origins.map(({ url }) => url);
  await Deno.mkdir(parentDir, { recursive: true });
  const directory = await Deno.makeTempDir({ dir: parentDir, prefix: "demo-" });
  const configPath = `${directory}/config.yaml`;
  await Deno.writeTextFile(configPath, demoConfig(urls, { port, adminPort, dataDir: `${directory}/data` }));
  return {
    origins,
    configPath,
    async close() {
      await Promise.all(origins.map((origin) => origin.close()));
      await Deno.remove(directory, { recursive: true });
    },
  };
}
