import assert from "node:assert/strict";
import { type AddressHandler, ListenSet } from "../../lib/workers/listen_set.ts";
import { eventually } from "./eventually.ts";
import { freeAddress } from "../free_port.ts";

/** Answers with the address that a request came to. */
const sayAddress = (address: string): AddressHandler => () => new Response(address);

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
  const set = new ListenSet(sayAddress);
  const addresses = [freeAddress(), freeAddress()];
  set.open(addresses);
  assert.deepEqual(await Promise.all(addresses.map(ask)), addresses);
  await set.close(1_000);
  assert.deepEqual(await Promise.all(addresses.map(isOpen)), [false, false]);
});

Deno.test("open() leaves an address alone that is open, so that no connection to it ends", async () => {
  let handlers = 0;
  const set = new ListenSet((address) => (handlers++, sayAddress(address)));
  const [kept, added] = [freeAddress(), freeAddress()];
  set.open([kept]);
  const [hostname, port] = kept.split(":");
  const connection = await Deno.connect({ hostname, port: Number(port) });
  set.open([kept, added]);
  set.keepOnly(new Set([kept, added]));
  assert.equal(handlers, 2);
  const request = `GET / HTTP/1.1\r\nhost: ${kept}\r\nconnection: close\r\n\r\n`;
  await connection.write(new TextEncoder().encode(request));
  assert.match(await new Response(connection.readable).text(), /^HTTP\/1\.1 200 /);
  await set.close(1_000);
});

Deno.test("open() lets two sets, as of two workers, share an address", async () => {
  const address = freeAddress();
  const sets = [new ListenSet(sayAddress), new ListenSet(sayAddress)];
  for (const set of sets) set.open([address]);
  await sets[0]!.close(1_000);
  assert.equal(await ask(address), address);
  await sets[1]!.close(1_000);
});

Deno.test("open() names the address that cannot be used, and those before it stay open until they are given up", async () => {
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const set = new ListenSet(sayAddress);
  const [before, added] = [freeAddress(), freeAddress()];
  set.open([before]);
  assert.throws(() => set.open([before, added, `127.0.0.1:${port}`]), {
    message: new RegExp(`^Cannot listen on 127\\.0\\.0\\.1:${port}: .*(in use|AddrInUse)`, "i"),
  });
  set.keepOnly(new Set([before]));
  assert.deepEqual(await Promise.all([ask(before), isOpen(added)]), [before, false]);
  taken.close();
  await set.close(1_000);
});

Deno.test("keepOnly() takes no more connections elsewhere and finishes what came in there", async () => {
  const answer = Promise.withResolvers<Response>();
  const asked = Promise.withResolvers<void>();
  const set = new ListenSet(() => () => (asked.resolve(), answer.promise));
  const address = freeAddress();
  set.open([address]);
  const asking = ask(address);
  await asked.promise;
  set.keepOnly(new Set());
  assert.equal(await isOpen(address), false);
  answer.resolve(new Response("finished"));
  assert.equal(await asking, "finished");
  await set.close(1_000);
});

Deno.test("open() takes an address again that was given up", async () => {
  const set = new ListenSet(sayAddress);
  const address = freeAddress();
  set.open([address]);
  set.keepOnly(new Set());
  await eventually("the address is given up", async () => !(await isOpen(address)));
  set.open([address]);
  assert.equal(await ask(address), address);
  await set.close(1_000);
});

Deno.test("close() waits for what is under way, and no longer than it is given", async () => {
  const answer = Promise.withResolvers<Response>();
  const asked = Promise.withResolvers<void>();
  const set = new ListenSet(() => () => (asked.resolve(), answer.promise));
  const address = freeAddress();
  set.open([address]);
  const asking = ask(address);
  await asked.promise;
  // The answer comes only after it.
  await set.close(100);
  answer.resolve(new Response("late"));
  assert.equal(await asking, "late");
  await set.close(1_000);
});

Deno.test("ListenSet does not compress by itself: it would weaken entity tags", async () => {
  const body = "a".repeat(10_000);
  const fields = { "content-type": "text/plain", etag: '"strong"' };
  const set = new ListenSet(() => () => new Response(body, { headers: fields }));
  const address = freeAddress();
  set.open([address]);
  const response = await fetch(`http://${address}/`, { headers: { "accept-encoding": "gzip", connection: "close" } });
  assert.equal(response.headers.get("etag"), '"strong"');
  assert.equal(response.headers.get("content-encoding"), null);
  assert.equal((await response.text()).length, body.length);
  await set.close(1_000);
});
