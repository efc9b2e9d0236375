import net from "node:net";
import type { Field, Fields } from "../../lib/http/fields.ts";
import { fieldValue } from "../../lib/http/fields.ts";
import { ByteInbox } from "./byte_inbox.ts";

/** A request's head as it came, before its body is read. */
export interface ScriptedHead {
  readonly method: string;
  readonly target: string;
  /** Names in lower case, lines apart and in order. */
  readonly fields: Readonly<Fields>;
  /** The bytes as Latin-1 text, up to the empty line. */
  readonly raw: string;
}

/** A complete response for {@linkcode ScriptedExchange.reply}. */
export interface ScriptedReply {
  readonly status?: number;
  readonly fields?: Readonly<Fields>;
  readonly body?: string | Uint8Array;
}

/** Plays the origin's part in one request; what it does not do does not happen. */
export type ScriptedHandler = (exchange: ScriptedExchange) => void | Promise<void>;

/** A running scripted origin. */
export interface ScriptedOrigin {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  readonly port: number;
  /** Connections accepted so far. */
  readonly connections: number;
  /** Connections open now. */
  readonly open: number;
  /** Heads received, in order. */
  readonly heads: readonly ScriptedHead[];
  /** What handlers threw; a test that expects none asserts that it is empty. */
  readonly failures: readonly unknown[];
  /** Replaces the handler for the requests that follow. */
  handle(handler: ScriptedHandler): void;
  /** Cuts all connections and stops listening. */
  close(): Promise<void>;
}

/** One request on one connection, and a hand on the socket under it. */
export class ScriptedExchange {
  readonly head: ScriptedHead;
  /** Which connection, from 1. */
  readonly connection: number;
  /** Which request of its connection, from 1. */
  readonly turn: number;
  readonly #socket: net.Socket;
  readonly #inbox: ByteInbox;

  constructor(socket: net.Socket, inbox: ByteInbox, at: { head: ScriptedHead; connection: number; turn: number }) {
    this.#socket = socket;
    this.#inbox = inbox;
    this.head = at.head;
    this.connection = at.connection;
    this.turn = at.turn;
  }

  /** Whether the connection can still be written to. */
  get isOpen(): boolean {
    return this.#socket.writable;
  }

  /** Resolves when the client has gone or the origin closes. */
  get left(): Promise<void> {
    return this.#inbox.ended;
  }

  /** The request's body, by `Content-Length` or chunks; empty where neither is given. */
  async body(): Promise<Uint8Array> {
    if (/\bchunked\b/i.test(fieldValue(this.head.fields, "transfer-encoding") ?? "")) return await this.#chunks();
    return await this.#inbox.take(Number(fieldValue(this.head.fields, "content-length") ?? "0"));
  }

  /** Exactly so many bytes of what comes behind the head, or fewer where the client ends before. */
  take(lengthBytes: number): Promise<Uint8Array> {
    return this.#inbox.take(lengthBytes);
  }

  async #chunks(): Promise<Uint8Array> {
    const parts: number[] = [];
    for (;;) {
      const lengthBytes = parseInt(await this.#inbox.takeThrough("\r\n"), 16);
      for (const byte of await this.#inbox.take(lengthBytes)) parts.push(byte);
      await this.#inbox.takeThrough("\r\n");
      if (!(lengthBytes > 0)) return Uint8Array.from(parts);
    }
  }

  /** Sends bytes as they are (text as Latin-1) and waits until the socket took them. */
  write(bytes: string | Uint8Array): Promise<void> {
    const chunk = typeof bytes === "string" ? Uint8Array.from(bytes, (letter) => letter.charCodeAt(0)) : bytes;
    return new Promise((resolve) => {
      if (!this.#socket.writable || chunk.length === 0) return resolve();
      this.#socket.write(chunk, () => resolve());
    });
  }

  /** Sends a whole response with its `Content-Length`. */
  async reply(reply: ScriptedReply = {}): Promise<void> {
    const body = typeof reply.body === "string"
      ? new TextEncoder().encode(reply.body)
      : reply.body ?? new Uint8Array(0);
    const lines = [
      `HTTP/1.1 ${reply.status ?? 200} Scripted`,
      ...(reply.fields ?? []).map(([name, value]) => `${name}: ${value}`),
      `content-length: ${body.length}`,
    ];
    await this.write(lines.join("\r\n") + "\r\n\r\n");
    if (this.head.method !== "HEAD") await this.write(body);
  }

  /** Waits, at most until the client leaves. */
  wait(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.left.then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Says nothing more until the client leaves. */
  hang(): Promise<void> {
    return this.left;
  }

  /** Closes in order: what was written arrives, then the end (FIN). */
  end(): void {
    this.#socket.end();
  }

  /** Cuts the connection: the client sees a reset (RST). */
  reset(): void {
    this.#socket.resetAndDestroy();
  }
}

/** Starts an origin whose every byte and pause a test decides; requests of one connection are handled one after the other. */
export async function startScriptedOrigin(handler: ScriptedHandler): Promise<ScriptedOrigin> {
  const room = new ScriptedRoom(handler);
  const server = net.createServer({ allowHalfOpen: true }, (socket) => void room.serve(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  return Object.freeze({
    url: `http://127.0.0.1:${port}`,
    port,
    heads: room.heads,
    failures: room.failures,
    get connections() {
      return room.accepted;
    },
    get open() {
      return room.sockets.size;
    },
    handle: (next: ScriptedHandler) => void (room.handler = next),
    close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of room.sockets) socket.destroy();
      return closed;
    },
  });
}

/** Connections of one origin. */
class ScriptedRoom {
  handler: ScriptedHandler;
  readonly heads: ScriptedHead[] = [];
  readonly failures: unknown[] = [];
  readonly sockets = new Set<net.Socket>();
  accepted = 0;

  constructor(handler: ScriptedHandler) {
    this.handler = handler;
  }

  async serve(socket: net.Socket): Promise<void> {
    const connection = ++this.accepted;
    this.sockets.add(socket);
    socket.setNoDelay(true);
    const inbox = new ByteInbox(socket);
    inbox.ended.then(() => this.sockets.delete(socket));
    try {
      for (let turn = 1; socket.writable; turn++) {
        const raw = await inbox.takeThrough("\r\n\r\n");
        if (raw === "") break;
        const head = parseHead(raw);
        this.heads.push(head);
        await this.handler(new ScriptedExchange(socket, inbox, { head, connection, turn }));
      }
    } catch (error) {
      this.failures.push(error);
    }
    if (!socket.destroyed) socket.end();
  }
}

function parseHead(raw: string): ScriptedHead {
  const [first, ...lines] = raw.slice(0, -4).split("\r\n");
  const [method, target] = first!.split(" ");
  const fields = lines.map((line): Field => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { method: method ?? "", target: target ?? "", fields, raw };
}
