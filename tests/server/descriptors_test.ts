import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { ServerCounts } from "../../lib/server/server_counts.ts";
import { RawClient } from "./raw_client.ts";

/** Sets the limit that the runtime cannot set for itself. */
const PYTHON = "/usr/bin/python3";
const LIMIT = 96;
const CODE = `
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (${LIMIT}, ${LIMIT}))
os.execv(sys.argv[1], sys.argv[1:])
`;

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** A server in a process that may have few descriptors. */
function startServer(): Deno.ChildProcess {
  const script = fileURLToPath(new URL("./few_descriptors.ts", import.meta.url));
  const args = ["-c", CODE, Deno.execPath(), "run", "--no-check", "--no-prompt", "--allow-net", "--allow-read", script];
  return new Deno.Command(PYTHON, { args, stdout: "piped", stderr: "inherit" }).spawn();
}

Deno.test({
  name: "a server that runs out of descriptors goes on once there are some again",
  ignore: !isThere(PYTHON),
  async fn() {
    const child = startServer();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    try {
      const address = (await reader.read()).value!.trim();
      const clients = await Promise.all(Array.from({ length: 2 * LIMIT }, () => RawClient.to(address)));
      // The first one was accepted before there were none left, so it tells.
      const counts = async (): Promise<ServerCounts> => {
        await clients[0]!.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        return JSON.parse((await clients[0]!.response()).body);
      };
      while ((await counts()).acceptErrors === 0);
      assert.ok((await counts()).openConnections < LIMIT);
      for (const client of clients.slice(1)) client[Symbol.dispose]();
      using late = await RawClient.to(address);
      await late.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      assert.equal((await late.response()).status, 200);
      assert.ok((await counts()).acceptErrors > 0);
      clients[0]![Symbol.dispose]();
    } finally {
      await reader.cancel();
      child.kill("SIGKILL");
      await child.status;
    }
  },
});
