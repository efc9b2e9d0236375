import { openRaw, type RawConnection } from "../raw_connection.ts";

/** How a client misbehaves: the bytes it sends, when, and how it leaves. */
export type Misdeed = (client: Misbehaving) => Promise<void>;

/** A client on its own connection, with chance from a seed. */
export interface Misbehaving {
  readonly raw: RawConnection;
  readonly random: () => number;
  /** Resolves when as many requests as that for this path are at origins. */
  readonly arrived: (path: string) => Promise<void>;
  /** A path that no other request has. */
  readonly path: string;
}

/** Opens a connection and misbehaves. */
export async function misbehave(
  port: number,
  misdeed: Misdeed,
  { random, arrived, path }: Omit<Misbehaving, "raw">,
): Promise<void> {
  using raw = await openRaw(port);
  await misdeed({ raw, random, arrived, path });
}

function pick(random: () => number, below: number): number {
  return Math.floor(random() * below);
}

function head(first: string, lines: readonly string[] = []): string {
  return [`${first} HTTP/1.1`, "Host: any.test", ...lines, "", ""].join("\r\n");
}

/** Sends, and waits until the gateway has had enough of it. */
function sending(bytes: (client: Misbehaving) => string): Misdeed {
  return async (client) => {
    client.raw.send(bytes(client));
    await client.raw.ended;
  };
}

/** Sends, waits until an origin has the request, and cuts the connection. */
function leaving(bytes: (client: Misbehaving) => string): Misdeed {
  return async (client) => {
    client.raw.send(bytes(client));
    await client.arrived(client.path);
  };
}

const CLOSE = "Connection: close";
const CHUNKED = "Transfer-Encoding: chunked";

function anyBytes(random: () => number, count: number): string {
  return Array.from({ length: count }, () => String.fromCharCode(pick(random, 256))).join("");
}

function inPieces(head: string, pieces: readonly string[], pauseMs: number): Misdeed {
  return async ({ raw, path }) => {
    raw.send(head.replace("PATH", path));
    for (const piece of pieces) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      raw.send(piece);
    }
    await raw.inbox.takeThrough("\r\n\r\n");
  };
}

/** How much slower than any upstream a slow client is. */
export const SLOW_CLIENT_MS = 1_500;

/** Every kind of misbehaviour, by name. */
export const misdeeds: Readonly<Record<string, Misdeed>> = {
  "stalls in content of a known length": sending(({ path }) => head(`POST ${path}`, ["Content-Length: 9"]) + "half"),
  "stalls in chunked content": sending(({ path }) => head(`PUT ${path}`, [CHUNKED]) + "4\r\nhalf\r\n"),
  "stalls before any content": sending(({ path }) => head(`PATCH ${path}`, ["Content-Length: 9"])),
  "asks for 100 Continue and sends nothing": sending(({ path }) =>
    head(`POST ${path}`, ["Content-Length: 9", "Expect: 100-continue"])
  ),
  "is slow, and ends well": inPieces(
    head("POST PATH", [CHUNKED, CLOSE]),
    ["1\r\na\r\n", "1\r\nb\r\n", "0\r\n\r\n"],
    SLOW_CLIENT_MS / 3,
  ),
  "cuts the connection in its content": ({ raw, path }) =>
    Promise.resolve(raw.send(head(`POST ${path}`, ["Content-Length: 9"]) + "half")),
  "cuts the connection in a chunk": leaving(({ path }) => head(`POST ${path}`, [CHUNKED]) + "9\r\nhalf"),
  "cuts the connection at once": ({ raw, path }) => Promise.resolve(raw.send(head(`GET ${path}`))),
  "leaves while the origin thinks": leaving(({ path }) => head(`GET ${path}?hold`)),
  "leaves while the origin thinks about a change": leaving(({ path }) => head(`DELETE ${path}?hold`)),
  "leaves in the middle of an answer": async ({ raw, path }) => {
    raw.send(head(`GET ${path}?endless`));
    await raw.inbox.take(20_000);
  },
  "announces too much content": sending(({ path }) => head(`POST ${path}`, ["Content-Length: 99999", CLOSE]) + "x"),
  "sends too much content unannounced": sending(({ path }) =>
    head(`POST ${path}`, [CHUNKED, CLOSE]) + `3e8\r\n${"x".repeat(1_000)}\r\n3e8\r\n${"x".repeat(1_000)}\r\n0\r\n\r\n`
  ),
  "sends a malformed chunk": sending(({ path, random }) => {
    const odd = ["zz\r\n", "4\nhalf", "4\r\nhalfX\r\n", "-1\r\n", "4 \r\r\n", ";\r\n", "\x00\r\n"];
    return head(`POST ${path}`, [CHUNKED, CLOSE]) +
      `1\r\na\r\n${odd[pick(random, odd.length)]}${anyBytes(random, 9)}\r\n\r\n`;
  }),
  "sends a chunk of no possible size": sending(({ path }) =>
    head(`POST ${path}`, [CHUNKED, CLOSE]) + "fffffffffffffffff\r\nx"
  ),
  "sends malformed trailers": sending(({ path }) =>
    head(`POST ${path}`, [CHUNKED, CLOSE]) + "1\r\na\r\n0\r\nno colon\r\nX: \x01\r\n\r\n"
  ),
  "sends odd bytes in the target": sending(({ path, random }) => head(`GET ${path}${anyBytes(random, 6)}`, [CLOSE])),
  "sends odd bytes in a value": sending(({ path, random }) =>
    head(`GET ${path}`, [CLOSE, `X: ${anyBytes(random, 6)}`])
  ),
  "sends odd bytes in a name": sending(({ path, random }) =>
    head(`GET ${path}`, [CLOSE, `X${anyBytes(random, 3)}: 1`])
  ),
  "sends bytes above ASCII everywhere": sending(({ path }) =>
    head(`GET ${path}/\xe9?\xff`, [CLOSE, "X: \xe9\xff\x80"])
  ),
  "sends anything at all": sending(({ random }) => `${anyBytes(random, 200)}\r\n\r\n`),
  "speaks TLS": sending(() => "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n"),
  "speaks HTTP/2": sending(() => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  "repeats the length": sending(({ path }) =>
    head(`POST ${path}`, [CLOSE, "Content-Length: 4", "Content-Length: 4"]) + "half"
  ),
  "states two lengths": sending(({ path }) =>
    head(`POST ${path}`, ["Content-Length: 4", "Content-Length: 5"]) + "half"
  ),
  "names an unknown coding": sending(({ path }) => head(`POST ${path}`, ["Transfer-Encoding: gzip, chunked"])),
  "offers h2c": sending(({ path }) =>
    head(`GET ${path}`, ["Connection: Upgrade, HTTP2-Settings, close", "Upgrade: h2c"])
  ),
  "asks with content": sending(({ path }) => head(`GET ${path}`, ["Content-Length: 4", CLOSE]) + "half"),
  "sends methods of its own": sending(({ path, random }) =>
    head(`${["TRACK", "track", "connect", "M-SEARCH", "GeT"][pick(random, 5)]} ${path}`, [CLOSE])
  ),
};
