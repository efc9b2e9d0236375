/** Longest message: those with post-quantum keys have some 1,800 bytes. */
export const MAX_HELLO_BYTES = 16 * 1024;

/** Most records: each read parses all of them again. */
const MAX_RECORDS = 1_000;

const RECORD_HEAD_BYTES = 5;
const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const MESSAGE_HEAD_BYTES = 4;
/** Version and random value. */
const FIXED_BYTES = 34;
const SERVER_NAME = 0;
const PROTOCOLS = 16;
const HOST_NAME = 0;

/** The first message of a TLS client (RFC 8446 §4.1.2). */
export interface ClientHello {
  /** The server name (SNI, RFC 6066 §3) in lower case; `null` for none. */
  readonly serverName: string | null;
  /** The offered protocols (ALPN, RFC 7301), the preferred one first. */
  readonly protocols: readonly string[];
  /** The whole message, its head included. */
  readonly message: Uint8Array;
  /** The session id, which the server repeats (RFC 8446 §4.1.3). */
  readonly sessionId: Uint8Array;
  /** Contents of all extensions, by their kinds. */
  readonly extensions: ReadonlyMap<number, Uint8Array>;
}

/** The bytes do not begin a TLS handshake. */
export class NoClientHello extends Error {
  override readonly name = "NoClientHello";
}

/**
 * Reads the first message of a TLS handshake, which may come in several records; `null` where its end has not come yet.
 *
 * @throws {NoClientHello} where the bytes cannot become one
 */
export function parseClientHello(bytes: Uint8Array): ClientHello | null {
  const message = messageIn(bytes);
  if (message === null) return null;
  const reader = new Reader(message.subarray(MESSAGE_HEAD_BYTES));
  reader.skip(FIXED_BYTES);
  const sessionId = reader.take(reader.number(1));
  reader.take(reader.number(2)); // cipher suites
  reader.take(reader.number(1)); // compression methods
  const extensions = new Map<number, Uint8Array>();
  const list = reader.isDone ? reader : new Reader(reader.take(reader.number(2)));
  while (!list.isDone) extensions.set(list.number(2), list.take(list.number(2)));
  const names = extensions.get(SERVER_NAME);
  const protocols = extensions.get(PROTOCOLS);
  return {
    serverName: names === undefined ? null : hostNameOf(names),
    protocols: protocols === undefined ? [] : protocolsOf(protocols),
    ...{ message, sessionId, extensions },
  };
}

/** The message that the records hold; `null` where it is not complete. */
function messageIn(bytes: Uint8Array): Uint8Array | null {
  const parts: Uint8Array[] = [];
  let count = 0;
  for (let at = 0; at < bytes.length;) {
    if (bytes[at] !== HANDSHAKE_RECORD) throw new NoClientHello("The connection does not begin with a TLS record");
    if (bytes.length < at + RECORD_HEAD_BYTES) return null;
    if (bytes[at + 1] !== 3) throw new NoClientHello("The TLS record has no known version");
    const start = at + RECORD_HEAD_BYTES;
    const end = start + (bytes[at + 3]! << 8 | bytes[at + 4]!);
    if (end === start) throw new NoClientHello("The TLS record is empty");
    if (parts.push(bytes.subarray(start, end)) > MAX_RECORDS) {
      throw new NoClientHello(`The handshake begins with over ${MAX_RECORDS} records`);
    }
    count += parts.at(-1)!.length;
    if (end > bytes.length) break;
    at = end;
  }
  // One record, the usual case, is not copied; several are joined once the last has come.
  const length = lengthOf(parts);
  if (length === null || count < length) return null;
  return joined(parts, count).subarray(0, length);
}

/** The length of the message with its head; `null` where that is incomplete. */
function lengthOf(parts: readonly Uint8Array[]): number | null {
  const head: number[] = [];
  for (let at = 0; at < parts.length && head.length < MESSAGE_HEAD_BYTES; at++) {
    head.push(...parts[at]!.subarray(0, MESSAGE_HEAD_BYTES - head.length));
  }
  if (head.length > 0 && head[0] !== CLIENT_HELLO) throw new NoClientHello("The handshake has another beginning");
  if (head.length < MESSAGE_HEAD_BYTES) return null;
  const length = MESSAGE_HEAD_BYTES + (head[1]! << 16 | head[2]! << 8 | head[3]!);
  if (length > MAX_HELLO_BYTES) throw new NoClientHello(`The handshake begins with over ${MAX_HELLO_BYTES} bytes`);
  return length;
}

function joined(parts: readonly Uint8Array[], count: number): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const all = new Uint8Array(count);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function hostNameOf(content: Uint8Array): string | null {
  const names = new Reader(content);
  const list = new Reader(names.take(names.number(2)));
  while (!list.isDone) {
    const kind = list.number(1);
    const name = list.take(list.number(2));
    if (kind === HOST_NAME) return String.fromCharCode(...name.subarray(0, 255)).toLowerCase().replace(/\.$/, "");
  }
  return null;
}

function protocolsOf(content: Uint8Array): string[] {
  const names = new Reader(content);
  const list = new Reader(names.take(names.number(2)));
  const protocols: string[] = [];
  while (!list.isDone) protocols.push(String.fromCharCode(...list.take(list.number(1))));
  return protocols;
}

/** Reads numbers and pieces of a message one after the other; throws {@linkcode NoClientHello} where it breaks off. */
export class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isDone(): boolean {
    return this.#at >= this.#bytes.length;
  }

  number(sizeBytes: number): number {
    return this.take(sizeBytes).reduce((value, byte) => value << 8 | byte, 0);
  }

  skip(count: number): void {
    this.take(count);
  }

  take(count: number): Uint8Array {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw new NoClientHello("The handshake breaks off");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
