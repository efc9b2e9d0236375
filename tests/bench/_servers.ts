import { join } from "node:path";
import { madeAuthority } from "../certificates/made.ts";
import { freePort } from "../free_port.ts";
import { isInstalled, LOAD_CORE, type PinnedProcess, SERVER_CORE, startPinned } from "./_pinned_process.ts";

/** Who takes part, in the order of the tables' columns. */
export const SERVER_NAMES = ["usher", "nginx", "varnish", "memory", "pass"] as const;

/** `memory` is a bare `Deno.serve` that sends the same fields and bytes, `pass` one that hands all to `fetch`. */
export type ServerName = typeof SERVER_NAMES[number];

/** A server under measurement. */
export interface Server {
  readonly name: ServerName;
  readonly port: number;
  /** The same with TLS; the bare servers and Varnish have none. */
  readonly tlsPort: number | null;
  readonly process: PinnedProcess;
}

/** The servers of one comparison, warm. */
export interface Servers extends AsyncDisposable {
  readonly running: ReadonlyMap<ServerName, Server>;
}

const SPEAK_TLS: ReadonlySet<ServerName> = new Set(["usher", "nginx"]);
const HOST = "127.0.0.1";
const READY_TRIES = 300;
const READY_PAUSE_MS = 100;

/** Servers of Debian's packages that are not installed here, and so take no part. */
export function missingServers(): ServerName[] {
  const programs = [["nginx", "nginx"], ["varnish", "varnishd"]] as const;
  return programs.filter(([, program]) => !isInstalled(program)).map(([name]) => name);
}

