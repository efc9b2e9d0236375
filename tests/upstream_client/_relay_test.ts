import assert from "node:assert/strict";
import { Relay } from "../../lib/upstream_client/_relay.ts";
import { latin1, latin1Text, RawServer } from "./_raw_server.ts";
import { eventually, leakless } from "./_sending.ts";

/** A relay to a server. */
async function relayTo(server: RawServer): Promise<Relay> {
  return await Relay.open(await Deno.connect({ hostname: "127.0.0.1", port: server.port }));
}

Deno.test(leakless("Relay passes bytes both ways, and the other side's end", async () => {
  await using server = new RawServer(async (connection) => {
    await connection.write(`<${await connection.readSome()}>`);
  });
  using relay = await relayTo(server);
  await relay.near.write(latin1("ping"));
  const buffer = new Uint8Array(100);
  const count = await relay.near.read(buffer);
  assert.equal(latin1Text(buffer.subarray(0, count ?? 0)), "<ping>");
  assert.equal(await relay.near.read(buffer).catch(() => null), null);
}));

Deno.test(leakless("Relay closes all of its sockets together", async () => {
  await using server = new RawServer((connection) => connection.drain());
  const relay = await relayTo(server);
  await eventually(() => server.openCount === 1);
  relay[Symbol.dispose]();
  relay[Symbol.dispose]();
  await eventually(() => server.openCount === 0);
}));

Deno.test(leakless("Relay.open() is not taken in by another connection to its listener", async () => {
  await using server = new RawServer(async (connection) => void await connection.write("right"));
  const connect = Deno.connect;
  const intruders: Deno.Conn[] = [];
  const outer = await connect({ hostname: "127.0.0.1", port: server.port });
  // Somebody else connects first: what the relay accepts must be its own connection all the same.
  Deno.connect = (async (options: Deno.ConnectOptions) => {
    intruders.push(await connect(options));
    return await connect(options);
  }) as typeof Deno.connect;
  try {
    using relay = await Relay.open(outer);
    const buffer = new Uint8Array(10);
    const count = await relay.near.read(buffer);
    assert.equal(latin1Text(buffer.subarray(0, count ?? 0)), "right");
  } finally {
    Deno.connect = connect;
    for (const intruder of intruders) intruder.close();
  }
}));
