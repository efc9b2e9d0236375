import { writeAll } from "../wire/byte_stream.ts";
import { ipBytes } from "./_address.ts";
import { type EgressProxy, proxyFailure, targetFailure, type TunnelTarget } from "./_egress_proxy.ts";
import { type Duplex, readFull } from "./_socket.ts";
import type { UpstreamFailure } from "./transport.ts";

const VERSION = 5;
const AUTHENTICATION_VERSION = 1;
const NO_AUTHENTICATION = 0;
const USER_AND_PASSWORD = 2;
const NOTHING_ACCEPTABLE = 0xff;
const CONNECT = 1;
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;

/** Meaning of a reply's code, and whether it is about the way behind the proxy (RFC 1928 §6). */
const REPLIES: Readonly<Record<number, readonly [text: string, isTarget: boolean]>> = {
  1: ["general failure", false],
  2: ["not allowed by its rules", false],
  3: ["network unreachable", true],
  4: ["host unreachable", true],
  5: ["connection refused", true],
  6: ["time to live expired", true],
  7: ["command not supported", false],
  8: ["address type not supported", false],
};

const encoder = new TextEncoder();

/** Length and bytes of a text of 1 to 255 bytes. */
function counted(text: string, proxy: EgressProxy, what: string): Uint8Array {
  const bytes = encoder.encode(text);
  if (bytes.length < 1 || bytes.length > 255) throw proxyFailure(proxy, `${what} of ${bytes.length} bytes`);
  return Uint8Array.of(bytes.length, ...bytes);
}

/** Names are sent as they are: the proxy resolves them. */
function addressBytes(target: TunnelTarget, proxy: EgressProxy): Uint8Array {
  const bytes = ipBytes(target.host);
  if (bytes === null) return Uint8Array.of(NAME, ...counted(target.host, proxy, "a name"));
  return Uint8Array.of(bytes.length === 4 ? IPV4 : IPV6, ...bytes);
}

async function read(socket: Duplex, proxy: EgressProxy, lengthBytes: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(lengthBytes);
  if (!(await readFull(socket, bytes))) throw proxyFailure(proxy, "connection closed inside the SOCKS5 handshake");
  return bytes;
}

function expectVersion(received: number | undefined, expected: number, proxy: EgressProxy): void {
  if (received !== expected) throw proxyFailure(proxy, "not a SOCKS5 answer");
}

async function authenticate(socket: Duplex, proxy: EgressProxy): Promise<void> {
  const { credentials } = proxy;
  const methods = credentials === null ? [NO_AUTHENTICATION] : [NO_AUTHENTICATION, USER_AND_PASSWORD];
  await writeAll(socket, Uint8Array.of(VERSION, methods.length, ...methods));
  const [version, method = NOTHING_ACCEPTABLE] = await read(socket, proxy, 2);
  expectVersion(version, VERSION, proxy);
  if (method === NOTHING_ACCEPTABLE) {
    throw proxyFailure(proxy, credentials === null ? "wants credentials" : "no way to authenticate in common");
  }
  if (!methods.includes(method)) throw proxyFailure(proxy, "chose a way to authenticate that was not offered");
  if (method === USER_AND_PASSWORD && credentials !== null) {
    const user = counted(credentials.user, proxy, "a user name");
    const password = counted(credentials.password, proxy, "a password");
    await writeAll(socket, Uint8Array.of(AUTHENTICATION_VERSION, ...user, ...password));
    const [answer, status] = await read(socket, proxy, 2);
    expectVersion(answer, AUTHENTICATION_VERSION, proxy);
    if (status !== 0) throw proxyFailure(proxy, "credentials refused");
  }
}

function refusal(proxy: EgressProxy, target: TunnelTarget, code: number): UpstreamFailure {
  const [text, isTarget] = REPLIES[code] ?? [`reply ${code}`, false];
  return isTarget ? targetFailure(proxy, target, text) : proxyFailure(proxy, `connection refused: ${text}`);
}

/** Skips the bound address of the proxy: only its length matters. */
async function skipBoundAddress(socket: Duplex, proxy: EgressProxy, type: number | undefined): Promise<void> {
  const lengths: Record<number, number> = { [IPV4]: 4, [IPV6]: 16 };
  const lengthBytes = type === NAME ? (await read(socket, proxy, 1))[0] : lengths[type ?? 0];
  if (lengthBytes === undefined) throw proxyFailure(proxy, "not a SOCKS5 answer");
  await read(socket, proxy, lengthBytes + 2);
}

/**
 * Opens a tunnel to `target` through a SOCKS5 proxy (RFC 1928; user and password RFC 1929). It reads no byte beyond the handshake.
 *
 * @throws {UpstreamFailure} `proxy` or `connect`
 */
export async function openSocks5Tunnel(socket: Duplex, proxy: EgressProxy, target: TunnelTarget): Promise<void> {
  await authenticate(socket, proxy);
  const port = Uint8Array.of(target.port >> 8, target.port & 255);
  await writeAll(socket, Uint8Array.of(VERSION, CONNECT, 0, ...addressBytes(target, proxy), ...port));
  const [version, code = 1, , type] = await read(socket, proxy, 4);
  expectVersion(version, VERSION, proxy);
  if (code !== 0) throw refusal(proxy, target, code);
  await skipBoundAddress(socket, proxy, type);
}
