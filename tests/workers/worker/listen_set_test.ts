import assert from "node:assert/strict";
import type { ListenFacts } from "../../../lib/request/snapshot.ts";
import { type FetchFunction, fetchHandler } from "../../../lib/server/fetch_adapter.ts";
import { HttpServer } from "../../../lib/server/http_server.ts";
import { SERVER_LIMIT_DEFAULTS } from "../../../lib/server/server_limits.ts";
import { ListenSet, type ListenSetOptions } from "../../../lib/workers/worker/listen_set.ts";
import { eventually } from "../../eventually.ts";
import { freeAddress } from "../../free_port.ts";

/** Answers with the address that a request came to. */
const sayAddress = (address: string): FetchFunction => () => new Response(address);

/** A set over a server of its own. */
function setOf(
  fetchFor: (address: string) => FetchFunction,
  { isTrusted = () => false, ...more }: Partial<ListenSetOptions> & { isTrusted?: () => boolean } = {},
): ListenSet {
  const server = new HttpServer({
    limits: { ...SERVER_LIMIT_DEFAULTS, maxConnections: 100 },
    refuse: (error) => {
      throw error;
    },
    isTrusted,
  });
  return new ListenSet({ server, handlerFor: (address) => fetchHandler(fetchFor(address)), ...more });
}

/** Plain addresses as a snapshot describes them. */
function plain(...addresses: string[]): Map<string, ListenFacts> {
  return new Map(
    addresses.map((
      address,
    ) => [address, { unix: null, proxyProtocol: false, tls: null, httpsPort: null, proxy: null }]),
  );
}

/** The body of an answer, over a connection of its own; `null` where nobody listens. */
async function ask(address: string): Promise<string | null> {
  try {
    const response = await fetch(`http://${address}/`, { headers: { connection: "close" } });
    return await response.text();
  } catch {
    return null;
  }
}

/** Whether a connection is taken. */
async function isOpen(address: string): Promise<boolean> {
  const [hostname, port] = address.split(":");
  try {
    (await Deno.connect({ hostname, port: Number(port) })).close();
    return true;
  } catch {
    return false;
  }
}

Deno.test("open() listens on every address, each with its own handler", async () => {
  const set = setOf(sayAddress);
  const addresses = [freeAddress(), freeAddress()];
  await set.open(plain(...addresses));
  assert.deepEqual(await Promise.all(addresses.map(ask)), addresses);
  await set.close(1_000);
  assert.deepEqual(await Promise.all(addresses.map(isOpen)), [false, false]);
});

Deno.test("open() leaves an address alone that is open, so that no connection to it ends", async () => {
  let handlers = 0;
  const set = setOf((address) => (handlers++, sayAddress(address)));
  const [kept, added] = [freeAddress(), freeAddress()];
  await set.open(plain(kept));
  const [hostname, port] = kept.split(":");
  const connection = await Deno.connect({ hostname, port: Number(port) });
  await set.open(plain(kept, added));
  set.keepOnly(plain(kept, added));
  assert.equal(handlers, 2);
  const request = `GET / HTTP/1.1\r\nhost: ${kept}\r\nconnection: close\r\n\r\n`;
  await connection.write(new TextEncoder().encode(request));
  assert.match(await new Response(connection.readable).text(), /^HTTP\/1\.1 200 /);
  await set.close(1_000);
});

Deno.test("open() lets two sets, as of two workers, share an address", async () => {
  const address = freeAddress();
  const sets = [setOf(sayAddress), setOf(sayAddress)];
  for (const set of sets) await set.open(plain(address));
  await sets[0]!.close(1_000);
  assert.equal(await ask(address), address);
  await sets[1]!.close(1_000);
});

Deno.test("open() names the address that cannot be used, and those before it stay open until they are given up", async () => {
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const set = setOf(sayAddress);
  const [before, added] = [freeAddress(), freeAddress()];
  await set.open(plain(before));
  await assert.rejects(() => set.open(plain(before, added, `127.0.0.1:${port}`)), {
    message: new RegExp(`^Cannot listen on 127\\.0\\.0\\.1:${port}: .*(in use|AddrInUse)`, "i"),
  });
  set.keepOnly(plain(before));
  assert.equal(await ask(before), before);
  await eventually("the address is given up", async () => !(await isOpen(added)));
  taken.close();
  await set.close(1_000);
});

