/** A process of a test that has no descriptor left, and then sends requests: it prints the kinds of failures as JSON. */
import { systemClock } from "../../lib/clock.ts";
import { createHttp1Transport } from "../../lib/upstream_client/http1_transport.ts";
import { UpstreamFailure } from "../../lib/upstream_client/transport.ts";

// Without one the runtime panics when it has no descriptor left (Deno 2.9.6).
Deno.addSignalListener("SIGHUP", () => {});
const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const kinds: string[] = [];
const held: Deno.FsFile[] = [];
try {
  for (;;) held.push(Deno.openSync("/dev/null"));
} catch {
  // None is left.
}
for (const host of ["127.0.0.1", "localhost"]) {
  const url = new URL(`http://${host}:${listener.addr.port}`);
  const transport = createHttp1Transport({
    url,
    caCerts: [],
    allowPrivate: true,
    maxConnections: 1,
    clock: systemClock,
  });
  const deadlines = { connectMs: 60_000, firstByteMs: 60_000, idleMs: 60_000 };
  try {
    await transport.send({ method: "GET", target: "/", fields: [["host", "a"]], body: null }, { deadlines });
  } catch (error) {
    kinds.push(error instanceof UpstreamFailure ? error.kind : String(error));
  }
}
for (const file of held) file.close();
Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(kinds)}\n`));
Deno.exit(0);
