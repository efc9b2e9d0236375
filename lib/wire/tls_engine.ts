import { Duplex } from "node:stream";
import tls from "node:tls";
import type { SecureContext } from "node:tls";
import type { ByteStream } from "./byte_stream.ts";

/** A full record with its head and its authentication tag. */
const RECORD_BYTES = 16 * 1024 + 512;
/** Content that is encrypted at a time: three full records, and as much as the library takes in one call. */
const MAX_WRITE_BYTES = 48 * 1024;
/** What follows the client's first message is short. */
const HANDSHAKE_READ_BYTES = 2 * 1024;
/** Time that the closing alert may take to be written. */
const CLOSE_MS = 1_000;

/**
 * One connection of the runtime's TLS library without a socket: encrypted bytes in, encrypted bytes out. Node's `TLSSocket` is made of it;
 * its name is not documented.
 */
interface Engine {
  initServerTls(context: object): number;
  /** Encrypted output is kept for {@linkcode drainEncOut}. */
  attachJsStream(): number;
  /** The object whose `on…` members are called. */
  setHandle(handle: object): void;
  setAlpnProtocols(names: readonly string[]): void;
  start(): number;
  /** From now on content goes to `onread`. */
  readStart(): number;
  /** Content is copied to here before `onread` is called. */
  useUserBuffer(buffer: Uint8Array): void;
  /** Takes encrypted bytes; calls back before it returns. */
  readBuffer(bytes: Uint8Array): void;
  /** Content bytes so far. */
  getBytesRead(): number;
  writeBuffer(request: object, bytes: Uint8Array): number;
  drainEncOut(): Uint8Array;
  getAlpnNegotiatedProtocol(out: { alpnProtocol?: string | false }): number;
  /** Puts the closing alert into the output. */
  shutdown(request: object): number;
  /** Frees its memory; without it, it would keep itself alive. */
  destroySsl(): void;
  onread?: () => void;
  onhandshakedone?: () => void;
  onerror?: (error: Error) => void;
}

type EngineClass = new (kind: number, provider: number) => Engine;

const SERVER_KIND = 1;
const CLOSED = "The connection was closed";

const USED_MEMBERS = [
  ...["initServerTls", "attachJsStream", "setHandle", "setAlpnProtocols", "start", "readStart", "useUserBuffer"],
  ...[
    "readBuffer",
    "getBytesRead",
    "writeBuffer",
    "drainEncOut",
    "getAlpnNegotiatedProtocol",
    "shutdown",
    "destroySsl",
  ],
];

let found: EngineClass | null | undefined;

/** Whether this runtime has the engine, as Deno 2.9.6 has. Without it TLS goes through Node's streams, which costs more. */
export function hasTlsEngine(): boolean {
  return engineClass() !== null;
}

function engineClass(): EngineClass | null {
  if (found !== undefined) return found;
  const options = { isServer: true, secureContext: tls.createSecureContext() };
  const socket = new tls.TLSSocket(new Unconnected() as never, options);
  const { _handle: handle } = socket as unknown as { _handle?: Readonly<Record<string, unknown>> };
  socket.destroy();
  const hasAll = handle !== undefined && USED_MEMBERS.every((name) => typeof handle[name] === "function");
  return found = hasAll ? handle.constructor as unknown as EngineClass : null;
}

/** A stream on which nothing ever happens. */
class Unconnected extends Duplex {
  override _read(): void {}
}

/** Content on its way from an engine to whom it is for: an engine calls back before its call returns, so that all can share it. */
const passage = new Uint8Array(RECORD_BYTES);

/** What an engine wants to hold for each write. */
const REQUEST = {};

/** What the server shows and offers in a handshake. */
export interface ServerHandshake {
  readonly context: SecureContext;
  /** Names of protocols, the preferred one first; a client that offers none of them is refused (RFC 7301 §3.2). */
  readonly protocols: readonly string[];
  /** What the client has sent already. */
  readonly first: Uint8Array;
}

/** The server's side of TLS on a connection: content is read and written here, encrypted bytes on the stream below. */
export interface TlsServerStream extends ByteStream {
  /** The protocol that was agreed on; `null` where the client offered none. */
  readonly protocol: string | null;
  /**
   * Goes through the handshake, before anything is read or written.
   *
   * @throws {Error} where it fails, in the library's own words
   */
  handshake(): Promise<void>;
}

/** TLS by the runtime's engine. It holds no memory of its own between reads. */
export class EngineStream implements TlsServerStream {
  readonly #stream: ByteStream;
  readonly #first: Uint8Array;
  readonly #engine: Engine;
  /** Content that came and had no room where it was wanted. */
  #rest: Uint8Array | null = null;
  /** Where content goes during a read. */
  #target: Uint8Array | null = null;
  #count = 0;
  #takenBytes = 0;
  #isSecured = false;
  #isEnded = false;
  #isClosed = false;
  #error: Error | null = null;
  /** The writes to the stream below: one after the other, each with all that there is then. */
  #sending: Promise<void> | null = null;

