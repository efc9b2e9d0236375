import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import tls from "node:tls";
import type { TLSSocket } from "node:tls";
import type { ByteStream } from "./byte_stream.ts";
import type { ServerHandshake, TlsServerStream } from "./tls_engine.ts";

/** What an idle connection waits with. */
const IDLE_READ_BYTES = 2 * 1024;
/** A full record, with its head and its seal. */
const BUSY_READ_BYTES = 16 * 1024 + 512;
/** Of what is to be written, so much is sealed at a time: the sealed form lies in memory beside it. */
const MAX_WRITE_BYTES = 64 * 1024;
/** How long the end of a connection may take to be written. */
const CLOSE_MS = 1_000;

/** A socket of ours as the stream that the TLS library wants, with what was read of it before. */
export class RecordStream extends Duplex {
  readonly #stream: ByteStream;
  #first: Uint8Array | null;
  readonly #own = Buffer.allocUnsafeSlow(IDLE_READ_BYTES);
  #isBusy = false;

  constructor(stream: ByteStream, first: Uint8Array | null) {
    super({ allowHalfOpen: true });
    this.#stream = stream;
    this.#first = first;
  }

  override _read(): void {
    if (this.#first !== null) {
      const first = this.#first;
      this.#first = null;
      this.push(Buffer.from(first));
      return;
    }
    const memory = this.#isBusy ? Buffer.allocUnsafeSlow(BUSY_READ_BYTES) : this.#own;
    this.#stream.read(memory).then((count) => {
      this.#isBusy = count !== null && count >= IDLE_READ_BYTES;
      const read = count === null ? null : memory.subarray(0, count);
      // The library may keep what it is given; its own memory is read into again.
      this.push(read !== null && memory === this.#own ? Buffer.from(read) : read);
    }, (error) => this.destroy(error));
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#stream.write(chunk).then(
      (count) => count < chunk.length ? this._write(chunk.subarray(count), _encoding, done) : done(),
      done,
    );
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#stream.closeWrite().then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    try {
      this.#stream.close();
    } catch {
      // Closed before.
    }
    done(error);
  }
}

/**
 * The library begins in the next turn, and where that fails at once, as with a key that it cannot use or a version that it does not
 * speak, it fails a second time where nobody can catch it (Deno 2.9.6): that would end the worker.
 */
export function guardStart(socket: TLSSocket): TLSSocket {
  const inner = socket as TLSSocket & { _start?: () => void };
  const start = inner._start;
  if (start === undefined) return socket;
  inner._start = () => {
    try {
      start.call(socket);
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  };
  return socket;
}

/** Settles when the handshake has ended well, as `event` tells; rejects where it has not. Nothing that breaks later is unheard either. */
export function secured(socket: TLSSocket, records: RecordStream, event: "secure" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    records.on("error", reject);
    socket.on("error", reject);
    socket.once("close", () => reject(new Error("The connection was closed")));
    socket.once(event, resolve);
  });
}

interface PendingRead {
  readonly target: Uint8Array;
  readonly resolve: (count: number | null) => void;
  readonly reject: (error: Error) => void;
}

/** What goes in clear through a TLS connection. */
export class TlsStream implements ByteStream {
  readonly #socket: TLSSocket;
  readonly #records: RecordStream;
  /** Came while nobody read. */
  readonly #chunks: Uint8Array[] = [];
  #pending: PendingRead | null = null;
  #isEnded = false;
  #isClosed = false;
  #unwritten = 0;
  #error: Error | null = null;

