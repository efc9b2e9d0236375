import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { createMemoryTier } from "../../lib/cache/memory/memory_tier.ts";
import { createTieredStore } from "../../lib/cache/tiered_store.ts";
import { RouteTable } from "../../lib/listener/route_table.ts";
import { handle } from "../../lib/pipeline/pipeline.ts";
import type { Tenant } from "../../lib/request/snapshot.ts";
import { requestArrival } from "../../lib/server/fetch_adapter.ts";
import { ByteInbox } from "../origins/byte_inbox.ts";
import { configFor, eventually, inParts, type InProcessGateway, plainParts, withOrigin } from "./in_process_gateway.ts";

const LARGE_BYTES = 600_000;

/** The gateway's one listener with other parts. */
function tenantWith(gateway: InProcessGateway, changes: (tenant: Tenant) => Tenant): RouteTable<Tenant> {
  const tenant = gateway.gateway.snapshot.tenants[0]!;
  return new RouteTable([{ hosts: [], prefix: "/", value: changes(tenant) }], { isKeyed: false });
}

/** Whose own fields cannot be had once. */
function brokenOnce(tenant: Tenant): Tenant {
  let isBroken = true;
  return {
    ...tenant,
    get responseFields() {
      if (!isBroken) return tenant.responseFields;
      isBroken = false;
      throw new Error("the listener's fields cannot be had");
    },
  };
}

for (const method of ["GET", "POST"] as const) {
  for (const cacheControl of ["no-store", "max-age=60"]) {
    Deno.test(`deliver() gives an upstream's answer back where no reply can be made of it (${method}, ${cacheControl})`, () =>
      withOrigin(async (exchange) => {
        await exchange.write(
          `HTTP/1.1 200 OK\r\ncache-control: ${cacheControl}\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n`,
        );
        await exchange.hang();
      }, async (gateway, origin) => {
        const request = new Request("http://gateway.test/a", { method, headers: { host: "gateway.test" } });
        const arrival = requestArrival(request, { connection: { peer: "192.0.2.1", scheme: "http" } });
        const { services } = gateway.entrance();
        const reply = await handle({ services, table: tenantWith(gateway, brokenOnce) }, arrival);
        assert.equal(reply.status, 500);
        await eventually("the origin's connection is closed", () => origin.open === 0);
        await gateway.idle();
        assert.deepEqual({ ...gateway.gateway.counts.upstreams["p"]![origin.url]!.outcomes }, { cancelled: 1 });
        gateway.lines.splice(0);
      }, { cache: { background_fill: false } }));
  }
}

Deno.test("lead() tells what came of asking for a part in place of a whole that cannot be stored", async () => {
  let turn = 0;
  await withOrigin(async (exchange) => {
    if (++turn > 1) return exchange.reset();
    await exchange.write(`HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: ${LARGE_BYTES}\r\n\r\n`);
    await exchange.hang();
  }, async (gateway) => {
    const answer = await gateway.ask("/a", { headers: { range: "bytes=0-1" } });
    assert.equal(answer.status, 502);
    assert.match(answer.headers.get("proxy-status")!, /details="upstream_unreachable"/);
    assert.deepEqual(gateway.lines.filter(({ message }) => message === "A response broke off"), []);
  }, {
    listeners: [{ name: "l", pool: "p", cache: { range: "fetch-full" } }],
    cache: { max_entry: "500KiB" },
  });
});

const HANDSHAKE = "GET /chat HTTP/1.1\r\nhost: gateway.test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
const AGREEMENT = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";

/** A client that has sent a handshake. */
interface Client {
  readonly socket: Socket;
  readonly inbox: ByteInbox;
}

function handshakes(url: string, count: number): Client[] {
  const { hostname, port } = new URL(url);
  return Array.from({ length: count }, () => {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.write(HANDSHAKE);
    return { socket, inbox: new ByteInbox(socket) };
  });
}

async function statusOf({ inbox }: Client): Promise<number> {
  return Number((await inbox.takeThrough("\r\n\r\n")).slice(9, 12));
}

