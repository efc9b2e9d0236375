import { type Field, type Fields, fieldValue } from "../../lib/http/fields.ts";

/** A response as its bytes came over the socket. */
export interface RawResponse {
  /** Interim responses that came before it. */
  readonly interim: readonly RawHead[];
  readonly status: number;
  readonly fields: Fields;
  /** Content without its framing. */
  readonly body: Uint8Array;
  /** The framing says that all of it came. */
  readonly isComplete: boolean;
  /** Fields behind the last chunk. */
  readonly trailers: Fields;
  /** A value by its lower-case name; lines are joined. */
  field(name: string): string | null;
}

/** The first line and the fields of a response. */
export interface RawHead {
  readonly status: number;
  readonly fields: Fields;
}

/** How a raw request is sent. */
export interface RawOptions {
  /** Reads at most so long. @default {120000} */
  readonly timeoutMs?: number;
  /** The request is HEAD: its response has no content. */
  readonly isHead?: boolean;
  /** Leaves when it has read so many bytes. */
  readonly leavesAfterBytes?: number;
}

/** Sends bytes as they are (text as Latin-1) on a connection of their own and reads until the server closes it. */
export async function rawRequest(port: number, request: string, options: RawOptions = {}): Promise<RawResponse> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const timer = setTimeout(() => connection.close(), options.timeoutMs ?? 120_000);
  const sending = send(connection, Uint8Array.from(request, (letter) => letter.charCodeAt(0)));
  const bytes = await readToEnd(connection, options.leavesAfterBytes ?? Infinity);
  clearTimeout(timer);
  await sending;
  try {
    connection.close();
  } catch {
    // The timer has closed it.
  }
  return parseResponse(bytes, options.isHead ?? false);
}

/** Request bytes with `Host` and `Connection: close`. */
export function requestText(first: string, fields: Readonly<Fields> = [], body = ""): string {
  const lines = [["host", "gateway.test"], ["connection", "close"], ...fields].map(([name, value]) =>
    `${name}: ${value}`
  );
  return `${first} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${body}`;
}

async function send(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  try {
    for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
  } catch {
    // The server may answer and close before it has read everything.
  }
}

async function readToEnd(connection: Deno.Conn, mostBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  const buffer = new Uint8Array(65_536);
  try {
    for (let size = await connection.read(buffer); size !== null; size = await connection.read(buffer)) {
      chunks.push(buffer.slice(0, size));
      bytes += size;
      if (bytes >= mostBytes) break;
    }
  } catch {
    // A reset: what came before it counts.
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

function parseResponse(bytes: Uint8Array, isHead: boolean): RawResponse {
  const text = new TextDecoder("latin1").decode(bytes);
  const interim: RawHead[] = [];
  for (let at = 0;;) {
    const headEnd = text.indexOf("\r\n\r\n", at);
    if (headEnd < 0) throw new Error(`There is no response but ${JSON.stringify(text.slice(0, 200))}`);
    const { status, fields } = parseHead(text.slice(at, headEnd));
    at = headEnd + 4;
    if (status < 200 && status !== 101) {
      interim.push({ status, fields });
      continue;
    }
    const rest = bytes.subarray(at);
    const isEmpty = isHead || status === 204 || status === 304;
    const content = isEmpty ? { body: rest, isComplete: rest.length === 0, trailers: [] } : contentOf(rest, fields);
    return { interim, status, fields, ...content, field: (name) => fieldValue(fields, name) };
  }
}

/** Reads a head without the empty line behind it. */
export function parseHead(text: string): RawHead {
  const [first = "", ...lines] = text.split("\r\n");
  return { status: Number(first.split(" ")[1]), fields: lines.map(parseField) };
}

function parseField(line: string): Field {
  const colon = line.indexOf(":");
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}

/** What a response's framing makes of the bytes behind its head. */
type RawContent = Pick<RawResponse, "body" | "isComplete" | "trailers">;

function contentOf(rest: Uint8Array, fields: Fields): RawContent {
  if (/chunked/i.test(fieldValue(fields, "transfer-encoding") ?? "")) return unchunked(rest);
  const length = fieldValue(fields, "content-length");
  return { body: rest, isComplete: length === null || rest.length === Number(length), trailers: [] };
}

function unchunked(rest: Uint8Array): RawContent {
  const text = new TextDecoder("latin1").decode(rest);
  const parts: Uint8Array[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = text.indexOf("\r\n", at);
    const size = lineEnd < 0 ? NaN : parseInt(text.slice(at, lineEnd), 16);
    if (!(size > 0)) {
      const lines = size === 0 ? text.slice(lineEnd + 2).split("\r\n") : [];
      const end = lines.indexOf("");
      return { body: joined(parts), isComplete: size === 0, trailers: lines.slice(0, end).map(parseField) };
    }
    parts.push(rest.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Bytes as text. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