  /** @throws {Error} where the certificate cannot be used, or the runtime has no engine */
  constructor(stream: ByteStream, { context, protocols, first }: ServerHandshake) {
    const Engine = engineClass();
    if (Engine === null) throw new Error("This runtime has no TLS engine");
    this.#stream = stream;
    this.#first = first;
    const engine = this.#engine = new Engine(SERVER_KIND, 0);
    const { context: options } = context as unknown as { context: object };
    if (engine.initServerTls({ ...options, requestCert: false, rejectUnauthorized: true }) !== 0) {
      throw new Error("The certificate or its key cannot be used");
    }
    engine.attachJsStream();
    engine.setAlpnProtocols(protocols);
    engine.useUserBuffer(passage);
    engine.onread = () => this.#onContent();
    engine.onhandshakedone = () => this.#isSecured = true;
    engine.onerror = (error) => this.#error ??= error;
    if (engine.start() !== 0) throw new Error("TLS cannot be started");
    engine.setHandle(engine);
    engine.readStart();
  }

  async handshake(): Promise<void> {
    let memory: Uint8Array | null = null;
    for (let bytes = this.#first;;) {
      this.#engine.readBuffer(bytes);
      // Where it has failed, the alert that says so is part of that.
      await this.#flush();
      if (this.#error !== null) throw this.#error;
      if (this.#isSecured) return;
      memory ??= new Uint8Array(HANDSHAKE_READ_BYTES);
      const count = await this.#stream.read(memory);
      if (count === null) throw new Error(CLOSED);
      if (this.#isClosed) throw this.#error!;
      bytes = memory.subarray(0, count);
    }
  }

  get protocol(): string | null {
    const out: { alpnProtocol?: string | false } = {};
    this.#engine.getAlpnNegotiatedProtocol(out);
    return out.alpnProtocol || null;
  }

  async read(target: Uint8Array): Promise<number | null> {
    if (this.#rest !== null) return this.#giveRest(this.#rest, target);
    // Encrypted bytes are read into the same memory: the engine has taken them before it gives any content.
    for (let memory = target;;) {
      if (this.#error !== null) throw this.#error;
      if (this.#isEnded) return null;
      const count = await this.#stream.read(memory);
      if (this.#isClosed) throw this.#error!;
      if (count === null) {
        this.#isEnded = true;
        return null;
      }
      this.#target = target;
      this.#count = 0;
      this.#engine.readBuffer(count === memory.length ? memory : memory.subarray(0, count));
      this.#target = null;
      if (this.#count > 0) return this.#count;
      // What came was not content: the engine may have an answer, or an alert.
      await this.#flush();
      // The record is larger than what is wanted of it.
      if (memory.length < RECORD_BYTES) memory = new Uint8Array(RECORD_BYTES);
    }
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.#error !== null) return Promise.reject(this.#error);
    const part = bytes.length > MAX_WRITE_BYTES ? bytes.subarray(0, MAX_WRITE_BYTES) : bytes;
    this.#engine.writeBuffer(REQUEST, part);
    return this.#sent(part.length);
  }

  async #sent(count: number): Promise<number> {
    await this.#flush();
    return count;
  }

  async closeWrite(): Promise<void> {
    if (this.#error !== null) throw this.#error;
    this.#engine.shutdown(REQUEST);
    await this.#flush();
    await this.#stream.closeWrite();
  }

  /** Tells the client that this is the end, where it takes that, and closes. */
  close(): void {
    if (this.#isClosed) return;
    const isStalled = this.#sending !== null || this.#error !== null || !this.#isSecured;
    this.#isClosed = true;
    this.#error ??= new Error(CLOSED);
    if (isStalled) return this.#free();
    this.#engine.shutdown(REQUEST);
    const timer = setTimeout(() => this.#free(), CLOSE_MS);
    const free = () => {
      clearTimeout(timer);
      this.#free();
    };
    this.#flush().then(free, free);
  }

  abort(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#error ??= new Error(CLOSED);
    this.#free();
  }

  #free(): void {
    this.#engine.destroySsl();
    try {
      this.#stream.close();
    } catch {
      // Closed before.
    }
  }

  /** Sends what the engine has put out. */
  #flush(): Promise<void> {
    if (this.#sending !== null) return this.#sending;
    const bytes = this.#engine.drainEncOut();
    return bytes.length === 0 ? Promise.resolve() : this.#sending = this.#send(bytes);
  }

  async #send(first: Uint8Array): Promise<void> {
    try {
      for (let bytes = first; bytes.length > 0; bytes = this.#engine.drainEncOut()) {
        for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await this.#stream.write(rest));
      }
    } catch (error) {
      this.#error ??= error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      this.#sending = null;
    }
  }

  /** Content lies in the passage, or the client has ended its direction. */
  #onContent(): void {
    const count = Math.min(this.#engine.getBytesRead() - this.#takenBytes, passage.length);
    if (count === 0) {
      this.#isEnded = true;
      return;
    }
    this.#takenBytes += count;
    const room = this.#target === null ? 0 : Math.min(count, this.#target.length - this.#count);
    if (room > 0) this.#target!.set(passage.subarray(0, room), this.#count);
    this.#count += room;
    if (room < count) this.#keep(passage.subarray(room, count));
  }

  #keep(bytes: Uint8Array): void {
    const before = this.#rest ?? new Uint8Array(0);
    const rest = new Uint8Array(before.length + bytes.length);
    rest.set(before);
    rest.set(bytes, before.length);
    this.#rest = rest;
  }

  #giveRest(rest: Uint8Array, target: Uint8Array): number {
    const count = Math.min(rest.length, target.length);
    target.set(rest.subarray(0, count));
    this.#rest = count < rest.length ? rest.subarray(count) : null;
    return count;
  }
}
