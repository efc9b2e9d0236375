import { pause } from "../clock.ts";
import { messageOf } from "../errors.ts";
import type { ListenTarget } from "./listen_target.ts";
import type { ServerCounts } from "./server_counts.ts";

/** The most that systems allow (`somaxconn`), for bursts of clients. */
const BACKLOG = 4_000;

/** Pause after an error of `accept`, such as too few descriptors, which would repeat at once. */
const MIN_RETRY_MS = 20;
const MAX_RETRY_MS = 50;

/** Time without a new connection after which the kernel's queue of this socket counts as empty. */
const QUIET_MS = 20;
/** Further turns of the event loop, for busy machines where that time passes before a socket is looked at. */
const QUIET_TURNS = 3;
/** Longest wait for that, on busy addresses. */
const MAX_QUIET_WAIT_MS = 1_000;

/** One address that is listened on. */
export class Listening {
  /** `host:port` as bound, or `unix:PATH`. */
  readonly address: string;
  readonly #listener: Deno.Listener<Deno.Conn>;
  #acceptedCount = 0;
  #accepting: Promise<void> = Promise.resolve();
  #isClosed = false;
  #endPause = () => {};

  private constructor(listener: Deno.Listener<Deno.Conn>) {
    this.#listener = listener;
    this.address = addressOf(listener.addr);
  }

  /**
   * Binds the address; connections wait until {@linkcode accept} is called.
   *
   * @throws {Error} where it cannot be bound
   */
  static async open(target: ListenTarget): Promise<Listening> {
    try {
      return new Listening("path" in target ? await listenUnix(target) : listenTcp(target));
    } catch (error) {
      const address = addressOf(
        "path" in target ? { transport: "unix", path: target.path } : { transport: "tcp", ...target },
      );
      throw new Error(`Cannot listen on ${address}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Passes every connection to `take`, until the address is closed. */
  accept(take: (connection: Deno.Conn) => void, counts: ServerCounts): void {
    this.#accepting = this.#acceptAll(take, counts);
  }

  async #acceptAll(take: (connection: Deno.Conn) => void, counts: ServerCounts): Promise<void> {
    while (!this.#isClosed) {
      try {
        for (;;) {
          const connection = await this.#listener.accept();
          this.#acceptedCount++;
          take(connection);
        }
      } catch {
        if (this.#isClosed) return;
        counts.acceptErrors++;
        await pause(MIN_RETRY_MS + Math.random() * (MAX_RETRY_MS - MIN_RETRY_MS));
      }
    }
  }

  /**
   * Closes the address once no connection has come for a moment. Connections that are still in the kernel's queue are lost, unless
   * `net.ipv4.tcp_migrate_req` moves them to another socket of the port.
   */
  async close(): Promise<void> {
    const latestMs = performance.now() + MAX_QUIET_WAIT_MS;
    for (let seen = -1; seen !== this.#acceptedCount && performance.now() < latestMs;) {
      seen = this.#acceptedCount;
      for (const pauseMs of [QUIET_MS, ...Array<number>(QUIET_TURNS).fill(0)]) {
        if (!this.#isClosed) await this.#pause(pauseMs);
      }
    }
    await this.closeNow();
  }

  /** Waits, but not longer than the address is open. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Closes the address at once. Settles when the pending `accept` has ended: then the socket is closed and its file gone. */
  async closeNow(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#endPause();
      this.#listener.close();
    }
    await this.#accepting;
  }
}

function addressOf(address: Deno.Addr): string {
  if (address.transport === "unix") return `unix:${address.path}`;
  if (address.transport !== "tcp") throw new TypeError(`Cannot serve ${address.transport}`);
  const { hostname, port } = address;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

function listenTcp({ hostname, port, reusePort = false }: Extract<ListenTarget, { port: number }>): Deno.TcpListener {
  // The types do not know the backlog (Deno 2.9.6).
  const options = { hostname, port, reusePort, tcpBacklog: BACKLOG };
  return Deno.listen(options as Deno.TcpListenOptions & { transport: "tcp" });
}

async function listenUnix(
  { path, mode, replacesFile = false }: Extract<ListenTarget, { path: string }>,
): Promise<Deno.UnixListener> {
  // Asked first: on a terminal Deno asks for the permission, and waits.
  if (Deno.permissions.querySync({ name: "write", path }).state !== "granted") {
    throw new Deno.errors.NotCapable(`Deno may not write at ${path} (--allow-write)`);
  }
  let listener: Deno.UnixListener;
  try {
    listener = Deno.listen({ transport: "unix", path });
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse) || !await isStale(path, replacesFile)) throw error;
    await Deno.remove(path);
    listener = Deno.listen({ transport: "unix", path });
  }
  try {
    if (mode !== undefined) await Deno.chmod(path, mode);
    return listener;
  } catch (error) {
    listener.close();
    throw error;
  }
}

/** Whether a path is a socket without a listener: its process was killed, or the caller knows (`replacesFile`). */
async function isStale(path: string, replacesFile: boolean): Promise<boolean> {
  if (!(await Deno.lstat(path)).isSocket) return false;
  if (replacesFile) return true;
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return false;
  } catch (error) {
    return error instanceof Deno.errors.ConnectionRefused;
  }
}
