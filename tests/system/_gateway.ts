import { join } from "node:path";
import { freePort } from "../free_port.ts";

export { freePort } from "../free_port.ts";

/** A gateway that runs as a process of its own, the way `deno task start` runs it. */
export interface RunningGateway {
  readonly url: string;
  readonly adminUrl: string;
  readonly port: number;
  readonly pid: number;
  readonly configPath: string;
  readonly directory: string;
  /** Everything it has printed so far. */
  log(): string;
  /** Waits until what it has printed contains `text`. */
  logged(text: string, timeoutMs?: number): Promise<void>;
  status(): Promise<GatewayStatus>;
  /** Writes a new configuration file; `SIGHUP` makes the gateway read it. */
  writeConfig(yaml: string): Promise<void>;
  signal(signal: Deno.Signal): void;
  /** Waits for the end of the process; its exit status. */
  ended(): Promise<number>;
  /** Stops it gracefully and removes its files. */
  close(): Promise<void>;
}

/** As much of `/status` as tests read. */
export interface GatewayStatus {
  readonly pid: number;
  readonly config: {
    readonly generation: number;
    readonly last_reload: { readonly problems: readonly string[] } | null;
  };
  readonly workers: readonly {
    readonly name: string;
    readonly state: string;
    readonly restarts: number;
    readonly generation: number;
    readonly requests: number;
  }[];
  readonly listeners: readonly {
    readonly name: string;
    readonly requests: number;
    readonly in_flight: number;
    readonly cache: Readonly<Record<string, number>>;
  }[];
  readonly pools: readonly {
    readonly name: string;
    readonly upstreams: readonly {
      readonly url: string;
      readonly state: string;
      readonly weight: number | null;
      readonly slow_ms: number | null;
    }[];
  }[];
  readonly cache: { readonly memory: { readonly entries: number; readonly bytes: number } };
}

/** How a gateway is started. */
export interface GatewayOptions {
  /** The configuration; gets the ports and the data directory that were made up for it. */
  readonly config: (places: GatewayPlaces) => string;
  /** Files of a gateway before this one, to go on with. */
  readonly directory?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Permissions beside those of `deno task start`. */
  readonly permissions?: readonly string[];
  /** The beginning of its command line; Deno alone by default. */
  readonly program?: readonly string[];
  /**
   * The module that is run.
   * @default main.ts
   */
  readonly main?: string;
  /** A gateway whose place it takes: its ports and files. */
  readonly takesOver?: RunningGateway;
}

/** What a test's configuration is filled with. */
export interface GatewayPlaces {
  readonly port: number;
  readonly adminPort: number;
  readonly dataDir: string;
}

/** The permissions of `deno task start`, with the test's directory in place of `data`. */
export function startPermissions(directory: string): string[] {
  return ["--allow-net", "--allow-read", "--allow-env", `--allow-write=${directory}`, "--allow-sys=statfs"];
}

/** Starts a gateway and waits until it is ready. */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { takesOver } = options;
  const directory = takesOver?.directory ?? options.directory ?? await Deno.makeTempDir({ prefix: "usher-test-" });
  const ports = takesOver === undefined
    ? { port: freePort(), adminPort: freePort() }
    : { port: takesOver.port, adminPort: Number(new URL(takesOver.adminUrl).port) };
  const places = { ...ports, dataDir: join(directory, "data") };
  const configPath = join(directory, "config.yaml");
  await Deno.writeTextFile(configPath, options.config(places));
  const [program, ...before] = options.program ?? [Deno.execPath()];
  const child = new Deno.Command(program!, {
    args: [
      ...before,
      // With the lock file of `deno task start`: the other one would have to be changed where pictures are converted.
      ...["run", "--no-prompt", "--lock=deno.all.lock", ...startPermissions(directory), ...options.permissions ?? []],
      ...[
        options.main ?? "main.ts",
        "start",
        "--config",
        configPath,
        ...takesOver === undefined ? [] : ["--take-over"],
      ],
    ],
    env: { NO_COLOR: "1", USHER_TEST_HOOKS: "1", ...options.env },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = collect(child);
  const gateway = handleOf(child, { output, places, configPath, directory });
  await gateway.logged("Usher is ready");
  return gateway;
}

interface Output {
  text: string;
  ended: boolean;
  wake: (() => void)[];
  readonly drained: Promise<unknown>;
}

function collect(child: Deno.ChildProcess): Output {
  const output: Output = { text: "", ended: false, wake: [], drained: Promise.resolve() };
  const notify = () => output.wake.splice(0).forEach((wake) => wake());
  const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      output.text += text;
      notify();
    }
  };
  const drained = Promise.all([read(child.stdout), read(child.stderr)]).finally(() => {
    output.ended = true;
    notify();
  });
  return Object.assign(output, { drained });
}

interface HandleParts {
  readonly output: Output;
  readonly places: GatewayPlaces;
  readonly configPath: string;
  readonly directory: string;
}

function handleOf(child: Deno.ChildProcess, { output, places, configPath, directory }: HandleParts): RunningGateway {
  const adminUrl = `http://127.0.0.1:${places.adminPort}`;
  const ended = async () => {
    const { code } = await child.status;
    await output.drained;
    return code;
  };
  return {
    url: `http://127.0.0.1:${places.port}`,
    adminUrl,
    port: places.port,
    pid: child.pid,
    configPath,
    directory,
    log: () => output.text,
    logged: (text, timeoutMs = 120_000) => waitForText(output, text, timeoutMs),
    status: async () => await (await fetch(`${adminUrl}/status`)).json(),
    writeConfig: (yaml) => Deno.writeTextFile(configPath, yaml),
    signal: (signal) => child.kill(signal),
    ended,
    async close() {
      if (!output.ended) child.kill("SIGTERM");
      await ended();
      await Deno.remove(directory, { recursive: true }).catch(() => {});
    },
  };
}

async function waitForText(output: Output, text: string, timeoutMs: number): Promise<void> {
  const untilMs = performance.now() + timeoutMs;
  while (!output.text.includes(text)) {
    const leftMs = untilMs - performance.now();
    if (output.ended || leftMs <= 0) {
      throw new Error(`The gateway did not print "${text}". It printed:\n${output.text}`);
    }
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      output.wake.push(resolve);
      timer = setTimeout(resolve, leftMs);
    });
    clearTimeout(timer);
  }
}

/** Resident memory of the whole gateway, as it tells itself. */
export async function residentBytes(gateway: RunningGateway): Promise<number> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)![1]);
}

/** One response, with its body. */
export interface Fetched {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly cacheStatus: string;
}

/** Fetches a whole response. */
export async function fetched(url: string, init?: RequestInit): Promise<Fetched> {
  const response = await fetch(url, init);
  const bytes = new Uint8Array(await response.arrayBuffer());
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    cacheStatus: response.headers.get("cache-status") ?? "",
  };
}

/** SHA-256 as hexadecimal text. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