Deno.test("passUpgrade() lets no more handshakes through than there may be tunnels, however many come at once", () => {
  const { promise, resolve: agree } = Promise.withResolvers<void>();
  return withOrigin(async (exchange) => {
    await promise;
    await exchange.write(AGREEMENT);
    await exchange.left;
  }, async (gateway, origin) => {
    const url = await gateway.serve();
    const clients = handshakes(url, 4);
    const statuses = Promise.all(clients.map(statusOf));
    await eventually("the others are turned away or let in", () => origin.heads.length + gateway.access().length === 4);
    agree();
    assert.deepEqual((await statuses).toSorted(), [101, 101, 503, 503]);
    for (const client of clients) client.socket.destroy();
    await gateway.idle();
    assert.equal(gateway.gateway.snapshot.pools[0]!.tunnels.open, 0);
    const [again] = handshakes(url, 1);
    assert.equal(await statusOf(again!), 101);
    again!.socket.destroy();
  }, { pool: { tunnels: { max: 2 } } });
});

Deno.test("passUpgrade() gives the place back where an upstream does not agree, fails, or is not waited for", () =>
  withOrigin(
    inParts(
      (exchange) => exchange.reply({ status: 403 }),
      (exchange) => exchange.reset(),
      (exchange) => exchange.hang(),
      async (exchange) => {
        await exchange.write(AGREEMENT);
        await exchange.left;
      },
    ),
    async (gateway, origin) => {
      const url = await gateway.serve();
      for (const status of [403, 502]) {
        const [client] = handshakes(url, 1);
        assert.equal(await statusOf(client!), status);
        client!.socket.destroy();
      }
      const [impatient] = handshakes(url, 1);
      await eventually("the origin was asked", () => origin.heads.length === 3);
      impatient!.socket.destroy();
      await gateway.idle();
      const [last] = handshakes(url, 1);
      assert.equal(await statusOf(last!), 101);
      last!.socket.destroy();
      await gateway.idle();
      assert.equal(gateway.gateway.snapshot.pools[0]!.tunnels.open, 0);
    },
    { pool: { tunnels: { max: 1 }, retry: { attempts: 1 } } },
  ));

Deno.test("passUpgrade() counts the tunnels of the configuration before, and those of the one after", () =>
  withOrigin(async (exchange) => {
    await exchange.write(AGREEMENT);
    await exchange.left;
  }, async (gateway, origin) => {
    const url = await gateway.serve();
    const [before] = handshakes(url, 1);
    assert.equal(await statusOf(before!), 101);
    const parts = plainParts([origin.url], { pool: { tunnels: { max: 1 }, timeouts: { total: "9m" } } });
    gateway.gateway.commit(gateway.gateway.prepare(await configFor(parts), 2));
    const [refused] = handshakes(url, 1);
    assert.equal(await statusOf(refused!), 503);
    before!.socket.destroy();
    await eventually("its place is free", () => gateway.gateway.snapshot.pools[0]!.tunnels.open === 0);
    const [after] = handshakes(url, 1);
    assert.equal(await statusOf(after!), 101);
    for (const client of [refused!, after!]) client.socket.destroy();
  }, { pool: { tunnels: { max: 1 } } }));

for (const framing of ["length", "chunked"] as const) {
  Deno.test(`storeResponse() ends its flight and gives its room back where the store fails (${framing})`, () => {
    const clock = { now: () => Date.UTC(2026, 0, 2, 3, 4, 5) };
    const store = createTieredStore({ memory: createMemoryTier({ limitBytes: 1 << 20 }), disk: null, clock });
    store.put = () => assert.fail("the store is broken");
    return withOrigin(async (exchange) => {
      const field = framing === "length" ? `content-length: ${LARGE_BYTES}` : "transfer-encoding: chunked";
      await exchange.write(`HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\n${field}\r\n\r\n`);
      if (framing === "chunked") await exchange.write(`${LARGE_BYTES.toString(16)}\r\n`);
      await exchange.write("x".repeat(LARGE_BYTES));
      if (framing === "chunked") await exchange.write("\r\n0\r\n\r\n");
    }, async (gateway, origin) => {
      for (let turn = 1; turn <= 2; turn++) {
        await gateway.ask("/a").catch(() => {});
        await gateway.idle();
        assert.equal(origin.heads.length, turn);
      }
    }, { store });
  });
}
