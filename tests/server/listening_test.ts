import assert from "node:assert/strict";
import { join } from "node:path";
import { SHARES_PORTS } from "../../lib/server/listen_target.ts";
import { eventually } from "../eventually.ts";
import { RawClient } from "./raw_client.ts";
import { serving, textReply } from "./serving.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async function ask(address: string, message = GET): Promise<string> {
  using client = await RawClient.to(address);
  await client.send(message);
  return (await client.response()).body;
}

async function socketFolder(): Promise<AsyncDisposable & { path: string }> {
  const folder = await Deno.makeTempDir({ prefix: "usher-" });
  return {
    path: join(folder, "socket"),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

Deno.test("the peer is the address of the other end", async () => {
  await using running = await serving(({ connection }) => textReply(`${connection.scheme} ${connection.peer}`));
  assert.equal(await ask(running.address), "http 127.0.0.1");
});

Deno.test("an IPv4 peer of an IPv6 address is said as IPv4", async () => {
  await using running = await serving(({ connection }) => textReply(connection.peer), {
    target: { hostname: "::", port: 0 },
  });
  const port = running.address.slice(running.address.lastIndexOf(":") + 1);
  assert.equal(running.address, `[::]:${port}`);
  assert.equal(await ask(`127.0.0.1:${port}`), "127.0.0.1");
});

Deno.test("an address that is taken is an error that names it", async () => {
  await using running = await serving(() => textReply(""));
  const port = Number(running.address.split(":")[1]);
  await assert.rejects(
    running.server.listen({ hostname: "127.0.0.1", port }, () => textReply("")),
    new RegExp(`^Error: Cannot listen on ${running.address}: `),
  );
});

Deno.test({
  name: "servers that share a port both serve, and either goes on alone",
  ignore: !SHARES_PORTS,
  async fn() {
    await using one = await serving(() => textReply("one"), {
      target: { hostname: "127.0.0.1", port: 0, reusePort: true },
    });
    const port = Number(one.address.split(":")[1]);
    const two = await serving(() => textReply("two"), { target: { hostname: "127.0.0.1", port, reusePort: true } });
    const seen = new Set<string>();
    await eventually("both have served", async () => seen.add(await ask(one.address)).size === 2);
    await two.server.close(1_000);
    for (let count = 0; count < 20; count++) assert.equal(await ask(one.address), "one");
  },
});

Deno.test("a unix socket is served with its mode, and its file goes with it", async () => {
  await using folder = await socketFolder();
  const { path } = folder;
  {
    await using running = await serving(({ connection }) => textReply(connection.peer), {
      target: { path, mode: 0o660 },
    });
    assert.equal(running.address, `unix:${path}`);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o660);
    assert.equal(await ask(running.address), "unix");
  }
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
});

Deno.test("a unix socket that somebody serves is not taken over", async () => {
  await using folder = await socketFolder();
  const { path } = folder;
  await using running = await serving(() => textReply("first"), { target: { path } });
  await assert.rejects(serving(() => textReply("second"), { target: { path } }), /Cannot listen on unix:/);
  assert.equal(await ask(running.address), "first");
});

Deno.test("a unix socket whose process was killed is replaced", async () => {
  await using folder = await socketFolder();
  const { path } = folder;
  const code = `Deno.listen({ transport: "unix", path: ${
    JSON.stringify(path)
  } }); console.log("ready"); setInterval(() => {}, 1e6);`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", code],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  assert.equal((await Deno.lstat(path)).isSocket, true);
  await using running = await serving(() => textReply("replaced"), { target: { path } });
  assert.equal(await ask(running.address), "replaced");
});

Deno.test("a file that is no socket is never replaced", async () => {
  await using folder = await socketFolder();
  await Deno.writeTextFile(folder.path, "precious");
  await assert.rejects(serving(() => textReply(""), { target: { path: folder.path } }), /Cannot listen on unix:/);
  assert.equal(await Deno.readTextFile(folder.path), "precious");
});
