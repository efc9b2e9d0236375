import { plainAddress } from "../http/forwarded.ts";
import type { Input } from "./_input.ts";
import type { ServerCounts } from "./server_counts.ts";

/** The longest header that is taken, addresses and additions included. The first form has at most 107 bytes. */
const MAX_PROXY_HEADER_BYTES = 1_000;

const MAX_TEXT_BYTES = 107;

const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
const BINARY_HEAD_BYTES = 16;
const TEXT_START = [0x50, 0x52, 0x4f, 0x58, 0x59, 0x20];

const CR = 13;
const LF = 10;

const COMMAND_LOCAL = 0x20;
const COMMAND_PROXY = 0x21;
/** Upper half: IPv4, IPv6; lower half: stream. */
const TCP4 = 0x11;
const TCP6 = 0x21;
const TCP4_BYTES = 12;
const TCP6_BYTES = 36;
const MAX_FAMILY = 3;
const MAX_TRANSPORT = 2;

/** A parsed PROXY header. */
export interface ProxyHeader {
  /** Its length; the connection's own bytes follow. */
  readonly lengthBytes: number;
  /** IP address of the client, IPv4 never in its IPv6 form; `null` where the header speaks for the peer itself (LOCAL, UNKNOWN). */
  readonly address: string | null;
}

/** A required PROXY header is missing or malformed. */
export class ProxyHeaderError extends Error {
  override readonly name = "ProxyHeaderError";
}

/**
 * Reads a header of the PROXY protocol, version 1 or 2, at the start of `bytes`; `null` where its end has not come yet.
 *
 * @throws {ProxyHeaderError} where the bytes begin no such header
 */
export function parseProxyHeader(bytes: Uint8Array): ProxyHeader | null {
  if (startsWith(bytes, TEXT_START)) return parseText(bytes);
  if (startsWith(bytes, SIGNATURE)) return parseBinary(bytes);
  throw malformed("expected the connection to begin with it");
}

/**
 * Takes the header that a connection begins with; `null` where it ends before.
 *
 * @throws {ProxyHeaderError} as {@linkcode parseProxyHeader}, and counts it
 */
export async function takeProxyHeader(input: Input, counts: ServerCounts): Promise<ProxyHeader | null> {
  try {
    while (input.took(await input.read())) {
      const header = parseProxyHeader(input.memory.bytes.subarray(input.start, input.end));
      if (header === null) continue;
      input.use(header.lengthBytes);
      return header;
    }
    return null;
  } catch (error) {
    if (error instanceof ProxyHeaderError) counts.refusedProxyHeader++;
    throw error;
  }
}

/** Whether the bytes received so far match the start. */
function startsWith(bytes: Uint8Array, start: readonly number[]): boolean {
  const length = Math.min(bytes.length, start.length);
  for (let index = 0; index < length; index++) {
    if (bytes[index] !== start[index]) return false;
  }
  return true;
}

function malformed(what: string): ProxyHeaderError {
  return new ProxyHeaderError(`Invalid PROXY header: ${what}`);
}

function parseText(bytes: Uint8Array): ProxyHeader | null {
  const end = bytes.indexOf(LF);
  if (end < 0 ? bytes.length >= MAX_TEXT_BYTES : end >= MAX_TEXT_BYTES) throw malformed(`over ${MAX_TEXT_BYTES} bytes`);
  if (end < 0) return null;
  if (bytes[end - 1] !== CR) throw malformed("line feed without carriage return");
  const lengthBytes = end + 1;
  const [, family, source = "", target = "", ...ports] = String.fromCharCode(...bytes.subarray(0, end - 1)).split(" ");
  if (family === "UNKNOWN") return { lengthBytes, address: null };
  const isAddress = family === "TCP4" ? isIpv4 : family === "TCP6" ? isIpv6 : null;
  if (isAddress === null) throw malformed("expected TCP4, TCP6 or UNKNOWN");
  if (!isAddress(source) || !isAddress(target)) throw malformed(`expected two addresses of ${family}`);
  if (ports.length !== 2 || !ports.every(isPort)) throw malformed("expected two ports");
  return { lengthBytes, address: family === "TCP4" ? source : canonicalIpv6(source) };
}

function parseBinary(bytes: Uint8Array): ProxyHeader | null {
  if (bytes.length < BINARY_HEAD_BYTES) return null;
  const command = bytes[12];
  if (command !== COMMAND_LOCAL && command !== COMMAND_PROXY) throw malformed("unknown version or command");
  const kind = bytes[13]!;
  if (kind >> 4 > MAX_FAMILY || (kind & 15) > MAX_TRANSPORT) throw malformed("unknown family of addresses");
  const contentBytes = bytes[14]! << 8 | bytes[15]!;
  const lengthBytes = BINARY_HEAD_BYTES + contentBytes;
  if (lengthBytes > MAX_PROXY_HEADER_BYTES) throw malformed(`over ${MAX_PROXY_HEADER_BYTES} bytes`);
  const needed = kind === TCP4 ? TCP4_BYTES : kind === TCP6 ? TCP6_BYTES : 0;
  if (command === COMMAND_PROXY && contentBytes < needed) throw malformed("too short for its addresses");
  if (bytes.length < lengthBytes) return null;
  if (command === COMMAND_LOCAL || needed === 0) return { lengthBytes, address: null };
  const at = BINARY_HEAD_BYTES;
  const address = kind === TCP4 ? bytes.subarray(at, at + 4).join(".") : ipv6Of(bytes.subarray(at, at + 16));
  return { lengthBytes, address };
}

function ipv6Of(bytes: Uint8Array): string {
  const groups: string[] = [];
  for (let index = 0; index < 16; index += 2) groups.push((bytes[index]! << 8 | bytes[index + 1]!).toString(16));
  return canonicalIpv6(groups.join(":"));
}

function isIpv4(text: string): boolean {
  return /^(?:\d{1,3}\.){3}\d{1,3}$/.test(text) && text.split(".").every((part) => part === String(Number(part) & 255));
}

function isIpv6(text: string): boolean {
  return /^[0-9a-f:.]{2,45}$/i.test(text) && text.includes(":") && URL.canParse(`http://[${text}]/`);
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

/** The shortest form (RFC 5952 §4), or the IPv4 address that it holds. */
function canonicalIpv6(text: string): string {
  const address = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  return plainAddress(address);
}
