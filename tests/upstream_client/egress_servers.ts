import { Buffer } from "node:buffer";
import { latin1, latin1Text, type RawConnection, type RawRequest, RawServer } from "./_raw_server.ts";

const certificates = new URL("./certs/", import.meta.url);

/** The authority that signed {@linkcode serverTls}. */
export const caCert: string = Deno.readTextFileSync(new URL("ca.pem", certificates));

/** For upstream.example, localhost and 127.0.0.1. */
export const serverTls: { cert: string; key: string } = {
  cert: Deno.readTextFileSync(new URL("server.pem", certificates)),
  key: Deno.readTextFileSync(new URL("server.key", certificates)),
};

/** How a proxy of the tests behaves. */
export interface EgressOptions {
  readonly user?: string;
  readonly password?: string;
  /** The proxy itself speaks TLS. */
  readonly isSecure?: boolean;
  /** Where names lead, in place of a look-up: the port stays. */
  readonly hosts?: Readonly<Record<string, string>>;
}

/** A proxy of the tests' own, and what it was asked for. */
export interface EgressServer extends AsyncDisposable {
  readonly port: number;
  /** `host:port` or request lines, in order. */
  readonly asked: string[];
  /** Connections open at this moment. */
  readonly openCount: number;
  readonly accepted: number;
}

/** Passes bytes both ways until one side ends. `next` gives what goes up, `null` at the end. */
async function relay(client: RawConnection, target: Deno.Conn, next = () => client.readSome()): Promise<void> {
  const upwards = async () => {
    for (let text = await next(); text !== null; text = await next()) await target.write(latin1(text));
  };
  const downwards = async () => {
    const buffer = new Uint8Array(65_536);
    for (let count = await target.read(buffer); count !== null; count = await target.read(buffer)) {
      await client.write(buffer.slice(0, count));
    }
  };
  await Promise.race([upwards().catch(() => {}), downwards().catch(() => {})]);
  target.close();
  client.close();
}

function connectTo(host: string, port: number, hosts: EgressOptions["hosts"]): Promise<Deno.Conn | null> {
  return Deno.connect({ hostname: hosts?.[host] ?? host, port }).catch(() => null);
}

function asServer(server: RawServer, asked: string[]): EgressServer {
  return {
    port: server.port,
    asked,
    get openCount() {
      return server.openCount;
    },
    get accepted() {
      return server.accepted;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** A request in absolute form as its upstream gets it. */
function forwarded({ head, body }: RawRequest): string {
  const [line = "", ...fields] = head.split("\r\n");
  const [method, target = ""] = line.split(" ");
  const path = /^http:\/\/[^/]*(\/.*)?$/.exec(target)?.[1] ?? "*";
  const kept = fields.filter((field) => !/^proxy-/i.test(field)).join("\r\n");
  return `${method} ${path} HTTP/1.1\r\n${kept}\r\n\r\n${body}`;
}

/** An HTTP proxy: tunnels for CONNECT, absolute-form for the rest. */
export function httpProxy(options: EgressOptions = {}): EgressServer {
  const asked: string[] = [];
  const expected = options.user === undefined
    ? null
    : `Basic ${Buffer.from(`${options.user}:${options.password}`).toString("base64")}`;
  const admitted = async (client: RawConnection): Promise<RawRequest | null> => {
    for (let request = await client.readRequest(); request !== null; request = await client.readRequest()) {
      asked.push(request.head.split("\r\n")[0] ?? "");
      const given = /\r\nproxy-authorization: ([^\r]*)/i.exec(request.head)?.[1] ?? null;
      if (given === expected) return request;
      await client.write("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
    }
    return null;
  };
  const serve = async (client: RawConnection): Promise<void> => {
    let request = await admitted(client);
    if (request === null) return;
    const match = /^(?:CONNECT |[A-Z]+ http:\/\/)([^/ ]*?)(?::(\d+))?(?:\/\S*)? HTTP/.exec(request.head);
    const host = (match?.[1] ?? "").replace(/^\[(.*)\]$/, "$1");
    const target = await connectTo(host, Number(match?.[2] ?? 80), options.hosts);
    if (target === null) return await client.write("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
    if (request.head.startsWith("CONNECT")) {
      await client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      return await relay(client, target);
    }
    await relay(client, target, async () => {
      const present = request ?? await admitted(client);
      request = null;
      return present === null ? null : forwarded(present);
    });
  };
  return asServer(new RawServer(serve, options.isSecure ? serverTls : undefined), asked);
}

class Bytes {
  #text = "";

  constructor(readonly client: RawConnection) {}

  async take(count: number): Promise<Uint8Array> {
    while (this.#text.length < count) {
      const more = await this.client.readSome();
      if (more === null) throw new Error("closed");
      this.#text += more;
    }
    const taken = latin1(this.#text.slice(0, count));
    this.#text = this.#text.slice(count);
    return taken;
  }
}

async function socksTarget(bytes: Bytes): Promise<{ host: string; port: number }> {
  const [, , , type = 0] = await bytes.take(4);
  const length = type === 3 ? (await bytes.take(1))[0] ?? 0 : type === 1 ? 4 : 16;
  const address = await bytes.take(length);
  const [high = 0, low = 0] = await bytes.take(2);
  const host = type === 3
    ? latin1Text(address)
    : type === 1
    ? address.join(".")
    : Array.from({ length: 8 }, (_, at) => (address[at * 2]! << 8 | address[at * 2 + 1]!).toString(16)).join(":");
  return { host, port: high << 8 | low };
}

async function isAdmitted(bytes: Bytes, { user, password }: EgressOptions): Promise<boolean> {
  const [, count = 0] = await bytes.take(2);
  const methods = await bytes.take(count);
  const wanted = user === undefined ? 0 : 2;
  if (!methods.includes(wanted)) {
    await bytes.client.write(Uint8Array.of(5, 0xff));
    return false;
  }
  await bytes.client.write(Uint8Array.of(5, wanted));
  if (user === undefined) return true;
  const [, userLength = 0] = await bytes.take(2);
  const givenUser = new TextDecoder().decode(await bytes.take(userLength));
  const [passwordLength = 0] = await bytes.take(1);
  const givenPassword = new TextDecoder().decode(await bytes.take(passwordLength));
  const isRight = givenUser === user && givenPassword === password;
  await bytes.client.write(Uint8Array.of(1, isRight ? 0 : 1));
  return isRight;
}

/** A SOCKS5 proxy. */
export function socks5Proxy(options: EgressOptions = {}): EgressServer {
  const asked: string[] = [];
  const serve = async (client: RawConnection): Promise<void> => {
    const bytes = new Bytes(client);
    if (!(await isAdmitted(bytes, options))) return;
    const { host, port } = await socksTarget(bytes);
    asked.push(`${host}:${port}`);
    const target = await connectTo(host, port, options.hosts);
    await client.write(Uint8Array.of(5, target === null ? 5 : 0, 0, 1, 127, 0, 0, 1, 0, 0));
    if (target !== null) await relay(client, target);
  };
  return asServer(new RawServer((client) => serve(client).catch(() => {})), asked);
}
