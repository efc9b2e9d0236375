import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import http2 from "node:http2";
import net from "node:net";
import tls from "node:tls";
import { type Identity, TlsFront, type TlsOptions } from "../../lib/server/tls_identity.ts";
import { RecordStream } from "../../lib/wire/tls_stream.ts";
import type { ByteStream } from "../../lib/wire/byte_stream.ts";
import { type MadeAuthority, madeAuthority } from "../certificates/made.ts";

/** The authority of these tests. */
export const AUTHORITY: MadeAuthority = await madeAuthority();

/** A certificate for names. */
export async function identity(...names: string[]): Promise<Identity> {
  return await AUTHORITY.leaf(names);
}

/** Certificates as an address has them; for `localhost` and 127.0.0.1 where nothing else is said. */
export async function frontOf(options: Partial<TlsOptions> = {}, hasEngine?: boolean): Promise<TlsFront> {
  const { identities = [await identity("localhost", "127.0.0.1")], minVersion = "1.2", http2 = true } = options;
  return new TlsFront({ identities, minVersion, http2 }, hasEngine);
}

/** How a client of a test speaks TLS. */
export interface TlsClientOptions extends tls.ConnectionOptions {
  /** Goes before the handshake. */
  readonly before?: Uint8Array;
}

/** A TLS connection as a test sees it. */
export interface TlsClient extends ByteStream, Disposable {
  readonly socket: tls.TLSSocket;
  /** The names of the certificate that it was shown. */
  readonly shown: string;
}

/** Connects to `host:port` and ends the handshake, or rejects. */
export async function tlsClient(address: string, { before, ...options }: TlsClientOptions = {}): Promise<TlsClient> {
  const port = Number(address.split(":").at(-1));
  const socket = before === undefined
    ? tls.connect({ host: "127.0.0.1", port, ca: AUTHORITY.ca, servername: "localhost", ...options })
    : tls.connect({
      socket: await wireAfter(port, before),
      ca: AUTHORITY.ca,
      servername: "localhost",
      ...options,
    });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("secureConnect", resolve);
  socket.on("error", reject);
  socket.once("close", () => reject(new Error("The connection was closed")));
  await promise;
  return streamOf(socket);
}

/** A wire that can be made to take nothing more. */
export class StallingWire extends RecordStream {
  isStalled = false;

  static async to(address: string): Promise<StallingWire> {
    const port = Number(address.split(":").at(-1));
    return new StallingWire(await Deno.connect({ hostname: "127.0.0.1", port }), null);
  }

  override _read(): void {
    if (!this.isStalled) super._read();
  }
}

async function wireAfter(port: number, before: Uint8Array) {
  const socket = net.connect(port, "127.0.0.1");
  await new Promise((resolve) => socket.write(before, resolve));
  return socket;
}

/** What such a client sends first. */
export async function firstMessage(options: TlsClientOptions = {}): Promise<Uint8Array> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const refused = assert.rejects(tlsClient(`127.0.0.1:${listener.addr.port}`, options));
  const connection = await listener.accept();
  const memory = new Uint8Array(16_384);
  const count = await connection.read(memory);
  connection.close();
  await refused;
  return memory.slice(0, count!);
}

function streamOf(socket: tls.TLSSocket): TlsClient {
  const chunks: Buffer[] = [];
  let wake = () => {};
  let isOver = false;
  socket.on("data", (chunk: Buffer) => (chunks.push(chunk), wake()));
  for (const event of ["end", "close", "error"]) socket.on(event, () => (isOver = true, wake()));
  return {
    socket,
    shown: socket.getPeerCertificate().subjectaltname ?? "",
    async read(target) {
      while (chunks.length === 0 && !isOver) await new Promise<void>((resolve) => wake = resolve);
      const chunk = chunks.shift();
      if (chunk === undefined) return null;
      const part = chunk.subarray(0, target.length);
      target.set(part);
      if (part.length < chunk.length) chunks.unshift(chunk.subarray(part.length));
      return part.length;
    },
    write: (bytes) =>
      new Promise((resolve, reject) =>
        socket.write(Buffer.from(bytes), (error) => error ? reject(error) : resolve(bytes.length))
      ),
    closeWrite: () => new Promise((resolve) => socket.end(() => resolve())),
    close: () => void socket.destroy(),
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

/** Everything that comes until the other side ends. */
export async function restOf(client: TlsClient): Promise<string> {
  let text = "";
  const memory = new Uint8Array(65_536);
  for (let count = await client.read(memory); count !== null; count = await client.read(memory)) {
    text += Buffer.from(memory.subarray(0, count)).toString("latin1");
  }
  return text;
}

/** One request over a connection of its own; what came back, its head included. */
export async function askOnce(address: string, options: TlsClientOptions = {}, request = GET_ONCE): Promise<string> {
  using client = await tlsClient(address, options);
  await client.write(Buffer.from(request));
  return await restOf(client);
}

export const GET_ONCE = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/** An answer over HTTP/2. */
export interface Http2Answer {
  readonly status: number;
  readonly fields: http2.IncomingHttpHeaders;
  readonly body: string;
}

/** A session of Node's HTTP/2 client, which is closed when it is disposed of. */
export async function http2Client(address: string, options: http2.SecureClientSessionOptions = {}) {
  const session = http2.connect(`https://${address}`, { ca: AUTHORITY.ca, servername: "localhost", ...options });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  session.once("connect", () => resolve());
  session.on("error", reject);
  session.once("close", () => reject(new Error("The session was closed")));
  await promise;
  return {
    session,
    ask: (fields: http2.OutgoingHttpHeaders, content?: Uint8Array) => ask(session, fields, content),
    [Symbol.dispose]: () => void session.destroy(),
  };
}

/** TLS of an HTTP/2 client over a wire. */
export function tlsOver(socket: StallingWire): tls.TLSSocket {
  return tls.connect({ socket, ca: AUTHORITY.ca, servername: "localhost", ALPNProtocols: ["h2"] });
}

function ask(
  session: http2.ClientHttp2Session,
  fields: http2.OutgoingHttpHeaders,
  content?: Uint8Array,
): Promise<Http2Answer> {
  const stream = session.request(fields, { endStream: content === undefined });
  const { promise, resolve, reject } = Promise.withResolvers<Http2Answer>();
  let head: http2.IncomingHttpHeaders = {};
  const parts: Buffer[] = [];
  stream.on("response", (got) => head = got);
  stream.on("data", (chunk: Buffer) => parts.push(chunk));
  stream.on(
    "end",
    () => resolve({ status: Number(head[":status"]), fields: head, body: Buffer.concat(parts).toString("latin1") }),
  );
  stream.on("error", reject);
  stream.on("close", () => reject(new Error("The stream was closed")));
  if (content !== undefined) stream.end(Buffer.from(content));
  return promise;
}
