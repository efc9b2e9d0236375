import { dirname, join } from "node:path";
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

/** Errors of `accept` that go away by themselves: of a client, or for want of descriptors or memory. */
const PASSING = /^(?:EMFILE|ENFILE|ENOBUFS|ENOMEM|ECONNABORTED|EINTR|EPROTO|EPERM)$/;
/** After so many other errors in a row the socket is of no use any more. */
const HOPELESS_ERRORS = 20;

/** Binds an address; tests give sockets of their own. */
export type Bind = (target: ListenTarget) => Promise<Deno.Listener<Deno.Conn>> | Deno.Listener<Deno.Conn>;

/** One address that is listened on. */
export class Listening {
  /** `host:port` as bound, or `unix:PATH`. */
  readonly address: string;
  readonly #target: ListenTarget;
  readonly #bind: Bind;
  #listener: Deno.Listener<Deno.Conn>;
  #errorsInRow = 0;
  #lastError: unknown = null;
  /** The file of a unix socket that this one has made; another process may have replaced it since. */
  readonly #inode: number | null;
  #acceptedCount = 0;
  #accepting: Promise<void> = Promise.resolve();
  #isClosed = false;
  #endPause = () => {};

  private constructor(target: ListenTarget, listener: Deno.Listener<Deno.Conn>, bind: Bind) {
    this.#listener = listener;
    this.#bind = bind;
    this.address = "path" in target ? `unix:${target.path}` : addressOf(listener.addr);
    this.#inode = inodeOf(target);
    // It is opened again on the port that the system has chosen.
    this.#target = "port" in target && "port" in listener.addr ? { ...target, port: listener.addr.port } : target;
  }

  /**
   * Binds the address; connections wait until {@linkcode accept} is called.
   *
   * @throws {Error} where it cannot be bound
   */
  static async open(target: ListenTarget, bind: Bind = bindSystem): Promise<Listening> {
    try {
      return new Listening(target, await bind(target), bind);
    } catch (error) {
      const address = addressOf(
        "path" in target ? { transport: "unix", path: target.path } : { transport: "tcp", ...target },
      );
      throw new Error(`Cannot listen on ${address}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Why connections cannot be accepted at this time; `null` where they can. */
  get trouble(): string | null {
    return this.#errorsInRow === 0 ? null : messageOf(this.#lastError);
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
          this.#errorsInRow = 0;
          take(connection);
        }
      } catch (error) {
        if (this.#isClosed) return;
        counts.acceptErrors++;
        this.#errorsInRow++;
        this.#lastError = error;
        if (this.#errorsInRow % HOPELESS_ERRORS === 0 && !isPassing(error)) await this.#reopen();
        await pause(MIN_RETRY_MS + Math.random() * (MAX_RETRY_MS - MIN_RETRY_MS));
      }
    }
  }

  /** Takes another socket in the place of one that accepts nothing; where that fails too, it is tried again later. */
  async #reopen(): Promise<void> {
    try {
      closeQuietly(this.#listener);
      const target = "path" in this.#target ? { ...this.#target, replacesFile: true } : this.#target;
      const listener = await this.#bind(target);
      if (this.#isClosed) closeQuietly(listener);
      else this.#listener = listener;
    } catch (error) {
      this.#lastError = error;
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
      closeQuietly(this.#listener);
    }
    await this.#accepting;
    if ("path" in this.#target && this.#inode !== null && inodeOf(this.#target) === this.#inode) {
      await Deno.remove(this.#target.path).catch(() => {});
    }
  }
}

function isPassing(error: unknown): boolean {
  return PASSING.test(String((error as { readonly code?: unknown } | null)?.code ?? "")) ||
    /too many open files/i.test(messageOf(error));
}

/** One that is broken may be closed already. */
function closeQuietly(listener: Deno.Listener<Deno.Conn>): void {
  try {
    listener.close();
  } catch {
    // It is gone.
  }
}

function bindSystem(target: ListenTarget): Promise<Deno.Listener<Deno.Conn>> | Deno.Listener<Deno.Conn> {
  return "path" in target ? listenUnix(target) : listenTcp(target);
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
  if (await isTaken(path, replacesFile)) throw new Deno.errors.AddrInUse("Address already in use");
  // Made beside it and renamed, so that there is a socket at every moment, and a listener that closes removes none of another process.
  const fresh = join(dirname(path), `.~${Math.random().toString(36).slice(2, 6)}`);
  const listener = Deno.listen({ transport: "unix", path: fresh });
  try {
    if (mode !== undefined) await Deno.chmod(fresh, mode);
    await Deno.rename(fresh, path);
    return listener;
  } catch (error) {
    listener.close();
    throw error;
  }
}

/** Whether something is at a path that may not be replaced. */
async function isTaken(path: string, replacesFile: boolean): Promise<boolean> {
  try {
    return !await isStale(path, replacesFile);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** `null` for an address without a file, and where there is none. */
function inodeOf(target: ListenTarget): number | null {
  try {
    return "path" in target ? Deno.lstatSync(target.path).ino : null;
  } catch {
    return null;
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