  constructor(socket: TLSSocket, records: RecordStream) {
    this.#socket = socket;
    this.#records = records;
    socket.on("data", (chunk: Uint8Array) => this.#took(chunk));
    socket.on("end", () => this.#ended());
    socket.on("error", (error: Error) => this.#broke(error));
    socket.on("close", () => this.#broke(new Error("The connection was closed")));
  }

  read(target: Uint8Array): Promise<number | null> {
    const chunk = this.#chunks[0];
    if (chunk !== undefined) return Promise.resolve(this.#give(chunk, target));
    if (this.#error !== null) return Promise.reject(this.#error);
    if (this.#isEnded) return Promise.resolve(null);
    return new Promise((resolve, reject) => this.#pending = { target, resolve, reject });
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.#error !== null) return Promise.reject(this.#error);
    const part = bytes.length > MAX_WRITE_BYTES ? bytes.subarray(0, MAX_WRITE_BYTES) : bytes;
    this.#unwritten++;
    return new Promise((resolve, reject) =>
      this.#socket.write(part, (error) => {
        this.#unwritten--;
        if (error) reject(error);
        else resolve(part.length);
      })
    );
  }

  closeWrite(): Promise<void> {
    if (this.#error !== null) return Promise.reject(this.#error);
    return new Promise((resolve) => this.#socket.end(resolve));
  }

  /** Says that this is the end, where the client takes that, and closes. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const isStalled = this.#unwritten > 0 || this.#error !== null || this.#socket.writableEnded;
    if (isStalled) return this.#destroy();
    this.#broke(new Error("The connection was closed"));
    const timer = setTimeout(() => this.#destroy(), CLOSE_MS);
    const ended = () => {
      clearTimeout(timer);
      this.#destroy();
    };
    this.#socket.once("close", ended);
    this.#socket.end(ended);
  }

  abort(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#broke(new Error("The connection was closed"));
    this.#destroy();
  }

  #destroy(): void {
    this.#socket.destroy();
    // Whatever the library does of it: this frees the descriptor.
    this.#records.destroy();
  }

  #took(chunk: Uint8Array): void {
    if (this.#isClosed) return;
    const { length } = this.#chunks;
    this.#chunks.push(chunk);
    const pending = this.#pending;
    if (pending !== null) {
      this.#pending = null;
      pending.resolve(this.#give(this.#chunks[0]!, pending.target));
    }
    if (this.#chunks.length > 0 && length === 0) this.#socket.pause();
  }

  #give(chunk: Uint8Array, target: Uint8Array): number {
    const count = Math.min(chunk.length, target.length);
    target.set(count === chunk.length ? chunk : chunk.subarray(0, count));
    if (count < chunk.length) {
      this.#chunks[0] = chunk.subarray(count);
    } else {
      this.#chunks.shift();
      if (this.#chunks.length === 0 && this.#socket.isPaused()) this.#socket.resume();
    }
    return count;
  }

  #ended(): void {
    this.#isEnded = true;
    this.#pending?.resolve(null);
    this.#pending = null;
  }

  #broke(error: Error): void {
    this.#error ??= error;
    this.#pending?.reject(this.#error);
    this.#pending = null;
  }
}

/** The server's side of TLS by Node's streams, for runtimes that lack the engine. */
export class NodeServerStream extends TlsStream implements TlsServerStream {
  readonly #secured: Promise<void>;
  readonly #socket: TLSSocket;

  constructor(stream: ByteStream, { context, protocols, first }: ServerHandshake) {
    const records = new RecordStream(stream, first);
    const list = protocols.map((name) => Buffer.from(`${String.fromCharCode(name.length)}${name}`, "latin1"));
    const options = {
      isServer: true,
      allowHalfOpen: true,
      secureContext: context,
      // As it is on the wire (RFC 7301 §3.1).
      ALPNProtocols: Buffer.concat(list),
    };
    // The types do not know all of them (Deno 2.9.6).
    const socket = guardStart(new tls.TLSSocket(records as never, options as never));
    super(socket, records);
    this.#socket = socket;
    this.#secured = secured(socket, records, "secure");
    this.#secured.catch(() => {});
  }

  get protocol(): string | null {
    return this.#socket.alpnProtocol || null;
  }

  handshake(): Promise<void> {
    return this.#secured;
  }
}