/** Starts the origin and, in front of it, every server that is wanted and installed. @throws {Error} when one does not answer */
export async function startServers(wanted: ReadonlySet<ServerName>): Promise<Servers> {
  await using stack = new AsyncDisposableStack();
  const directory = await Deno.makeTempDir({ prefix: "usher-bench-" });
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  // nginx drops its privileges: its worker has to reach the files in there.
  await Deno.chmod(directory, 0o755);
  const { cert, key } = await (await madeAuthority()).leaf(["127.0.0.1"]);
  await Deno.writeTextFile(join(directory, "cert.pem"), cert);
  await Deno.writeTextFile(join(directory, "key.pem"), key, { mode: 0o600 });
  const origin = freePort();
  stack.use(startPinned(LOAD_CORE, bareServer("origin", origin), "inherit"));
  await answered(origin, "/m/a");
  const running = new Map<ServerName, Server>();
  // The gateway comes first: the bare server repeats its fields.
  const usher = freePort();
  for (const name of SERVER_NAMES.filter((name) => wanted.has(name))) {
    const port = name === "usher" ? usher : freePort();
    const tlsPort = freePort();
    const command = await COMMANDS[name]({ port, tlsPort, origin, directory, usher });
    // Varnish tells its life on the error stream.
    const process = stack.use(startPinned(SERVER_CORE, command, name === "varnish" ? "null" : "inherit"));
    running.set(name, { name, port, tlsPort: SPEAK_TLS.has(name) ? tlsPort : null, process });
    for (const path of ["/m/a", "/i/a"]) await answered(port, path);
  }
  const kept = stack.move();
  return { running, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** What a server is started with. */
interface Places {
  readonly port: number;
  readonly tlsPort: number;
  readonly origin: number;
  readonly directory: string;
  /** The gateway's port. */
  readonly usher: number;
}

const COMMANDS: Readonly<Record<ServerName, (places: Places) => Promise<readonly string[]>>> = {
  usher: gatewayCommand,
  nginx: nginxCommand,
  varnish: varnishCommand,
  memory: ({ port, usher }) =>
    Promise.resolve(bareServer("memory", port, `http://${HOST}:${usher}/m/a`, `http://${HOST}:${usher}/i/a`)),
  pass: ({ port, origin }) => Promise.resolve(bareServer("pass", port, `http://${HOST}:${origin}`)),
};

/** The gateway with one worker, started as `deno task start` does it; `/o` is another listener's, below `/k` nothing is kept in memory. */
async function gatewayCommand({ port, tlsPort, origin, directory }: Places): Promise<readonly string[]> {
  const path = join(directory, "usher.yaml");
  const listen = `${HOST}:${port}`;
  const config = {
    server: { workers: 1, data_dir: join(directory, "data") },
    admin: { listen: `${HOST}:${freePort()}` },
    cache: { memory: "512MiB", disk: "8GiB" },
    pools: { origin: { type: "custom", upstreams: [`http://${HOST}:${origin}`], health: { path: "/m/health" } } },
    listeners: [
      { name: "memory", listen, prefix: "/", pool: "origin", cache: { mode: "rfc9111" } },
      {
        ...{ name: "tls", listen: `${HOST}:${tlsPort}`, prefix: "/", pool: "origin", cache: { mode: "rfc9111" } },
        tls: { cert: join(directory, "cert.pem"), key: join(directory, "key.pem") },
      },
      { name: "other", listen, prefix: "/o", strip_prefix: true, pool: "origin", cache: { mode: "rfc9111" } },
      {
        ...{ name: "disk", listen, prefix: "/k", strip_prefix: true, pool: "origin" },
        cache: { mode: "rfc9111", rules: [{ memory: false }] },
      },
    ],
  };
  await Deno.writeTextFile(path, JSON.stringify(config));
  return await startCommand(path, directory);
}

/** The command of `deno task start`, which may write to `directory` instead of the project's `data`. */
export async function startCommand(configPath: string, directory: string): Promise<readonly string[]> {
  const { tasks } = JSON.parse(await Deno.readTextFile("deno.json"));
  const command: string = tasks.start.command.replace("--allow-write ", `--allow-write=${directory} `);
  const words = command.split(" ");
  const at = words.indexOf("deno");
  return ["env", ...words.slice(0, at), Deno.execPath(), ...words.slice(at + 1), "--config", configPath];
}

async function nginxCommand({ port, tlsPort, origin, directory }: Places): Promise<readonly string[]> {
  const path = join(directory, "nginx.conf");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${directory}/nginx-${kind};`);
  await Deno.writeTextFile(
    path,
    `worker_processes 1;
daemon off;
pid ${directory}/nginx.pid;
error_log ${directory}/nginx.log;
events { worker_connections 16384; }
http {
  access_log off;
  sendfile on;
  keepalive_requests 1000000000;
  ${temporary.join("\n  ")}
  proxy_cache_path ${directory}/nginx-cache levels=1:2 keys_zone=all:64m max_size=8g inactive=1d use_temp_path=off;
  upstream origin { server ${HOST}:${origin}; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen ${HOST}:${port} backlog=4096;
    listen ${HOST}:${tlsPort} ssl backlog=4096;
    ssl_certificate ${directory}/cert.pem;
    ssl_certificate_key ${directory}/key.pem;
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_cache all;
      proxy_cache_lock on;
    }
  }
}
`,
  );
  return ["nginx", "-c", path, "-e", `${directory}/nginx.log`];
}

async function varnishCommand({ port, origin, directory }: Places): Promise<readonly string[]> {
  const path = join(directory, "varnish.vcl");
  await Deno.writeTextFile(path, `vcl 4.1;\nbackend origin { .host = "${HOST}"; .port = "${origin}"; }\n`);
  const listen = ["-a", `${HOST}:${port}`, "-n", join(directory, "varnish")];
  return [
    "varnishd",
    "-F",
    ...listen,
    "-f",
    path,
    "-s",
    "malloc,1g",
    "-p",
    "listen_depth=4096",
    "-p",
    "timeout_idle=75",
  ];
}

function bareServer(kind: "origin" | "memory" | "pass", port: number, ...urls: readonly string[]): readonly string[] {
  const script = new URL("_bare_servers.ts", import.meta.url).pathname;
  return [Deno.execPath(), "run", "--quiet", "--allow-net", script, kind, String(port), ...urls];
}

/** Waits until a server answers a request with success. @throws {Error} when it does not */
export async function answered(port: number, path: string): Promise<Response> {
  for (let turn = 0; turn < READY_TRIES; turn++) {
    const response = await fetch(`http://${HOST}:${port}${path}`).catch(() => null);
    await response?.body?.cancel();
    if (response?.ok) return response;
    await new Promise((resolve) => setTimeout(resolve, READY_PAUSE_MS));
  }
  throw new Error(`Nothing answers at port ${port}`);
}
