import assert from "node:assert/strict";
import { makeEngineNetwork } from "./_engine_network.ts";

Deno.test("a link of the engine's network swallows what is sent while it is down, and others go on", async (t) => {
  const network = await makeEngineNetwork(2);
  if (network === null) {
    await t.step({ name: "network namespaces cannot be made here", ignore: true, fn: () => {} });
    return;
  }
  await using stack = new AsyncDisposableStack();
  stack.defer(() => network.close());
  const [program, ...args] = [...network.prefix, Deno.execPath(), "eval", ECHO];
  const server = new Deno.Command(program!, { args, stdout: "piped" }).spawn();
  stack.defer(async () => {
    server.kill("SIGKILL");
    await server.status;
  });
  const lines = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
  stack.defer(() => lines.cancel());
  const port = Number((await lines.read()).value);
  const [cut, other] = [await connect(network.address(0), port), await connect(network.address(1), port)];
  stack.use(cut);
  stack.use(other);
  assert.equal(await cut.echo("a"), "a");
  await network.setLink(0, false);
  const late = cut.echo("b");
  assert.equal(await other.echo("c"), "c");
  assert.equal(await Promise.race([late, other.echo("d")]), "d");
  await network.setLink(0, true);
  assert.equal(await late, "b", "what was sent is repeated by TCP");
});

const ECHO = `
const listener = Deno.listen({ hostname: "0.0.0.0", port: 0 });
console.log(listener.addr.port);
for await (const connection of listener) connection.readable.pipeTo(connection.writable).catch(() => {});
`;

async function connect(hostname: string, port: number) {
  const connection = await Deno.connect({ hostname, port });
  const buffer = new Uint8Array(16);
  return {
    async echo(text: string): Promise<string> {
      await connection.write(new TextEncoder().encode(text));
      return new TextDecoder().decode(buffer.slice(0, await connection.read(buffer) ?? 0));
    },
    [Symbol.dispose]: () => connection.close(),
  };
}
