import { join } from "node:path";
import { freePort } from "../free_port.ts";
import { chaosConfig, type Places } from "./gateway_config.ts";
import { LIBFAKETIME, type Workshop } from "./workshop.ts";

/** How long a gateway may take until it serves, or to end, on a busy machine. */
const READY_MS = 240_000;
const POLL_MS = 100;

/** A process of the gateway. */
interface Running {
  readonly child: Deno.ChildProcess;
  readonly ended: Promise<number>;
  isOver: boolean;
}

/** The gateway of a run: it is ended, killed and started again on the same addresses and files. */
export class ChaosGateway {
  readonly port = freePort();
  readonly adminPort = freePort();
  readonly adminUrl: string;
  /** Told of a process that ends by itself, with its exit status. */
  onDeath: (code: number) => void = () => {};
  variant = 0;
  readonly #shop: Workshop;
  readonly #upstreams: Places["upstreams"];
  #running: Running | null = null;
  #isWanted = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(shop: Workshop, upstreams: Places["upstreams"]) {
    this.#shop = shop;
    this.#upstreams = upstreams;
    this.adminUrl = `http://127.0.0.1:${this.adminPort}`;
  }

  get pid(): number {
    return this.#running!.child.pid;
  }

  /** Whether there is no process. */
  get isDown(): boolean {
    return this.#running?.isOver ?? true;
  }

  /** Does what ends and starts processes, one after the other: a process may end by itself while it is to be ended. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => {});
    return await mine;
  }

  /** Starts it and waits until it serves; with `takesOver`, beside the one that serves. */
  async start(takesOver = false): Promise<void> {
    await this.write(this.variant);
    const before = this.#running;
    const child = this.#spawn(takesOver);
    const running: Running = { child, ended: child.status.then(({ code }) => code), isOver: false };
    this.#running = running;
    this.#isWanted = true;
    running.ended.then((code) => {
      running.isOver = true;
      if (this.#running === running && this.#isWanted) this.onDeath(code);
    });
    try {
      await this.#ready(running);
    } catch (error) {
      this.#running = takesOver ? before : running;
      child.kill("SIGKILL");
      throw error;
    }
    if (before !== null && takesOver) await before.ended;
  }

  /** Writes a variant of the configuration; the gateway reads it on `SIGHUP`. */
  async write(variant: number): Promise<void> {
    this.variant = variant;
    const text = chaosConfig(
      { ...this.#shop, port: this.port, adminPort: this.adminPort, upstreams: this.#upstreams },
      variant,
    );
    await Deno.writeTextFile(this.#shop.configPath, text);
  }

  signal(signal: Deno.Signal): void {
    this.#running!.child.kill(signal);
  }

  /** Signals it and waits for its end; its exit status. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<number> {
    this.#isWanted = false;
    const running = this.#running!;
    try {
      running.child.kill(signal);
    } catch {
      // It has ended.
    }
    const patience = setTimeout(() => running.child.kill("SIGKILL"), READY_MS);
    const code = await running.ended;
    clearTimeout(patience);
    return code;
  }

  /** An answer of the admin address, or `null` where it gives none. */
  async admin(
    path: string,
    init: RequestInit = {},
  ): Promise<{ readonly status: number; readonly text: string } | null> {
    try {
      const response = await fetch(this.adminUrl + path, { ...init, signal: AbortSignal.timeout(20_000) });
      return { status: response.status, text: await response.text() };
    } catch {
      return null;
    }
  }

  async #ready(running: Running): Promise<void> {
    const untilMs = Date.now() + READY_MS;
    for (;;) {
      const ready = await this.admin("/ready");
      const status = ready?.status === 200 ? JSON.parse((await this.admin("/status"))?.text ?? "{}") : null;
      if (status?.pid === running.child.pid) return;
      if (running.isOver) throw new Error(`The gateway has ended as it came up; see ${this.#shop.logPath}`);
      if (Date.now() > untilMs) throw new Error(`The gateway does not come up; see ${this.#shop.logPath}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  #spawn(takesOver: boolean): Deno.ChildProcess {
    const { directory, logPath, configPath, descriptors, clockPath } = this.#shop;
    const run = [
      ...["run", "--no-prompt", "--no-check", "--lock=deno.all.lock", "--allow-net", "--allow-read", "--allow-env"],
      ...[`--allow-write=${directory}`, "--allow-sys=statfs", "main.ts", "start", "--config", configPath],
      ...takesOver ? ["--take-over"] : [],
    ];
    // The shell sets what the runtime cannot set for itself, and keeps the log in a file that may grow.
    const script = `ulimit -n ${descriptors}; exec "$@" >>"${logPath}" 2>&1`;
    return new Deno.Command("/bin/sh", {
      args: ["-c", script, "sh", Deno.execPath(), ...run],
      env: { NO_COLOR: "1", USHER_TEST_HOOKS: "1", ...clockPath === null ? {} : fakedClock(clockPath) },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }
}

function fakedClock(path: string): Record<string, string> {
  return {
    LD_PRELOAD: LIBFAKETIME,
    FAKETIME_TIMESTAMP_FILE: path,
    FAKETIME_CACHE_DURATION: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
    FAKETIME_DONT_RESET: "1",
    NO_FAKE_STAT: "1",
  };
}

/** The KV file of a gateway. */
export function kvFile(dataDir: string): string {
  return join(dataDir, "usher.kv");
}