Deno.test("open() leaves to another worker what only one can listen on, until it is that one's turn", async () => {
  const [tcp, path] = [freeAddress(), await Deno.makeTempFile()];
  await Deno.remove(path);
  const listens = new Map<string, ListenFacts>([
    ...plain(tcp),
    [`unix:${path}`, { unix: { path, mode: 0o600 }, proxyProtocol: false, tls: null, httpsPort: null, proxy: null }],
  ]);
  const [first, second] = [setOf(sayAddress), setOf(sayAddress, { servesAlone: false })];
  const alone = setOf(sayAddress, { servesAlone: false, sharesPorts: false });
  await Promise.all([first.open(listens), second.open(listens), alone.open(plain(tcp))]);
  assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  await first.close(1_000);
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  await second.serveAlone(() => listens);
  using connection = await Deno.connect({ transport: "unix", path });
  await connection.write(new TextEncoder().encode("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
  assert.match(await new Response(connection.readable).text(), new RegExp(`unix:${path}$`));
  await second.close(1_000);
  assert.equal(await isOpen(tcp), false);
  await alone.serveAlone(() => plain(tcp));
  assert.equal(await ask(tcp), tcp);
  await alone.close(1_000);
});

Deno.test("serveAlone() replaces the unix socket of a worker that hangs", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/a.sock`;
  const listens = new Map<string, ListenFacts>([[`unix:${path}`, {
    unix: { path, mode: 0o600 },
    proxyProtocol: false,
    tls: null,
    httpsPort: null,
    proxy: null,
  }]]);
  const problems: string[] = [];
  // It goes on listening and takes nothing.
  using hanging = Deno.listen({ transport: "unix", path });
  const heir = setOf(sayAddress, { servesAlone: false, onProblem: (problem) => problems.push(problem) });
  await heir.serveAlone(() => listens);
  using connection = await Deno.connect({ transport: "unix", path });
  await connection.write(new TextEncoder().encode("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
  assert.match(await new Response(connection.readable).text(), new RegExp(`unix:${path}$`));
  assert.deepEqual(problems, []);
  await heir.close(1_000);
  assert.ok(hanging.addr);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("serveAlone() waits for an address that its worker before still holds", async () => {
  const address = freeAddress();
  const [hostname, port] = address.split(":");
  const held = Deno.listen({ hostname, port: Number(port) });
  const heir = setOf(sayAddress, { servesAlone: false, sharesPorts: false });
  const serving = heir.serveAlone(() => plain(address));
  await new Promise((resolve) => setTimeout(resolve, 100));
  held.close();
  await serving;
  assert.equal(await ask(address), address);
  await heir.close(1_000);
});

Deno.test("keepOnly() goes on where the file of a unix socket is gone, and says so", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/a.sock`;
  const listens = new Map<string, ListenFacts>([
    [`unix:${path}`, { unix: { path, mode: 0o600 }, proxyProtocol: false, tls: null, httpsPort: null, proxy: null }],
  ]);
  const problems: string[] = [];
  const set = setOf(sayAddress, { onProblem: (problem) => problems.push(problem) });
  const other = freeAddress();
  await set.open(new Map([...listens, ...plain(other)]));
  await Deno.remove(path);
  set.keepOnly(listens);
  assert.match(problems.join(), /Cannot set the mode of unix:.*a\.sock/);
  await eventually("the other address is given up", async () => !(await isOpen(other)));
  await set.close(1_000);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("keepOnly() takes no more connections elsewhere and finishes what came in there", async () => {
  const answer = Promise.withResolvers<Response>();
  const asked = Promise.withResolvers<void>();
  const set = setOf(() => () => (asked.resolve(), answer.promise));
  const address = freeAddress();
  await set.open(plain(address));
  const asking = ask(address);
  await asked.promise;
  set.keepOnly(plain());
  await eventually("the address is given up", async () => !(await isOpen(address)));
  answer.resolve(new Response("finished"));
  assert.equal(await asking, "finished");
  await set.close(1_000);
});

Deno.test("keepOnly() serves an address that stays as it is described from then on", async () => {
  const [address, path] = [freeAddress(), await Deno.makeTempFile()];
  await Deno.remove(path);
  const set = setOf((named) => (_, { peer }) => new Response(`${peer} ${named}`), { isTrusted: () => true });
  const unix = (mode: number, proxyProtocol: boolean) =>
    new Map([[address, { unix: null, proxyProtocol, tls: null, httpsPort: null, proxy: null }], [`unix:${path}`, {
      unix: { path, mode },
      proxyProtocol,
      tls: null,
      httpsPort: null,
      proxy: null,
    }]]);
  await set.open(unix(0o600, false));
  set.keepOnly(unix(0o660, true));
  assert.equal((await Deno.stat(path)).mode! & 0o777, 0o660);
  const [hostname, port] = address.split(":");
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const text = "PROXY TCP4 203.0.113.7 127.0.0.1 1 2\r\nGET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
  await connection.write(new TextEncoder().encode(text));
  assert.match(await new Response(connection.readable).text(), /203\.0\.113\.7/);
  await set.close(1_000);
});

Deno.test("open() takes an address again that was given up", async () => {
  const set = setOf(sayAddress);
  const address = freeAddress();
  await set.open(plain(address));
  set.keepOnly(plain());
  await eventually("the address is given up", async () => !(await isOpen(address)));
  await set.open(plain(address));
  assert.equal(await ask(address), address);
  await set.close(1_000);
});

Deno.test("close() waits for what is under way, and no longer than it is given", async () => {
  const answer = Promise.withResolvers<Response>();
  const asked = Promise.withResolvers<void>();
  const set = setOf(() => () => (asked.resolve(), answer.promise));
  const address = freeAddress();
  await set.open(plain(address));
  const asking = ask(address);
  await asked.promise;
  await set.close(100);
  assert.equal(await asking, null);
  answer.resolve(new Response("late"));
});

Deno.test("ListenSet does not compress by itself: it would weaken entity tags", async () => {
  const body = "a".repeat(10_000);
  const fields = { "content-type": "text/plain", etag: '"strong"' };
  const set = setOf(() => () => new Response(body, { headers: fields }));
  const address = freeAddress();
  await set.open(plain(address));
  const response = await fetch(`http://${address}/`, { headers: { "accept-encoding": "gzip", connection: "close" } });
  assert.equal(response.headers.get("etag"), '"strong"');
  assert.equal(response.headers.get("content-encoding"), null);
  assert.equal((await response.text()).length, body.length);
  await set.close(1_000);
});

Deno.test({
  name:
    "takeOver() replaces the unix socket of another process, which keeps what had connected and removes nothing when it leaves",
  ignore: Deno.build.os === "windows",
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "usher-" });
    try {
      const path = `${folder}/socket`;
      const listens = new Map([[`unix:${path}`, {
        ...{ unix: { path, mode: 0o660 }, proxyProtocol: false, tls: null, httpsPort: null, proxy: null },
      }]]);
      const before = setOf(() => () => new Response("before"));
      await before.open(listens);
      const early = await Deno.connect({ transport: "unix", path });
      const next = setOf(() => () => new Response("next"), { servesAlone: false });
      await next.open(listens);
      await next.takeOver(listens);
      const answer = async (connection: Deno.Conn) => {
        const request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        await connection.write(new TextEncoder().encode(request));
        return (await new Response(connection.readable).text()).slice(-10);
      };
      assert.match(await answer(await Deno.connect({ transport: "unix", path })), /next/);
      assert.match(await answer(early), /before/);
      await before.leave(1_000);
      assert.match(await answer(await Deno.connect({ transport: "unix", path })), /next/);
      await next.close(1_000);
      await assert.rejects(Deno.lstat(path), Deno.errors.NotFound);
      assert.deepEqual([...Deno.readDirSync(folder)], []);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
